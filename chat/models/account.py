"""Who uses the site, whom a ledger line names, and what they have changed."""

from decimal import Decimal

from django.conf import settings
from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models
from django.utils.translation import gettext_lazy as _

from chat.models.money import plain


class PersonManager(UserManager):
    use_in_migrations = False

    def get_by_natural_key(self, username: str) -> "Person":
        """Who signs in need not remember how the name was capitalised; two names that differ only so are not made."""
        return self.filter(username=username).first() or self.get(username__iexact=username)


class Person(AbstractUser):
    """Somebody who signs in. An administrator is a superuser.

    What is empty here is left to their browser, or to the site.
    """

    class Theme(models.TextChoices):
        SYSTEM = "auto", _("As the system")
        LIGHT = "light", _("Light")
        DARK = "dark", _("Dark")

    class SendKey(models.TextChoices):
        ENTER = "enter", _("Enter")
        WITH_CONTROL = "control-enter", _("Ctrl+Enter or ⌘+Enter")

    class Titles(models.TextChoices):
        WORDS = "words", _("the first words")
        MODEL = "model", _("a model")

    theme = models.CharField(_("appearance"), max_length=8, choices=Theme, blank=True)
    language = models.CharField(_("language"), max_length=10, blank=True)
    send_key = models.CharField(_("key that sends"), max_length=16, choices=SendKey, default=SendKey.ENTER)
    titles = models.CharField(_("titles by"), max_length=8, choices=Titles, blank=True)

    leaving = models.DateTimeField(null=True, editable=False)  # since then: what was theirs goes, then they

    objects = PersonManager()

    class Meta:
        verbose_name = _("person")
        verbose_name_plural = _("people")

    def keep(self, **choices: str) -> None:
        """Writes these columns only: the row that a request has read may be old, and hold rights that are gone."""
        Person.objects.filter(pk=self.pk).update(**choices)
        for name, choice in choices.items():
            setattr(self, name, choice)


class Group(models.Model):
    """Who pays for some people together. It says nothing of rights, which Django's own groups are for."""

    name = models.CharField(_("name"), max_length=80, unique=True)

    class Meta:
        verbose_name = _("paying group")
        verbose_name_plural = _("paying groups")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Account(models.Model):
    """A person in the ledger, or what is left of them: never their text, and after deletion not their name.

    At most one group pays for it: with several, each line would need a choice, and no sum would be anybody's.
    """

    person = models.OneToOneField(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    label = models.CharField(max_length=150)
    group = models.ForeignKey(
        Group,
        verbose_name=_("paying group"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="accounts",
    )

    class Meta:
        verbose_name = _("account")
        verbose_name_plural = _("accounts")

    def __str__(self) -> str:
        return self.label

    @classmethod
    def of(cls, person: Person) -> "Account":
        """Read once for a person that is at hand."""
        try:
            return person.account
        except cls.DoesNotExist:
            return cls.objects.get_or_create(person=person, defaults={"label": person.username})[0]

    @classmethod
    def forget(cls, person: Person) -> None:
        """What a person who is deleted leaves in the ledger: a number."""
        cls.objects.filter(person=person).update(label=f"deleted person {person.pk}")


class AuditIsAppendOnly(Exception):
    """Somebody tried to change or delete what the audit says."""


class AuditEntryQuerySet(models.QuerySet):
    def bulk_create(self, objs, *args, **options) -> list["AuditEntry"]:
        """Adds, and no more: what is there is not updated by it."""
        if options.get("update_conflicts") or any(entry.pk for entry in objs):
            raise AuditIsAppendOnly
        return super().bulk_create(objs, *args, **options)

    def update(self, **changes) -> int:
        raise AuditIsAppendOnly

    def delete(self) -> tuple[int, dict[str, int]]:
        raise AuditIsAppendOnly


class AuditEntry(models.Model):
    """One change of prices, budgets, groups, providers or rights: by whom, of what, and what stood there before."""

    when = models.DateTimeField(auto_now_add=True, db_index=True)
    by = models.ForeignKey(Account, null=True, on_delete=models.PROTECT, related_name="+")  # None: a command
    deed = models.CharField(max_length=40)  # `price added`, `budget changed`
    subject = models.CharField(max_length=200)  # what it was done to, by the name that it had; people by number
    key = models.CharField(max_length=40, blank=True)  # its kind, and its number if it has one: `budget 7`
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)

    objects = AuditEntryQuerySet.as_manager()

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit entries")
        ordering = ["-pk"]
        base_manager_name = "objects"

    def __str__(self) -> str:
        return f"{self.deed}: {self.subject}"

    def save(self, *args, **kwargs) -> None:
        if self.pk:
            raise AuditIsAppendOnly
        super().save(*args, **kwargs)

    def delete(self, *args, **kwargs) -> tuple[int, dict[str, int]]:
        raise AuditIsAppendOnly

    @classmethod
    def record(
        cls,
        by: Person | None,
        deed: str,
        subject: models.Model,
        *,
        before: dict[str, object] | None = None,
        after: dict[str, object] | None = None,
    ) -> "AuditEntry":
        """Call it in the transaction of the change. Of `before` and `after` only what differs is kept, as text."""
        old, new = _texts(before or {}), _texts(after or {})
        return cls.objects.create(
            by=Account.of(by) if by else None,
            deed=deed,
            subject=_text(subject)[:200],
            key=f"{_kind(subject)} {subject.pk or ''}".strip(),
            before={name: text for name, text in old.items() if new.get(name) != text},
            after={name: text for name, text in new.items() if old.get(name) != text},
        )


def _kind(subject: models.Model) -> str:
    """A role is one of Django's groups, which a paying group is not."""
    return "role" if subject._meta.label == "auth.Group" else subject._meta.model_name


def _texts(values: dict[str, object]) -> dict[str, str | None]:
    """As they are compared and kept: 0.60 and 0.6 are the same price."""
    return {name: None if value is None else _text(value) for name, value in values.items()}


def _text(value: object) -> str:
    """People by number: what is written here stays, and their names do not."""
    if isinstance(value, Person | Account):
        return f"{value._meta.model_name} {value.pk}"
    return plain(value) if isinstance(value, Decimal) else str(value)

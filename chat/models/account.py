"""Who uses the site, and whom a ledger line names."""

from django.conf import settings
from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models
from django.utils.translation import gettext_lazy as _


class PersonManager(UserManager):
    use_in_migrations = False

    def get_by_natural_key(self, username: str) -> "Person":
        """Who signs in need not remember how the name was capitalised; two names that differ only so are not made."""
        return self.filter(username=username).first() or self.get(username__iexact=username)


class Person(AbstractUser):
    """Somebody who signs in. An administrator is a superuser."""

    objects = PersonManager()

    class Meta:
        verbose_name = _("person")
        verbose_name_plural = _("people")


class Account(models.Model):
    """A person in the ledger, or what is left of them: never their text, and after deletion not their name."""

    person = models.OneToOneField(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    label = models.CharField(max_length=150)

    class Meta:
        verbose_name = _("account")
        verbose_name_plural = _("accounts")

    def __str__(self) -> str:
        return self.label

    @classmethod
    def of(cls, person: Person) -> "Account":
        return cls.objects.get_or_create(person=person, defaults={"label": person.username})[0]

    @classmethod
    def forget(cls, person: Person) -> None:
        """What a person who is deleted leaves in the ledger: a number."""
        cls.objects.filter(person=person).update(label=f"deleted person {person.pk}")

"""What administrators are told without asking, and how: alerts, their deliveries, and what is set for both.

    given ──▶ over          of what lasts: a provider that fails, estimates that rise, books that are off
          ──▶ dismissed     by an administrator, for all of them

One of a key is open at a time, whichever process sees the cause. Its deliveries are rows of the same transaction:

    due ──▶ (claimed: due again later) ──▶ done | given up

A delivery is claimed before it is tried, so that two processes do not try it at once, and one that dies loses nothing:
at worst it is made twice, under the same number.
"""

import base64
import secrets
from datetime import datetime, timedelta

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from chat.models.account import Account
from chat.models.language_model import check_base_url, server_of
from chat.models.sealing import CannotUnseal, seal, unseal

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
WAITS = (MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, 24 * HOUR)  # after each try
QUIET = HOUR  # what lasts, ends and begins anew is told again after this at the earliest
KEPT = timedelta(days=400)


class Alert(models.Model):
    class Kind(models.TextChoices):
        SOFT = "soft", _("a budget’s warning")
        HARD = "hard", _("a budget refuses")
        FAILING = "failing", _("a provider fails")
        ESTIMATES = "estimates", _("more estimates")
        BOOKS = "books", _("the books are off")

    kind = models.CharField(max_length=10, choices=Kind)
    key = models.CharField(max_length=80)  # what it is about: the same cause has the same key
    facts = models.JSONField(default=dict)
    account = models.ForeignKey(  # whose own budget it is
        Account, null=True, on_delete=models.CASCADE, related_name="alerts"
    )
    created = models.DateTimeField(auto_now_add=True, db_index=True)
    over = models.DateTimeField(null=True)
    dismissed = models.DateTimeField(null=True)
    dismissed_by = models.ForeignKey(Account, null=True, on_delete=models.PROTECT, related_name="+")
    seen = models.DateTimeField(null=True)  # by whose own budget it is

    LASTING = (Kind.FAILING, Kind.ESTIMATES, Kind.BOOKS)

    class Meta:
        verbose_name = _("alert")
        verbose_name_plural = _("alerts")
        ordering = ["-pk"]
        constraints = [models.UniqueConstraint(fields=["key"], condition=Q(over=None), name="one_open_alert_each")]
        indexes = [models.Index(fields=["dismissed"], name="alert_undismissed", condition=Q(dismissed=None))]

    def __str__(self) -> str:
        return f"{self.kind}: {self.key}"

    @classmethod
    def give(cls, kind: str, key: str, facts: dict, *, account: Account | None = None) -> "Alert | None":
        """With its deliveries; None if it is given already, or was a moment ago."""
        with transaction.atomic():
            if cls.objects.filter(key=key, created__gt=timezone.now() - QUIET).exists():
                return None
            alert, is_new = cls.objects.get_or_create(
                key=key, over=None, defaults={"kind": kind, "facts": facts, "account": account}
            )
            if not is_new:
                return None
            Delivery.objects.bulk_create(AlertSettings.current().deliveries(alert))
            return alert

    @classmethod
    def forget_old(cls) -> None:
        cls.objects.filter(created__lt=timezone.now() - KEPT).delete()


class Delivery(models.Model):
    class Way(models.TextChoices):
        EMAIL = "email", _("e-mail")
        WEBHOOK = "webhook", _("webhook")

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="deliveries")
    way = models.CharField(max_length=7, choices=Way)
    address = models.CharField(max_length=254, blank=True)  # of an e-mail; a webhook goes where one is set
    due = models.DateTimeField(null=True, default=timezone.now)  # null: done, or given up
    tries = models.PositiveSmallIntegerField(default=0)
    done = models.DateTimeField(null=True)
    trouble = models.CharField(max_length=300, blank=True)  # of the last try, as it was said

    class Meta:
        constraints = [models.UniqueConstraint(fields=["alert", "way", "address"], name="one_delivery_each")]
        indexes = [models.Index(fields=["due"], name="delivery_due", condition=~Q(due=None))]

    @classmethod
    def claim(cls, pk: int, tries: int) -> bool:
        """True for one caller; it is due again later, should that one die."""
        later = timezone.now() + WAITS[min(tries, len(WAITS) - 1)]
        mine = cls.objects.filter(pk=pk, tries=tries, due__lte=timezone.now())
        return mine.update(tries=F("tries") + 1, due=later) == 1

    def note(self, trouble: str) -> None:
        """How the try went that was claimed; empty: well."""
        columns: dict[str, object] = {"trouble": trouble[:300]}
        if not trouble:
            columns |= {"done": timezone.now(), "due": None}
        elif self.tries + 1 >= len(WAITS):
            columns |= {"due": None}
        type(self).objects.filter(pk=self.pk, done=None).update(**columns)


class AlertSettings(models.Model):
    """One row."""

    emails = models.TextField(_("e-mail addresses"), blank=True)
    webhook_url = models.CharField(_("webhook"), max_length=300, blank=True, validators=[check_base_url])
    webhook_local = models.BooleanField(_("on this machine or network"), default=False)
    sealed_secret = models.TextField(blank=True, editable=False)
    failing_count = models.PositiveSmallIntegerField(
        _("failed replies"), default=5, validators=[MinValueValidator(1), MaxValueValidator(100)]
    )
    failing_of = models.PositiveSmallIntegerField(
        _("of the last"), default=10, validators=[MinValueValidator(1), MaxValueValidator(100)]
    )
    estimates_percent = models.PositiveSmallIntegerField(
        _("estimated share, percent"), default=20, validators=[MinValueValidator(1), MaxValueValidator(100)]
    )

    class Meta:
        verbose_name = _("settings of alerts")
        verbose_name_plural = _("settings of alerts")

    def __str__(self) -> str:
        return "alerts"

    @classmethod
    def current(cls) -> "AlertSettings":
        return cls.objects.get_or_create(pk=1)[0]

    @property
    def figures(self) -> dict[str, object]:
        """What it says, for the audit: no addresses of people, and nothing that a webhook's path may keep secret."""
        thresholds = {name: getattr(self, name) for name in ("failing_count", "failing_of", "estimates_percent")}
        hook = server_of(self.webhook_url) if self.webhook_url else ""
        return {"addresses": len(self.addresses), "webhook": hook, "webhook_local": self.webhook_local, **thresholds}

    @property
    def addresses(self) -> list[str]:
        return self.emails.split()

    def deliveries(self, alert: Alert) -> list[Delivery]:
        """To whom an alert goes: the administrators' addresses, the webhook, and whose own budget it is."""
        person = alert.account.person if alert.account else None
        own = [person.email] if person and person.is_active and person.email else []
        mails = [Delivery(alert=alert, way=Delivery.Way.EMAIL, address=to) for to in {*self.addresses, *own}]
        hooks = [Delivery(alert=alert, way=Delivery.Way.WEBHOOK)] if self.webhook_url else []
        return [*mails, *hooks]

    # What signs the webhook's calls

    @sensitive_variables()
    def make_secret(self) -> str:
        """A new one: shown once, and kept sealed."""
        secret = f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
        self.sealed_secret = seal(secret, self._place)
        self.save(update_fields=["sealed_secret"])
        return secret

    @property
    def secret(self) -> str:
        """Empty if there is none that can be read."""
        try:
            return unseal(self.sealed_secret, self._place) if self.sealed_secret else ""
        except CannotUnseal:
            return ""

    @property
    def _place(self) -> str:
        """It is never used for another server than the one that it was made for."""
        return f"webhook at {server_of(self.webhook_url)}"


def due_now(most: int, now: datetime | None = None) -> list[Delivery]:
    found = Delivery.objects.filter(due__lte=now or timezone.now()).select_related("alert__account__person")
    return list(found.order_by("pk")[:most])

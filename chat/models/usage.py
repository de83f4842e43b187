"""The ledger, its daily sums, the rollups of these, and the months that are closed. Accounting alone writes them.

Ledger lines are never changed. Every figure of a line can be added up: a day's sum is the sum of its lines' figures,
adjustments included, whose figures are the differences that they make; and a rollup is the sum of its days'.
"""

from decimal import Decimal

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from chat.models.account import Account, Group
from chat.models.completion import Completion
from chat.models.language_model import LanguageModel
from chat.models.money import MoneyField
from chat.models.price import Price


class LedgerIsAppendOnly(Exception):
    """Somebody tried to change or delete a ledger line."""


class UsageEntryQuerySet(models.QuerySet):
    def bulk_create(self, objs, *args, **options) -> list["UsageEntry"]:
        """Adds, and no more: what is there is not updated by it."""
        objs = list(objs)
        if options.get("update_conflicts") or any(entry.pk for entry in objs):
            raise LedgerIsAppendOnly
        return super().bulk_create(objs, *args, **options)

    def update(self, **changes) -> int:
        raise LedgerIsAppendOnly

    def delete(self) -> tuple[int, dict[str, int]]:
        raise LedgerIsAppendOnly


class UsageEntry(models.Model):
    """One line: a completion's charge, or an adjustment of it, whose figures are the differences that it makes.

    The day and the group are those of the moment when it was asked for. `estimated_…` is what of a figure is an
    estimate: an adjustment by an exact count takes back as much as was estimated before.
    """

    class Kind(models.TextChoices):
        CHARGE = "charge", _("charge")
        ADJUSTMENT = "adjustment", _("adjustment")

    kind = models.CharField(max_length=10, choices=Kind)
    completion = models.ForeignKey(Completion, on_delete=models.PROTECT, related_name="usage_entries")
    account = models.ForeignKey(Account, on_delete=models.PROTECT)
    group = models.ForeignKey(Group, null=True, on_delete=models.PROTECT)
    charge = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="adjustments")
    number = models.PositiveSmallIntegerField(default=0)  # of an adjustment, from 1
    source = models.CharField(max_length=10, choices=Completion.Source)
    day = models.DateField()  # in the site's time zone; of an adjustment of a closed month: in the next that is open
    input_tokens = models.IntegerField()
    input_low = models.IntegerField()
    input_high = models.IntegerField()
    cached_tokens = models.IntegerField(default=0)  # of the input, as far as it is known
    output_tokens = models.IntegerField()
    output_low = models.IntegerField()
    output_high = models.IntegerField()
    reasoning_tokens = models.IntegerField(default=0)  # of the output, as far as it is known
    estimated_input = models.IntegerField(default=0)
    estimated_output = models.IntegerField(default=0)
    price = models.ForeignKey(Price, null=True, on_delete=models.PROTECT)
    currency = models.CharField(max_length=3, blank=True)  # empty: unpriced, and the amounts are unknown
    amount = MoneyField(null=True)
    amount_low = MoneyField(null=True)
    amount_high = MoneyField(null=True)
    estimated_amount = MoneyField(null=True)
    created = models.DateTimeField(auto_now_add=True)

    objects = UsageEntryQuerySet.as_manager()

    class Meta:
        verbose_name = _("usage entry")
        verbose_name_plural = _("usage entries")
        base_manager_name = "objects"
        indexes = [
            models.Index(fields=["account", "day"], name="usage_of_account"),
            models.Index(fields=["day"], name="usage_of_day"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["completion"], condition=Q(kind="charge"), name="one_charge_each"),
            models.UniqueConstraint(fields=["charge", "number"], name="adjustment_number_once"),
            models.CheckConstraint(
                condition=Q(currency="", amount=None) | (~Q(currency="") & ~Q(amount=None)), name="amount_has_currency"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of completion {self.completion_id}"

    def save(self, *args, **kwargs) -> None:
        if self.pk:
            raise LedgerIsAppendOnly
        super().save(*args, **kwargs)

    def delete(self, *args, **kwargs) -> tuple[int, dict[str, int]]:
        raise LedgerIsAppendOnly


BUCKETS = 20


class Sums(models.Model):
    """Of some usage: how many replies, how many tokens and how much money, of which how much is an estimate.

    `ttft_…` and `speed_…` count replies in buckets, each √2 times as wide as the one before: see accounting.pace.
    `spared_…` is what stopped and abandoned replies did not take of what they were allowed: the most that was saved.
    """

    purpose = models.CharField(max_length=10)
    outcome = models.CharField(max_length=10, choices=Completion.Status)
    currency = models.CharField(max_length=3, blank=True)  # empty: unpriced; the amounts are then no sums of anything

    replies = models.IntegerField(default=0)  # that is: charges
    adjustments = models.IntegerField(default=0)
    input_tokens = models.BigIntegerField(default=0)
    input_low = models.BigIntegerField(default=0)
    input_high = models.BigIntegerField(default=0)
    cached_tokens = models.BigIntegerField(default=0)
    output_tokens = models.BigIntegerField(default=0)
    output_low = models.BigIntegerField(default=0)
    output_high = models.BigIntegerField(default=0)
    reasoning_tokens = models.BigIntegerField(default=0)
    estimated_input = models.BigIntegerField(default=0)
    estimated_output = models.BigIntegerField(default=0)
    amount = MoneyField(default=Decimal(0))
    amount_low = MoneyField(default=Decimal(0))
    amount_high = MoneyField(default=Decimal(0))
    estimated_amount = MoneyField(default=Decimal(0))
    spared_tokens = models.BigIntegerField(default=0)
    spared_amount = MoneyField(default=Decimal(0))

    class Meta:
        abstract = True


for _bucket in range(BUCKETS):
    for _kind in ("ttft", "speed"):
        Sums.add_to_class(f"{_kind}_{_bucket}", models.IntegerField(default=0))


class UsageDay(Sums):
    """A day's sums, by all that they can be asked for by."""

    day = models.DateField()
    account = models.ForeignKey(Account, on_delete=models.PROTECT)
    group = models.ForeignKey(Group, null=True, on_delete=models.PROTECT)
    model = models.ForeignKey(LanguageModel, on_delete=models.PROTECT)

    KEY = ("day", "account", "group", "model", "purpose", "outcome", "currency")

    class Meta:
        verbose_name = _("day's usage")
        verbose_name_plural = _("usage by day")
        indexes = [
            models.Index(fields=["account", "day"], name="usage_day_of_account"),
            models.Index(fields=["day"], name="usage_day_of_all"),
        ]
        constraints = [
            # Two, since a missing group equals no other in a unique index.
            models.UniqueConstraint(
                fields=["day", "account", "group", "model", "purpose", "outcome", "currency"],
                condition=~Q(group=None),
                name="usage_day_once",
            ),
            models.UniqueConstraint(
                fields=["day", "account", "model", "purpose", "outcome", "currency"],
                condition=Q(group=None),
                name="usage_day_without_group_once",
            ),
        ]

    def __str__(self) -> str:
        return f"usage of {self.day}"


class UsageRollup(Sums):
    """The same sums of a day or a month by less, so that a report has few rows to add up, however large the ledger is.

    What a rollup is not kept by is 0 or empty; so is the group of who has none. Its numbers are no foreign keys: it
    can be made anew from the days, and what these name is never deleted.
    """

    class By(models.TextChoices):
        PEOPLE = "people"
        MODELS = "models"
        ALL = "all"

    class Span(models.TextChoices):
        DAY = "day"
        MONTH = "month"

    by = models.CharField(max_length=6, choices=By)
    span = models.CharField(max_length=5, choices=Span)
    first = models.DateField()  # the day, or the first of the month
    account = models.BigIntegerField(default=0)
    group = models.BigIntegerField(default=0)
    model = models.BigIntegerField(default=0)

    KEPT = {  # those with few rows first
        By.MODELS: ("model", "purpose", "outcome"),
        By.PEOPLE: ("account", "group", "purpose"),
        By.ALL: ("account", "group", "model", "purpose", "outcome"),
    }
    # All that there are, in the order of locks. Days by all is UsageDay itself.
    KINDS = (
        (By.PEOPLE, Span.DAY),
        (By.PEOPLE, Span.MONTH),
        (By.MODELS, Span.DAY),
        (By.MODELS, Span.MONTH),
        (By.ALL, Span.MONTH),
    )
    KEY = ("by", "span", "first", "account", "group", "model", "purpose", "outcome", "currency")

    class Meta:
        verbose_name = _("rollup of usage")
        verbose_name_plural = _("rollups of usage")
        constraints = [
            models.UniqueConstraint(
                fields=["by", "span", "first", "account", "group", "model", "purpose", "outcome", "currency"],
                name="usage_rollup_once",
            ),
        ]

    def __str__(self) -> str:
        return f"usage of the {self.span} {self.first} by {self.by}"


class ClosedMonth(models.Model):
    """A month of which nothing changes any more: what comes late is booked in the next that is open."""

    first = models.DateField(unique=True)  # its first day
    by = models.ForeignKey(Account, null=True, on_delete=models.PROTECT, related_name="+")
    closed = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("closed month")
        verbose_name_plural = _("closed months")
        ordering = ["-first"]

    def __str__(self) -> str:
        return f"{self.first:%Y-%m}"

"""The ledger. Lines are added by accounting.ledger alone, and never changed."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from chat.models.completion import Completion


class LedgerIsAppendOnly(Exception):
    """Somebody tried to change or delete a ledger line."""


class UsageEntryQuerySet(models.QuerySet):
    def update(self, **changes) -> int:
        raise LedgerIsAppendOnly

    def delete(self) -> tuple[int, dict[str, int]]:
        raise LedgerIsAppendOnly


class UsageEntry(models.Model):
    """One line: a completion's charge, or an adjustment of it, whose figures are the differences that it makes."""

    class Kind(models.TextChoices):
        CHARGE = "charge", _("charge")
        ADJUSTMENT = "adjustment", _("adjustment")

    kind = models.CharField(max_length=10, choices=Kind)
    completion = models.ForeignKey(Completion, on_delete=models.PROTECT, related_name="usage_entries")
    account = models.ForeignKey("chat.Account", on_delete=models.PROTECT)
    charge = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="adjustments")
    number = models.PositiveSmallIntegerField(default=0)  # of an adjustment, from 1
    source = models.CharField(max_length=10, choices=Completion.Source)
    input_tokens = models.IntegerField()
    input_low = models.IntegerField()
    input_high = models.IntegerField()
    output_tokens = models.IntegerField()
    output_low = models.IntegerField()
    output_high = models.IntegerField()
    created = models.DateTimeField(auto_now_add=True)

    objects = UsageEntryQuerySet.as_manager()

    class Meta:
        verbose_name = _("usage entry")
        verbose_name_plural = _("usage entries")
        constraints = [
            models.UniqueConstraint(fields=["completion"], condition=Q(kind="charge"), name="one_charge_each"),
            models.UniqueConstraint(fields=["charge", "number"], name="adjustment_number_once"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of completion {self.completion_id}"

    def save(self, *args, **kwargs) -> None:
        if self.pk:
            raise LedgerIsAppendOnly
        super().save(*args, **kwargs)

    def delete(self, *args, **kwargs) -> tuple[int, dict[str, int]]:
        raise LedgerIsAppendOnly

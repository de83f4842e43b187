"""What a model costs, from when on."""

from collections.abc import Iterable
from datetime import datetime

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from chat.models.language_model import LanguageModel
from chat.models.money import FREE, MoneyField


class PriceIsUsed(Exception):
    """Somebody tried to change or delete a price that completions or ledger lines carry."""


class Price(models.Model):
    """Money per million tokens, until the model's next price begins. Once used it is never changed: a new one follows.

    A model without any is unpriced: what it costs is unknown, not nothing. `free` is nothing.
    """

    class Origin(models.TextChoices):
        HAND = "hand", _("by hand")
        LISTED = "listed", _("listed by the provider")
        CSV = "csv", _("from a CSV file")

    model = models.ForeignKey(LanguageModel, on_delete=models.PROTECT, related_name="prices")
    valid_from = models.DateTimeField(_("valid from"), default=timezone.now)
    currency = models.CharField(_("currency"), max_length=3)
    input_mtok = MoneyField(_("input, per million tokens"))
    output_mtok = MoneyField(_("output, per million tokens"))
    cached_mtok = MoneyField(_("cached input, per million tokens"), null=True, blank=True)  # else as input
    reasoning_mtok = MoneyField(_("reasoning, per million tokens"), null=True, blank=True)  # else as output
    origin = models.CharField(_("origin"), max_length=6, choices=Origin, default=Origin.HAND)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("price")
        verbose_name_plural = _("prices")
        ordering = ["model_id", "-valid_from"]
        constraints = [
            models.UniqueConstraint(fields=["model", "valid_from"], name="one_price_at_a_time"),
            models.CheckConstraint(
                condition=Q(input_mtok__gte=0, output_mtok__gte=0)
                & (Q(cached_mtok=None) | Q(cached_mtok__gte=0))
                & (Q(reasoning_mtok=None) | Q(reasoning_mtok__gte=0)),
                name="no_negative_price",
            ),
            models.CheckConstraint(
                condition=~Q(currency=FREE) | Q(input_mtok=0, output_mtok=0), name="free_costs_nothing"
            ),
        ]

    def __str__(self) -> str:
        return f"price {self.pk} of {self.model_id}"

    def save(self, *args, **kwargs) -> None:
        if self.is_used:
            raise PriceIsUsed
        super().save(*args, **kwargs)

    @property
    def free(self) -> bool:
        return self.currency == FREE

    @property
    def is_used(self) -> bool:
        return bool(self.pk) and (self.completion_set.exists() or self.usageentry_set.exists())

    @classmethod
    def current(cls, models: Iterable[LanguageModel], when: datetime) -> dict[int, "Price"]:
        """Those that hold at a moment, by model; an unpriced one has none."""
        begun = cls.objects.filter(model__in=[model.pk for model in models], valid_from__lte=when)
        return {price.model_id: price for price in begun.order_by("valid_from")}

"""What a model costs, from when on."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from chat.models.language_model import LanguageModel
from chat.models.money import FREE, MoneyField, check_currency

MOST_MTOK = Decimal(1_000_000)  # a higher price is a slip: of the unit, or of the decimal sign
TOO_DEAR = _("More than a million for a million tokens is no price.")
NO_PRICE = _("A price is an amount of money per million tokens, such as 0.60.")


class PriceIsUsed(Exception):
    """Somebody tried to change or delete a price that completions or ledger lines carry."""


def check_mtok(mtok: Decimal) -> None:
    if mtok < 0:
        raise ValidationError(_("A price cannot be negative."))
    if mtok > MOST_MTOK:
        raise ValidationError(TOO_DEAR)


def check_price_currency(code: str) -> None:
    if code != FREE:
        check_currency(code)


def _mtok_field(words: str, **options) -> MoneyField:
    return MoneyField(words, validators=[check_mtok], error_messages={"invalid": NO_PRICE}, **options)


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
    currency = models.CharField(_("currency"), max_length=3, validators=[check_price_currency])
    input_mtok = _mtok_field(_("input, per million tokens"))
    output_mtok = _mtok_field(_("output, per million tokens"))
    cached_mtok = _mtok_field(_("cached input, per million tokens"), null=True, blank=True)  # else as input
    reasoning_mtok = _mtok_field(_("reasoning, per million tokens"), null=True, blank=True)  # else as output
    origin = models.CharField(_("origin"), max_length=6, choices=Origin, default=Origin.HAND)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("price")
        verbose_name_plural = _("prices")
        ordering = ["model_id", "-valid_from"]
        constraints = [
            models.UniqueConstraint(
                fields=["model", "valid_from"],
                name="one_price_at_a_time",
                violation_error_message=_("This model has another price from that moment on already."),
            ),
            models.CheckConstraint(
                condition=Q(input_mtok__gte=0, output_mtok__gte=0)
                & (Q(cached_mtok=None) | Q(cached_mtok__gte=0))
                & (Q(reasoning_mtok=None) | Q(reasoning_mtok__gte=0)),
                name="no_negative_price",
            ),
            models.CheckConstraint(
                condition=~Q(currency=FREE) | Q(input_mtok=0, output_mtok=0, cached_mtok=None, reasoning_mtok=None),
                name="free_costs_nothing",
                violation_error_message=_("What is free has no other price than 0."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model}, from {self.valid_from:%Y-%m-%d}"

    def save(self, *args, **kwargs) -> None:
        if self.is_used:
            raise PriceIsUsed
        super().save(*args, **kwargs)

    @property
    def free(self) -> bool:
        return self.currency == FREE

    @property
    def figures(self) -> dict[str, object]:
        """What it says, for the audit."""
        names = ("currency", "input_mtok", "output_mtok", "cached_mtok", "reasoning_mtok", "valid_from")
        return {name: getattr(self, name) for name in names}

    @property
    def is_used(self) -> bool:
        return bool(self.pk) and (self.completion_set.exists() or self.usageentry_set.exists())

    @classmethod
    def current(cls, models: Iterable[LanguageModel], when: datetime) -> dict[int, "Price"]:
        """Those that hold at a moment, by model; an unpriced one has none."""
        begun = cls.objects.filter(model__in=[model.pk for model in models], valid_from__lte=when)
        return {price.model_id: price for price in begun.order_by("valid_from")}

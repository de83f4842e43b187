"""What models cost, in words."""

from collections.abc import Iterable
from dataclasses import dataclass

from django import template
from django.utils import timezone
from django.utils.translation import gettext as _

from chat.models import LanguageModel, Price
from chat.templatetags.money import SIGNS, money

register = template.Library()


@dataclass(frozen=True, slots=True)
class Words:
    words: str
    meaning: str


@register.simple_tag
def prices_of(models: Iterable[LanguageModel]) -> dict[int, Price]:
    """Those of today."""
    return Price.current(models, timezone.now())


@register.simple_tag
def price_of(prices: dict[int, Price], model: LanguageModel) -> Words | None:
    price = prices.get(model.pk)
    return words_of(price) if price else None


@register.simple_tag
def currency_of(prices: dict[int, Price], model: LanguageModel) -> str:
    """Its sign, as it stands before an amount."""
    price = prices.get(model.pk)
    return "" if price is None or price.free else SIGNS.get(price.currency, f"{price.currency} ")


def words_of(price: Price) -> Words:
    if price.free:
        return Words(_("free"), _("What it uses is counted, and costs nothing."))
    words = f"{money(price.input_mtok, price.currency)} / {money(price.output_mtok, price.currency)}"
    return Words(words, _("For a million tokens of input, and of output"))

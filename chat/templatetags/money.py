"""Money and tokens in words: exact as they are, estimates with ≈, unknown as unknown."""

from decimal import ROUND_HALF_UP, Decimal

from django import template
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from chat.models.budget import TOKENS
from chat.models.money import FREE, plain

register = template.Library()

SIGNS = {"USD": "$", "EUR": "€", "CNY": "¥", "GBP": "£", "INR": "₹", "KRW": "₩"}
FINE = Decimal("0.1")  # from here on two decimals say enough


@register.simple_tag
def money(amount: Decimal | None, currency: str, *, signed: bool = False) -> str:
    """Of one reply: small amounts with as many places as show two figures of them."""
    if amount is None or not currency:
        return _("unpriced")
    if currency == FREE:
        return _("free")
    return _written(amount, currency, _places(abs(amount)), signed)


def sum_of_money(amount: Decimal, currency: str) -> str:
    """Of many replies: two places."""
    return _("free") if currency == FREE else _written(amount, currency, 2, signed=False)


@register.simple_tag
def quantity(amount: Decimal, unit: str) -> str:
    """What a budget counts in: money, or tokens, of which it holds millions."""
    return tokens_of(amount) if unit == TOKENS else money(amount, unit)


def tokens_of(millions: Decimal) -> str:
    tokens = int(millions.scaleb(6))
    return ngettext("%(tokens)s token", "%(tokens)s tokens", tokens) % {"tokens": grouped(tokens)}


@register.filter
def exactly(amount: Decimal | None) -> str:
    """Every place that there is, as a machine reads it."""
    return "" if amount is None else plain(amount)


@register.filter
def grouped(number: int) -> str:
    return number_format(number, force_grouping=True)


def _places(amount: Decimal) -> int:
    """2 from 0.1 on, 4 for most replies, more for what would else look like nothing."""
    if amount == 0 or amount >= FINE:
        return 2
    first = -amount.adjusted()  # 0.0117 has its first figure in the second place
    return max(4, first)


def _written(amount: Decimal, currency: str, places: int, signed: bool) -> str:
    rounded = abs(amount).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    figures = number_format(rounded, decimal_pos=places, force_grouping=True)
    sign = "−" if amount < 0 else "+" if signed else ""
    return f"{sign}{SIGNS[currency]}{figures}" if currency in SIGNS else f"{sign}{currency}\u00a0{figures}"

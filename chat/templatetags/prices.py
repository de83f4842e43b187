"""What models cost, and how good our estimates of their tokens are, in words."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import time
from decimal import Decimal

from django import template
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from chat.models import Calibration, LanguageModel, Price
from chat.templatetags.money import SIGNS, exactly, money

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


@register.simple_tag
def row_of(prices: dict[int, Price], model: LanguageModel) -> Price | None:
    return prices.get(model.pk)


@register.simple_tag
def mtok(amount: Decimal | None, currency: str) -> str:
    """As it was set: every place of it."""
    if amount is None:
        return "–"
    written = exactly(amount)
    places = max(2, len(written.partition(".")[2]))
    sign = SIGNS.get(currency, f"{currency}\u00a0")
    return f"{sign}{number_format(amount, decimal_pos=places, force_grouping=True)}"


@register.simple_tag
def since(price: Price) -> SafeString:
    """A day; its moment, where it is none of midnight's."""
    local = timezone.localtime(price.valid_from)
    is_midnight = local.time() == time()
    form = pgettext("date format", "j M Y") if is_midnight else pgettext("date format", "j M Y, H:i")
    return format_html('<time datetime="{}">{}</time>', local.isoformat(timespec="seconds"), date_format(local, form))


# How good our estimates are


@register.simple_tag
def errors_of(models: Iterable[LanguageModel]) -> dict[int, Calibration]:
    """Of answers, by model."""
    known = Calibration.objects.filter(part=Calibration.Part.OUTPUT, model__in=[model.pk for model in models])
    return {calibration.model_id: calibration for calibration in known}


@register.simple_tag
def error_of(errors: dict[int, Calibration], model: LanguageModel) -> Words | None:
    if (calibration := errors.get(model.pk)) is None:
        return None
    low, high = _off(calibration)
    words = _("%(low)s to %(high)s %%") % {"low": low, "high": high}
    return Words(words, _("How far nine in ten of our estimates of its answers are from what it reports"))


@register.simple_tag
def calibrations_of(model: LanguageModel) -> list[str]:
    """Its measured error, in sentences."""
    sentences = []
    for calibration in model.calibrations.order_by("part"):
        low, high = _off(calibration)
        figures = {"low": low, "high": high, "n": calibration.samples}
        sentence = _("Answers: within %(low)s to %(high)s %% of what it reports, in its last %(n)d replies.")
        if calibration.part == Calibration.Part.INPUT:
            sentence = _("Prompts: within %(low)s to %(high)s %% of what it reports, in its last %(n)d replies.")
        sentences.append(sentence % figures)
    return sentences


def _off(calibration: Calibration) -> tuple[str, str]:
    """In percent of the estimate, with signs."""
    shares = (calibration.low / calibration.ratio - 1, calibration.high / calibration.ratio - 1)
    low, high = (round(share * 100) for share in shares)
    return f"−{abs(low)}", f"+{abs(high)}"

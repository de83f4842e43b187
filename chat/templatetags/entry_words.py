"""The ledger's lines in words: exact figures as they are, estimates hatched and between their bounds."""

from datetime import datetime
from decimal import Decimal

from django import template
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from chat.accounting.reports import outcomes, purposes
from chat.models import Account, Completion, Price, UsageEntry
from chat.models.money import FREE
from chat.templatetags.money import grouped, money

register = template.Library()

ESTIMATED = Completion.Source.ESTIMATED


@register.filter
def outcome_word(status: str) -> str:
    return outcomes.word_of(status)


@register.filter
def purpose_word(purpose: str) -> str:
    return purposes.word_of(purpose)


@register.filter
def name_of_account(account: Account) -> str:
    return account.person.username if account.person else account.label


@register.filter
def title_of(titles: dict[int, str], line: UsageEntry) -> str:
    return titles.get(line.completion_id) or _("deleted conversation")


@register.simple_tag
def time_of_day(moment: datetime) -> str:
    return date_format(timezone.localtime(moment), "H:i")


@register.simple_tag
def moment_of(moment: datetime | None) -> SafeString | str:
    """In the site's time zone, as all reports are."""
    if moment is None:
        return "–"
    local = timezone.localtime(moment)
    words = date_format(local, pgettext("date format", "j M Y, H:i"))
    return format_html('<time datetime="{}">{}</time>', local.isoformat(timespec="seconds"), words)


@register.simple_tag
def seconds_of(milliseconds: int) -> str:
    return _("%(seconds)s s") % {"seconds": number_format(milliseconds / 1000, decimal_pos=2)}


@register.simple_tag
def tokens_of_line(line: UsageEntry, part: str) -> SafeString | str:
    """Of a correction, the difference that it makes."""
    tokens, low, high = (getattr(line, f"{part}_{bound}") for bound in ("tokens", "low", "high"))
    if line.kind == UsageEntry.Kind.ADJUSTMENT:
        return _difference(tokens)
    return _bounded(tokens, low, high, line.source)


@register.simple_tag
def standing_tokens(completion: Completion, part: str) -> SafeString | str:
    tokens, low, high = (getattr(completion, f"{part}_{bound}") or 0 for bound in ("tokens", "low", "high"))
    return _bounded(tokens, low, high, completion.usage_source)


@register.simple_tag
def money_of_line(line: UsageEntry, *, exactly: bool = False) -> str:
    is_difference = line.kind == UsageEntry.Kind.ADJUSTMENT
    words = money(line.amount, line.currency, signed=is_difference)
    if line.source != ESTIMATED or line.amount is None or is_difference:
        return words
    return _estimate(words, line.amount, line.amount_low, line.amount_high, line.currency, exactly)


@register.simple_tag
def standing_money(completion: Completion) -> str:
    currency = completion.price.currency if completion.price else ""
    words = money(completion.amount, currency)
    if completion.usage_source != ESTIMATED or completion.amount is None:
        return words
    return _estimate(words, completion.amount, completion.amount_low, completion.amount_high, currency, True)


@register.simple_tag
def price_words(price: Price) -> str:
    if price.currency == FREE:
        return _("The model was free.")
    figures = {"input": money(price.input_mtok, price.currency), "output": money(price.output_mtok, price.currency)}
    return _("Price per million tokens: %(input)s in, %(output)s out.") % figures


def _bounded(tokens: int, low: int, high: int, source: str) -> SafeString | str:
    if source != ESTIMATED or low == tokens == high:
        return grouped(tokens)
    bound = max(high - tokens, tokens - low)
    words = _("≈ %(tokens)s ± %(bound)s") % {"tokens": grouped(tokens), "bound": grouped(bound)}
    return format_html('<span class="key est">{}</span>', words)


def _difference(tokens: int) -> str:
    return f"{'−' if tokens < 0 else '+'}{grouped(abs(tokens))}" if tokens else "0"


def _estimate(
    words: str, amount: Decimal, low: Decimal | None, high: Decimal | None, currency: str, exactly: bool
) -> str:
    if currency == FREE or not exactly:
        return words if currency == FREE else _("≈ %(amount)s") % {"amount": words}
    bound = max((high or amount) - amount, amount - (low or amount))
    return _("≈ %(amount)s ± %(bound)s") % {"amount": words, "bound": money(bound, currency)}

"""The quiet line under a message: when, how many tokens and how surely, how long. Values in, words out."""

from dataclasses import dataclass
from datetime import datetime

from django import template
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext

from chat.models import Completion, Message
from chat.templatetags.money import exactly, grouped, money

register = template.Library()

Source = Completion.Source
SOURCES = {
    Source.REPORTED: gettext_lazy("exact: reported by the provider"),
    Source.LOOKED_UP: gettext_lazy("exact: looked up at the provider afterwards"),
    Source.RECONCILED: gettext_lazy("exact: its share of the provider’s bill of that day"),
    Source.COUNTED: gettext_lazy("exact: counted by the provider’s own tokenizer"),
    Source.ESTIMATED: gettext_lazy("an estimate, and how far it may be off: the provider did not say"),
}


@dataclass(frozen=True, slots=True)
class Fact:
    """`kind`: exact is drawn solid, estimated hatched; what says nothing of that has neither."""

    words: str
    kind: str = ""
    source: str = ""


@register.simple_tag
def usage_of(completion: Completion) -> list[Fact]:
    source = completion.usage_source
    if source == Source.NOT_SENT:
        return [Fact(_("not sent, 0 tokens"))]
    left_out = completion.left_out
    words = ngettext("without the oldest message", "without the oldest %(n)d messages", left_out) % {"n": left_out}
    less = [Fact(words, source=_("They do not fit the model’s context."))] if left_out else []
    if files := completion.files_left_out:
        words = ngettext("without a file", "without %(n)d files", files) % {"n": files}
        less.append(Fact(words, source=_("They do not fit the model’s context, or it does not see them.")))
    return [*_tokens(completion), *_cost(completion), *less]


def _cost(completion: Completion) -> list[Fact]:
    """What the ledger says, corrections included. Of a model without any price there is nothing to say here."""
    if completion.amount is None or completion.price is None or completion.price.free:
        return []
    currency, amount = completion.price.currency, completion.amount
    if completion.usage_source != Source.ESTIMATED:
        return [Fact(money(amount, currency), source=f"{exactly(amount)} {currency}")]
    low, high = completion.amount_low, completion.amount_high
    bounds = {"low": money(low, currency), "high": money(high, currency)}
    return [Fact(_("≈ %(cost)s") % {"cost": money(amount, currency)}, source=_("%(low)s to %(high)s") % bounds)]


def _tokens(completion: Completion) -> list[Fact]:
    source = completion.usage_source
    if completion.output_tokens is None or completion.input_tokens is None:
        return [Fact(_("tokens unknown"))]
    tokens_in, tokens_out = grouped(completion.input_tokens), grouped(completion.output_tokens)
    if source != Source.ESTIMATED:
        words = [_("%(tokens)s in") % {"tokens": tokens_in}, _("%(tokens)s out, exact") % {"tokens": tokens_out}]
        return [Fact(words[0]), Fact(words[1], "exact", SOURCES.get(source, ""))]
    given = Fact(_("≈ %(tokens)s in") % {"tokens": tokens_in}, source=SOURCES[source])
    if not completion.output_high:
        return [given, Fact(_("nothing came"))]
    figures = {"tokens": tokens_out, "bound": grouped(_bound(completion))}
    return [given, Fact(_("≈ %(tokens)s ± %(bound)s out") % figures, "estimated", SOURCES[source])]


def _bound(completion: Completion) -> int:
    tokens = completion.output_tokens
    low = tokens if completion.output_low is None else completion.output_low
    high = tokens if completion.output_high is None else completion.output_high
    return max(high - tokens, tokens - low)


@register.simple_tag
def duration(milliseconds: int) -> str:
    return _("%(seconds)s s") % {"seconds": number_format(milliseconds / 1000, decimal_pos=1)}


@register.simple_tag
def thought_for(message: Message) -> str:
    if message.thought_ms is None:
        return _("Thoughts")
    return _("Thought for %(seconds)d s") % {"seconds": max(1, round(message.thought_ms / 1000))}


@register.simple_tag
def moment(when: datetime) -> SafeString:
    """In the site's time zone; page.js puts it into the reader's."""
    local = timezone.localtime(when)
    today = timezone.localdate()
    if local.date() == today:
        form = "H:i"
    else:
        form = (
            pgettext("date format", "j M, H:i") if local.year == today.year else pgettext("date format", "j M Y, H:i")
        )
    return format_html('<time datetime="{}">{}</time>', when.isoformat(timespec="seconds"), date_format(local, form))

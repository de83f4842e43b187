"""What is queued and live, in words."""

from datetime import timedelta
from decimal import Decimal

from django import template
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from chat.models import Completion
from chat.models.money import FREE
from chat.templatetags.durations import lasting
from chat.templatetags.endings import tokens as tokens_in_words
from chat.templatetags.entry_words import name_of_account, outcome_word
from chat.templatetags.money import money
from chat.underway import Underway

register = template.Library()
register.filter(lasting)

Status = Completion.Status
ICONS = {
    Status.COMPLETE: "check",
    Status.STOPPED: "stop",
    Status.ABANDONED: "sign-out",
    Status.CUT: "cut",
    Status.FAILED: "warn",
    Status.LOST: "restart",
}
DOTS = {"queued": "off", "waiting": "", "silent": "warn", "stopping": "off"}


@register.filter
def state_words(item: Underway) -> str:
    """What it does."""
    completion = item.completion
    match item.state:
        case "queued" if item.place:
            words = _("queued at the provider, place %d") % item.place
        case "queued":
            words = _("queued")
        case "waiting" if completion.attempts > 1:
            words = _("waiting for the provider, attempt %d") % completion.attempts
        case "waiting":
            words = _("waiting for the first word")
        case "thinking":
            words = _("thinking")
        case "silent":
            words = _("no data for %s") % lasting(item.silent)
        case "stopping":
            words = _("stopping")
        case _:
            words = _("arriving")
    if completion.n > 1:
        answers = ngettext("%(n)d answer", "%(n)d answers", completion.n) % {"n": completion.n}
        words = _("%(state)s, %(answers)s") % {"state": words, "answers": answers}
    return words


@register.filter
def dot_of(item: Underway) -> str:
    return DOTS.get(item.state, "live")


@register.filter
def who_is_there(item: Underway) -> str:
    """Or how long it goes on without them."""
    if item.sockets:
        return ngettext("%(n)d page open", "%(n)d pages open", item.sockets) % {"n": item.sockets}
    if item.completion.status == Status.QUEUED:
        return _("left")
    grace = item.completion.model.grace_seconds
    if grace is None:
        return _("left; it goes on to its end")
    return _("left; it ends within %s") % lasting(timedelta(seconds=max(grace, 5)))


@register.filter
def per_second(rate: float | None) -> str:
    return "–" if rate is None else _("%(tokens)s/s") % {"tokens": number_format(rate, decimal_pos=0)}


@register.filter
def bars(pace: tuple[int, ...]) -> list[tuple[int, int, int]]:
    """Left edge, top and height of each, on 16 × 4 for each second: the fastest second is the whole height."""
    most = max(pace, default=0) or 1
    heights = [-(-16 * tokens // most) for tokens in pace]
    return [(4 * number, 16 - height, height) for number, height in enumerate(heights) if height]


@register.filter
def amounts(held: dict[str, Decimal]) -> str:
    return " · ".join(money(amount, currency) for currency, amount in sorted(held.items()) if currency != FREE) or "–"


@register.filter
def icon_of_end(completion: Completion) -> str:
    return ICONS.get(completion.status, "unknown")


@register.filter
def ended_well(completion: Completion) -> str:
    """The class of its line."""
    match completion.status:
        case Status.COMPLETE:
            return ""
        case Status.FAILED:
            return "bad"
        case Status.CUT | Status.LOST:
            return "warn"
    return "mute"


@register.filter
def end_words(completion: Completion) -> str:
    parts = {
        "person": name_of_account(completion.account),
        "model": completion.model.short_name,
        "outcome": outcome_word(completion.status),
        "tokens": tokens_in_words(completion.output_tokens or 0),
    }
    return _("%(person)s, %(model)s: %(outcome)s, %(tokens)s") % parts

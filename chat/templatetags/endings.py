"""Ends that are not whole: a badge, and one clear sentence. What happened, what was kept, what to do."""

from dataclasses import dataclass
from datetime import timedelta

from django import template
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from chat.models import Completion, Message
from chat.templatetags.durations import lasting
from chat.templatetags.money import grouped, money
from chat.templatetags.troubles import own_trouble
from chat.upstream.failures import names_missing_model, names_missing_path

register = template.Library()

Status = Completion.Status
WORTH_TELLING_MS = 100

CUTS = {
    "ended_without_reason": gettext_lazy("The provider ended the stream after %(tokens)s and gave no reason."),
    "missing_choice": gettext_lazy("The provider ended this answer after %(tokens)s and gave no reason."),
    "garbled": gettext_lazy("After %(tokens)s, what the provider sent could not be read any more."),
    "reset": gettext_lazy("The connection to the provider broke after %(tokens)s."),
    "stalled": gettext_lazy("The provider sent nothing more after %(tokens)s, and was not waited for any longer."),
    "too_long": gettext_lazy("The reply grew longer than one reply may be; it was ended after %(tokens)s."),
    "deadline": gettext_lazy("The reply took longer than one reply may; it was ended after %(tokens)s."),
}
CLOSED = gettext_lazy("The provider closed the stream after %(tokens)s.")

# The same where nothing had come.
EMPTY_CUTS = {
    "garbled": gettext_lazy(
        "What the provider sent is no answer: a web page, perhaps. An administrator should check its base URL."
    ),
    "ended_early": gettext_lazy("The provider closed the stream before any text came. Is the conversation too long?"),
    "ended_without_reason": gettext_lazy("The provider ended the stream before any text came, and gave no reason."),
}

# By kind of error: what the badge says after "Provider error:", and what can be done.
ERRORS = {
    "auth": (
        gettext_lazy("the key is refused"),
        gettext_lazy("An administrator has to renew the key of this provider."),
    ),
    "quota": (
        gettext_lazy("no credit left"),
        gettext_lazy("An administrator has to top up the account there; another model may answer."),
    ),
    "rate_limited": (gettext_lazy("too many requests"), gettext_lazy("Wait a minute, then regenerate.")),
    "overloaded": (gettext_lazy("overloaded"), gettext_lazy("Regenerate in a while, or choose another model.")),
    "busy": (gettext_lazy("busy"), gettext_lazy("It works on another reply. Regenerate in a while.")),
    "bad_request": (
        gettext_lazy("request refused"),
        gettext_lazy("The provider does not accept this request. Another model may."),
    ),
    "context_too_long": (
        gettext_lazy("conversation too long"),
        gettext_lazy(
            "It does not fit this model’s context. Edit an earlier message, or choose a model with a longer one."
        ),
    ),
    "content_filter": (
        gettext_lazy("refused by its filter"),
        gettext_lazy("Edit the message, or choose another model."),
    ),
    "unreachable": (
        gettext_lazy("not reachable"),
        gettext_lazy("The provider did not answer. If it runs on this machine, start it, then regenerate."),
    ),
    "upstream": (gettext_lazy("internal error"), gettext_lazy("Regenerate, or choose another model.")),
}
# What is refused most often, in words of its own.
NO_MODEL = (
    gettext_lazy("no such model"),
    gettext_lazy("It has no model of this name, or no longer. Choose another; an administrator can list them again."),
)
NO_PATH = (
    gettext_lazy("not found"),
    gettext_lazy("Nothing answers chats at this address. An administrator should check the path of its base URL."),
)
REDIRECTS = (gettext_lazy("redirected"), "")  # a sentence of ours says where to
STOPS = {
    "administrator": gettext_lazy("An administrator stopped this reply. What had arrived is saved."),
    "revoked": gettext_lazy("The right to this model ended. What had arrived is saved."),
}


@dataclass(frozen=True, slots=True)
class Ending:
    """`icon` without its "i-"; `warns`: nobody wished this end; `quote`: the provider's own words."""

    title: str
    sentence: str
    icon: str
    warns: bool = False
    quote: str = ""


@register.simple_tag
def ending_of(message: Message, can_continue: bool) -> Ending | None:
    completion = message.completion
    if completion is None or not completion.is_settled:
        return None
    if completion.status == Status.COMPLETE:
        return _of_complete(message, completion, can_continue)
    if completion.reason == "missing_choice" and message.finish_reason:
        return _of_too_few(completion)
    if message.finish_reason and message.finish_reason != "length":
        return Ending(
            _("Whole, end not confirmed"),
            _("The answer says that it is whole, but the provider did not confirm the end."),
            "unknown",
        )
    return _OF_STATUS[completion.status](message, completion, can_continue)


def _of_too_few(completion: Completion) -> Ending | None:
    """This one is whole; that another is not stands under that one, if it came at all."""
    if (came := completion.messages.count()) >= completion.n:
        return None
    sentence = _("%(asked)d answers were asked for, and the provider sent %(came)d. It seems to ignore the number.")
    return Ending(_("Fewer answers than asked for"), sentence % {"asked": completion.n, "came": came}, "unknown", True)


def _of_complete(message: Message, completion: Completion, can_continue: bool) -> Ending | None:
    match message.finish_reason:
        case "length":
            sentence = _("It reached the longest answer that was asked for, %(tokens)s.")
            sentence = sentence % {"tokens": tokens(completion.max_output)}
            ask = _("Continue?") if can_continue else ""
            return Ending(_("Cut at its length limit"), _together(sentence, ask), "cut")
        case "content_filter":
            return Ending(
                _("Ended by the provider’s filter"),
                _("The provider held back the rest. What came before is kept."),
                "unknown",
                True,
            )
        case "tool_calls":
            return Ending(
                _("Asked for a tool"), _("The model wanted to use a tool; this site has none to offer."), "unknown"
            )
    if not message.text:
        return Ending(_("Empty answer"), _("The provider ended the reply properly, but sent no text."), "unknown", True)
    return None


def _of_stopped(message: Message, completion: Completion, can_continue: bool) -> Ending:
    if completion.usage_source == Completion.Source.NOT_SENT:
        return Ending(_("Stopped"), _("It was stopped before anything was sent to the provider."), "stop")
    sentence = _capped(completion) if completion.reason == "cap" else STOPS.get(completion.reason)
    if sentence is None:
        sentence = _("What you saw is what is saved.") if message.text else _("Nothing had arrived yet.")
    if completion.closing_ms is not None and completion.closing_ms >= WORTH_TELLING_MS:
        seconds = number_format(completion.closing_ms / 1000, decimal_pos=1)
        sentence = _together(sentence, _("Closed after %(seconds)s s.") % {"seconds": seconds})
    return Ending(_("Stopped"), sentence, "stop")


def _capped(completion: Completion) -> str:
    """Its sender's limit, or a budget's, or the model's."""
    if completion.cap is not None and completion.price is not None:
        sentence = _("It reached the cost at which it was to stop, %(cap)s. What had arrived is saved.")
        return sentence % {"cap": money(completion.cap, completion.price.currency)}
    if completion.max_output < completion.model.max_output:
        return _("It reached the longest answer that a budget had left. What had arrived is saved.")
    return _("It reached the longest answer that is set for this model. What had arrived is saved.")


def _of_abandoned(message: Message, completion: Completion, can_continue: bool) -> Ending:
    saved = completion.output_tokens
    title = _("You left; saved at %(tokens)s") % {"tokens": tokens(saved)} if saved else _("You left before it began")
    grace = completion.model.grace_seconds
    sentence = _("The %(seconds)d s of grace ran out before you came back.") % {"seconds": grace} if grace else ""
    return Ending(title, sentence, "sign-out")


def _of_cut(message: Message, completion: Completion, can_continue: bool) -> Ending:
    arrived = completion.output_tokens or 0
    if not arrived and completion.reason in EMPTY_CUTS:
        return Ending(_("No answer came"), str(EMPTY_CUTS[completion.reason]), "cut", True)
    sentence = CUTS.get(completion.reason, CLOSED) % {"tokens": tokens(arrived)}
    sentence = _together(sentence, _kept(completion, ask=can_continue))
    return Ending(_("Cut off by the provider"), sentence, "cut", True)


def _of_failed(message: Message, completion: Completion, can_continue: bool) -> Ending:
    if completion.reason == "not_started":
        return Ending(
            _("Not started"),
            _("It was not started within 10 minutes. Nothing was sent, and nothing was used."),
            "clock",
            True,
        )
    words, advice = _error_of(completion)
    if completion.asked_wait_s:
        wait = lasting(timedelta(seconds=completion.asked_wait_s))
        advice = _("The provider asks to wait for %(time)s. Regenerate after that.") % {"time": wait}
    arrived = completion.output_tokens
    kept = _("What had arrived, %(tokens)s, is saved.") % {"tokens": tokens(arrived)} if arrived else ""
    ours = own_trouble(completion.error_code, completion.error, completion.model.provider.base_url)
    if ours:
        advice = ours if completion.reason == "unreachable" else _together(ours, advice)
    quote = "" if ours else completion.error
    return Ending(_("Provider error: %(error)s") % {"error": words}, _together(kept, advice), "warn", True, quote)


def _error_of(completion: Completion) -> tuple[str, str]:
    if completion.error_code == "redirected":
        return REDIRECTS
    if completion.reason in ("bad_request", "upstream"):
        if names_missing_model(completion.error_code, completion.error):
            return NO_MODEL
        if names_missing_path(completion.error):
            return NO_PATH
    return ERRORS.get(completion.reason, ERRORS["upstream"])


def _of_lost(message: Message, completion: Completion, can_continue: bool) -> Ending:
    saved = completion.output_tokens or 0
    if not saved:
        return Ending(
            _("Interrupted by a restart"), _("The server restarted before anything arrived."), "restart", True
        )
    sentence = _("The server restarted after %(tokens)s.") % {"tokens": tokens(saved)}
    sentence = _together(sentence, _kept(completion, ask=can_continue))
    return Ending(_("Interrupted by a restart"), sentence, "restart", True)


def _kept(completion: Completion, *, ask: bool = False) -> str:
    if not completion.output_tokens:
        return ""
    kept = ngettext("It is saved.", "They are saved.", completion.output_tokens)
    return _together(kept, _("Continue?")) if ask else kept


def _together(first: str, second: str) -> str:
    """Two sentences; Chinese puts no space between them."""
    return _("%(first)s %(second)s") % {"first": first, "second": second} if first and second else first or second


def tokens(number: int) -> str:
    return ngettext("%(number)s token", "%(number)s tokens", number) % {"number": grouped(number)}


_OF_STATUS = {
    Status.STOPPED: _of_stopped,
    Status.ABANDONED: _of_abandoned,
    Status.CUT: _of_cut,
    Status.FAILED: _of_failed,
    Status.LOST: _of_lost,
}

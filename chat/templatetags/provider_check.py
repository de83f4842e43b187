"""The words for what a check found."""

from dataclasses import dataclass
from typing import Literal

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from chat.models import Provider
from chat.templatetags.troubles import trouble
from chat.tokens import estimate
from chat.upstream.check import Report

State = Literal["ok", "warn", "bad", "mute"]


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a report: what was found, a figure at its end, and what that means."""

    state: State
    text: str
    figure: str = ""
    advice: str = ""


def steps(report: Report, provider: Provider) -> list[Step]:
    if report.failure:
        return [Step("bad", trouble(report.failure, provider.base_url))]
    if report.seen.opened is None:
        return [Step("bad", _("It took the request, and did not answer in time."), seconds(report.seconds))]
    found = [
        Step("ok", _("Answers, and accepts the key"), seconds(report.seen.opened_after)),
        _first(report),
        _end(report),
        _usage(report),
        _several(report),
        _continuation(report),
        _closing(report),
    ]
    return [step for step in found if step]


def seconds(time: float | None) -> str:
    if time is None:
        return ""
    return f"{time * 1000:.0f} ms" if time < 1 else f"{time:.1f} s"


def _first(report: Report) -> Step:
    seen = report.seen
    if seen.first_after is None:
        return Step("warn", _("Sent no text"), "", _("Neither text nor thoughts came of a short question."))
    if seen.thinks:
        text, advice = _("Thinks first"), _("Its thoughts are shown apart, and counted as output.")
    else:
        text, advice = _("First token"), ""
    if seen.pieces == 1 and seen.opened and seen.opened.ends_by != "whole":
        advice = _("Everything came in one piece: something on the way may be holding the stream back.")
        return Step("warn", text, seconds(seen.first_after), advice)
    return Step("ok", text, seconds(seen.first_after), advice)


def _end(report: Report) -> Step:
    seen = report.seen
    ends: dict[str, tuple[State, str, str]] = {
        "whole": ("ok", _("Ends as its dialect says"), ""),
        "unfinished": (
            "warn",
            _("Ends without a finish reason"),
            _("Its replies are kept, but cannot be proved whole."),
        ),
        "unended": (
            "warn",
            _("Ends without its terminator"),
            _("Its replies are kept and marked as cut off. Another preset may know this server better."),
        ),
        "cut": ("bad", _("The stream broke off"), _("Is there a proxy in front of it that ends long answers?")),
        "garbled": (
            "bad",
            _("Sent what cannot be read"),
            _("Is this the right preset? `manage.py readstream` shows what is read of a captured answer."),
        ),
    }
    if report.late and seen.end == "cut":
        return Step("warn", _("The test answer was not over in time"), seconds(report.seconds))
    state, text, advice = ends[seen.end]
    return Step(state, text, seconds(seen.ended_after), advice)


def _usage(report: Report) -> Step:
    usage = report.usage
    if usage is None:
        advice = _("Tokens of its replies will be counted or estimated, and are marked so.")
        return Step("warn", _("Sends no usage"), "", advice)
    figures = _("%(input)s in, %(output)s out") % {
        "input": "–" if usage.input_tokens is None else usage.input_tokens,
        "output": "–" if usage.output_tokens is None else usage.output_tokens,
    }
    if not report.usage_is_trusted:
        advice = _("These are constants and no counts. Tokens will be estimated.")
        return Step("warn", _("Sends a usage that is not to be trusted"), figures, advice)
    return Step("ok", PLACES[report.usage_place or "last"], figures, _own_count(report))


PLACES = {
    "final_chunk": gettext_lazy("Sends usage in an event of its own, at the end"),
    "top_level": gettext_lazy("Sends usage beside the text"),
    "merged": gettext_lazy("Sends usage at the beginning and at the end"),
    "last": gettext_lazy("Sends usage in the last event"),
    "per_choice": gettext_lazy("Sends usage within each answer"),
}


def _own_count(report: Report) -> str:
    """Where thoughts are hidden, ours would be lower, and says nothing."""
    told = report.usage.output_tokens if report.usage else None
    if not told or report.seen.thinks or not report.seen.texts.get(0):
        return ""
    own = estimate(report.seen.texts[0])
    if own.low <= told <= own.high:
        return _("Within our own estimate.")
    return _("Our own estimate is %(tokens)d.") % {"tokens": own.tokens}


def _several(report: Report) -> Step | None:
    match report.several:
        case "works" if report.sends_n:
            return Step("ok", _("Gives several answers to one call"), "n = 2")
        case "works":
            advice = _("This preset does not ask for them. If the server has a preset of its own, use that.")
            return Step("mute", _("Could give several answers to one call"), "n = 2", advice)
        case "ignored":
            return Step("warn", _("Gives one answer when asked for two"), "", _("Ask for one answer at a time."))
        case "refused":
            return Step("warn", _("Refuses to give several answers"), "", _("Ask for one answer at a time."))
        case "not_offered":
            return Step("mute", _("Does not know several answers to one call"))
    return _untried(_("Several answers to one call"))


def _continuation(report: Report) -> Step:
    match report.continuation:
        case "works":
            advice = _("“Continue” is offered on replies that are not whole.")
            return Step("ok", _("Continues an answer from its beginning"), "", advice)
        case "ignored":
            advice = _("“Continue” would repeat what was kept. Regenerate instead.")
            return Step("warn", _("Begins anew when asked to continue"), "", advice)
        case "refused":
            return Step("warn", _("Refuses to continue an answer"), "", _("Regenerate replies that are not whole."))
        case "unclear":
            return Step("mute", _("Could not tell whether it continues an answer"))
        case "not_offered":
            advice = _("Replies that are not whole can be regenerated.")
            return Step("mute", _("Cannot continue an answer"), "", advice)
    return _untried(_("Continuing an answer"))


def _closing(report: Report) -> Step:
    if report.closed_after is None:
        return _untried(_("Closing early")) if report.late else Step("mute", _("Cannot be stopped before its end"))
    took = seconds(report.closed_after)
    if report.is_told:
        return Step("ok", _("Closed early, and told it to stop"), took)
    match report.close_stops:
        case True:
            return Step("ok", _("Closing early ends its work"), took, _("So its documentation or its code says."))
        case False:
            advice = _("It goes on after we have closed, and may bill what nobody reads.")
            return Step("warn", _("Closing early does not end its work"), took, advice)
    advice = _("Its documentation does not say. Compare your first invoice.")
    return Step("mute", _("Could not tell if closing early ends its work"), took, advice)


def _untried(text: str) -> Step:
    return Step("mute", text, "", _("Not tried: the check was over before."))

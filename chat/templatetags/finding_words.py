"""What a proof of the books has found, in sentences: what stands where, where to look, and what can be done."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal

from django import template
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from chat.accounting.reports.naming import name_of
from chat.models import Budget, Proof, UsageRollup
from chat.templatetags.budget_words import owner
from chat.templatetags.money import quantity
from chat.templatetags.report_words import long_day, month_name

register = template.Library()

FAULTS = {
    "has ended, but has no charge": gettext_lazy("Reply %(reply)s has ended, but nothing is booked of it."),
    "has more than one charge": gettext_lazy("Reply %(reply)s is booked more than once."),
    "has a charge, but has not ended": gettext_lazy("Reply %(reply)s is booked, though it has not ended."),
    "lacks a correction": gettext_lazy("Of the corrections of reply %(reply)s one is missing."),
    "payer": gettext_lazy("A line of reply %(reply)s names somebody else than who has asked for it."),
    "group": gettext_lazy("A line of reply %(reply)s names another paying group than the reply."),
    "price": gettext_lazy("A line of reply %(reply)s names another price than the reply."),
    "source": gettext_lazy("The last line of reply %(reply)s has its figures from elsewhere than the reply says."),
}
FIGURES = {
    "replies": gettext_lazy("replies"),
    "adjustments": gettext_lazy("corrections"),
    "input_tokens": gettext_lazy("tokens in"),
    "input_low": gettext_lazy("tokens in, at least"),
    "input_high": gettext_lazy("tokens in, at most"),
    "cached_tokens": gettext_lazy("cached tokens"),
    "output_tokens": gettext_lazy("tokens out"),
    "output_low": gettext_lazy("tokens out, at least"),
    "output_high": gettext_lazy("tokens out, at most"),
    "reasoning_tokens": gettext_lazy("reasoning tokens"),
    "estimated_input": gettext_lazy("estimated tokens in"),
    "estimated_output": gettext_lazy("estimated tokens out"),
    "amount": gettext_lazy("cost"),
    "amount_low": gettext_lazy("cost, at least"),
    "amount_high": gettext_lazy("cost, at most"),
    "estimated_amount": gettext_lazy("estimated cost"),
    "spared_tokens": gettext_lazy("spared tokens"),
    "spared_amount": gettext_lazy("spared cost"),
    "ttft": gettext_lazy("replies with such a time to the first word"),
    "speed": gettext_lazy("replies of such a speed"),
}
ROLLED_UP = {
    UsageRollup.By.PEOPLE: gettext_lazy("by people"),
    UsageRollup.By.MODELS: gettext_lazy("by models"),
    UsageRollup.By.ALL: gettext_lazy("by all"),
}
SUMS = gettext_lazy(
    "Sums that are off change no cost: the lines count. Make those of the day anew, with the button below."
)
BUDGETS = gettext_lazy(
    "Mend the sums of days first, and prove again. If a budget is still off, remove it and set it again: it then begins"
    " with what is booked."
)
LINES = gettext_lazy(
    "The site never changes lines, so this cannot be mended here: the program has a fault, or somebody has written into"
    " the database. Save the database and the log as they are now, and report it with this page."
)
ADVICE = {
    "Σ lines = Σ days": SUMS,
    "Σ days = rollups": SUMS,
    "spent is booked": BUDGETS,
    "held is held by somebody": BUDGETS,
    "only what is queued or live holds": BUDGETS,
}


@register.filter
def finding_sentence(finding: dict) -> str:
    """As the program says it where there are no facts: proofs of before are kept."""
    say = _SENTENCES.get(finding["check"])
    facts = finding.get("facts")
    return say(finding, facts) if say and facts else f"{finding['where']}: {finding['what']}"


@register.filter
def finding_address(finding: dict) -> str:
    """Where more is seen of it; empty if nowhere."""
    facts = finding.get("facts") or {}
    if "budget" in facts:
        return reverse("budget", args=[facts["budget"]])
    if "completion" in facts:
        return "" if "no charge" in finding["what"] else reverse("usage-entry", args=[facts["completion"]])
    if facts and finding["check"] == "Σ lines = Σ days":
        return f"{reverse('usage-entries')}?from={finding['day']}&to={finding['day']}"
    return ""


@register.filter
def advice_of(proof: Proof) -> list[str]:
    """What can be done about all that was found, each once."""
    return list(dict.fromkeys(str(ADVICE.get(finding["check"], LINES)) for finding in proof.findings))


def _of_fault(_finding: dict, facts: dict) -> str:
    return str(FAULTS[facts["fault"]]) % {"reply": facts["completion"]}


def _of_shown(_finding: dict, facts: dict) -> str:
    words = {"reply": facts["completion"], "figures": _figures(facts)}
    return _("Reply %(reply)s does not show what is booked: %(figures)s.") % words


def _of_price(_finding: dict, facts: dict) -> str:
    words = {"reply": facts["completion"], "figures": _figures(facts)}
    return _("Reply %(reply)s is not booked at what its tokens cost by its price: %(figures)s.") % words


def _of_day(finding: dict, facts: dict) -> str:
    words = {"day": long_day(date.fromisoformat(finding["day"])), "of": _names(facts), "figures": _figures(facts)}
    return _("The sums of %(day)s (%(of)s) are not those of its lines: %(figures)s.") % words


def _of_rollup(_finding: dict, facts: dict) -> str:
    first = date.fromisoformat(facts["of"]["first"])
    when = month_name(first) if facts["of"]["span"] == UsageRollup.Span.MONTH else long_day(first)
    by = str(ROLLED_UP[facts["of"]["by"]])
    words = {"when": when, "by": by, "of": _names(facts), "figures": _figures(facts)}
    return _("The sums of %(when)s %(by)s (%(of)s) are not those of its days: %(figures)s.") % words


def _of_budget(finding: dict, facts: dict) -> str:
    (kept, right) = next(iter(facts["figures"].values()))
    budget = Budget.objects.select_related("account", "group").filter(pk=facts["budget"]).first()
    unit = budget.unit if budget else ""
    words = {"whose": owner(budget) if budget else _("removed")}
    words |= {"kept": quantity(Decimal(kept), unit), "right": quantity(Decimal(right), unit)}
    words |= {"day": long_day(date.fromisoformat(facts["begins"]))} if "begins" in facts else {}
    match finding["check"]:
        case "spent is booked":
            sentence = _("Budget of %(whose)s from %(day)s: %(kept)s stands there as spent, %(right)s is booked.")
        case "held is held by somebody":
            sentence = _("Budget of %(whose)s from %(day)s: %(kept)s stands there as held, replies hold %(right)s.")
        case _:
            words["reply"] = facts["completion"]
            sentence = _("Reply %(reply)s has ended, and still holds %(kept)s of the budget of %(whose)s.")
    return sentence % words


def _of_text(_finding: dict, facts: dict) -> str:
    return _("Reply %(reply)s has ended, but part of what was saved is not in its message.") % {
        "reply": facts["completion"]
    }


_SENTENCES: dict[str, Callable[[dict, dict], str]] = {
    "one charge each": _of_fault,
    "line is of completion": _of_fault,
    "shown is booked": _of_shown,
    "usage × price": _of_price,
    "Σ lines = Σ days": _of_day,
    "Σ days = rollups": _of_rollup,
    "spent is booked": _of_budget,
    "held is held by somebody": _of_budget,
    "only what is queued or live holds": _of_budget,
    "settled text is whole": _of_text,
}


def _figures(facts: dict) -> str:
    parts = []
    for name, (kept, right) in facts["figures"].items():
        figure = FIGURES.get(name) or FIGURES[name.partition("_")[0]]
        words = {"figure": str(figure), "kept": _figure(kept), "right": _figure(right)}
        parts.append(_("%(figure)s %(kept)s instead of %(right)s") % words)
    return pgettext("between facts", "; ").join(parts)


def _figure(told: str) -> str:
    return pgettext("a figure", "nothing") if told == "None" else number_format(Decimal(told), force_grouping=True)


def _names(facts: dict) -> str:
    """Of whom and what the sums are, by the names that people know."""
    of = facts["of"]
    names = [_name(kind, of[kind]) for kind in ("account", "group", "model", "purpose", "outcome") if kind in of]
    return pgettext("between facts", ", ").join([*names, *([of["currency"]] if of.get("currency") else [])])


def _name(kind: str, value: object) -> str:
    known = int(str(value)) if kind in ("account", "group", "model") else str(value)
    return name_of(kind, known) or f"{kind} {value}"

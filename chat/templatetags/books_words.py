"""The books in words: what a proof looked at, and what it found."""

from django import template
from django.utils.translation import gettext_lazy, ngettext

from chat.models import Account, Proof
from chat.templatetags.money import grouped

register = template.Library()

CHECKS = {
    "one charge each": gettext_lazy("Each reply that has ended has exactly one charge"),
    "shown is booked": gettext_lazy("What a reply shows is what is booked of it"),
    "line is of completion": gettext_lazy("Each line names the payer, the group and the price of its reply"),
    "usage × price": gettext_lazy("What a reply costs is its tokens by its price"),
    "Σ lines = Σ days": gettext_lazy("The lines of a day add up to its sums"),
    "Σ days = rollups": gettext_lazy("The sums of days add up to those of months, people and models"),
    "spent is booked": gettext_lazy("What a budget has spent is what is booked"),
    "held is held by somebody": gettext_lazy("What a budget holds is held by replies"),
    "only what is queued or live holds": gettext_lazy("Only what is queued or arriving holds money"),
    "settled text is whole": gettext_lazy("All that was saved of a reply is in its message"),
}
STATES = {
    Proof.Status.WAITING: ("", gettext_lazy("Waiting for its turn")),
    Proof.Status.RUNNING: ("live", gettext_lazy("Looking")),
    Proof.Status.AGREES: ("ok", gettext_lazy("All agrees")),
    Proof.Status.OFF: ("bad", gettext_lazy("Something is off")),
    Proof.Status.FAILED: ("bad", gettext_lazy("It could not be finished; the log says why")),
}


@register.simple_tag
def checks() -> list[str]:
    return [str(words) for words in CHECKS.values()]


@register.filter
def check_words(check: str) -> str:
    return str(CHECKS.get(check, check))


@register.filter
def proof_dot(proof: Proof) -> str:
    return STATES[Proof.Status(proof.status)][0]


@register.filter
def proof_state(proof: Proof) -> str:
    if proof.status == Proof.Status.OFF:
        return ngettext("%(n)s thing is off", "%(n)s things are off", proof.off) % {"n": grouped(proof.off)}
    return str(STATES[Proof.Status(proof.status)][1])


@register.filter
def who(account: Account | None) -> str:
    """Empty for the site itself."""
    if account is None:
        return ""
    return account.person.username if account.person else account.label


@register.filter
def days_that_differ(proof: Proof) -> list[str]:
    """What a month's sums lack is mended with any day of it: then its first need not be named."""
    days = {finding["day"] for finding in proof.findings if finding.get("day")}
    others = {day[:7] for day in days if not day.endswith("-01")}
    return sorted(day for day in days if not (day.endswith("-01") and day[:7] in others))

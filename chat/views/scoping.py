"""What the address of a usage page asks for: a period, what it is narrowed to, and how it is shown."""

from dataclasses import dataclass
from datetime import date
from functools import cached_property

from django.http import Http404, HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from chat.accounting.reports.choices import choices
from chat.accounting.reports.naming import name_of
from chat.accounting.reports.scope import NARROWINGS, Period, Scope
from chat.calendar import day_written
from chat.models import Account, Person

DAYS = {"1": 1, "7": 7, "30": 30}
USUAL = "30"
LONGEST = 3660  # days
TITLES = {
    "account": gettext_lazy("Person"),
    "group": gettext_lazy("Group"),
    "provider": gettext_lazy("Provider"),
    "model": gettext_lazy("Model"),
    "purpose": gettext_lazy("Purpose"),
    "outcome": gettext_lazy("Outcome"),
}
WORDS = ("purpose", "outcome")  # the others are numbers


class Unclear(Exception):
    """What was asked for is no period; the sentence says why."""


@dataclass(frozen=True)
class Asked:
    """`chosen` names the period as the page's switch does: "7", "month", "month before", "range".

    A person is shown their own usage only, whatever they ask for.
    """

    request: HttpRequest
    scope: Scope
    chosen: str
    today: date
    complaint: str = ""

    @property
    def file(self) -> str:
        """As which kind of file it is asked for: as none where it is unclear, for nobody would see that it is."""
        return "" if self.complaint else self.request.GET.get("format", "")

    @property
    def is_of_everybody(self) -> bool:
        return self.request.user.is_superuser

    @cached_property
    def narrowed(self) -> dict[str, int | str]:
        """What it is narrowed to by choice."""
        names = NARROWINGS if self.is_of_everybody else NARROWINGS[2:]
        return {name: value for name in names if (value := getattr(self.scope, name)) is not None}

    @cached_property
    def chips(self) -> list[tuple[str, str, str]]:
        """The same in words: its name in addresses, what it is, and which. Raises Http404 for what there is not."""
        found = [(name, str(TITLES[name]), name_of(name, value)) for name, value in self.narrowed.items()]
        if any(which is None for _name, _title, which in found):
            raise Http404
        return found

    @cached_property
    def choices(self) -> list[tuple[str, str, list[tuple[int | str, str]], int | str | None]]:
        """What it can be narrowed to: a name in addresses, its title, what there is, and what is chosen."""
        found = choices(self.scope.period, of_everybody=self.is_of_everybody)
        return [(name, str(TITLES[name]), of, self.narrowed.get(name)) for name, of in found.items()]

    @property
    def is_mine(self) -> bool:
        """Whether it is about the person who looks, and nobody else."""
        return self.scope.account == account_of(self.request.user)

    @property
    def has_statement(self) -> bool:
        """Of one account, or of one group."""
        return self.scope.account is not None or bool(self.scope.group)

    @property
    def month_before(self) -> date:
        return Period.of_month_before(self.today).first


def asked_for(request: HttpRequest) -> Asked:
    today = timezone.localdate()
    complaint = ""
    try:
        chosen, period = _period(request, today)
    except Unclear as unclear:
        complaint = str(unclear)
        chosen, period = USUAL, Period.of_days(today, DAYS[USUAL])
    return Asked(request, Scope(period, **_narrowings(request)), chosen, today, complaint)


def _period(request: HttpRequest, today: date) -> tuple[str, Period]:
    asked = request.GET
    if "from" in asked or "to" in asked:
        return "range", _range(asked.get("from", ""), asked.get("to", ""))
    if month := asked.get("month"):
        period = Period.of_month(_day(f"{month}-01", _("A month is written like 2026-11.")))
        names = {Period.of_month(today): "month", Period.of_month_before(today): "month before"}
        return names.get(period, "range"), period
    days = asked.get("days", USUAL)
    if days not in DAYS:
        raise Unclear(_("There is no such period. Here are the last 30 days."))
    return days, Period.of_days(today, DAYS[days])


def _range(first: str, last: str) -> Period:
    hint = _("A day is written like 2026-11-30. Here are the last 30 days.")
    period = Period(_day(first, hint), _day(last, hint))
    if period.last < period.first:
        raise Unclear(_("The period ends before it begins. Here are the last 30 days."))
    if period.days > LONGEST:
        raise Unclear(_("At most ten years are shown at a time. Here are the last 30 days."))
    return period


def _day(text: str, complaint: str) -> date:
    try:
        return day_written(text)
    except ValueError:
        raise Unclear(complaint) from None


def _narrowings(request: HttpRequest) -> dict[str, int | str | None]:
    """Raises Http404 for what is not theirs, and for what can be nobody's."""
    found = {name: request.GET[name] for name in NARROWINGS if request.GET.get(name)}
    numbers = {name: _number(value) for name, value in found.items() if name not in WORDS}
    own = None if request.user.is_superuser else account_of(request.user)
    if own is not None and (numbers.get("account", own) != own or "group" in numbers):
        raise Http404
    return {**found, **numbers, **({} if own is None else {"account": own})}


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > 18:
        raise Http404
    return int(text)


def account_of(person: Person) -> int:
    return Account.of(person).pk

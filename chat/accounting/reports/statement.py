"""A month's statement of one account or group: what it used by model, and the corrections that were booked in it."""

from dataclasses import dataclass
from datetime import date, datetime

from django.utils import timezone

from chat.accounting.reports import models
from chat.accounting.reports.entries import matching
from chat.accounting.reports.figures import Figures
from chat.accounting.reports.scope import Scope
from chat.accounting.reports.table import Table
from chat.models import ClosedMonth, UsageDay, UsageEntry

MOST_CORRECTIONS = 200  # that are named one by one


@dataclass(frozen=True, slots=True)
class Statement:
    """`closed`: since when nothing of the month changes any more; None while something may."""

    scope: Scope
    made: datetime
    closed: datetime | None
    table: Table
    corrections: list[UsageEntry]

    @property
    def figures(self) -> Figures:
        return self.table.total.figures

    @property
    def first(self) -> date:
        return self.scope.period.first

    @property
    def more_corrections(self) -> int:
        return max(self.figures.adjustments - len(self.corrections), 0)  # one may come while it is read


def statement(scope: Scope) -> Statement:
    """Of a scope whose period is a month."""
    # Before the figures: what is said to be closed is read when nothing can be added to it any more.
    closed = ClosedMonth.objects.filter(first=scope.period.first).values_list("closed", flat=True).first()
    table = models.REPORT.table(scope)
    corrections = _corrections(scope) if table.total.figures.adjustments else []
    return Statement(scope, timezone.now(), closed, table, corrections)


def _corrections(scope: Scope) -> list[UsageEntry]:
    """The daily sums say whose they are, and when: there is no index of corrections."""
    where = UsageDay.objects.filter(scope.filters(), adjustments__gt=0).order_by()
    accounts, days = set(where.values_list("account", flat=True)), set(where.values_list("day", flat=True))
    lines = matching(scope).filter(kind=UsageEntry.Kind.ADJUSTMENT, account__in=accounts, day__in=days)
    return list(lines.order_by("day", "pk")[:MOST_CORRECTIONS])

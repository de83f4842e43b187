"""The ledger's single lines: the one report that is read from them."""

from datetime import date

from django.db.models import Q, QuerySet, Sum

from chat.accounting.reports.scope import Period, Scope
from chat.accounting.reports.sums import rows_by_day
from chat.models import UsageDay, UsageEntry

PAGE = 50
DAYS = 3  # on which so many are looked for first
FEW = 100  # so many accounts are named in a query


def lines(scope: Scope, *, before: tuple[date, int] | None = None, count: int = PAGE) -> list[UsageEntry]:
    """The newest, or those before a line that is given by its day and number.

    The daily sums say first on which days so many are found, and whose they are: to look for a rare model through the
    lines themselves would be to read a month of everybody's.
    """
    last = min(scope.period.last, before[0]) if before else scope.period.last
    scope = scope.in_period(Period(scope.period.first, last))
    first = _first_day(scope, count, before[0] if before else None)
    if first is None:
        return []
    scope = scope.in_period(Period(first, last))
    found = matching(scope).filter(_by_whom(scope))
    if before:
        found = found.filter(Q(day__lt=before[0]) | Q(day=before[0], pk__lt=before[1]))
    return list(found.order_by("-day", "-pk")[:count])


def _first_day(scope: Scope, count: int, begun: date | None) -> date | None:
    """From which day on there are that many lines; those of the day that is begun may all be shown already."""
    by_day = rows_by_day(scope).values("day").order_by("-day")
    sums = by_day.annotate(charges=Sum("replies"), later=Sum("adjustments")).values_list("day", "charges", "later")
    first = None
    for most in (DAYS, count + 1):  # a large site has so many on each day
        found = 0
        for day, charges, later in sums[:most]:
            first = day
            found += charges + later if day != begun else 0
            if found >= count:
                return first
    return first


def _by_whom(scope: Scope) -> Q:
    """Their accounts, if they are few: the ledger has an index of these."""
    if scope.account is not None:
        return Q()
    accounts = UsageDay.objects.filter(scope.filters()).order_by().values_list("account", flat=True).distinct()
    few = list(accounts[: FEW + 1])
    return Q(account__in=few) if len(few) <= FEW else Q()


def matching(scope: Scope) -> QuerySet[UsageEntry]:
    found = UsageEntry.objects.filter(day__gte=scope.period.first, day__lte=scope.period.last)
    if scope.account is not None:
        found = found.filter(account=scope.account)
    if scope.group is not None:
        found = found.filter(group=scope.group or None)
    for name in ("model", "purpose"):
        if (value := getattr(scope, name)) is not None:
            found = found.filter(**{f"completion__{name}": value})
    if scope.provider is not None:
        found = found.filter(completion__model__provider=scope.provider)
    if scope.outcome is not None:
        found = found.filter(completion__status=scope.outcome)
    return found.select_related("account__person", "completion__model__provider").defer("completion__arrivals")

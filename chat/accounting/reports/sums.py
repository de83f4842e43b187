"""The one reader of the daily sums and their rollups: adds them up over a scope, by what a report asks for."""

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from django.db.models import BigIntegerField, F, Q, QuerySet, Sum, Value
from django.db.models.functions import Cast
from django.utils import timezone

from chat.accounting.reports.figures import PARTS, SUMMED, Figures, figures_of
from chat.accounting.reports.scope import NO_GROUP, Period, Scope
from chat.models import LanguageModel, UsageDay, UsageRollup

By, Span = UsageRollup.By, UsageRollup.Span
Key = tuple[Hashable, ...]
Totals = dict[Key, list[int]]  # by what was asked for, and the currency
Read = Callable[..., dict[Key, Figures]]
NAMES = (*SUMMED, *PARTS)
COUNTED = tuple(NAMES.index(name) for name in ("replies", "adjustments"))
MONTH_IN_DAYS = 2  # of days' rows, what a month's are at least


@dataclass(frozen=True, slots=True)
class Source:
    """Rows that are added, or taken away. `day` is that of all of them, where it is not a column's."""

    rows: QuerySet
    sign: int = 1
    day: date | None = None


def sums(scope: Scope, *by: str, whole_months: bool = False) -> dict[Key, Figures]:
    """By the values of these columns of UsageDay, and `provider`. A group of 0 is none.

    With `whole_months`, what lies in one month may be one day: the first of it that is in the period.
    """
    if "provider" in by:
        return _by_provider(scope, by)
    return _figures(_totals(scope, by, whole_months))


def total(scope: Scope) -> Figures:
    return sums(scope).get((), Figures())


class Gathered:
    """Sums that are read once, by several columns, and said by each of them: for a page that shows many of a scope."""

    def __init__(self, scope: Scope, *by: str, whole_months: bool = False) -> None:
        self.scope, self.by, self.whole_months = scope, by, whole_months
        self.totals = _totals(scope, by, whole_months)

    def __call__(self, scope: Scope, *by: str, whole_months: bool = False) -> dict[Key, Figures]:
        """As `sums`, which is asked for what it has not read."""
        if scope != self.scope or not {*by} <= {*self.by} or ("day" in by and whole_months != self.whole_months):
            return sums(scope, *by, whole_months=whole_months)
        places = [self.by.index(name) for name in by]
        fewer: Totals = {}
        for (*key, currency), figures in self.totals.items():
            _add(fewer, (*(key[place] for place in places), currency), figures)
        return _figures(fewer)

    def of_a_few(self, column: str, few: list[int]) -> dict[Key, Figures]:
        """By this column and by day, of a few accounts or models alone."""
        if column in self.by:
            found = self(self.scope, column, "day", whole_months=self.whole_months)
            return {key: figures for key, figures in found.items() if key[0] in few}
        return _figures(_totals(self.scope, (column, "day"), self.whole_months, column, few))


def sources(
    scope: Scope, *by: str, whole_months: bool = False, column: str = "", few: Iterable[int] = ()
) -> Iterator[Source]:
    """What together is the scope: as few rows as are kept by what is asked for.

    A part of a month is its days; or, where they are fewer, the month without its other days, of which those to come
    have no rows. An account's own rows are few, and have an index by day and one by month.
    """
    scope = scope.looked_up()
    narrowed = Q(**{f"{column}__in": list(few)}) if column else Q()
    columns = (*by, column) if column else by
    kept, is_of_accounts = _kept_by(scope, columns), scope.account is not None or column == "account"

    def days(period: Period) -> QuerySet:
        return rows_by_day(scope.in_period(period), *columns).filter(narrowed)

    def months(period: Period) -> QuerySet:
        found = _rolled(kept, Span.MONTH).filter(scope.in_period(period).rolled_filters(), narrowed)
        return found.filter(first__in=list(period.months)) if is_of_accounts else found

    if "day" in by and not whole_months:
        yield Source(days(scope.period))
        return
    whole, around = scope.period.parted
    if whole:
        yield Source(months(whole))
    for part in around:
        others = part.others_of_month
        if _with_rows(others) + MONTH_IN_DAYS >= part.days:
            yield Source(days(part), day=part.first)
        else:
            yield Source(months(Period.of_month(part.first)), day=part.first)
            yield from (Source(days(other), -1, part.first) for other in others)


def rows_by_day(scope: Scope, *by: str) -> QuerySet:
    """Of each day in it those that keep these columns. An account's own are few, and have an index."""
    kept = _kept_by(scope, by)
    if kept == By.ALL or scope.account is not None:
        return UsageDay.objects.filter(scope.filters()).order_by()
    return _rolled(kept, Span.DAY).filter(scope.rolled_filters())


def _kept_by(scope: Scope, by: Iterable[str]) -> str:
    columns = {*by, *scope.columns} - {"day"}
    return next(kept for kept, names in UsageRollup.KEPT.items() if columns <= {*names})


def _rolled(kept: str, span: str) -> QuerySet[UsageRollup]:
    return UsageRollup.objects.filter(by=kept, span=span).annotate(day=F("first")).order_by()


def _with_rows(periods: list[Period]) -> int:
    """How many of their days may have rows: in those to come, nothing was used yet."""
    today = timezone.localdate()
    return sum(max((min(period.last, today) - period.first).days + 1, 0) for period in periods)


def summed(found: list[Source], by: tuple[str, ...], names: Iterable[str]) -> Iterator[tuple[Key, int, list[int]]]:
    """Keys, the currency last, with the sign and the sums of these columns. A key may come from each source.

    One statement, and so of one moment: what is booked meanwhile is in a month and in its days, or in neither.
    """
    # As whole numbers: thousands of Decimals take longer than the query.
    columns = {f"sum_{name}": Cast(Sum(name), BigIntegerField()) for name in names}
    first, *others = (
        source.rows.annotate(place=Value(place)).values_list("place", *by, "currency").annotate(**columns)
        for place, source in enumerate(found)
    )
    width = len(by) + 1
    for place, *row in first.union(*others, all=True) if others else first:
        source, key = found[place], [NO_GROUP if value is None else value for value in row[:width]]
        if source.day and "day" in by:
            key[by.index("day")] = source.day
        yield tuple(key), source.sign, row[width:]


def _totals(scope: Scope, by: tuple[str, ...], whole_months: bool, column: str = "", few: Iterable[int] = ()) -> Totals:
    found: Totals = {}
    for key, sign, figures in summed(
        list(sources(scope, *by, whole_months=whole_months, column=column, few=few)), by, NAMES
    ):
        _add(found, key, figures if sign > 0 else [-figure for figure in figures])
    return {key: figures for key, figures in found.items() if any(figures[place] for place in COUNTED)}


def _add(found: Totals, key: Key, figures: list[int]) -> None:
    so_far = found.get(key)
    found[key] = figures if so_far is None else [one + more for one, more in zip(so_far, figures, strict=True)]


def _figures(totals: Totals) -> dict[Key, Figures]:
    found: dict[Key, Figures] = {}
    for (*key, currency), summed_up in totals.items():
        figures = figures_of(summed_up, currency)
        if (so_far := found.get(tuple(key))) is None:
            found[tuple(key)] = figures
        else:
            so_far.add(figures)
    return found


def _by_provider(scope: Scope, by: tuple[str, ...]) -> dict[Key, Figures]:
    """From the sums by model: of these there are few."""
    provider_of = dict(LanguageModel.objects.values_list("pk", "provider"))
    found: dict[Key, Figures] = {}
    place = by.index("provider")
    for key, figures in sums(scope, *(name if name != "provider" else "model" for name in by)).items():
        new = (*key[:place], provider_of[key[place]], *key[place + 1 :])
        found.setdefault(new, Figures()).add(figures)
    return found

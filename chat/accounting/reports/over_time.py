"""What was used when, by day, week or month: stacked by model, by person, or by how exact it is."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal

from django.utils.translation import gettext as _

from chat.accounting.reports.figures import Figures
from chat.accounting.reports.people import names_of
from chat.accounting.reports.scope import Period, Scope
from chat.accounting.reports.sums import Gathered
from chat.accounting.reports.table import Cell, Column, Row, Table, total_of
from chat.models import LanguageModel
from chat.models.money import PLACES

Step = Literal["day", "week", "month"]
Stack = Literal["model", "account", "exactness"]
TOKENS = "tokens"  # what is measured, where it is not a currency
SERIES = 4  # those that took most; all others are one more
MOST_DAYS, MOST_WEEKS = 62, 27


@dataclass(slots=True)
class Series:
    """`look`: c1 to c4 for those that took most, c5 for all others, est for what is estimated."""

    name: str  # in files
    label: str
    look: str
    values: list[int]  # tokens, or nanos of the currency


@dataclass(frozen=True, slots=True)
class OverTime:
    step: Step
    steps: list[Period]
    stack: Stack
    unit: str  # a currency, or TOKENS
    series: list[Series]
    whole: list[Figures] = field(repr=False)  # by step

    @property
    def values(self) -> list[int]:
        """By step, all together."""
        return [_value(figures, self.unit) for figures in self.whole]

    @property
    def estimated_shares(self) -> list[float | None]:
        """By step; None where nothing was used."""
        return [
            _estimated(figures, self.unit) / value if (value := _value(figures, self.unit)) > 0 else None
            for figures in self.whole
        ]

    def table(self) -> Table:
        """The same as a table."""
        rows = [Row(step.first, figures) for step, figures in zip(self.steps, self.whole, strict=True)]
        columns = [Column("from", _("Day") if self.step == "day" else _("From"), "day", lambda row: row.label)]
        if self.step != "day":
            last = {step.first: step.last for step in self.steps}
            columns.append(Column("to", _("To"), "day", lambda row: last.get(row.label)))
        columns += [self._column(series) for series in self.series]
        columns.append(Column("exact", _("Exact"), "share", lambda row: row.figures.exact_share))
        whole = dict(zip((step.first for step in self.steps), self.values, strict=True))
        columns.append(self._measured("all", _("All"), whole, sum(whole.values())))
        return Table(columns, rows[::-1], total_of(rows))

    def _column(self, series: Series) -> Column:
        values = dict(zip((step.first for step in self.steps), series.values, strict=True))
        return self._measured(series.name, series.label, values, sum(series.values))

    def _measured(self, name: str, title: str, values: dict[date, int], together: int) -> Column:
        """The row of all together has no day."""

        def of(row: Row) -> Cell:
            value = values.get(row.label, together)
            return value if self.unit == TOKENS else Decimal(value).scaleb(-PLACES)

        is_tokens = self.unit == TOKENS
        return Column(name, title, "tokens" if is_tokens else "money", of, "" if is_tokens else self.unit)


def over_time(scope: Scope, stack: Stack, unit: str) -> OverTime:
    step, steps = steps_of(scope.period)
    by_month = step == "month"
    read = Gathered(scope, *(["model"] if stack == "model" else []), "day", whole_months=by_month)
    by_day = {(None, day): figures for (day,), figures in read(scope, "day", whole_months=by_month).items()}
    whole = _stepped(by_day, steps).get(None) or [Figures() for _step in steps]
    if stack == "exactness":
        return OverTime(step, steps, stack, unit, _exactness(whole, unit), whole)
    taken = {key: _value(figures, unit) for (key,), figures in read(scope, stack).items()}
    few = [key for key in sorted(taken, key=lambda key: (-taken[key], key))[:SERIES] if taken[key] > 0]
    stepped = _stepped(read.of_a_few(stack, few), steps)
    names = _names(stack, few)
    series = [
        Series(f"{stack}-{key}", names[key], f"c{place}", [_value(figures, unit) for figures in stepped[key]])
        for place, key in enumerate(few, 1)
    ]
    others = [_value(figures, unit) - sum(parts) for figures, *parts in zip(whole, *_values(series), strict=True)]
    if any(others):
        series.append(Series("others", _("all others"), "c5", others))
    return OverTime(step, steps, stack, unit, series, whole)


def _values(series: list[Series]) -> list[list[int]]:
    return [each.values for each in series]


def steps_of(period: Period) -> tuple[Step, list[Period]]:
    """Days, or whole weeks or months as far as they lie in the period."""
    if period.days <= MOST_DAYS:
        return "day", list(_cut(period, lambda day: day))
    if period.days <= MOST_WEEKS * 7:
        return "week", list(_cut(period, lambda day: day + timedelta(days=6 - day.weekday())))
    return "month", list(_cut(period, lambda day: Period.of_month(day).last))


def _cut(period: Period, end_of) -> Iterator[Period]:
    first = period.first
    while first <= period.last:
        last = min(end_of(first), period.last)
        yield Period(first, last)
        first = last + timedelta(days=1)


def _stepped(by_day: dict[tuple[object, date], Figures], steps: list[Period]) -> dict[object, list[Figures]]:
    """By key, the figures of each step. The first day of it in a month may stand for all of that month."""
    step_of = {step.first + timedelta(days=n): place for place, step in enumerate(steps) for n in range(step.days)}
    found: dict[object, list[Figures]] = {}
    for (key, day), figures in by_day.items():
        found.setdefault(key, [Figures() for _step in steps])[step_of[day]].add(figures)
    return found


def _exactness(whole: list[Figures], unit: str) -> list[Series]:
    estimated = [_estimated(figures, unit) for figures in whole]
    exact = [_value(figures, unit) - part for figures, part in zip(whole, estimated, strict=True)]
    return [Series("exact", _("exact"), "c1", exact), Series("estimated", _("estimated"), "est", estimated)]


def _value(figures: Figures, unit: str) -> int:
    return figures.tokens if unit == TOKENS else figures.in_(unit).amount


def _estimated(figures: Figures, unit: str) -> int:
    if unit == TOKENS:
        return figures.estimated_input + figures.estimated_output
    return figures.in_(unit).estimated_amount


def _names(stack: Stack, keys: list[int]) -> dict[int, str]:
    if stack == "account":
        return names_of(set(keys))
    return {pk: model.name for pk, model in LanguageModel.objects.in_bulk(keys).items()}

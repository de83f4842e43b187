"""A report as a table: named columns, rows that know what they narrow a report to, and what they are all together."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Literal

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from chat.accounting.reports.figures import Figures
from chat.accounting.reports.scope import Scope
from chat.accounting.reports.sums import Read, sums

Kind = Literal["words", "day", "count", "tokens", "share", "money", "seconds", "speed"]
Cell = str | int | float | Decimal | date | None


@dataclass(slots=True)
class Row:
    """`narrows`: what of the scope it is, for a link; empty where nothing can be narrowed to it."""

    label: str | date
    figures: Figures
    narrows: dict[str, int | str | date] = field(default_factory=dict)
    more: dict[str, Cell] = field(default_factory=dict)  # what only this report knows


@dataclass(frozen=True, slots=True)
class Column:
    """`name` stands in addresses and in files. What is not `shown` is in files alone."""

    name: str
    title: str | Promise
    kind: Kind
    of: Callable[[Row], Cell]
    currency: str = ""
    shown: bool = True

    @property
    def is_figure(self) -> bool:
        return self.kind not in ("words", "day")


@dataclass(frozen=True, slots=True)
class Table:
    columns: list[Column]
    rows: list[Row]
    total: Row | None

    @property
    def shown(self) -> list[Column]:
        return [column for column in self.columns if column.shown]

    def sorted_by(self, name: str, *, descending: bool) -> "Table":
        """Unknown last, whichever way."""
        column = next((column for column in self.columns if column.name == name), None)
        if column is None:
            return self
        known = [row for row in self.rows if column.of(row) is not None]
        unknown = [row for row in self.rows if column.of(row) is None]
        return Table(self.columns, sorted(known, key=_key_of(column), reverse=descending) + unknown, self.total)

    def first(self, count: int) -> "Table":
        return Table(self.columns, self.rows[:count], self.total)


def _key_of(column: Column) -> Callable[[Row], Cell]:
    if column.kind == "words":
        return lambda row: str(column.of(row)).casefold()
    return column.of


@dataclass(frozen=True, slots=True)
class Report:
    """`name` stands in its address; `label` is the title of its first column. `of_everybody`: for administrators."""

    name: str
    tab: str | Promise
    title: str | Promise
    label: str | Promise
    rows: Callable[[Scope, Read], list[Row]]
    columns: Callable[[list[str]], list[Column]] | None = None  # of the currencies there are; else the usual ones
    label_kind: Kind = "words"
    of_everybody: bool = False
    sorts_by: str = ""  # else by what it cost

    def table(self, scope: Scope, read: Read = sums) -> Table:
        rows = self.rows(scope, read)
        together = total_of(rows)
        currencies = currencies_of(together.figures)
        columns = [Column(self.name, self.label, self.label_kind, lambda row: row.label)]
        columns += (self.columns or usual_columns)(currencies)
        by = self.sorts_by or (f"cost-{currencies[0]}" if currencies else "tokens")
        table = Table(columns, rows, together)
        return table.sorted_by("tokens", descending=True).sorted_by(by, descending=True)


def total_of(rows: Iterable[Row]) -> Row:
    together = Figures()
    for row in rows:
        together.add(row.figures)
    return Row("", together)


def currencies_of(figures: Figures) -> list[str]:
    """That of which most was spent first, as far as numbers of different currencies can say."""
    return sorted(figures.money, key=lambda currency: (-figures.money[currency].amount, currency))


def usual_columns(currencies: list[str]) -> list[Column]:
    return [
        Column("replies", _("Replies"), "count", lambda row: row.figures.replies),
        Column("input", _("In"), "tokens", lambda row: row.figures.input_tokens),
        Column("cached", _("Cached"), "tokens", lambda row: row.figures.cached_tokens, shown=False),
        Column("output", _("Out"), "tokens", lambda row: row.figures.output_tokens),
        Column("reasoning", _("Reasoning"), "tokens", lambda row: row.figures.reasoning_tokens, shown=False),
        Column("tokens", _("Tokens"), "tokens", lambda row: row.figures.tokens, shown=False),
        Column("unpriced", _("Unpriced tokens"), "tokens", lambda row: row.figures.unpriced_tokens, shown=False),
        Column("exact", _("Exact"), "share", lambda row: row.figures.exact_share),
        *(column for currency in currencies for column in money_columns(currency, alone=len(currencies) == 1)),
    ]


def money_columns(currency: str, *, alone: bool) -> list[Column]:
    def cost(of: Callable[[Row], Decimal]) -> Callable[[Row], Decimal | None]:
        return lambda row: of(row) if currency in row.figures.money else None

    def money_of(row: Row):
        return row.figures.in_(currency)

    title = _("Cost") if alone else currency
    return [
        Column(f"cost-{currency}", title, "money", cost(lambda row: money_of(row).sum), currency),
        Column(f"least-{currency}", _("At least"), "money", cost(lambda row: money_of(row).low), currency, False),
        Column(f"most-{currency}", _("At most"), "money", cost(lambda row: money_of(row).high), currency, False),
        Column(
            f"estimated-{currency}", _("Estimated"), "money", cost(lambda row: money_of(row).estimated), currency, False
        ),
    ]

"""A report as CSV that spreadsheet programs open as it is meant, and as JSON."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal

from chat.accounting.reports.table import Cell as Known
from chat.accounting.reports.table import Column, Row, Table
from chat.models.money import plain

BOM = "\ufeff"  # without it Excel takes UTF-8 for the machine's old code page
# What begins so is computed by a spreadsheet, which may call programs and servers. Full-width forms count as well.
COMPUTED = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

Cell = Known | datetime


def csv_lines(head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[bytes]:
    yield (BOM + _line([harmless(title) for title in head])).encode()
    for row in rows:
        yield _line([written(cell) for cell in row]).encode()


def written(cell: Cell) -> str:
    """Figures as every program reads them: a point, no groups. Unknown is empty."""
    match cell:
        case None:
            return ""
        case str():
            return harmless(cell)
        case Decimal():
            return plain(cell)
        case float():
            return f"{cell:.6g}"
        case datetime():
            return cell.isoformat(sep=" ", timespec="seconds")
        case _:
            return str(cell)


def harmless(text: str) -> str:
    """As text, whatever it begins with."""
    return f"'{text}" if text.startswith(COMPUTED) else text


def as_json(cell: Cell) -> str | int | float | None:
    """Money as text: JSON's numbers are floating point to most who read them."""
    if isinstance(cell, Decimal):
        return plain(cell)
    if isinstance(cell, date):
        return cell.isoformat()
    return round(cell, 6) if isinstance(cell, float) else cell


def _line(cells: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()


# Reports


def titles(table: Table) -> list[str]:
    """With the currency, which a number in a file does not carry."""
    return [_titled(column) for column in table.columns]


def _titled(column: Column) -> str:
    if not column.currency or column.title == column.currency:
        return str(column.title)
    return f"{column.title}, {column.currency}"


def cells(table: Table) -> Iterator[list[Cell]]:
    for row in table.rows:
        yield [column.of(row) for column in table.columns]


def table_as_json(table: Table) -> dict[str, object]:
    def named(row: Row) -> dict[str, str | int | float | None]:
        return {column.name: as_json(column.of(row)) for column in table.columns}

    first = table.columns[0].name
    total = {name: value for name, value in named(table.total).items() if name != first}
    return {"rows": [named(row) for row in table.rows], "total": total}

"""A report as it stands in files: its titles and cells for CSV, and itself as JSON."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

from chat.accounting.reports.table import Cell, Column, Row, Table
from chat.models.money import plain


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


def as_json(cell: Cell) -> str | int | float | None:
    """Money as text: JSON's numbers are floating point to most who read them."""
    if isinstance(cell, Decimal):
        return plain(cell)
    if isinstance(cell, date):
        return cell.isoformat()
    return round(cell, 6) if isinstance(cell, float) else cell

"""Rows as CSV that spreadsheet programs open as it is meant, without running anything in it."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal

BOM = "\ufeff"  # without it Excel takes UTF-8 for the machine's old code page
# What begins so is computed by a spreadsheet, which may call programs and servers. Full-width forms count as well.
COMPUTED = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

Cell = str | int | float | Decimal | date | datetime | None


def csv_lines(head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[bytes]:
    yield (BOM + _line([harmless(title) for title in head])).encode()
    for row in rows:
        yield _line([written(cell) for cell in row]).encode()


def written(cell: object) -> str:
    """Figures as every program reads them: a point, no groups. Unknown is empty."""
    match cell:
        case None:
            return ""
        case str():
            return harmless(cell)
        case Decimal():
            return f"{cell.normalize():f}"
        case float():
            return f"{cell:.6g}"
        case datetime():
            return cell.isoformat(sep=" ", timespec="seconds")
        case int() | date():
            return str(cell)
        case _:
            return harmless(str(cell))


def harmless(text: str) -> str:
    """As text, whatever it begins with."""
    return f"'{text}" if text.startswith(COMPUTED) or text.lstrip().startswith(COMPUTED) else text


def _line(cells: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()

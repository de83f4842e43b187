"""Rows as CSV that a spreadsheet opens without running anything in it."""

import csv
from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from io import StringIO

# A cell that begins so is a formula to some spreadsheet; the last four are the full-width forms.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


def table(rows: Iterable[Iterable[object]]) -> Iterator[bytes]:
    """Begins with a byte order mark: without one, a well-known spreadsheet takes UTF-8 for something else."""
    yield "\ufeff".encode()
    for row in rows:
        line = StringIO()
        csv.writer(line, quoting=csv.QUOTE_ALL).writerow([cell(value) for value in row])
        yield line.getvalue().encode()


def cell(value: object) -> object:
    """Numbers stay numbers, also negative ones; text that would be a formula gets an apostrophe before it."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bool | int | float | Decimal):
        return value
    text = str(value)
    return f"'{text}" if text.lstrip().startswith(FORMULA) or text.startswith(FORMULA) else text

"""Reads a CSV file as spreadsheets and providers write it: rows with the numbers of their lines, or what is wrong."""

import codecs
import csv
import io
from collections.abc import Collection, Iterator

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

MOST_FAULTS = 20
BOMS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16", codecs.BOM_UTF8: "utf-8-sig"}


class BadList(Exception):
    """The file cannot be taken; `faults` are sentences, each with its line. Nothing of it was."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class CsvFile:
    """`columns`: their names, in small letters. Commas, semicolons and tabs may stand between them."""

    def __init__(self, data: bytes, *, largest: int) -> None:
        text = _text(data, largest)
        head = text.split("\n", 1)[0]
        separator = max(",;\t", key=head.count)
        self._reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        with _readable(self._reader):
            self.columns = [name.strip().lower() for name in self._reader.fieldnames or []]
        self._reader.fieldnames = self.columns

    def rows(self) -> Iterator[tuple[int, dict[str, str]]]:
        """Each with the number of its line; empty ones are left out."""
        with _readable(self._reader):
            for row in self._reader:
                _check_width(self._reader.line_num, row.pop(None, []))
                if any(isinstance(cell, str) and cell.strip() for cell in row.values()):
                    yield self._reader.line_num, {name: (cell or "").strip() for name, cell in row.items()}

    def missing(self, needed: Collection[str]) -> list[str]:
        """Sentences."""
        return [_("The column %(name)s is missing.") % {"name": name} for name in needed if name not in self.columns]

    def twice(self, names: Collection[str]) -> list[str]:
        found = [name for name in names if self.columns.count(name) > 1]
        return [_("The column %(name)s is there twice.") % {"name": name} for name in found]


def _check_width(line: int, more: list[str]) -> None:
    """A figure written with a decimal comma would be two cells, and each of them be taken for a figure."""
    if any(cell.strip() for cell in more):
        sentence = _(
            "Line %(line)d has more cells than the head has columns. Where a comma stands in a figure, "
            "write a point, or put semicolons between the columns."
        )
        raise BadList([sentence % {"line": line}])


class _readable:
    """Says in which line a file breaks off."""

    def __init__(self, reader: csv.DictReader) -> None:
        self._reader = reader

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, csv.Error):
            words = {"line": self._reader.reader.line_num, "why": error}
            raise BadList([_("Line %(line)d cannot be read: %(why)s.") % words]) from None


def _text(data: bytes, largest: int) -> str:
    if len(data) > largest:
        raise BadList([_("The file is larger than %(mb)d MB.") % {"mb": largest // 1024**2}])
    encoding = next((name for mark, name in BOMS.items() if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        sentence = _("Line %(line)d is not UTF-8. Save the file as “CSV UTF-8”, and import it again.")
        raise BadList([sentence % {"line": line}]) from None
    if "\0" in text:
        raise BadList([_("This is no text file. Save the table as “CSV UTF-8”, and import it again.")])
    return text


def in_line(line: int, fault: object) -> str:
    return _("Line %(line)d: %(fault)s") % {"line": line, "fault": fault}


def shortened(faults: list[str]) -> list[str]:
    more = len(faults) - MOST_FAULTS
    if more <= 0:
        return faults
    return [*faults[:MOST_FAULTS], ngettext("%(n)d more is wrong.", "%(n)d more are wrong.", more) % {"n": more}]

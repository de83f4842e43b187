"""The text of PDF and office files, piece by piece, so that one that is too long ends early."""

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from io import StringIO
from typing import BinaryIO
from zipfile import ZipFile

from chat.extraction.contract import Extract, Kind, Limits, Unreadable

_SLIDE = re.compile(r"ppt/slides/slide(\d+)\.xml")
_PARAGRAPH = "{http://schemas.openxmlformats.org/drawingml/2006/main}p"
_PIECE = "{http://schemas.openxmlformats.org/drawingml/2006/main}t"
_OPEN_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_OPEN_PAGE = "{urn:oasis:names:tc:opendocument:xmlns:drawing:1.0}page"

MEDIA_TYPES: dict[str, str] = {"pdf": "application/pdf"}


def read(kind: Kind, file: BinaryIO, limits: Limits) -> Extract:
    pages = 0
    if kind == "pdf":
        pages, pieces = _pdf(file)
    else:
        pieces = READERS[kind](file)
    text = joined(pieces, limits)
    if not text.strip():
        raise Unreadable("no_text" if kind == "pdf" else "blank")
    return Extract(kind=kind, media_type=MEDIA_TYPES.get(kind, ""), text=text, pages=pages)


def joined(pieces: Iterable[str], limits: Limits) -> str:
    """Without what no database takes. Raises Unreadable as soon as it is too long."""
    found, length = [], 0
    for piece in pieces:
        piece = piece.replace("\0", "").encode("utf-8", "replace").decode()
        length += len(piece)
        if length > limits.characters:
            raise Unreadable("many_characters", limits.characters)
        found.append(piece)
    return "".join(found).strip()


def _pdf(file: BinaryIO) -> tuple[int, Iterator[str]]:
    from pypdf import PdfReader
    from pypdf.errors import FileNotDecryptedError

    reader = PdfReader(file)
    try:
        if reader.is_encrypted and not reader.decrypt(""):
            raise Unreadable("encrypted")
        return len(reader.pages), _pages(reader)
    except FileNotDecryptedError as error:
        raise Unreadable("encrypted") from error


def _pages(reader) -> Iterator[str]:
    several = len(reader.pages) > 1
    for number, page in enumerate(reader.pages, 1):
        text = page.extract_text().strip()
        if text:
            yield f"--- {number} ---\n\n{text}\n\n" if several else text


def _document(file: BinaryIO) -> Iterator[str]:
    if "word/document.xml" not in ZipFile(file).namelist():
        yield from _open_document(file)
        return
    from docx import Document
    from docx.table import Table

    for part in Document(file).iter_inner_content():
        if isinstance(part, Table):
            for row in part.rows:
                yield " | ".join(cell.text.replace("\n", " ") for cell in row.cells) + "\n"
            yield "\n"
        else:
            style = part.style.name if part.style and part.style.name else ""
            depth = style.removeprefix("Heading ") if style.startswith("Heading ") else ""
            yield f"{'#' * int(depth)} {part.text}\n\n" if depth.isdecimal() else f"{part.text}\n\n"


def _sheet(file: BinaryIO) -> Iterator[str]:
    from python_calamine import CalamineWorkbook

    book = CalamineWorkbook.from_filelike(file)
    for name in book.sheet_names:
        first = True
        for row in book.get_sheet_by_name(name).iter_rows():
            if any(value != "" for value in row):
                yield f"# {name}\n\n" if first else ""
                first = False
                yield _csv(row)
        if not first:
            yield "\n"


def _csv(row: list) -> str:
    line = StringIO()
    values = [int(value) if isinstance(value, float) and value.is_integer() else value for value in row]
    csv.writer(line, lineterminator="\n").writerow(values)
    return line.getvalue()


def _slides(file: BinaryIO) -> Iterator[str]:
    archive = ZipFile(file)
    slides = sorted((int(match[1]), match[0]) for name in archive.namelist() if (match := _SLIDE.fullmatch(name)))
    if not slides:
        yield from _open_document(file)
    for number, name in slides:
        yield f"--- {number} ---\n\n"
        for _event, paragraph in _elements(archive, name, _PARAGRAPH):
            if text := "".join(piece.text or "" for piece in paragraph.iter(_PIECE)):
                yield f"{text}\n"
        yield "\n"


def _open_document(file: BinaryIO) -> Iterator[str]:
    """Of OpenDocument: headings, paragraphs, and where a slide begins."""
    number = 0
    tags = (f"{_OPEN_TEXT}p", f"{_OPEN_TEXT}h", _OPEN_PAGE)
    for event, element in _elements(ZipFile(file), "content.xml", *tags, events=("start", "end")):
        if event == "start":
            if element.tag == _OPEN_PAGE:
                number += 1
                yield f"--- {number} ---\n\n"
        elif element.tag != _OPEN_PAGE:
            head = "# " if element.tag.endswith("}h") else ""
            yield f"{head}{''.join(element.itertext())}\n\n"


def _elements(archive: ZipFile, name: str, *tags: str, events: tuple[str, ...] = ("end",)) -> Iterator:
    """No entity is resolved, nothing is fetched, and what is too deep is an error."""
    from lxml import etree

    with archive.open(name) as member:
        safely = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False}
        yield from etree.iterparse(member, events=events, tag=tags, **safely)


READERS: dict[str, Callable[[BinaryIO], Iterator[str]]] = {
    "document": _document,
    "sheet": _sheet,
    "slides": _slides,
}

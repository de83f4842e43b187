"""From a file to the conversations in it, one after the other. Nothing is unpacked to a disk, and nothing is believed.

Of a zip only the conversations are read. How large they are is counted while they are read: what a zip says of itself
may be a lie, and one member's bytes may be several members'.
"""

import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from chat.archive.importing.splitting import EndsEarly, NotJson, Splitter, TooLong

PART = 64 * 1024
MOST_UNPACKED = 4 * 2**30
MOST_DIRECTORY = 4 * 2**20  # of a zip; each of its entries takes half a kilobyte of memory
MOST_RATIO = 100  # of packed to unpacked; conversations come to about 10
UNSUSPICIOUS = 64 * 2**20  # bytes that may unpack from anything

_CHATS = (
    re.compile(r"(^|/)conversations(-\d+)?\.json$"),
    re.compile(r"(^|/)conversations/[^/]+\.json$"),
    re.compile(r"\.json$"),
)
_READABLE = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ZIP = b"PK"


class Unreadable(Exception):
    """Why nothing more can be read of a file: a kind of `problems.SENTENCES`."""


@dataclass(frozen=True, slots=True)
class Item:
    """One conversation as bytes, or the kind of what is wrong with it; and how far the reading has come.

    Neither: nothing yet, but further.
    """

    read: int
    data: bytes | None = None
    problem: str = ""
    head: bytes = b""  # of the object around it


def size_of(file: BinaryIO) -> int:
    """How much there is to read, as far as the file says."""
    members = _members(file)
    return sum(member.file_size for member in members[1]) if members else file.seek(0, io.SEEK_END)


def items(file: BinaryIO) -> Iterator[Item]:
    """Raises Unreadable, also after some have come."""
    if members := _members(file):
        yield from _of_zip(*members)
    else:
        file.seek(0)
        yield from _of_json(file, 0)


def _members(file: BinaryIO) -> tuple[zipfile.ZipFile, list[zipfile.ZipInfo]] | None:
    """None: it is no zip."""
    file.seek(0)
    if file.read(2) != _ZIP:
        return None
    try:
        archive = zipfile.ZipFile(_Guarded(file))
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError) as error:
        raise Unreadable("bad_zip") from error
    entries = [entry for entry in archive.infolist() if not entry.filename.startswith("__MACOSX/")]
    for pattern in _CHATS:
        if found := [entry for entry in entries if pattern.search(entry.filename)]:
            return archive, sorted(found, key=lambda entry: entry.filename)
    raise Unreadable("no_conversations")


def _of_zip(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo]) -> Iterator[Item]:
    read = 0
    for member in members:
        if member.flag_bits & 1:
            raise Unreadable("encrypted")
        if member.compress_type not in _READABLE:
            raise Unreadable("packed_otherwise")
        with archive.open(member) as file:
            for item in _of_json(file, read):
                read = item.read
                if read > MOST_UNPACKED or read > UNSUSPICIOUS + MOST_RATIO * _packed(archive):
                    raise Unreadable("bomb")
                yield item


def _packed(archive: zipfile.ZipFile) -> int:
    return archive.fp.size


def _of_json(file: BinaryIO, before: int) -> Iterator[Item]:
    splitter, read = Splitter(), before
    try:
        while part := file.read(PART):
            read += len(part)
            for found in splitter.feed(part):
                yield _item(found, read, splitter.head)
            yield Item(read)
        splitter.finish()
    except NotJson:
        yield Item(read, problem="not_text")
    except EndsEarly:
        yield Item(read, problem="ends_early")
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError):
        yield Item(read, problem="damaged")


def _item(found: bytes | TooLong, read: int, head: bytes) -> Item:
    return Item(read, problem="too_long") if isinstance(found, TooLong) else Item(read, found, head=head)


class _Guarded(io.RawIOBase):
    """A file of which no more is read at once than a zip's directory may be long."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = file.seek(0, io.SEEK_END)

    def read(self, size: int = -1) -> bytes:
        if size > MOST_DIRECTORY or (size < 0 and self.size - self._file.tell() > MOST_DIRECTORY):
            raise zipfile.BadZipFile("more at once than a directory may be long")
        return self._file.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

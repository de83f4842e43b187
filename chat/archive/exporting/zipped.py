"""A zip that is written while it is read: what has been taken is forgotten, but for the list of its members."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from django.utils.timezone import localtime

Member = tuple[str, Iterable[bytes]]


class _Passage:
    """Where the zip writes to, and from where it is taken."""

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._written.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        pass

    def take(self) -> bytes:
        taken = b"".join(self._written)
        self._written.clear()
        return taken


def zipped(members: Iterable[Member]) -> Iterator[bytes]:
    """Of two members with one name the second gets a number."""
    passage, names, now = _Passage(), set(), localtime()
    with ZipFile(passage, "w", ZIP_DEFLATED) as archive:
        for name, parts in members:
            with archive.open(_entry(_unused(name, names), now), "w", force_zip64=True) as member:
                for part in parts:
                    member.write(part)
                    yield passage.take()
            yield passage.take()
    yield passage.take()


def _entry(name: str, now: datetime) -> ZipInfo:
    entry = ZipInfo(name, now.timetuple()[:6])
    entry.compress_type, entry.external_attr = ZIP_DEFLATED, 0o644 << 16
    return entry


def _unused(name: str, names: set[str]) -> str:
    stem, _, suffix = name.rpartition(".")
    number, found = 1, name
    while found.lower() in names:
        number += 1
        found = f"{stem} ({number}).{suffix}"
    names.add(found.lower())
    return found

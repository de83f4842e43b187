"""Cuts a long JSON text into the conversations in it, without ever holding more than one of them.

1. An array at the top: each object in it is one.
2. An object at the top with a "conversations" that is an array: each object in that array is one.
3. Any other object at the top is one; several may follow each other, as lines do.

Strings are stepped over and brackets are counted; whether a piece is JSON is for whoever parses it. So one that is not
spoils no other.
"""

import re
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator

MOST_BYTES = 64 * 1024 * 1024  # of one conversation

# A string that has not ended yet matches to the end of what there is, without its closing quote.
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*("?)|[\[\]{}]', re.S)
_BEFORE = re.compile(rb"[\s,]*(?:" + BOM_UTF8 + rb")?\s*")
_CONVERSATIONS = re.compile(rb'"conversations"\s*:\s*\Z')
_OPENING = b"[{"
_NOWHERE = -1


class NotJson(Exception):
    """It begins with something else."""


class EndsEarly(Exception):
    """The text ends inside a value: a download that was cut."""


class TooLong:
    """In place of a conversation that is longer than one may be."""


class Splitter:
    def __init__(self, most: int = MOST_BYTES) -> None:
        self.head = b""  # of an object around the conversations: what stands before them
        self._most = most
        self._rest = bytearray()
        self._at = 0  # how far `_rest` has been looked at
        self._depth = 0
        self._level = 0  # the depth at which conversations begin
        self._start: int | None = None  # of the one that is open
        self._skipping = False

    def feed(self, data: bytes) -> list[bytes | TooLong]:
        self._rest += data
        if self._depth == 0 and not self._begin():
            return []
        found = list(self._cut())
        self._forget()
        return found

    def finish(self) -> None:
        if self._depth or self._start is not None:
            raise EndsEarly

    def _begin(self) -> bool:
        """At the top: whether a value begins."""
        del self._rest[: _BEFORE.match(self._rest).end()]
        self._at = 0
        if not self._rest or BOM_UTF8.startswith(self._rest):
            return False
        if self._rest[0] not in _OPENING:
            raise NotJson
        return True

    def _cut(self) -> Iterator[bytes | TooLong]:
        for token in _TOKEN.finditer(self._rest, self._at):
            mark = self._rest[token.start()]
            if mark == ord('"'):
                if not token[1]:
                    break  # the rest of the string is still to come
            elif mark in _OPENING:
                self._open(token.start(), mark)
            else:
                yield from self._close(token.end())
            self._at = token.end()
        else:
            self._at = len(self._rest)

    def _open(self, at: int, mark: int) -> None:
        if self._depth == 0:
            self._level = 1 if mark == ord("[") else 0
        elif self._depth == 1 and self._level == 0 and mark == ord("["):
            before = bytes(self._rest[max(at - 100, 0) : at])
            if _CONVERSATIONS.search(before):
                self.head, self._start, self._level = bytes(self._rest[self._start : at]), None, 2
        if self._depth == self._level and self._start is None and mark == ord("{"):
            self._start = at
        self._depth += 1

    def _close(self, end: int) -> Iterator[bytes | TooLong]:
        self._depth -= 1
        if self._depth < self._level:
            self._level = _NOWHERE  # what follows the conversations in their object
        if self._start is None or self._depth != self._level:
            return
        yield TooLong() if self._skipping else bytes(self._rest[self._start : end])
        self._start, self._skipping = None, False

    def _forget(self) -> None:
        """What has been cut, and what lies between. Of one that is too long, all that has been looked at."""
        if self._start is not None and len(self._rest) - self._start > self._most:
            if self._at < len(self._rest) - self._most:
                raise NotJson  # one string alone is longer
            self._skipping = True
        done = self._at if self._start is None or self._skipping else self._start
        del self._rest[:done]
        self._at -= done
        if self._start is not None:
            self._start = 0


def split(parts: Iterable[bytes], most: int = MOST_BYTES) -> Iterator[bytes | TooLong]:
    splitter = Splitter(most)
    for part in parts:
        yield from splitter.feed(part)
    splitter.finish()

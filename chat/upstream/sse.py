"""Server-sent events out of bytes: no I/O, no JSON, no knowledge of any dialect.

The rules are those of WHATWG HTML 9.2.6, and where real upstreams leave them (wire-formats 2.1):

1. Lines end at CRLF, LF or CR and nowhere else: bytes are split, since `str.splitlines` and most readers built on it
   also cut at U+2028, U+0085 and six more, which JSON may hold raw (Q1). The halves of a CRLF may come apart (Q25).
2. One leading BOM is dropped. A line that begins with a colon is a comment. `id`, `retry` and unknown fields too.
3. `data` lines are joined by LF; one space after the colon is not part of the value. A blank line ends an event.
4. What is still pending when the body ends is handed out, where the standard drops it: old KoboldCpp ends its last
   line with the connection (Q4). Whether it is whole is for the dialect to say.
5. A line that begins with `{` or `[` is bare JSON, which some send in place of an event (Q10).
6. A field named `error` is an event of that name (Q11).
7. A line or event over the cap is refused when it passes the cap, not when it ends: REFUSED stands in its place.
"""

import re
from typing import NamedTuple

BOM = b"\xef\xbb\xbf"
MAX_EVENT = 1024 * 1024

# Strings are matched whole, so that their brackets do not count. Possessive, and the closing quote optional:
# otherwise a line of `\"\"\"…` is scanned again from each of its quotes.
_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[\]{}]')


class SentEvent(NamedTuple):
    """One event; `name` is its `event:` field, or `error`."""

    data: bytes
    name: str = ""


REFUSED = SentEvent(b"", "refused")  # compared by identity


class EventDecoder:
    """Bytes in, events out. Any cutting of the same bytes gives the same events."""

    def __init__(self, max_event: int = MAX_EVENT) -> None:
        self._max = max_event
        self._at_start = True
        self._after_cr = False
        self._partial = bytearray()  # a line that has not ended
        self._skipping = False  # a line over the cap: dropped until it ends
        self._data: bytes | bytearray | None = None  # of the event so far; None before its first data line
        self._name = ""
        self._refused = False  # an event over the cap: dropped until it ends
        self._depth = 0  # of open brackets in bare JSON; 0 outside of it
        self._events: list[SentEvent] = []

    def feed(self, data: bytes) -> list[SentEvent]:
        lines, tail = self._split(data)
        for line in lines:
            self._take(line)
        if tail and not self._skipping:
            self._keep(tail)
        return self._handed_out()

    def end(self) -> list[SentEvent]:
        """What was pending (rule 4)."""
        if self._partial:
            line = bytes(self._partial)
            self._partial.clear()
            self._take(line)
        self._dispatch()
        return self._handed_out()

    def _handed_out(self) -> list[SentEvent]:
        events, self._events = self._events, []
        return events

    def _split(self, data: bytes) -> tuple[list[bytes], bytes]:
        """The lines that have ended, and the rest; `bytes.splitlines`, unlike str's, knows CRLF, LF and CR only."""
        if self._after_cr and data:
            self._after_cr = False
            data = data[1:] if data[0] == 10 else data
        if not data:
            return [], b""
        lines = data.splitlines()
        self._after_cr = data[-1] == 13
        tail = b"" if data[-1] in b"\r\n" else lines.pop()
        if lines and (self._partial or self._skipping):
            lines[0] = bytes(self._partial) + lines[0]
            self._partial.clear()
            if self._skipping:
                self._skipping = False
                del lines[0]
        return lines, tail

    def _keep(self, tail: bytes) -> None:
        self._partial += tail
        if len(self._partial) > self._max:
            self._partial.clear()
            self._skipping = True
            self._refuse()

    def _refuse(self) -> None:
        if not self._refused:
            self._events.append(REFUSED)
        self._refused = True
        self._at_start = False
        self._forget()

    def _forget(self) -> None:
        self._data = None
        self._name = ""
        self._depth = 0

    def _take(self, line: bytes) -> None:
        if len(line) > self._max:
            self._refuse()
            return
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(BOM)
        if not line:
            self._end_event()
        elif self._depth and not line.startswith((b"data:", b"event:")):
            self._add_json(line)
        elif line.startswith(b"data: "):
            self._add_data(line[6:])
        elif line[0] in b"{[":
            self._begin_json(line)
        elif line[0] != 58:
            self._take_field(line)

    def _take_field(self, line: bytes) -> None:
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._add_data(value)
        elif field == b"event":
            self._begin_named(value.decode("utf-8", "replace"))
        elif field == b"error":
            self._begin_named("error")
            self._add_data(value)

    def _begin_named(self, name: str) -> None:
        if self._depth:  # bare JSON never has such a line: it was broken off
            self._dispatch()
        if not self._refused:
            self._name = name

    def _add_data(self, value: bytes) -> None:
        if self._depth:
            self._dispatch()
        if self._refused:
            return
        if self._data is None:
            self._data = value
        elif len(self._data) + len(value) >= self._max:
            self._refuse()
        elif isinstance(self._data, bytes):
            self._data = bytearray(self._data + b"\n" + value)
        else:
            self._data += b"\n" + value

    def _begin_json(self, line: bytes) -> None:
        if self._data is not None:
            self._dispatch()
        self._add_json(line)

    def _add_json(self, line: bytes) -> None:
        """Lines of bare JSON, until its brackets are closed. In JSON no string runs over the end of a line."""
        depth = self._depth
        self._depth = 0
        self._add_data(line)
        if self._refused:
            return
        for bracket in _BRACKETS.findall(line):
            if bracket in b"{[":
                depth += 1
            elif bracket in b"}]":
                depth -= 1
        self._depth = max(depth, 0)
        if not self._depth:
            self._dispatch()

    def _end_event(self) -> None:
        if not self._depth:  # bare JSON may hold blank lines
            self._dispatch()
            self._refused = False

    def _dispatch(self) -> None:
        if self._data is not None:
            self._events.append(SentEvent(bytes(self._data), self._name))
        self._forget()

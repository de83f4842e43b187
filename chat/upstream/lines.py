"""Lines of JSON out of bytes: NDJSON, as Ollama sends it. No JSON is read here.

A line ends at LF; the CR before it, blank lines and one leading BOM are nothing. What is pending when the body ends is
a line, too: a proxy may trim the last line end. A line over the cap is refused when it passes the cap (REFUSED).
"""

from chat.upstream.sse import BOM, MAX_EVENT, REFUSED, SentEvent


class LineDecoder:
    """Bytes in, lines out. Any cutting of the same bytes gives the same lines."""

    def __init__(self, max_line: int = MAX_EVENT) -> None:
        self._max = max_line
        self._partial = bytearray()
        self._skipping = False  # a line over the cap: dropped until it ends
        self._at_start = True
        self._lines: list[SentEvent] = []

    def feed(self, data: bytes) -> list[SentEvent]:
        *ended, tail = data.split(b"\n")
        for piece in ended:
            self._keep(piece)
            self._hand_out()
        self._keep(tail)
        lines, self._lines = self._lines, []
        return lines

    def end(self) -> list[SentEvent]:
        self._hand_out()
        lines, self._lines = self._lines, []
        return lines

    def _keep(self, piece: bytes) -> None:
        if not self._skipping:
            self._partial += piece
        if len(self._partial) > self._max:
            self._partial.clear()
            self._skipping = True
            self._lines.append(REFUSED)

    def _hand_out(self) -> None:
        line = bytes(self._partial)
        if self._at_start:
            line = line.removeprefix(BOM)
        if line := line.strip():
            self._lines.append(SentEvent(line))
        self._at_start = self._skipping = False
        self._partial.clear()

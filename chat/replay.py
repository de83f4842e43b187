"""A settled reply as the page would have seen it grow: each frame with its moment. Knows no Django.

The same documents make these frames as made those that were sent while it arrived, and the same script applies them;
so at the end the page shows exactly the saved text.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from chat.document import Cursor, Document
from chat.markdown import ENGLISH, Labels
from chat.transcript import Arrival

FRAME_MS = 50
MOST_FRAMES = 2000  # then each lasts longer
LONG = 200_000  # characters, of which each frame costs more
MOST_FRAMES_OF_LONG = 200


@dataclass(frozen=True, slots=True)
class Moment:
    """What a page is owed of one part, `ms` after the call."""

    ms: int
    part: str
    ops: list


def replay(
    text: str, reasoning: str, arrivals: Iterable[Arrival], *, kept: int = 0, labels: Labels = ENGLISH
) -> list[Moment]:
    """`arrivals` are those of this choice; the first `kept` characters of the text were there from the beginning."""
    parts = {"reasoning": _Part(reasoning, 0, labels), "text": _Part(text, kept, labels)}
    arrivals = list(arrivals)
    moments = [Moment(0, "text", parts["text"].frame())] if kept else []
    frame_ms = _frame_ms(arrivals, len(text) + len(reasoning))
    for number, together in groupby(arrivals, key=lambda arrival: int(arrival.at * 1000) // frame_ms):
        grown = set()
        for arrival in together:
            part = "reasoning" if arrival.reasoning else "text"
            parts[part].grow(arrival.length)
            grown.add(part)
        moments += [Moment((number + 1) * frame_ms, part, parts[part].frame()) for part in parts if part in grown]
    end = moments[-1].ms if moments else 0
    moments += [Moment(end, name, part.last_frame()) for name, part in parts.items()]
    return [moment for moment in moments if moment.ops]


def _frame_ms(arrivals: list[Arrival], length: int) -> int:
    most = MOST_FRAMES if length < LONG else MOST_FRAMES_OF_LONG
    lasted = int(arrivals[-1].at * 1000) if arrivals else 0
    return max(FRAME_MS, -(-lasted // most))


class _Part:
    def __init__(self, text: str, shown: int, labels: Labels) -> None:
        self._text, self._shown = text, shown
        self._document, self._cursor = Document(labels), Cursor()
        self._document.feed(text[:shown])

    def grow(self, length: int) -> None:
        self._document.feed(self._text[self._shown : self._shown + length])
        self._shown += length

    def frame(self) -> list:
        return self._document.frame(self._cursor)

    def last_frame(self) -> list:
        """Whatever the arrivals do not tell of the text is there at the end."""
        self._document.feed(self._text[self._shown :])
        self._document.finish()
        return self.frame()

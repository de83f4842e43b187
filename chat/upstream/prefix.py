"""What was kept of a cut answer, taken out of its continuation where the upstream says it again.

1. A continuation that begins with the whole kept text, or with its last words (TAIL), goes on behind them.
2. What ends while it still repeats the beginning has nothing new to say.
3. What leaves the kept text before it reaches its end was begun anew, and is shown as it is: nobody can repair it.
4. White space at the end of the kept text is not repeated either, and where it was not sent (Anthropic refuses it), its
   like at the beginning of the continuation is what was missing.
"""

from collections.abc import Iterable

from chat.upstream.contract import Delta, Event, Reader

WHOLE = 3  # characters: a shorter text may begin again by chance
TAIL = 16  # the same for a part of it


class PrefixRemover:
    """One choice's continuation in any pieces. Text is held back only while all of it still stands in the kept one."""

    def __init__(self, kept: str, *, is_trimmed: bool = False) -> None:
        """`is_trimmed`: the kept text was sent without the white space at its end."""
        self._kept = kept.rstrip()
        self._space = kept[len(self._kept) :] if is_trimmed else ""  # that may still come, and is there already
        self._space_after = kept[len(self._kept) :]  # the same, once a repetition is over
        self._start = self._length = 0  # of the held text within the kept one
        self._holding = len(self._kept) >= WHOLE

    def feed(self, text: str) -> str:
        if not self._holding:
            return self._without_space(text) if self._space else text
        if self._kept.startswith(text, self._start + self._length):
            self._length += len(text)
            return self._released("") if self._start + self._length == len(self._kept) else ""
        return self._look_further(self._held + text)

    def end(self) -> str:
        """What was held back; nothing, if it was the beginning once more."""
        held, self._holding = self._held if self._holding else "", False
        is_repeated = self._start == 0 and len(held) >= TAIL
        return "" if is_repeated else self._without_space(held)

    @property
    def _held(self) -> str:
        return self._kept[self._start : self._start + self._length]

    def _look_further(self, held: str) -> str:
        start = self._place(held)
        if start is None:
            self._holding = False
            return self._without_space(held)
        self._start, self._length = start, len(held)
        rest = len(self._kept) - start
        return "" if self._length < rest else self._released(held[rest:])

    def _place(self, held: str) -> int | None:
        """Where in the kept text the held one begins, as near to its beginning as it can be."""
        start = self._start
        while start == 0 or 0 < start <= len(self._kept) - TAIL:
            if held.startswith(self._kept[start : start + len(held)]):
                return start
            start = self._kept.find(held[:TAIL], start + 1)
        return None

    def _released(self, text: str) -> str:
        self._holding = False
        self._space = self._space_after
        return self._without_space(text)

    def _without_space(self, text: str) -> str:
        same = 0
        while text[same : same + 1] == self._space[same : same + 1] != "":
            same += 1
        self._space = self._space[same:] if same == len(text) else ""
        return text[same:]


class WithoutPrefix:
    """A reader whose choices do not repeat what was kept."""

    def __init__(self, reader: Reader, kept: str, *, is_trimmed: bool = False) -> None:
        self._reader = reader
        self._kept, self._is_trimmed = kept, is_trimmed
        self._removers: dict[int, PrefixRemover] = {}

    def start(self) -> list[Event]:
        return self._reader.start()

    def feed(self, data: bytes) -> list[Event]:
        return self._cleared(self._reader.feed(data))

    def end(self) -> list[Event]:
        *events, body_end = self._cleared(self._reader.end())
        held = ((index, remover.end()) for index, remover in self._removers.items())
        return [*events, *(Delta(index, text) for index, text in held if text), body_end]

    def _cleared(self, events: Iterable[Event]) -> list[Event]:
        """An emptied delta stays: it may say that its choice exists."""
        cleared = list(events)
        for event in cleared:
            if type(event) is Delta and event.text:
                event.text = self._remover(event.index).feed(event.text)
        return cleared

    def _remover(self, index: int) -> PrefixRemover:
        if index not in self._removers:
            self._removers[index] = PrefixRemover(self._kept, is_trimmed=self._is_trimmed)
        return self._removers[index]

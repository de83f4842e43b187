"""All that has arrived of one completion so far: events folded, readable at any time.

No database, no clock: `at` is passed in, in seconds since the completion went live. A segment is what is new since
the last one was cut; a transcript rebuilt from its segments equals the first in every field.
"""

import base64
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Literal

from chat.upstream import contract
from chat.upstream.contract import BodyEnd, Delta, Event, Failure, Finish, Garbled, Opened, Terminator, Usage, UsageSeen

IncompleteReason = Literal["error", "cut", "no_terminator", "ended_without_reason", "missing_choice"]
PROOFS = (Opened, Finish, UsageSeen, Failure, Terminator, Garbled, BodyEnd)


@dataclass(slots=True)
class Choice:
    """One of the n answers, as far as it has come."""

    index: int
    role: str = ""
    text: str = ""
    reasoning: str = ""
    finish_reason: str = ""
    finish_reason_raw: str = ""
    usage: Usage | None = None
    # What came since somebody last looked: joined then, since adding each delta to the text would be O(n²).
    new_text: list[str] = field(default_factory=list, compare=False)
    new_reasoning: list[str] = field(default_factory=list, compare=False)
    # What segments hold of it: that it exists with its role, and so many characters.
    saved: bool = field(default=False, compare=False)
    saved_text: int = field(default=0, compare=False)
    saved_reasoning: int = field(default=0, compare=False)

    def gather(self) -> None:
        if self.new_text:
            self.text += "".join(self.new_text)
            self.new_text.clear()
        if self.new_reasoning:
            self.reasoning += "".join(self.new_reasoning)
            self.new_reasoning.clear()

    def cut(self) -> list | None:
        """What no segment holds yet."""
        self.gather()
        text, reasoning = self.text[self.saved_text :], self.reasoning[self.saved_reasoning :]
        if self.saved and not text and not reasoning:
            return None
        self._all_is_saved()
        return [self.index, text, reasoning, self.role]

    def add(self, text: str, reasoning: str, role: str) -> None:
        """Takes up what was cut."""
        self.text += text
        self.reasoning += reasoning
        self.role = role or self.role
        self._all_is_saved()

    def _all_is_saved(self) -> None:
        self.saved, self.saved_text, self.saved_reasoning = True, len(self.text), len(self.reasoning)


@dataclass(frozen=True, slots=True)
class Arrival:
    """`length` characters of one choice's text or reasoning, `at` seconds after the completion went live."""

    at: float
    index: int
    reasoning: bool
    length: int


class Transcript:
    """Folds one completion's events. A further attempt begins with its own Opened, which clears the ends before it."""

    def __init__(self, n: int = 1) -> None:
        self.n = n
        self._choices: dict[int, Choice] = {}
        self.opened: Opened | None = None
        self.failure: Failure | None = None
        self.failures = 0  # over all attempts
        self.garbled: str = ""
        self.terminated = False
        self.body_end: BodyEnd | None = None
        self.final_usages: list[Usage] = []
        self.top_usage: Usage | None = None
        self.top_place = ""  # where that one stood
        self.size = 0  # characters of text and reasoning, all choices
        self.has_text = False
        self.arrivals = bytearray()
        self._last_ms = 0
        self._cut_arrivals = 0
        self._new_events: list[Event] = []

    # Reading

    @property
    def choices(self) -> list[Choice]:
        """The choices seen, by index, with all their text."""
        for choice in self._choices.values():
            choice.gather()
        return [self._choices[index] for index in sorted(self._choices)]

    def choice(self, index: int) -> Choice:
        """That choice, or an empty one that has not begun."""
        choice = self._choices.get(index) or Choice(index)
        choice.gather()
        return choice

    @property
    def has_begun(self) -> bool:
        """Whether any text or reasoning came."""
        return self.size > 0

    @property
    def is_answered(self) -> bool:
        """Whether anything of an answer came, if only its role or its usage: it may be billed, and is not retried."""
        return bool(self._choices or self.usage())

    @property
    def finished(self) -> list[int]:
        return [index for index, choice in self._choices.items() if choice.finish_reason]

    def forget_failures_before(self, attempts: int) -> None:
        """A failure says nothing of a later attempt that has begun."""
        if attempts > self.failures:
            self.failure = None

    def usage(self) -> tuple[Usage, str] | None:
        """The usage to believe and its place on the wire, in the order of trust of wire-formats 2.4.

        As many final chunks as choices are one for each (llama.cpp); any other number is a running total.
        """
        if self.final_usages:
            one_each = len(self.final_usages) == self.n
            return (_total(self.final_usages) if one_each else self.final_usages[-1]), "final_chunk"
        if self.top_usage:
            return self.top_usage, self.top_place
        each = [choice.usage for choice in self.choices if choice.usage]
        return (_total(each), "per_choice") if each else None

    def incomplete_reason(self) -> IncompleteReason | None:
        """Why the answer is not proved whole (wire-formats 2.3), or None if it is."""
        if self.failure:
            return "error"
        if self.garbled or self.opened is None or (self.body_end and self.body_end.reset):
            return "cut"
        unfinished = len(self._choices) - len(self.finished)
        if self.opened.ends_by == "terminator" and not self.terminated:
            return "cut" if unfinished or not self._choices else "no_terminator"
        if self.opened.ends_by != "terminator" and not self._choices:  # an empty body proves nothing
            return "cut"
        if self.opened.ends_by == "body" and unfinished:
            return "cut"
        if not self.finished:
            return "ended_without_reason"
        return "missing_choice" if unfinished or len(self._choices) < self.n else None

    def timeline(self) -> Iterator[Arrival]:
        """The arrivals in order, decoded."""
        return decode_arrivals(bytes(self.arrivals))

    # Folding

    def fold(self, events: Iterable[Event], at: float) -> None:
        for event in events:
            if type(event) is Delta:
                self._fold_delta(event, at)
            else:
                self._new_events.append(event)
                self._fold_proof(event)

    def _fold_delta(self, delta: Delta, at: float) -> None:
        choice = self._choices.get(delta.index)
        if choice is None:
            choice = self._choices[delta.index] = Choice(delta.index)
        if delta.role and delta.role != choice.role:
            choice.role, choice.saved = delta.role, False
        if delta.text:
            self.has_text = True
            delta.text = _storable(delta.text)
            choice.new_text.append(delta.text)
            self._note_arrival(at, delta.index * 2, len(delta.text))
        if delta.reasoning:
            delta.reasoning = _storable(delta.reasoning)
            choice.new_reasoning.append(delta.reasoning)
            self._note_arrival(at, delta.index * 2 + 1, len(delta.reasoning))

    def _fold_proof(self, event: Event) -> None:
        match event:
            case Opened():
                self.opened, self.failure, self.body_end = event, None, None
            case Finish():
                choice = self._choices.setdefault(event.index, Choice(event.index))
                choice.finish_reason, choice.finish_reason_raw = event.reason, event.raw
            case UsageSeen():
                self._fold_usage(event)
            case Failure():
                self.failure, self.failures = event, self.failures + 1
            case Terminator():
                self.terminated = True
            case Garbled():
                self.garbled = event.what
            case BodyEnd():
                self.body_end = event

    def _fold_usage(self, seen: UsageSeen) -> None:
        if seen.place == "final_chunk":
            self.final_usages.append(seen.usage)
            del self.final_usages[self.n : -1]  # more than one each: a running total, of which the last counts
        elif seen.place == "per_choice":
            self._choices.setdefault(seen.index or 0, Choice(seen.index or 0)).usage = seen.usage
        else:
            self.top_usage, self.top_place = seen.usage, seen.place

    def _note_arrival(self, at: float, which: int, length: int) -> None:
        self.size += length
        ms = max(int(at * 1000), self._last_ms)
        for number in (ms - self._last_ms, which, length):
            while number > 127:
                self.arrivals.append(number & 127 | 128)
                number >>= 7
            self.arrivals.append(number)
        self._last_ms = ms

    # Segments

    def cut_segment(self) -> dict | None:
        """All that is new since the last cut, as a JSON-able dict; None if nothing is."""
        deltas = [cut for choice in self._choices.values() if (cut := choice.cut())]
        if not deltas and not self._new_events:
            return None
        segment: dict = {}
        if deltas:
            segment["deltas"] = deltas
            segment["arrivals"] = base64.b64encode(self.arrivals[self._cut_arrivals :]).decode()
            self._cut_arrivals = len(self.arrivals)
        if self._new_events:
            segment["proofs"] = [_encoded(event) for event in _without_superseded(self._new_events, self.n)]
            self._new_events.clear()
        return segment

    def add_segment(self, segment: dict) -> None:
        """Takes up what a segment holds; segments come in the order in which they were cut."""
        for index, text, reasoning, role in segment.get("deltas", ()):
            self._choices.setdefault(index, Choice(index)).add(text, reasoning, role)
            self.size += len(text) + len(reasoning)
            self.has_text = self.has_text or bool(text)
        for name, fields in segment.get("proofs", ()):
            self._fold_proof(_decoded(name, fields))
        self.arrivals += base64.b64decode(segment.get("arrivals", ""))
        self._cut_arrivals = len(self.arrivals)

    @classmethod
    def rebuild(cls, n: int, segments: Iterable[dict]) -> "Transcript":
        transcript = cls(n)
        for segment in segments:
            transcript.add_segment(segment)
        return transcript


def decode_arrivals(packed: bytes) -> Iterator[Arrival]:
    """From the packed form: three LEB128 numbers each: ms since the one before, 2·index + (1 if reasoning), length."""
    numbers, ms = _varints(packed), 0
    for waited, which, length in zip(numbers, numbers, numbers, strict=True):
        ms += waited
        yield Arrival(ms / 1000, which // 2, bool(which % 2), length)


def thought_seconds(arrivals: Iterable[Arrival], index: int) -> float | None:
    """How long a choice thought: from its first reasoning to its first text, or to its last reasoning."""
    first = last = None
    for arrival in arrivals:
        if arrival.index != index:
            continue
        if arrival.reasoning:
            first = arrival.at if first is None else first
            last = arrival.at
        elif first is not None:
            return arrival.at - first
    return None if first is None or last is None else last - first


def _varints(packed: bytes) -> Iterator[int]:
    number = shift = 0
    for byte in packed:
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            yield number
            number = shift = 0


def _storable(text: str) -> str:
    """PostgreSQL cannot store U+0000."""
    return text.replace("\0", "\ufffd") if "\0" in text else text


def _total(usages: list[Usage]) -> Usage:
    """Of one call: its prompt counts once, its answers add up."""
    first = usages[0]
    return Usage(
        input_tokens=first.input_tokens,
        output_tokens=_sum(usage.output_tokens for usage in usages),
        cached_tokens=first.cached_tokens,
        reasoning_tokens=_sum(usage.reasoning_tokens for usage in usages),
        cost=_sum(usage.cost for usage in usages),
    )


def _sum(figures: Iterable) -> Decimal | int | None:
    known = [figure for figure in figures if figure is not None]
    return sum(known) if known else None


def _without_superseded(events: list[Event], n: int) -> list[Event]:
    """Of usages, finishes and what is garbled, the last of each place and choice counts: there may be thousands.

    Of final usages the first n count, too: they may be one for each choice.
    """
    last = {_what_it_is_of(event): number for number, event in enumerate(events)}
    finals = [number for number, event in enumerate(events) if isinstance(event, UsageSeen)]
    finals = [number for number in finals if events[number].place == "final_chunk"][: n + 1]  # type: ignore[union-attr]
    return [events[number] for number in sorted({*last.values(), *finals})]


def _what_it_is_of(event: Event) -> tuple:
    match event:
        case UsageSeen():
            return "usage", event.place, event.index
        case Finish():
            return "finish", event.index
        case Garbled():
            return ("garbled",)
    return (id(event),)


def _encoded(event: Event) -> list:
    fields = asdict(event)
    if isinstance(event, UsageSeen) and event.usage.cost is not None:
        fields["usage"]["cost"] = str(event.usage.cost)
    return [type(event).__name__, fields]


def _decoded(name: str, fields: dict) -> Event:
    if name == "UsageSeen":
        usage = dict(fields["usage"])
        usage["cost"] = None if usage["cost"] is None else Decimal(usage["cost"])
        fields = {**fields, "usage": Usage(**usage)}
    kind = getattr(contract, name)
    assert kind in PROOFS, name
    return kind(**fields)

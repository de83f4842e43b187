"""What every dialect's reader knows of an answer's choices, and how it says it: once what the wire repeats, mended,
with the thoughts sorted out. How a payload is read is each dialect's own. Q-numbers: wire-formats section 1.
"""

import json
from decimal import Decimal, InvalidOperation
from typing import Protocol

import orjson

from chat.upstream.contract import (
    Delta,
    EndsBy,
    Event,
    Failure,
    Finish,
    FinishReason,
    Garbled,
    Usage,
    UsagePlace,
    UsageSeen,
)
from chat.upstream.failures import failure_in, scrubbed
from chat.upstream.profiles import Profile
from chat.upstream.sse import EventDecoder, SentEvent
from chat.upstream.surrogates import Mender, mended
from chat.upstream.thinking import ThinkTag

MAX_TOKENS = 100_000_000  # more is no count
MOST_DIGITS = 16  # of a count in a string
MOST_ZEROS = 30  # before or behind the point: with more it is no money
MAX_NAME = 200  # characters of a model's name, in any list of models
MAX_REASON = 500  # characters, where a sentence stands for one
FIELDS = (b"data:", b"event:", b"id:", b"retry:", b"error:", b":")  # what a stream begins with, and JSON never

# Any other word is a stop: some proxies put a sentence here.
FINISH_REASONS: dict[str, FinishReason] = {
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "model_context_window_exceeded": "length",
    "pause_turn": "length",  # Anthropic: the turn is not over, and goes on when asked to
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "tool_use": "tool_calls",
    "content_filter": "content_filter",
    "refusal": "content_filter",
    "safety": "content_filter",
    "image_safety": "content_filter",
    "language": "content_filter",  # Gemini: one that it does not support
    "recitation": "content_filter",
    "prohibited_content": "content_filter",
    "blocklist": "content_filter",
    "spii": "content_filter",
    "sensitive": "content_filter",
    "error": "error",
    "network_error": "error",
    "insufficient_system_resource": "error",
    "malformed_function_call": "error",
    "unexpected_tool_call": "error",
    "other": "error",  # Gemini's word for what it does not tell
    "abort": "error",
}
NOT_YET = frozenset({"", "null", "FINISH_REASON_UNSPECIFIED"})  # Q5; Gemini's zero value


class Decoder(Protocol):
    """Bytes in, payloads out, each still as bytes. Any cutting of the same bytes gives the same payloads."""

    def feed(self, data: bytes) -> list[SentEvent]: ...

    def end(self) -> list[SentEvent]: ...


class Payloads:
    """Decoded payloads in, events out. A dialect says how one is read: `read` and `is_answer`."""

    done_ends = False  # whether `[DONE]` is this dialect's terminator; elsewhere proxies add it, and it says nothing

    def __init__(self, profile: Profile, n: int) -> None:
        self.profile = profile
        self.n = n
        self.ends_by: EndsBy = "terminator" if profile.terminator else "body"  # of a stream
        self._roles: dict[int, str] = {}  # of each choice that has begun
        self._finishes: dict[int, str] = {}
        self._thinking: dict[int, ThinkTag] = {}
        self._menders: dict[tuple[int, str], Mender] = {}
        self._mending = False
        self._only_index: int | None = None
        self._failed = False

    def read(self, payload: object, events: list[Event], *, is_whole: bool = False) -> None:
        raise NotImplementedError

    def is_answer(self, payload: object) -> bool:
        """Whether a document that is not streamed is an answer at all."""
        raise NotImplementedError

    def decoder(self) -> Decoder:
        """Of a body whose media type says that it is a stream."""
        return EventDecoder()

    def decoder_of(self, beginning: bytes) -> Decoder | None:
        """Of a body that is a stream under another name; None if it is none, or cannot be told yet."""
        return EventDecoder() if beginning.startswith(FIELDS) else None

    # Trouble

    def read_error(self, data: bytes, events: list[Event]) -> None:
        """An event that says that it is an error, whatever it holds."""
        payload = self.loads(data)
        told = data.decode("utf-8", "replace") if payload is None else payload
        self.fail(failure_in(told, status=200, certain=True), events)

    def read_odd(self, payload: object, events: list[Event]) -> None:
        """What is not of the shape that a payload has."""
        failure = failure_in(payload, status=200)
        if failure is None:
            events.append(Garbled("json"))
        self.fail(failure, events)

    def fail(self, failure: Failure | None, events: list[Event]) -> None:
        """The first error is the cause; what is said after it is its echo."""
        if failure and not self._failed:
            self._failed = True
            events.append(failure)

    # What is said of a choice

    def index_of(self, index: object, events: list[Event]) -> int | None:
        """0 where it is missing (Q28); where one answer was asked for, the first that comes is it; else nobody's."""
        if type(index) is not int:
            return 0
        if 0 <= index < self.n:
            return index
        if self.n == 1 and (index == self._only_index or not self._roles):
            self._only_index = index
            return 0
        events.append(Garbled("json"))
        return None

    def say(self, index: int, text: str, reasoning: str, role: object, events: list[Event]) -> None:
        if self._mending or self.profile.thinks_in_text:
            text, reasoning = self.sort_out(index, text, reasoning)
        self.tell(index, text, reasoning, role, events)

    def tell(self, index: int, text: str, reasoning: str, role: object, events: list[Event]) -> None:
        """Also an empty delta, if it is the first of its choice or says its role (which may come late, Q29)."""
        known = self._roles.get(index)
        if known or type(role) is not str or not role.isascii():
            role = ""
        if text or reasoning or known is None or role:
            self._roles[index] = known or role
            events.append(Delta(index, text, reasoning, role[:20]))

    def finish(self, index: int, raw: object, events: list[Event], *, reason: FinishReason | None = None) -> None:
        """Nothing, "" and "null" are not yet (Q5), and never undo a real one (Q6). The last real one counts."""
        if type(raw) is not str or raw in NOT_YET or raw == self._finishes.get(index):
            return
        self._finishes[index] = raw
        reason = reason or self.reason(index, raw)
        events.append(Finish(index, reason, mended(raw)[:MAX_REASON]))
        if reason == "error":
            kind = "overloaded" if raw == "insufficient_system_resource" else "upstream"
            self.fail(Failure(kind, scrubbed(raw), "ended_by_error", retryable=True), events)

    def reason(self, index: int, raw: str) -> FinishReason:
        return FINISH_REASONS.get(raw.lower(), "stop")

    def see_usage(self, usage: Usage | None, place: UsagePlace, index: int | None, events: list[Event]) -> None:
        if usage:
            events.append(UsageSeen(usage, place, index))

    # The rare ways of text

    def sort_out(self, index: int, text: str, reasoning: str) -> tuple[str, str]:
        if self._mending:
            text = self._menders.setdefault((index, "text"), Mender()).feed(text)
            reasoning = self._menders.setdefault((index, "reasoning"), Mender()).feed(reasoning)
        if self.profile.thinks_in_text:
            text, thoughts = self._thinking.setdefault(index, ThinkTag()).feed(text)
            reasoning += thoughts
        return text, reasoning

    def loads(self, data: bytes) -> object:
        """None if it cannot be read. orjson refuses lone surrogates, NaN and bad UTF-8; Python's reader does not."""
        try:
            return orjson.loads(data)
        except ValueError:
            self._mending = True
        try:
            return json.loads(data.decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            return None

    def end(self) -> list[Event]:
        """What was held back, in case more came."""
        held: dict[int, Delta] = {}
        for (index, part), mender in self._menders.items():
            delta = held.setdefault(index, Delta(index))
            setattr(delta, part, mender.end())
        for index, tag in self._thinking.items():
            delta = held.setdefault(index, Delta(index))
            text, thoughts = tag.feed(delta.text)
            text_at_end, thoughts_at_end = tag.end()
            delta.text, delta.reasoning = text + text_at_end, delta.reasoning + thoughts + thoughts_at_end
        return [delta for delta in held.values() if delta.text or delta.reasoning]


def document(body: bytes) -> object:
    """Of a body that is one, and none of a model's answers. Raises ValueError if it is no JSON, or too deep."""
    try:
        return json.loads(body)
    except RecursionError:
        raise ValueError("nested too deeply") from None


# Figures, whoever wrote them


def trusted(profile: Profile, usage: Usage | None) -> bool:
    """Whether the figures can be counts: not a constant of that upstream, nor nothing, negative or absurd."""
    if usage is None or (usage.input_tokens, usage.output_tokens) in profile.fake_usages:
        return False
    counts = (usage.input_tokens, usage.output_tokens, usage.cached_tokens, usage.reasoning_tokens)
    known = [count for count in counts if count is not None]
    return any(known) and all(0 <= count <= MAX_TOKENS for count in known)


def text_in(value: object) -> str:
    return value if type(value) is str else ""


def name_in(value: object) -> str:
    """A model's name, or nothing: what cannot be stored and shown in a line is none. Google puts "models/" before."""
    name = text_in(value).removeprefix("models/")
    return name if name.strip() and name.isprintable() and len(name) <= MAX_NAME else ""


def within(figures: object, *names: str) -> object:
    """What stands there, one name within the other; None where there is no such thing."""
    for name in names:
        figures = figures.get(name) if type(figures) is dict else None
    return figures


def first_count(*values: object) -> int | None:
    return next((figure for value in values if (figure := count(value)) is not None), None)


def count(value: object) -> int | None:
    """Of tokens; some proxies write 3 as 3.0, or as "3"."""
    if type(value) is float and value.is_integer():
        value = int(value)
    elif type(value) is str and value.isascii() and value.isdecimal() and len(value) <= MOST_DIGITS:
        value = int(value)
    return value if type(value) is int and abs(value) < 2**53 else None


def amount(value: object) -> Decimal | None:
    """Money as it is written, in a number or a string. Negative is OpenRouter's way to say unknown (Q41)."""
    if type(value) not in (int, float, str):
        return None
    try:
        money = Decimal(str(value))
    except InvalidOperation:
        return None
    return money if money.is_finite() and money >= 0 and abs(money.adjusted()) <= MOST_ZEROS else None

"""What an upstream does, found out by a few short answers. Facts only: whoever shows them has the words.

It costs some hundred tokens, and ends within SECONDS, with what was found by then.
"""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Literal

import orjson

from chat.upstream import client, profiles
from chat.upstream.contract import (
    BodyEnd,
    Call,
    Delta,
    Endpoint,
    Event,
    Failure,
    Finish,
    Garbled,
    HttpRequest,
    Opened,
    Terminator,
    Turn,
    Usage,
    UsagePlace,
    UsageSeen,
)
from chat.upstream.payloads import trusted

SECONDS = 25  # less than a page waits for an answer
TEST_OUTPUT = 100
SHORT_OUTPUT = 24

TEST = "Write one sentence about the sea."
COUNT = "Write the numbers from one to twenty in English words, with commas between them, and nothing else."
BEGUN = "one, two, three, four,"
LONG = "Write the numbers from one to two hundred in English words."

# `whole`: finished, and ended as its dialect says. `unfinished`: no finish_reason came; `unended`: no terminator.
End = Literal["whole", "unfinished", "unended", "cut", "garbled"]
Found = Literal["works", "ignored", "refused", "unclear", "not_offered", "untried"]


@dataclass(slots=True)
class Seen:
    """What came of one answer, and when: seconds since it was asked for."""

    opened: Opened | None = None
    opened_after: float | None = None
    first_after: float | None = None
    ended_after: float | None = None
    pieces: int = 0  # of text or reasoning
    texts: dict[int, str] = field(default_factory=dict)
    thinks: bool = False
    finished: set[int] = field(default_factory=set)
    usage: UsageSeen | None = None
    terminated: bool = False
    garbled: bool = False
    reset: bool = False
    failure: Failure | None = None

    def take(self, events: list[Event], after: float) -> None:
        self.ended_after = after
        for event in events:
            match event:
                case Opened():
                    self.opened, self.opened_after = event, after
                case Delta():
                    self._take_delta(event, after)
                case Finish():
                    self.finished.add(event.index)
                case UsageSeen():
                    self.usage = event
                case Failure():
                    self.failure = event
                case Terminator():
                    self.terminated = True
                case Garbled():
                    self.garbled = True
                case BodyEnd():
                    self.reset = event.reset

    def _take_delta(self, delta: Delta, after: float) -> None:
        if not delta.text and not delta.reasoning:
            return
        self.first_after = after if self.first_after is None else self.first_after
        self.pieces += 1
        self.thinks = self.thinks or bool(delta.reasoning)
        self.texts[delta.index] = self.texts.get(delta.index, "") + delta.text

    @property
    def is_no_answer(self) -> bool:
        """A page, perhaps: nothing of it could be read."""
        return self.garbled and not self.pieces and not self.finished

    @property
    def end(self) -> End:
        if self.garbled:
            return "garbled"
        if self.reset or self.opened is None:
            return "cut"
        if self.opened.ends_by == "terminator" and not self.terminated:
            return "unended" if self.finished else "cut"
        return "whole" if self.finished else "unfinished"


@dataclass(slots=True)
class Report:
    """What was found; what was not reached in time stays untried."""

    seen: Seen = field(default_factory=Seen)
    usage: Usage | None = None
    usage_place: UsagePlace | None = None
    usage_is_trusted: bool = False
    several: Found = "untried"  # two choices of one call
    sends_n: bool = True  # whether chats with this profile would ask so
    continuation: Found = "untried"
    closed_after: float | None = None  # seconds that closing took
    close_stops: bool | None = None  # as the profile knows
    is_told: bool = False  # that an answer is to end, besides closing
    late: bool = False
    seconds: float = 0.0

    @property
    def failure(self) -> Failure | None:
        return self.seen.failure


def check(endpoint: Endpoint, model: str, seconds: float = SECONDS) -> Report:
    """For sync code. Trouble of the upstream is in the report, never an exception."""
    return client.run(_check(endpoint, model, seconds))


async def _check(endpoint: Endpoint, model: str, seconds: float) -> Report:
    report, began = Report(), monotonic()
    profile = profiles.profile(endpoint.profile)
    turns = (Turn("user", TEST),)
    call = Call(endpoint, model, turns, streamed=profile.streams, max_output=TEST_OUTPUT)
    try:
        async with asyncio.timeout(seconds):
            await _test(call, report)
            if report.failure is None:
                await _try_several(call, report)
                await _try_continuing(call, report)
                await _try_closing(call, report)
    except TimeoutError:
        report.late = True
    report.seconds = monotonic() - began
    return report


async def _test(call: Call, report: Report) -> None:
    await _read(call, report.seen)
    if report.seen.is_no_answer and report.failure is None:
        report.seen.failure = Failure("upstream", "What came is no answer.", "no_json")
    if seen := report.seen.usage:
        report.usage, report.usage_place = seen.usage, seen.place
        report.usage_is_trusted = trusted(profiles.profile(call.endpoint.profile), seen.usage)


async def _try_several(call: Call, report: Report) -> None:
    """Also where the profile of a server that nobody knows would not send n."""
    profile = profiles.profile(call.endpoint.profile)
    report.sends_n = profile.supports_n
    if not profile.supports_n and profile is not profiles.PROFILES["default"]:
        report.several = "not_offered"
        return
    call = replace(call, n=2, max_output=SHORT_OUTPUT)
    seen = await _read(call, Seen(), _with_n(call))
    if seen.failure:
        report.several = "refused"
    else:
        report.several = "works" if len(seen.texts.keys() | seen.finished) > 1 else "ignored"


def _with_n(call: Call) -> HttpRequest:
    request = client.DIALECTS[profiles.profile(call.endpoint.profile).dialect].request(call)
    if profiles.profile(call.endpoint.profile).supports_n:
        return request
    return replace(request, body=orjson.dumps(orjson.loads(request.body or b"{}") | {"n": call.n}))


async def _try_continuing(call: Call, report: Report) -> None:
    if not profiles.can_continue(profiles.profile(call.endpoint.profile), call.model):
        report.continuation = "not_offered"
        return
    turns = (Turn("user", COUNT), Turn("assistant", BEGUN))
    seen = await _read(replace(call, turns=turns, continues=True, max_output=SHORT_OUTPUT), Seen())
    text = seen.texts.get(0, "").strip().lower()
    if seen.failure:
        report.continuation = "refused"
    elif not text:
        report.continuation = "unclear"  # all of it was thoughts
    else:
        report.continuation = "ignored" if text.startswith(BEGUN[:3]) else "works"


async def _try_closing(call: Call, report: Report) -> None:
    """Closes at the first text. What the upstream makes of it cannot be seen from here; only its profile knows."""
    profile = profiles.profile(call.endpoint.profile)
    report.close_stops, report.is_told = profile.close_stops, bool(profile.cancelling)
    if not profile.streams:
        return
    closing = 0.0
    async with aclosing(client.answer(replace(call, turns=(Turn("user", LONG),)))) as batches:
        async for events in batches:
            if any(isinstance(event, Delta) and (event.text or event.reasoning) for event in events):
                closing = monotonic()
                break
    if closing:
        report.closed_after = monotonic() - closing


async def _read(call: Call, seen: Seen, request: HttpRequest | None = None) -> Seen:
    began = monotonic()
    async with aclosing(client.answer(call, request)) as batches:
        async for events in batches:
            seen.take(events, monotonic() - began)
    return seen

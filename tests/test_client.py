"""The door to upstreams, over real sockets: what it hands on, and when it lets go."""

import asyncio
import time
from collections.abc import Awaitable, Iterator
from typing import TypeVar

import pytest

from chat.upstream import client
from chat.upstream.contract import BodyEnd, Call, Delta, Endpoint, Event, Failure, Opened, Terminator, Turn
from tests.samples import Sample, assert_as_expected, folded, openai_chat_samples
from tests.scripted import (
    DONE,
    Answer,
    Close,
    Forever,
    Reset,
    ScriptedUpstream,
    Send,
    Stall,
    Wait,
    chat_stream,
    chat_whole,
    error,
    event,
)

T = TypeVar("T")
every_sample = pytest.mark.parametrize("sample", openai_chat_samples(), ids=lambda sample: sample.name)


@pytest.fixture
def upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as upstream:
        yield upstream


def run(work: Awaitable[T]) -> T:
    async def closing() -> T:
        try:
            return await asyncio.wait_for(work, 20)
        finally:
            await client.aclose()

    return asyncio.run(closing())


def call(base_url: str, profile: str = "openai", **more: object) -> Call:
    return Call(Endpoint(base_url, profile, "sk-secret"), "tiny", (Turn("user", "Hello"),), **more)


async def batches(call: Call) -> list[list[Event]]:
    return [events async for events in client.answer(call)]


def ask(upstream: ScriptedUpstream, *answers: Answer, **more: object) -> list[Event]:
    upstream.script("tiny", *answers)
    return [event for events in run(batches(call(upstream.base_url, **more))) for event in events]


def scripted(sample: Sample) -> Answer:
    framing = sample.facts["http"]["framing"].split(" ")[0]
    steps = [step for piece in sample.pieces() for step in (Send(piece), Wait(0.002))]
    http = sample.facts["http"]
    return Answer(steps, http["status"], http["extra_headers"], http["content_type"], framing)


@every_sample
def test_a_sample_is_read_as_expected_over_a_socket(sample: Sample, upstream: ScriptedUpstream) -> None:
    events = ask(upstream, scripted(sample), profile=sample.profile, n=sample.n)
    assert isinstance(events[0], Opened)
    assert events[-1] == BodyEnd()
    assert_as_expected(sample, folded(events, sample.n))

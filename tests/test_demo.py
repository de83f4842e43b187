"""The demo model, over its real socket: an upstream like any other, and a careful one."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import TypeVar

import pytest

from chat.transcript import Transcript
from chat.upstream import client, demo, demo_answers
from chat.upstream.contract import Call, Delta, Endpoint, Failure, Turn
from chat.upstream.profiles import PROFILES
from tests.samples import folded

T = TypeVar("T")


def with_demo(work: Callable[[], Awaitable[T]]) -> T:
    async def run() -> T:
        await demo.start()
        try:
            return await asyncio.wait_for(work(), 20)
        finally:
            await demo.stop()
            await client.aclose()

    return asyncio.run(run())


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "at_its_own_pace" not in request.node.name:
        monkeypatch.setattr(demo, "TOKENS_PER_SECOND", 20_000)
        monkeypatch.setattr(demo, "FIRST_TOKEN_SECONDS", 0)


def call(*texts: str, **more: object) -> Call:
    roles = ("user", "assistant")
    turns = tuple(Turn(roles[place % 2], text) for place, text in enumerate(texts))
    return Call(demo.endpoint(), demo.MODEL, turns, **more)


def ask(*texts: str, **more: object) -> Transcript:
    async def read() -> Transcript:
        asked = call(*texts, **more)
        return folded([event async for events in client.answer(asked) for event in events], asked.n)

    return with_demo(read)


@pytest.mark.parametrize("streamed", [True, False])
def test_an_answer_is_complete_and_counted(streamed: bool) -> None:
    transcript = ask("Hello", streamed=streamed)
    assert "demo model" in transcript.choice(0).text
    assert transcript.incomplete_reason() is None
    usage, _place = transcript.usage() or (None, "")
    assert usage
    assert usage.input_tokens == 1
    assert usage.output_tokens == len(demo.tokens(transcript.choice(0).text))


@pytest.mark.parametrize(
    "question, heading",
    [
        ("How do I stop you?", "## Stopping an answer"),
        ("What happens when I leave?", "## Leaving and coming back"),
        ("Can you continue a cut answer?", "## Continuing an answer"),
        ("How do I connect OpenAI?", "## Connecting a provider"),
        ("What do the token counts mean?", "## What the counts mean"),
        ("A LONG answer, please", "# A long answer"),
        ("Along the road", "Hello! I am the **demo model**"),
        ("怎么停止？", "## 停止一段回答"),
        ("离开以后呢", "## 离开与返回"),
        ("如何接入服务商", "## 接入服务商"),
        ("请写长一点", "# 一段很长的回答"),
        ("你好", "您好！我是**演示模型**"),
        ("", "Hello!"),
    ],
)
def test_it_helps_with_what_was_asked_in_the_language_of_the_question(question: str, heading: str) -> None:
    assert heading in demo_answers.answer([("user", question)])


def test_every_answer_says_that_it_is_a_demo() -> None:
    for topic in demo_answers.TOPICS:
        assert "demo model" in topic.english[:60]
        assert "演示模型" in topic.chinese[:30]


def test_the_variables_it_names_are_those_of_the_profiles() -> None:
    text = demo_answers.answer([("user", "connect")])
    for profile in PROFILES.values():
        assert profile.key_variable in text
        assert profile.url_variable in text


def test_the_long_answer_has_something_of_everything() -> None:
    text = demo_answers.answer([("user", "long")])
    assert all(mark in text for mark in ("\n## ", "\n| ", "```python", "$$", "\n> ", "\n1. "))
    assert 800 < len(demo.tokens(text)) < 1500


def test_a_limit_is_kept_and_told() -> None:
    transcript = ask("a long one", max_output=12)
    assert transcript.choice(0).finish_reason == "length"
    assert len(demo.tokens(transcript.choice(0).text)) == 12


@pytest.mark.parametrize("choice", [0, 1])
def test_a_cut_answer_is_gone_on_with(choice: int) -> None:
    whole = demo_answers.answer([("user", "long")], choice)
    transcript = ask("long", whole[:500], continues=True)
    assert whole[:500] + transcript.choice(0).text == whole


def test_there_is_nothing_after_the_end() -> None:
    whole = demo_answers.answer([("user", "long")])
    assert "all of it" in ask("long", whole, continues=True).choice(0).text


def test_several_choices_are_told_apart() -> None:
    transcript = ask("Hello", n=3)
    assert transcript.incomplete_reason() is None
    assert transcript.choice(2).text.startswith("*Answer 3*")
    assert transcript.choice(0).text in transcript.choice(2).text


def test_it_speaks_at_its_own_pace() -> None:
    async def read() -> list[float]:
        times = [time.monotonic()]
        async for events in client.answer(call("a long one", max_output=25)):
            times += [time.monotonic() for event in events if isinstance(event, Delta) and event.text]
        return times

    asked, first, *_, last = with_demo(read)
    assert 0.18 < first - asked < 1
    assert 0.4 < last - first < 1.5


def test_it_stops_when_the_reader_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "TOKENS_PER_SECOND", 50)

    async def leave() -> tuple[int, int]:
        async with aclosing(client.answer(call("a long one"))) as batches:
            await anext(batches)
            before = len(demo._connections)
        await asyncio.sleep(0.1)
        return before, len(demo._connections)

    assert with_demo(leave) == (1, 0)


def test_models_are_listed() -> None:
    async def list_models() -> list[str]:
        return [model.id for model in await asyncio.to_thread(client.list_models, demo.endpoint())]

    assert with_demo(list_models) == ["demo"]


def test_only_its_own_site_may_ask() -> None:
    async def ask_with_another_key() -> list:
        endpoint = Endpoint(demo.endpoint().base_url, "demo", "another", local=True)
        return [event async for events in client.answer(Call(endpoint, "demo", ())) for event in events]

    failure = with_demo(ask_with_another_key)[1]
    assert isinstance(failure, Failure)
    assert failure.kind == "auth"


# What else may knock


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    port = int(demo.endpoint().base_url.split(":")[2].split("/")[0])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()


def answer_to(request: bytes) -> bytes:
    async def knock() -> bytes:
        async with connected() as (reader, writer):
            writer.write(request)
            return await reader.read()

    return with_demo(knock)


KEY = f"Authorization: Bearer {demo.endpoint().key}\r\n".encode()


@pytest.mark.parametrize(
    "request_bytes, status",
    [
        (b"GET /v1/models HTTP/1.1\r\n\r\n", 401),
        (b"GET /v1/models HTTP/1.1\r\n" + KEY + b"\r\n", 200),
        (b"GET /other HTTP/1.1\r\n" + KEY + b"\r\n", 404),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 40_000 + b"\r\n\r\n", 431),
        (b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", 413),
        (b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", 413),
        (b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 411),
        (b"POST /v1/chat/completions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
        (b"POST /v1/chat/completions HTTP/1.1\r\n" + KEY + b"Content-Length: 2\r\n\r\n{}", 400),
        (b"POST /v1/chat/completions HTTP/1.1\r\n" + KEY + b'Content-Length: 16\r\n\r\n{"messages":[7]}', 400),
    ],
    ids=range(10),  # the key is another one in each process, and must not name a test
)
def test_odd_requests_are_answered_with_a_status(request_bytes: bytes, status: int) -> None:
    assert answer_to(request_bytes).split(b" ")[1] == str(status).encode()


def test_who_never_asks_is_shown_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "REQUEST_SECONDS", 0.1)
    assert answer_to(b"GET /v1/mod") == b""


def test_stopping_ends_what_is_under_way() -> None:
    async def stopped() -> Transcript:
        events = []
        async for batch in client.answer(call("a long one")):
            events += batch
            await demo.stop()
        return folded(events)

    assert with_demo(stopped).incomplete_reason() == "cut"

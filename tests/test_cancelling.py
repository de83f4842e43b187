"""An answer that is left early is ended upstream, also where closing the socket says little; nothing waits for it."""

import asyncio
import time
from contextlib import aclosing

import pytest

from chat.upstream import client
from chat.upstream.contract import Call, Endpoint, Turn
from chat.upstream.profiles import PROFILES
from tests.scripted import Answer, Forever, ScriptedUpstream, SeenRequest, Send, Stall, Wait, event, whole
from tests.test_client import run

STREAM = "/api/extra/generate/stream"
ABORT = "/api/extra/abort"
TOKEN = b'event: message\ndata: {"token": "a", "finish_reason": null}\n\n'
LAST = b'event: message\ndata: {"token": "", "finish_reason": "stop"}\n\n'
ENDLESS = Answer([Forever(TOKEN, 0.01)], framing="close")


def call(upstream: ScriptedUpstream, name: str = "kobold_native", **more: object) -> Call:
    return Call(Endpoint(upstream.base_url, name, "secret", local=True), "tiny", (Turn("user", "Hello"),), **more)


async def left_early(asked: Call) -> float:
    """Reads a little, leaves, and says how long leaving took."""
    async with aclosing(client.answer(asked)) as batches:
        await anext(batches)
        await anext(batches)
        at = time.monotonic()
    return time.monotonic() - at


def aborts(upstream: ScriptedUpstream) -> list[SeenRequest]:
    return [request for request in upstream.requests if request.path == ABORT]


def test_koboldcpp_is_told_which_answer_to_end(upstream: ScriptedUpstream) -> None:
    upstream.script(STREAM, ENDLESS)
    upstream.script(ABORT, whole({"success": "true"}))
    run(left_early(call(upstream)))
    (abort,) = aborts(upstream)
    assert abort.body == {"genkey": upstream.requests[0].body["genkey"]}
    assert abort.headers["authorization"] == "Bearer secret"
    assert upstream.requests[0].wait_closed(10)


def test_its_openai_dialect_is_told_alike(upstream: ScriptedUpstream) -> None:
    upstream.script("tiny", Answer([Forever(event(text="a"), 0.01)]))
    upstream.script(ABORT, whole({"success": "true"}))
    run(left_early(call(upstream, "koboldcpp")))
    assert [abort.body for abort in aborts(upstream)] == [{"genkey": upstream.requests[0].body["genkey"]}]


@pytest.mark.parametrize("streamed", [True, False])
def test_it_is_told_though_no_byte_has_come(streamed: bool, upstream: ScriptedUpstream) -> None:
    """While it reads a long prompt, or writes a whole answer."""
    for path in (STREAM, "/api/v1/generate"):
        upstream.script(path, Answer([Stall()], framing="raw"))
    upstream.script(ABORT, whole({"success": "true"}))

    async def cancelled() -> None:
        reading = asyncio.create_task(left_early(call(upstream, streamed=streamed)))
        await asyncio.to_thread(upstream.wait_for_request)
        reading.cancel()
        await asyncio.wait({reading})

    run(cancelled())
    assert len(aborts(upstream)) == 1


def test_what_has_ended_is_not_cancelled(upstream: ScriptedUpstream) -> None:
    upstream.script(STREAM, Answer([Send(TOKEN), Send(LAST)], framing="close"))

    async def read() -> None:
        async with aclosing(client.answer(call(upstream))) as batches:
            async for _events in batches:
                pass

    run(read())
    assert [request.path for request in upstream.requests] == [STREAM]


def test_what_could_not_be_reached_is_not_cancelled() -> None:
    async def read() -> list:
        return [
            batch
            async for batch in client.answer(Call(Endpoint("http://127.0.0.1:9", "kobold_native", local=True), "a", ()))
        ]

    assert len(run(read())) == 1
    assert not client._cancelling


def test_an_upstream_that_does_not_listen_holds_nothing_up(
    upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "CANCEL_SECONDS", 0.5)
    upstream.script(STREAM, ENDLESS)
    upstream.script(ABORT, Answer([Stall()], framing="raw"))

    async def leave() -> float:
        took = await left_early(call(upstream))
        await asyncio.to_thread(upstream.wait_for_request, 2)
        await asyncio.sleep(0.6)
        assert not client._cancelling
        return took

    assert run(leave()) < 0.1
    assert upstream.requests[0].wait_closed(10)


def test_the_end_of_the_loop_waits_until_it_is_told(upstream: ScriptedUpstream) -> None:
    upstream.script(STREAM, ENDLESS)
    upstream.script(ABORT, Answer([Wait(0.2), Send(b'{"success": "true"}')], content_type="application/json"))
    run(left_early(call(upstream)))
    (abort,) = aborts(upstream)
    abort.wait_closed(5)
    assert abort.answered_at


@pytest.mark.parametrize("name", [name for name, profile in PROFILES.items() if not profile.cancelling])
def test_others_need_no_more_than_the_closing(name: str, upstream: ScriptedUpstream) -> None:
    dialect = client.DIALECTS[PROFILES[name].dialect]
    assert dialect.cancel_request(call(upstream, name)) is None


@pytest.mark.parametrize("name", PROFILES)
def test_no_request_asks_for_an_answer_that_outlives_its_connection(name: str, upstream: ScriptedUpstream) -> None:
    """llama.cpp would go on after the closing for whoever sends X-Conversation-Id."""
    request = client.DIALECTS[PROFILES[name].dialect].request(call(upstream, name))
    assert "x-conversation-id" not in {header.lower() for header in request.headers}

"""The door to upstreams, over real sockets: what it hands on, and when it lets go."""

import asyncio
import gzip
import json
import logging
import shutil
import socket
import ssl
import subprocess
import threading
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import pytest

from chat.upstream import client
from chat.upstream.contract import BodyEnd, Call, Delta, Endpoint, Event, Failure, Garbled, Opened, Terminator, Turn
from chat.upstream.profiles import profile
from chat.upstream.transport import tls_context
from tests import scripted
from tests.samples import Sample, all_samples, assert_as_expected, folded, load
from tests.scripted import (
    DONE,
    Answer,
    Close,
    Forever,
    Reset,
    ScriptedUpstream,
    SeenRequest,
    Send,
    Stall,
    Wait,
    chat_stream,
    chat_whole,
)
from tests.site import free_port

T = TypeVar("T")
KEY = "refresh.token.0123456789"
every_sample = pytest.mark.parametrize("sample", all_samples(), ids=lambda sample: sample.name)


def run(work: Awaitable[T]) -> T:
    async def closing() -> T:
        try:
            return await asyncio.wait_for(work, 20)
        finally:
            await client.aclose()

    return asyncio.run(closing())


def call(base_url: str, profile: str = "openai", **more: object) -> Call:
    return Call(Endpoint(base_url, profile, KEY, local=True), "tiny", (Turn("user", "Hello"),), **more)


async def read(asked: Call) -> list[Event]:
    return [event for events in [batch async for batch in client.answer(asked)] for event in events]


def ask(upstream: ScriptedUpstream, *answers: Answer, **more: object) -> list[Event]:
    asked = call(upstream.base_url, **more)
    upstream.script(path_of(asked), *answers)
    return run(read(asked))


def path_of(asked: Call) -> str:
    """Not every dialect names its model where a script would find it."""
    dialect = client.DIALECTS[profile(asked.endpoint.profile).dialect]
    return urlsplit(dialect.request(asked).url).path


def text_of(events: list[Event]) -> str:
    return folded(events).choice(0).text


# What comes is handed on


@every_sample
def test_a_sample_is_read_as_expected_over_a_socket(sample: Sample, upstream: ScriptedUpstream) -> None:
    http = sample.facts["http"]
    steps = [step for piece in sample.pieces() for step in (Send(piece), Wait(0.002))]
    framing = http["framing"].split(" ")[0]
    answer = Answer(steps, http["status"], http["extra_headers"], http["content_type"], framing)
    events = ask(upstream, answer, profile=sample.profile, n=sample.n)
    assert isinstance(events[0], Opened)
    assert events[-1] == BodyEnd()
    assert_as_expected(sample, folded(events, sample.n))


def test_each_read_is_a_batch_at_once(upstream: ScriptedUpstream) -> None:
    upstream.script("tiny", chat_stream(["a", "b", "c"], every=0.3, stamped=True))
    late = []

    async def read_with_times() -> None:
        async for events in client.answer(call(upstream.base_url)):
            late.extend(time.monotonic() - scripted.sent_at(event.text) for event in events if is_text(event))

    run(read_with_times())
    assert len(late) == 3
    assert max(late) < 0.2


def test_a_read_of_many_events_is_handed_on_in_pieces(upstream: ScriptedUpstream) -> None:
    """So that nobody else waits until all of it is decoded."""
    upstream.script("tiny", Answer([Send(scripted.event(text="x") * 5000), Send(DONE)]))

    async def batches() -> list[int]:
        return [len(events) async for events in client.answer(call(upstream.base_url))]

    sizes = run(batches())
    assert sum(sizes) > 5000 and max(sizes) < 400


def is_text(event: Event) -> bool:
    return isinstance(event, Delta) and bool(event.text)


def test_a_whole_answer_is_read(upstream: ScriptedUpstream) -> None:
    transcript = folded(ask(upstream, chat_whole("all", usage=(3, 1)), streamed=False))
    assert transcript.choice(0).text == "all"
    assert transcript.incomplete_reason() is None
    assert upstream.requests[0].body["stream"] is False


def test_compression_that_was_not_asked_for_is_undone(upstream: ScriptedUpstream) -> None:
    body = gzip.compress(scripted.event(text="packed", finish="stop") + DONE)
    answer = Answer([Send(body[:20]), Wait(0.01), Send(body[20:])], headers={"Content-Encoding": "gzip"})
    assert text_of(ask(upstream, answer)) == "packed"
    assert upstream.requests[0].headers["accept-encoding"] == "identity"


def test_bad_utf8_becomes_a_replacement_character(upstream: ScriptedUpstream) -> None:
    answer = Answer([Send(scripted.event(text="a?b").replace(b"?", b"\xff")), Send(DONE)])
    assert text_of(ask(upstream, answer)) == "a\ufffdb"


# It ends badly, and nothing that came is lost


def cut_off(*ends: scripted.Step, framing: scripted.Framing = "chunked") -> Answer:
    return Answer([Send(scripted.event(text="kept")), *ends], framing=framing)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(cut_off(Wait(0.05), Reset()), id="reset"),
        pytest.param(cut_off(Wait(0.05), Close()), id="closed between chunks"),
        pytest.param(cut_off(Close()), id="closed at once"),
        pytest.param(cut_off(Reset()), id="reset at once"),
    ],
)
def test_a_broken_connection_keeps_what_came(answer: Answer, upstream: ScriptedUpstream) -> None:
    for _ in range(5):
        events = ask(upstream, answer)
        assert events[-1] == BodyEnd(reset=True)
        assert text_of(events) == "kept"


def test_a_connection_broken_inside_a_chunk_keeps_what_came(upstream: ScriptedUpstream) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    half_a_chunk = b"ffff\r\n" + scripted.event(text="kept")
    events = ask(upstream, Answer([Send(head + half_a_chunk)], framing="raw"))
    assert events[-1] == BodyEnd(reset=True)
    assert text_of(events) == "kept"


@pytest.mark.parametrize("broken", [b"0\r\n\r\n0\r\n\r\n", b"zz\r\n", b"0\r\n\r\nHTTP/1.1 400 Bad Request\r\n\r\n"])
def test_what_is_broken_behind_a_text_does_not_take_it_along(broken: bytes, upstream: ScriptedUpstream) -> None:
    """All of it in one read: the head, the text, and what is no HTTP."""
    text = scripted.event(text="Half")
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _address = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(head + b"%x\r\n%s\r\n" % (len(text), text) + broken)
                connection.recv(1)

        threading.Thread(target=answer, daemon=True).start()
        events = run(read(call(f"http://127.0.0.1:{listener.getsockname()[1]}/v1")))
    assert text_of(events) == "Half"
    assert folded(events).incomplete_reason() == "cut"


def test_what_came_while_nobody_read_is_kept_though_the_connection_broke_behind_it(upstream: ScriptedUpstream) -> None:
    upstream.script(
        "tiny", Answer([Send(scripted.event(text="a")), Wait(0.1), Send(scripted.event(text="b")), Reset()])
    )

    async def read_late() -> list[Event]:
        events = []
        async for batch in client.answer(call(upstream.base_url)):
            events += batch
            await asyncio.sleep(0.2)
        return events

    events = run(read_late())
    assert text_of(events) == "ab"
    assert events[-1] == BodyEnd(reset=True)


def test_a_whole_event_without_its_end_counts_though_the_connection_broke(upstream: ScriptedUpstream) -> None:
    events = ask(upstream, Answer([Send(scripted.event(text="kept").rstrip()), Wait(0.05), Reset()]))
    assert text_of(events) == "kept"


def test_a_body_shorter_than_promised_is_broken_off(upstream: ScriptedUpstream) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 5000\r\n\r\n"
    events = ask(upstream, Answer([Send(head + scripted.event(text="kept") + DONE[:8])], framing="raw"))
    assert events[-1] == BodyEnd(reset=True)
    assert text_of(events) == "kept"


@pytest.mark.parametrize("ends", [(), (Reset(),)], ids=["closed", "reset"])
def test_an_http_1_0_body_that_just_ends_is_cut(ends: tuple, upstream: ScriptedUpstream) -> None:
    """Also by a reset, which aiohttp does not tell of such a body: a missing terminator says enough."""
    events = ask(upstream, cut_off(*ends, framing="close"))
    assert text_of(events) == "kept"
    assert folded(events).incomplete_reason() == "cut"


def test_an_old_koboldcpp_ends_its_last_line_with_the_connection(upstream: ScriptedUpstream) -> None:
    steps = [Send(load("koboldcpp_oai_176").body), Reset()]
    events = ask(upstream, Answer(steps, framing="close"), profile="koboldcpp")
    assert Terminator() in events


# Floods


def peak_while(work: Callable[[], T]) -> tuple[T, int]:
    tracemalloc.start()
    result = work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return result, peak


def test_a_line_of_ten_megabytes_is_refused_and_not_kept(upstream: ScriptedUpstream) -> None:
    line = [Send(b'data: {"choices":[{"delta":{"content":"')] + [Send(b"x" * 65536)] * 160
    answer = Answer([*line, Send(b'"}}]}\n\n'), Send(scripted.event(text="after")), Send(DONE)])
    events, peak = peak_while(lambda: ask(upstream, answer))
    assert Garbled("too_long") in events
    assert text_of(events) == "after"
    assert peak < 16 * 1024 * 1024  # the server's own write buffer is in it


def test_a_gzip_bomb_does_not_go_off(upstream: ScriptedUpstream) -> None:
    answer = Answer([Send(gzip.compress(b"x" * 60_000_000))], headers={"Content-Encoding": "gzip"})
    events, peak = peak_while(lambda: ask(upstream, answer))
    assert Garbled("too_long") in events
    assert peak < 16 * 1024 * 1024


def test_endless_comments_are_no_events(upstream: ScriptedUpstream) -> None:
    upstream.script("tiny", Answer([Send(scripted.event(text="a")), Forever(b": ping\n\n" * 100)]))

    async def listen() -> int:
        batches = 0
        try:
            async with asyncio.timeout(0.5):
                async for _ in client.answer(call(upstream.base_url)):
                    batches += 1
        except TimeoutError:
            pass
        return batches

    assert run(listen()) == 2


@pytest.mark.parametrize("status", [400, 200])
def test_an_endless_body_that_is_no_stream_is_bounded(status: int, upstream: ScriptedUpstream) -> None:
    answer = Answer([Send(b"x" * 1_000_000)] * 24, status, content_type="text/plain")
    events, peak = peak_while(lambda: ask(upstream, answer))
    assert isinstance(events[-2], Failure if status == 400 else Garbled)
    assert peak < 64 * 1024 * 1024


def test_an_error_whose_body_stalls_is_told_all_the_same(
    upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "ERROR_BODY_SECONDS", 0.2)
    answer = Answer([Send(b'{"error":'), Stall()], 503, content_type="application/json")
    failure = ask(upstream, answer)[-2]
    assert isinstance(failure, Failure)
    assert failure.kind == "overloaded"


# Letting go


def started(upstream: ScriptedUpstream, answer: Answer) -> Call:
    upstream.script("tiny", answer)
    return call(upstream.base_url)


ENDLESS = Answer([Forever(scripted.event(text="more "), 0.01)])
SILENT = Answer([Send(scripted.event(text="then nothing")), Stall()])


async def seconds_to_close(upstream: ScriptedUpstream, since: float) -> float:
    """Seen by the upstream, while the client itself stays open."""
    request = upstream.wait_for_request()
    closed_at = await asyncio.to_thread(request.wait_closed, 2)
    assert request.closed
    return closed_at - since


@pytest.mark.parametrize("answer", [ENDLESS, SILENT], ids=["endless", "silent"])
def test_closing_the_generator_closes_the_socket(answer: Answer, upstream: ScriptedUpstream) -> None:
    async def read_a_little() -> float:
        batches = client.answer(started(upstream, answer))
        await anext(batches)
        await anext(batches)
        at = time.monotonic()
        await batches.aclose()
        return await seconds_to_close(upstream, at)

    assert run(read_a_little()) < 0.5


@pytest.mark.parametrize(
    "answer",
    [ENDLESS, SILENT, Answer([Stall()]), Answer([Stall()], framing="raw")],
    ids=["endless", "silent", "no body yet", "no headers yet"],
)
def test_cancelling_the_reader_closes_the_socket(answer: Answer, upstream: ScriptedUpstream) -> None:
    async def cancel() -> float:
        task = asyncio.create_task(read(started(upstream, answer)))
        await asyncio.to_thread(upstream.wait_for_request)
        await asyncio.sleep(0.1)
        at = time.monotonic()
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()
        return await seconds_to_close(upstream, at)

    assert run(cancel()) < 0.5


def test_a_long_prompt_that_the_upstream_does_not_take_is_not_sent_on_after_the_stop() -> None:
    long = Turn("user", "x" * 20_000_000)

    async def stop(asked: Call) -> None:
        task = asyncio.create_task(read(asked))
        await asyncio.sleep(0.3)
        task.cancel()
        await asyncio.wait({task})
        await asyncio.sleep(0.1)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        endpoint = Endpoint(f"http://127.0.0.1:{listener.getsockname()[1]}/v1", "openai", local=True)
        run(stop(Call(endpoint, "tiny", (long,))))
        taken, _address = listener.accept()
        with taken:
            assert received_till_closed(taken) < 20_000_000


def received_till_closed(peer: socket.socket) -> int:
    """Raises TimeoutError if it is not."""
    peer.settimeout(2)
    received = 0
    while data := peer.recv(1_000_000):
        received += len(data)
    return received


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ssl.SSLContext]:
    """A TLS server's, for localhost, which the client trusts while the test lasts."""
    if not shutil.which("openssl"):
        pytest.skip("openssl makes the certificate")
    key, file = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    new = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-keyout", key, "-out", file]
    subprocess.run([*new, *subject], check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file, key)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    tls_context.cache_clear()
    yield context
    tls_context.cache_clear()


def serve_one_tls_answer(listener: socket.socket, certificate: ssl.SSLContext, peers: list[socket.socket]) -> None:
    """Says the beginning of an answer, and leaves the connection to the test, without any TLS of its own."""
    accepted, _address = listener.accept()
    peer = certificate.wrap_socket(accepted, server_side=True)
    peer.recv(65536)
    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + scripted.event(text="a"))
    peers.append(socket.socket(fileno=peer.detach()))


def test_closing_over_tls_does_not_wait_for_the_upstreams_farewell(certificate: ssl.SSLContext) -> None:
    peers: list[socket.socket] = []

    async def read_a_little(base_url: str) -> None:
        batches = client.answer(call(base_url))
        await anext(batches)
        await anext(batches)
        await batches.aclose()
        await asyncio.to_thread(received_till_closed, peers[0])

    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = threading.Thread(target=serve_one_tls_answer, args=(listener, certificate, peers))
        serving.start()
        run(read_a_little(f"https://localhost:{listener.getsockname()[1]}/v1"))
        serving.join()
    peers[0].close()


def test_a_certificate_that_nobody_vouches_for(certificate: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    tls_context.cache_clear()

    def refuse() -> None:
        with pytest.raises(ssl.SSLError):
            certificate.wrap_socket(listener.accept()[0], server_side=True)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = threading.Thread(target=refuse)
        serving.start()
        base_url = f"https://localhost:{listener.getsockname()[1]}/v1"
        assert "its certificate is not trusted" in only_failure(run(read(call(base_url)))).message
        serving.join()


def test_a_read_answer_leaves_its_connection_to_the_next(upstream: ScriptedUpstream) -> None:
    upstream.script("tiny", chat_stream(["a"]))

    async def twice() -> None:
        await read(call(upstream.base_url))
        await read(call(upstream.base_url))

    run(twice())
    assert [request.connection for request in upstream.requests] == [1, 1]


def test_a_connection_that_the_server_closed_meanwhile_is_not_used_again(upstream: ScriptedUpstream) -> None:
    upstream.script("tiny", chat_stream(["a"], framing="close"))

    async def twice() -> list[Event]:
        await read(call(upstream.base_url))
        return await read(call(upstream.base_url))

    assert text_of(run(twice())) == "a"


def test_a_body_that_does_not_end_after_its_terminator_is_not_waited_for(upstream: ScriptedUpstream) -> None:
    begun = time.monotonic()
    unending = Answer([Send(scripted.event(text="a", finish="stop")), Send(DONE), Stall()])
    events = ask(upstream, unending)
    assert time.monotonic() - begun < 3
    assert folded(events).incomplete_reason() is None
    assert upstream.requests[-1].wait_closed(10)


def test_what_comes_right_after_the_terminator_still_counts(upstream: ScriptedUpstream) -> None:
    late_usage = scripted.usage_event(3, 1)
    events = ask(upstream, Answer([Send(scripted.event(text="a", finish="stop") + DONE), Wait(0.05), Send(late_usage)]))
    assert folded(events).usage() is not None


@pytest.mark.parametrize("wait", [[], [Wait(0.05)]], ids=["in the same read", "a moment later"])
def test_text_that_comes_right_after_the_terminator_is_text(upstream: ScriptedUpstream, wait: list) -> None:
    ends_early, late = scripted.event(text="a", finish="stop") + DONE, scripted.event(text="b")
    steps = [Send(ends_early), *wait, Send(late)] if wait else [Send(ends_early + late)]
    events = ask(upstream, Answer(steps))
    assert text_of(events) == "ab"
    assert folded(events).incomplete_reason() is None


def test_more_streams_than_a_usual_pool_holds(upstream: ScriptedUpstream) -> None:
    upstream.script("tiny", chat_stream(["a"] * 5, every=0.1))

    async def many() -> list[list[Event]]:
        return await asyncio.gather(*(read(call(upstream.base_url)) for _ in range(150)))

    assert {text_of(events) for events in run(many())} == {"aaaaa"}
    assert upstream.most_connections == 150


# It cannot be reached


def only_failure(events: list[Event]) -> Failure:
    (failure,) = events
    assert isinstance(failure, Failure)
    assert failure.kind == "unreachable"
    return failure


def test_nothing_listens() -> None:
    port = free_port()
    failure = only_failure(run(read(call(f"http://user:pass@127.0.0.1:{port}/v1"))))
    assert failure.message == f"127.0.0.1:{port} cannot be reached: nothing listens there."
    assert failure.retryable


def test_a_name_that_is_not_known() -> None:
    failure = only_failure(run(read(call("http://nowhere.invalid/v1"))))
    assert failure.message == "nowhere.invalid cannot be reached: its name is not known."


@pytest.mark.parametrize("base_url", ["ftp://example.org/v1", "http://[oops", "no address", "http://"])
def test_what_is_no_address(base_url: str) -> None:
    failure = only_failure(run(read(call(base_url, profile="default"))))
    assert failure.message.endswith("is not an http or https address.")
    assert not failure.retryable


@pytest.mark.parametrize(
    "said, reason",
    [(b"", "it closed the connection without an answer"), (b"SSH-2.0-OpenSSH_9.2\r\n", "it does not speak HTTP")],
)
def test_what_answers_is_no_upstream(said: bytes, reason: str, upstream: ScriptedUpstream) -> None:
    failure = only_failure(ask(upstream, Answer([Send(said)], framing="raw")))
    assert reason in failure.message


def test_tls_where_there_is_none(upstream: ScriptedUpstream) -> None:
    base_url = upstream.base_url.replace("http:", "https:")
    assert "does not speak TLS" in only_failure(run(read(call(base_url)))).message


def test_a_server_that_does_not_take_the_connection() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, socket.socket() as first:
        first.connect(listener.getsockname())  # the backlog is full now
        begun = time.monotonic()
        assert client.listening(f"http://127.0.0.1:{listener.getsockname()[1]}/v1") is None
        assert time.monotonic() - begun < 4


def test_a_key_that_cannot_be_sent_is_an_auth_failure(upstream: ScriptedUpstream) -> None:
    asked = Call(Endpoint(upstream.base_url, "openai", "sk-密钥", local=True), "tiny", (Turn("user", "Hello"),))
    (failure,) = run(read(asked))
    assert isinstance(failure, Failure)
    assert failure.kind == "auth"


# Where it goes, and what it tells


def test_redirects_are_told_not_followed(upstream: ScriptedUpstream) -> None:
    upstream.script("/elsewhere", chat_stream(["never"]))
    answer = Answer([], 307, {"Location": f"http://127.0.0.1:{upstream.port}/elsewhere"}, framing="content-length")
    failure = ask(upstream, answer)[-2]
    assert isinstance(failure, Failure)
    assert failure.kind == "bad_request"
    assert len(upstream.requests) == 1


def test_proxies_of_the_environment_are_not_used(upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    assert text_of(ask(upstream, chat_stream(["straight"]))) == "straight"


def test_cookies_are_not_kept(upstream: ScriptedUpstream) -> None:
    steps = chat_stream(["a"]).steps
    upstream.script("tiny", Answer(steps, headers={"Set-Cookie": "person=alice"}))

    base_url = upstream.base_url.replace("127.0.0.1", "localhost")  # of a bare address none would be kept anyway

    async def twice() -> None:
        await read(call(base_url))
        await read(call(base_url))

    run(twice())
    assert "cookie" not in upstream.requests[1].headers


def test_neither_key_nor_text_is_logged(upstream: ScriptedUpstream, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    ask(upstream, chat_stream(["confidential"]), Answer([Reset()]))
    ask(upstream, Answer([Reset()]))
    assert KEY not in caplog.text
    assert "confidential" not in caplog.text
    assert str(upstream.port) not in caplog.text


def test_an_error_that_repeats_the_key_is_shown_without_it(upstream: ScriptedUpstream) -> None:
    failure = ask(upstream, scripted.error(401, f"Incorrect API key provided: {KEY}."))[-2]
    assert isinstance(failure, Failure)
    assert failure.message == "Incorrect API key provided: …."


# The door for sync code


def endpoint(upstream: ScriptedUpstream, profile: str = "openai") -> Endpoint:
    return Endpoint(upstream.base_url, profile, KEY, local=True)


def test_models_are_listed(upstream: ScriptedUpstream) -> None:
    upstream.script("/v1/models", scripted.whole(json.loads(load("models_openrouter").body)))
    listed = client.list_models(endpoint(upstream, "openrouter"))
    assert [model.id for model in listed] == ["example/model-1", "openrouter/auto"]
    assert listed[0].input_mtok == Decimal("0.4")
    assert upstream.requests[0].headers["authorization"] == f"Bearer {KEY}"


def test_an_older_lm_studio_lists_its_models_elsewhere(upstream: ScriptedUpstream) -> None:
    upstream.script("/api/v1/models", scripted.error(404))
    upstream.script("tiny", chat_stream([]))
    assert [model.id for model in client.list_models(endpoint(upstream, "lmstudio"))] == ["tiny"]


def test_a_list_that_is_refused_raises_the_failure(upstream: ScriptedUpstream) -> None:
    upstream.script("/v1/models", scripted.error(401, "Invalid key"))
    with pytest.raises(client.UpstreamError) as raised:
        client.list_models(endpoint(upstream))
    assert raised.value.failure.kind == "auth"


def test_a_page_is_no_list_of_models(upstream: ScriptedUpstream) -> None:
    upstream.script("/v1/models", Answer([Send(b"<!doctype html>")], content_type="text/html"))
    with pytest.raises(client.UpstreamError, match="lists no models"):
        client.list_models(endpoint(upstream))


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"data":' * 100_000, b'{"data":[{"id":"a"}]', b'{"data":' + b"9" * 5000]
)
def test_what_cannot_be_read_is_no_list_of_models(body: bytes, upstream: ScriptedUpstream) -> None:
    upstream.script("/v1/models", Answer([Send(body)], content_type="application/json"))
    with pytest.raises(client.UpstreamError, match="lists no models"):
        client.list_models(endpoint(upstream))


def test_of_an_endless_list_a_page_full_is_taken(upstream: ScriptedUpstream) -> None:
    upstream.script("/v1/models", scripted.whole({"data": [{"id": f"model-{n}"} for n in range(20_000)]}))
    assert len(client.list_models(endpoint(upstream))) == client.MAX_MODELS


def test_lm_studio_before_0_4_says_what_runs(upstream: ScriptedUpstream) -> None:
    upstream.script("/api/v1/models", scripted.error(404))
    running = {"id": "tiny", "type": "llm", "max_context_length": 32_768, "loaded_context_length": 4096}
    upstream.script("/api/v0/models", scripted.whole({"data": [running, {"id": "e", "type": "embeddings"}]}))
    listed = client.list_models(endpoint(upstream, "lmstudio"))
    assert [(model.id, model.context_length) for model in listed] == [("tiny", 4096)]


@pytest.mark.parametrize(
    "profile, path, body, count",
    [
        ("moonshot", "/v1/tokenizers/estimate-token-count", {"data": {"total_tokens": 80}}, 80),
        ("llamacpp", "/tokenize", {"tokens": [1, 2, 3]}, 3),
        ("koboldcpp", "/api/extra/tokencount", {"value": 5}, 5),
        ("vllm", "/tokenize", {"count": 7}, 7),
        ("openai", "/", {}, None),
    ],
)
def test_tokens_are_counted_by_the_upstream(
    profile: str, path: str, body: dict, count: int | None, upstream: ScriptedUpstream
) -> None:
    upstream.script(path, scripted.whole(body))
    assert client.count_tokens(endpoint(upstream, profile), "tiny", "some text") == count


def test_a_local_server_is_found_by_its_models(upstream: ScriptedUpstream) -> None:
    upstream.script("tiny", chat_stream([]))
    found = client.listening(upstream.base_url)
    assert found is not None
    assert [model.id for model in found] == ["tiny"]
    assert client.listening(f"http://127.0.0.1:{free_port()}/v1") is None


def test_warming_makes_the_client_that_answers(upstream: ScriptedUpstream) -> None:
    upstream.script("tiny", chat_stream(["warm"]))

    async def warmed() -> list[Event]:
        await client.warm()
        return await read(call(upstream.base_url))

    assert text_of(run(warmed())) == "warm"


def test_a_scripted_answer_may_depend_on_the_request(upstream: ScriptedUpstream) -> None:
    def echo(request: SeenRequest) -> Answer:
        return chat_stream([request.body["messages"][-1]["content"]])

    upstream.script("tiny", echo)
    assert text_of(run(read(call(upstream.base_url)))) == "Hello"

"""The demo model: a small HTTP server on loopback that speaks the OpenAI chat dialect, so that a site without any key
can be tried on the same path as with a real provider: sockets, events, usage, a pace of some fifty tokens a second.

Only this process knows its key. One answer per connection; all that is read is bounded.
"""

import asyncio
import json
import re
import secrets
import time
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import zip_longest

from chat.upstream.contract import Endpoint
from chat.upstream.demo_answers import answer

MODEL = "demo"
FIRST_TOKEN_SECONDS = 0.2
TOKENS_PER_SECOND = 50
MAX_HEAD = 16 * 1024
MAX_BODY = 8 * 1024 * 1024
REQUEST_SECONDS = 10
MAX_WHOLE_SECONDS = 5
MAX_CHOICES = 8

# About what a tokenizer would make of it: a short word or a piece of a longer one, one or two Chinese characters.
_TOKEN = re.compile(r" ?[A-Za-z]{1,8}| ?[0-9]{1,3}|[\u3400-\u9fff]{1,2}|\s+|.", re.S)
_KEY = secrets.token_urlsafe(32)

_server: asyncio.Server | None = None
_connections: set[asyncio.Task] = set()


class Refused(Exception):
    """Answered with a status and a sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


async def start() -> str:
    """Listens on a free port of loopback; returns the base URL."""
    global _server
    _server = await asyncio.start_server(_serve, "127.0.0.1", 0, limit=MAX_HEAD)
    return endpoint().base_url


async def stop() -> None:
    """Also ends the answers that are under way."""
    global _server
    server, _server = _server, None
    if server:
        server.close()
    for task in _connections:
        task.cancel()
    await asyncio.gather(*_connections, return_exceptions=True)


def endpoint() -> Endpoint:
    """Where this process's demo listens; before it has started, a port where nothing does."""
    port = _server.sockets[0].getsockname()[1] if _server else 0
    return Endpoint(f"http://127.0.0.1:{port}/v1", "demo", _KEY, local=True)


# HTTP


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    task = asyncio.current_task()
    assert task
    _connections.add(task)
    try:
        async with asyncio.timeout(REQUEST_SECONDS):
            request = await _request(reader)
        await _while_present(reader, _respond(request, writer))
    except Refused as refused:
        _write_document(writer, {"error": {"message": refused.message, "type": "demo"}}, refused.status)
    except (TimeoutError, ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
        pass  # whoever asked has gone, or never asked
    finally:
        _connections.discard(task)
        writer.close()


async def _request(reader: asyncio.StreamReader) -> Request:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.LimitOverrunError:
        raise Refused(431, "The headers are too long.") from None
    first, *lines = head.split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    method, _, target = first.partition(" ")
    length = headers.get("content-length", "0")
    if not length.isdecimal() or "transfer-encoding" in headers:
        raise Refused(411, "The length of the body must be given.")
    if len(length) > 9 or int(length) > MAX_BODY:
        raise Refused(413, "The body is too long.")
    return Request(method, target.split(" ")[0].split("?")[0], headers, await reader.readexactly(int(length)))


async def _while_present(reader: asyncio.StreamReader, answering: Coroutine) -> None:
    """Answers until the client goes, which only reading on tells."""
    tasks = [asyncio.ensure_future(answering), asyncio.ensure_future(_left(reader))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    if not tasks[0].cancelled():
        tasks[0].result()


async def _left(reader: asyncio.StreamReader) -> None:
    with suppress(ConnectionError):
        while await reader.read(MAX_HEAD):
            pass


async def _respond(request: Request, writer: asyncio.StreamWriter) -> None:
    if not secrets.compare_digest(request.headers.get("authorization", "").encode(), f"Bearer {_KEY}".encode()):
        raise Refused(401, "The demo answers only the site that it belongs to.")
    match request.method, request.path:
        case "GET", "/v1/models":
            _write_document(writer, {"object": "list", "data": [{"id": MODEL, "object": "model", "owned_by": "demo"}]})
        case "POST", "/v1/chat/completions":
            asked = _asked(request.body)
            await (_stream(asked, writer) if asked.streamed else _write_whole(asked, writer))
        case _:
            raise Refused(404, "There is nothing here.")
    await writer.drain()


def _write_document(writer: asyncio.StreamWriter, document: dict, status: int = 200) -> None:
    body = json.dumps(document).encode()
    _write_head(writer, status, "application/json", f"Content-Length: {len(body)}")
    writer.write(body)


def _write_head(writer: asyncio.StreamWriter, status: int, content_type: str, framing: str) -> None:
    lines = (f"HTTP/1.1 {status} Demo", f"Content-Type: {content_type}", framing, "Connection: close", "", "")
    writer.write("\r\n".join(lines).encode())


# Chat


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be said: of each choice its tokens, and whether that is all."""

    streamed: bool
    with_usage: bool
    prompt_tokens: int
    choices: list[list[str]]
    finish_reasons: list[str]
    identity: dict = field(default_factory=lambda: {"id": f"demo-{secrets.token_hex(8)}", "created": int(time.time())})

    @property
    def usage(self) -> dict:
        written = sum(map(len, self.choices))
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": written,
            "total_tokens": self.prompt_tokens + written,
        }


def tokens(text: str) -> list[str]:
    return _TOKEN.findall(text)


def _asked(body: bytes) -> Asked:
    try:
        asked = json.loads(body)
        messages = [(str(message["role"]), str(message["content"])) for message in asked["messages"]]
        n = min(int(asked.get("n") or 1), MAX_CHOICES)
        most = int(asked.get("max_completion_tokens") or asked.get("max_tokens") or MAX_BODY)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise Refused(400, "This is no request for a chat completion.") from None
    answers = [tokens(answer(messages, index)) for index in range(n)]
    return Asked(
        streamed=bool(asked.get("stream")),
        with_usage=bool((asked.get("stream_options") or {}).get("include_usage")),
        prompt_tokens=sum(len(tokens(text)) for _role, text in messages),
        choices=[said[:most] for said in answers],
        finish_reasons=["length" if len(said) > most else "stop" for said in answers],
    )


async def _stream(asked: Asked, writer: asyncio.StreamWriter) -> None:
    _write_head(writer, 200, "text/event-stream", "Transfer-Encoding: chunked")
    for index in range(len(asked.choices)):
        _write_event(writer, asked, [_choice(index, {"role": "assistant", "content": ""})])
    clock = asyncio.get_running_loop().time
    due = clock() + FIRST_TOKEN_SECONDS
    for said in zip_longest(*asked.choices):
        await asyncio.sleep(due - clock())
        due += 1 / TOKENS_PER_SECOND
        for index, token in enumerate(said):
            if token is not None:
                _write_event(writer, asked, [_choice(index, {"content": token})])
        await writer.drain()
    for index, reason in enumerate(asked.finish_reasons):
        _write_event(writer, asked, [_choice(index, {}, reason)])
    if asked.with_usage:
        _write_event(writer, asked, [], usage=asked.usage)
    _write_chunk(writer, b"data: [DONE]\n\n")
    _write_chunk(writer, b"")


def _choice(index: int, delta: dict, finish: str | None = None) -> dict:
    return {"index": index, "delta": delta, "finish_reason": finish}


def _write_event(writer: asyncio.StreamWriter, asked: Asked, choices: list[dict], **more: object) -> None:
    chunk = {**asked.identity, "object": "chat.completion.chunk", "model": MODEL, "choices": choices, **more}
    _write_chunk(writer, b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n")


def _write_chunk(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(b"%x\r\n%s\r\n" % (len(data), data))


async def _write_whole(asked: Asked, writer: asyncio.StreamWriter) -> None:
    longest = max(map(len, asked.choices))
    await asyncio.sleep(min(FIRST_TOKEN_SECONDS + longest / TOKENS_PER_SECOND, MAX_WHOLE_SECONDS))
    choices = [
        {"index": index, "message": {"role": "assistant", "content": "".join(said)}, "finish_reason": reason}
        for index, (said, reason) in enumerate(zip(asked.choices, asked.finish_reasons, strict=True))
    ]
    _write_document(
        writer,
        {
            **asked.identity,
            "object": "chat.completion",
            "model": MODEL,
            "choices": choices,
            "usage": asked.usage,
        },
    )

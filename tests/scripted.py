"""An upstream that does what a test tells it to, on a real socket, in a thread of its own. Knows nothing of the app.

    with ScriptedUpstream() as upstream:
        upstream.script("tiny", chat_stream(["Hel", "lo"], usage=(3, 2)))
        ...  # ask upstream.base_url for the model "tiny"
        upstream.requests[0].wait_closed(1)

A request is answered by its model's script, or by its path's where that has one. Of several answers each request
takes the next, and the last is given again. Times are `time.monotonic()`, which all processes of a machine share.
"""

import asyncio
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

# What an answer does, step by step


@dataclass(frozen=True)
class Send:
    """Bytes of the body; called when it is time, if they are to hold the time."""

    data: bytes | Callable[[], bytes]


@dataclass(frozen=True)
class Wait:
    seconds: float


@dataclass(frozen=True)
class Until:
    """Goes on when the test says so."""

    said: threading.Event


@dataclass(frozen=True)
class Forever:
    """The same bytes again and again, until the client goes."""

    data: bytes
    every: float = 0.0


@dataclass(frozen=True)
class Stall:
    """Says nothing more, and keeps the connection."""


@dataclass(frozen=True)
class Close:
    """Ends the connection in good manners (FIN), whatever the framing promised."""


@dataclass(frozen=True)
class Reset:
    """Ends it without (RST)."""


Step = Send | Wait | Until | Forever | Stall | Close | Reset
Framing = Literal["chunked", "content-length", "close", "raw"]


@dataclass(frozen=True)
class Answer:
    """`close` is HTTP/1.0, whose body ends with the connection; `raw` sends the steps' bytes without any head."""

    steps: Sequence[Step]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "text/event-stream"
    framing: Framing = "chunked"


# Answers of the OpenAI chat dialect


def chat_stream(
    texts: Iterable[str],
    *,
    reasoning: Iterable[str] = (),
    usage: tuple[int, int] | None = None,
    finish: str | None = "stop",
    done: bool = True,
    every: float = 0.02,
    first: float = 0.0,
    n: int = 1,
    stamped: bool = False,
    then: Sequence[Step] = (),
    framing: Framing = "chunked",
) -> Answer:
    """A stream of one event per text, `every` so many seconds, the first after `first`; `then` comes before the end.

    With n > 1 every choice says the same, interleaved. Stamped texts begin with the time they were sent, as in
    "12345.678901 text"; see `sent_at`.
    """
    steps: list[Step] = [Send(event(role="assistant", text="", index=index)) for index in range(n)]
    steps.append(Wait(first))
    for delta in [{"reasoning": thought} for thought in reasoning] + [{"text": text} for text in texts]:
        steps += [Send(_stamping(delta, index) if stamped else event(**delta, index=index)) for index in range(n)]
        steps.append(Wait(every))
    steps += then
    if finish:
        steps += [Send(event(finish=finish, index=index)) for index in range(n)]
    if usage:
        steps.append(Send(usage_event(*usage)))
    if done:
        steps.append(Send(DONE))
    return Answer(steps, framing=framing)


def chat_whole(text: str, *, usage: tuple[int, int] | None = None, finish: str | None = "stop", n: int = 1) -> Answer:
    message = {"role": "assistant", "content": text}
    body: dict = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "choices": [{"index": index, "message": message, "finish_reason": finish} for index in range(n)],
    }
    if usage:
        body["usage"] = _usage(*usage)
    return whole(body)


def error(status: int, message: str = "no", *, kind: str = "", headers: Mapping[str, str] | None = None) -> Answer:
    return whole({"error": {"message": message, "type": kind}}, status=status, headers=headers)


def whole(body: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """Any JSON document."""
    steps = [Send(json.dumps(body).encode())]
    return Answer(steps, status, headers or {}, content_type="application/json", framing="content-length")


def event(
    *, text: str | None = None, reasoning: str = "", role: str = "", finish: str | None = None, index: int = 0
) -> bytes:
    delta = {"role": role, "content": text, "reasoning_content": reasoning}
    told = {name: value for name, value in delta.items() if value or (name == "content" and value is not None)}
    return sse({"choices": [{"index": index, "delta": told, "finish_reason": finish}]})


def usage_event(prompt: int, completion: int) -> bytes:
    return sse({"choices": [], "usage": _usage(prompt, completion)})


def sse(payload: dict) -> bytes:
    payload = {"id": "chatcmpl-1", "object": "chat.completion.chunk", **payload}
    return b"data: " + json.dumps(payload, ensure_ascii=False).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


def sent_at(stamped_text: str) -> float:
    return float(stamped_text.split(" ", 1)[0])


def _stamping(delta: dict, index: int) -> Callable[[], bytes]:
    (kind, text) = next(iter(delta.items()))
    return lambda: event(**{kind: f"{time.monotonic():.6f} {text}"}, index=index)


def _usage(prompt: int, completion: int) -> dict:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


# What was asked


@dataclass
class SeenRequest:
    """`closed` says how the client went: "fin" or "reset"; "" while it is here, or after it waited for the end.

    `connection` counts them from 1: the same number means that a connection was used again.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: dict
    arrived_at: float
    connection: int
    query: str = ""
    sent: list[tuple[float, bytes]] = field(default_factory=list)
    answered_at: float | None = None
    closed_at: float | None = None
    closed: Literal["", "fin", "reset"] = ""
    _gone: threading.Event = field(default_factory=threading.Event)

    def wait_closed(self, seconds: float) -> float:
        """The time at which the client closed, or the answer was over; fails the test if neither was in time."""
        assert self._gone.wait(seconds), f"still open after {seconds} s"
        return self.closed_at or self.answered_at or 0.0

    def _end(self, how: Literal["", "fin", "reset"]) -> None:
        if not self._gone.is_set():
            self.closed = how
            now = time.monotonic()
            self.closed_at, self.answered_at = (now, None) if how else (None, now)
            self._gone.set()


class ScriptedUpstream:
    """Listens between `with` and its end, on a free port."""

    def __init__(self) -> None:
        self.requests: list[SeenRequest] = []
        self.connections = 0  # open now
        self.most_connections = 0  # open at the same time
        self.all_connections = 0  # ever opened
        self._scripts: dict[str, list[Script]] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._serving = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port: int = self._listener.getsockname()[1]

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def script(self, name: str, *answers: "Script") -> None:
        """What to answer for a model, or, if the name begins with a slash, for a path."""
        self._scripts[name] = list(answers)

    def wait_for_request(self, count: int = 1, seconds: float = 30) -> SeenRequest:
        """The count-th request, once it has come."""
        deadline = time.monotonic() + seconds
        while len(self.requests) < count:
            assert time.monotonic() < deadline, f"{len(self.requests)} of {count} requests after {seconds} s"
            time.sleep(0.005)
        return self.requests[count - 1]

    def __enter__(self) -> "ScriptedUpstream":
        self._thread.start()
        self._serving.wait(5)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(self._loop.create_server(lambda: _Connection(self), sock=self._listener))
        self._loop.call_soon(self._serving.set)
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    def _answer_to(self, request: SeenRequest) -> Answer:
        scripts = self._scripts.get(request.path) or self._scripts.get(str(request.body.get("model")))
        if scripts:
            script = scripts.pop(0) if len(scripts) > 1 else scripts[0]
            return script(request) if callable(script) else script
        if request.path.endswith("/models"):
            names = [name for name in self._scripts if not name.startswith("/")]
            return whole({"object": "list", "data": [{"id": name, "object": "model"} for name in names]})
        return error(404, "no script for this")


Script = Answer | Callable[[SeenRequest], Answer]


class _Connection(asyncio.Protocol):
    """One client's connection: requests one after another, each answered by a task that ends with the connection."""

    def __init__(self, upstream: ScriptedUpstream) -> None:
        self._upstream = upstream
        self._received = b""
        self._request: SeenRequest | None = None
        self._task: asyncio.Task | None = None
        self._may_write = asyncio.Event()
        self._may_write.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._upstream.connections += 1
        self._upstream.all_connections += 1
        self._number = self._upstream.all_connections
        self._upstream.most_connections = max(self._upstream.most_connections, self._upstream.connections)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._received[:1].isalpha() and self._received:  # TLS, where there is none
            self._transport.write(b"HTTP/1.1 400 No\r\n\r\n")
            self._transport.close()
        elif self._task is None and (request := self._whole_request()):
            self._request = request
            self._upstream.requests.append(request)
            self._task = asyncio.get_running_loop().create_task(self._answer(request))

    def eof_received(self) -> None:
        self._gone("fin")

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone("reset" if exc else "fin")
        self._upstream.connections -= 1
        if self._task:
            self._task.cancel()

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    def _gone(self, how: Literal["fin", "reset"]) -> None:
        if self._request:
            self._request._end(how)

    def _whole_request(self) -> SeenRequest | None:
        head, found, rest = self._received.partition(b"\r\n\r\n")
        if not found:
            return None
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", 0))
        if len(rest) < length:
            return None
        self._received = rest[length:]
        method, path, _ = first.split(" ")
        body = json.loads(rest[:length]) if length else {}
        path, _, query = path.partition("?")
        return SeenRequest(method, path, headers, body, time.monotonic(), self._number, query)

    async def _answer(self, request: SeenRequest) -> None:
        answer = self._upstream._answer_to(request)
        if answer.framing != "raw":
            self._transport.write(_head(answer))
        for step in answer.steps:
            await self._do(step, answer.framing, request)
        if answer.framing == "chunked":
            self._transport.write(b"0\r\n\r\n")
        request._end("")
        if answer.framing in ("close", "raw"):
            self._transport.close()
        self._task = None
        self.data_received(b"")

    async def _do(self, step: Step, framing: Framing, request: SeenRequest) -> None:
        match step:
            case Send(data):
                await self._send(data if isinstance(data, bytes) else data(), framing, request)
            case Wait(seconds):
                await asyncio.sleep(seconds)
            case Until(said):
                while not said.is_set():
                    await asyncio.sleep(0.01)
            case Forever(data, every):
                while True:
                    await self._send(data, framing, request)
                    await asyncio.sleep(every)
            case Close():
                request._end("")
                self._transport.close()
                await self._until_gone()
            case Reset():
                request._end("")
                linger = struct.pack("ii", 1, 0)
                self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self._transport.abort()
                await self._until_gone()
            case Stall():
                await self._until_gone()

    async def _until_gone(self) -> None:
        """The task is cancelled when the connection is."""
        await asyncio.Event().wait()

    async def _send(self, data: bytes, framing: Framing, request: SeenRequest) -> None:
        await self._may_write.wait()
        request.sent.append((time.monotonic(), data))
        self._transport.write(b"%x\r\n%s\r\n" % (len(data), data) if framing == "chunked" else data)


def _head(answer: Answer) -> bytes:
    version = "1.0" if answer.framing == "close" else "1.1"
    lines = [f"HTTP/{version} {answer.status} Scripted"]
    if answer.content_type:
        lines.append(f"Content-Type: {answer.content_type}")
    if answer.framing == "chunked":
        lines.append("Transfer-Encoding: chunked")
    elif answer.framing == "content-length":
        length = sum(len(step.data) for step in answer.steps if isinstance(step, Send) and isinstance(step.data, bytes))
        lines.append(f"Content-Length: {length}")
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"

"""Pages without a browser: sockets that do what the page does, as cheaply as they can, in one asyncio loop.

A page reads the age of each token out of the frames' text, and acknowledges frames when it is asked to.
"""

import asyncio
import base64
import os
import re
import struct
import time
from uuid import uuid4

import httpx
import orjson

from benchmarks.stamps import ages

_COMPLETION = re.compile(r'data-completion="(\d+)"')


class Socket(asyncio.Protocol):
    """A WebSocket, client's side: text messages, pings, closing. Masks with zeros, which costs nothing."""

    def __init__(self) -> None:
        self.opened = asyncio.get_running_loop().create_future()
        self.buffer = b""
        self.closed: int | None = None  # its code

    @classmethod
    async def open(cls, port: int, path: str, cookies: dict[str, str]) -> "Socket":
        _, socket = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        key = base64.b64encode(os.urandom(16)).decode()
        cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
        lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Origin: http://127.0.0.1:{port}"]
        lines += ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"]
        lines += [f"Sec-WebSocket-Key: {key}", f"Cookie: {cookie}", "", ""]
        socket.transport.write("\r\n".join(lines).encode())
        await asyncio.wait_for(socket.opened, 30)
        return socket

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = self.closed or 1006
        if not self.opened.done():
            self.opened.set_exception(ConnectionError("no socket"))

    def data_received(self, data: bytes) -> None:
        self.buffer = self.buffer + data if self.buffer else data
        if not self.opened.done() and not self._read_head():
            return
        while (frame := self._frame()) is not None:
            opcode, payload = frame
            if opcode == 1:
                self.received(payload)
            elif opcode == 9:
                self._write(10, payload)
            elif opcode == 8:
                self.closed = struct.unpack("!H", payload[:2])[0] if payload else 1005
                self.transport.close()

    def _read_head(self) -> bool:
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        if found:
            self.buffer = rest
            if b" 101 " in head.split(b"\r\n")[0]:
                self.opened.set_result(None)
            else:
                self.opened.set_exception(ConnectionError(head.decode()))
        return bool(found)

    def _frame(self) -> tuple[int, bytes] | None:
        data = self.buffer
        if len(data) < 2:
            return None
        length, start = data[1], 2
        if length > 125:
            start = 4 if length == 126 else 10
            length = int.from_bytes(data[2:start], "big")
        if len(data) < start + length:
            return None
        self.buffer = data[start + length :]
        return data[0] & 15, data[start : start + length]

    def send(self, text: str) -> None:
        self._write(1, text.encode())

    def _write(self, opcode: int, payload: bytes) -> None:
        size = len(payload)
        length = bytes([128 | size]) if size < 126 else b"\xfe" + struct.pack("!H", size)
        self.transport.write(bytes([128 | opcode]) + length + b"\0\0\0\0" + payload)

    def received(self, message: bytes) -> None:
        raise NotImplementedError


class Page(Socket):
    """One open page with at most one reply. `lags` are collected while `measuring`, in seconds."""

    measuring = False

    def __init__(self) -> None:
        super().__init__()
        self.lags: list[float] = []
        self.frames = self.bytes = self.completion = 0
        self.youngest = 0.0  # send time of the newest token seen
        self.whole_at = 0.0  # when the first frame with text came
        self.begun = asyncio.Event()
        self.settled = asyncio.Event()

    def received(self, message: bytes) -> None:
        now = time.monotonic()
        if b'"ack":' in message:
            self.say(type="ack", number=orjson.loads(message)["ack"])
        elif message.startswith(b'{"type":"settled"'):
            self.settled.set()
        new = [age for age in ages(message, now) if now - age > self.youngest + 5e-6]
        if new:
            self.youngest = now - new[-1]
            self.whole_at = self.whole_at or now
            self.begun.set()
        if self.measuring:
            self.frames += 1
            self.bytes += len(message)
            self.lags += new

    def say(self, **message: object) -> None:
        self.send(orjson.dumps(message).decode())

    def watch(self, completion: int) -> None:
        self.completion = completion
        self.say(type="watch", completion=completion)


class Person:
    """Who sends, over HTTP."""

    def __init__(self, client: httpx.AsyncClient, cookies: dict[str, str], model: int) -> None:
        self.client, self.cookies, self.model = client, cookies, model

    async def send(self, text: str) -> int:
        """The completion's id."""
        response = await self.client.post(
            "/c/",
            data={"text": text, "key": str(uuid4()), "model": str(self.model)},
            headers={
                "X-CSRFToken": self.cookies["csrftoken"],
                "Origin": str(self.client.base_url).rstrip("/"),
                "HX-Request": "true",
                "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
            },
        )
        response.raise_for_status()
        return int(_COMPLETION.findall(response.text)[-1])

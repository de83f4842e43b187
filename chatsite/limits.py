"""What one connection may take, and what all of them may; where its sender waits, where its messages wait."""

import asyncio
from dataclasses import dataclass
from time import monotonic
from typing import Any

import daphne.server  # noqa: F401 - installs the asyncio reactor, so before anything of Twisted
from twisted.internet import tcp

MiB = 2**20


@dataclass(frozen=True)
class Limits:
    connections: int = 2500
    sockets: int = 2000

    header_seconds: float = 10  # from the first byte of a request, or from connecting, to the end of its headers
    body_bytes: int = 26 * MiB  # attachments of 20 MiB, and what multipart adds
    bodies_bytes: int = 512 * MiB  # of all requests together: they lie on the disk
    body_seconds: float = 10  # without a byte; after them the average counts too
    body_rate: int = 1024  # bytes a second
    keep_alive_seconds: float = 60
    linger_seconds: float = 5  # a goodbye has this long to arrive

    handshake_seconds: float = 5
    ping_seconds: float = 10  # of silence
    pong_seconds: float = 10
    message_bytes: int = 64 * 1024
    frames_per_tick: int = 256  # of any kind: pings cost as much as messages
    inbox_messages: int = 64
    inbox_bytes: int = 256 * 1024

    send_buffer: int = 64 * 1024  # of a WebSocket in the kernel, which doubles it; as much again waits in Twisted
    stall_seconds: float = 20  # in which a reader takes nothing
    tick_seconds: float = 1

    application_seconds: float = 10  # after its connection is gone; then it is cancelled
    before_stop_seconds: float = 7  # the sum of a drain stays under the 10 s after which supervisors kill
    farewell_seconds: float = 1
    exit_seconds: float = 9.5


class Gate:
    """The transport's producer. It is shut while more than 64 KiB wait for the reader, and who sends waits at it."""

    def __init__(self) -> None:
        self.gone = False
        self.taken, self.taken_at = 0, 0.0
        self.opened = asyncio.Event()
        self.opened.set()

    def pauseProducing(self) -> None:
        if self.opened.is_set():
            self.opened.clear()
            self.taken_at = monotonic()

    def resumeProducing(self) -> None:
        self.opened.set()

    stopProducing = resumeProducing

    def leave(self) -> None:
        """Nobody reads any more: nobody needs to wait."""
        self.gone = True
        self.opened.set()

    async def wait(self) -> None:
        if self.gone:
            await asyncio.sleep(0)  # a loop of sends into nothing must not keep the others out
        else:
            await self.opened.wait()

    def stalled_seconds(self, taken: int, now: float) -> float:
        """How long the reader of `taken` bytes so far has taken no more."""
        if taken != self.taken or self.opened.is_set():
            self.taken, self.taken_at = taken, now
        return now - self.taken_at


class Inbox(asyncio.Queue):
    """What a client has sent and its application has not yet received. (_put and _get are meant to be overridden.)"""

    weight = 0

    def _put(self, message: dict[str, Any]) -> None:
        self.weight += len(message.get("text") or message.get("bytes") or "")
        super()._put(message)

    def _get(self) -> dict[str, Any]:
        message = super()._get()
        self.weight -= len(message.get("text") or message.get("bytes") or "")
        return message


class Transport(tcp.Server):
    """Gives to the kernel at once what it takes, and counts it.

    Twisted leaves each write to the next turn of the loop, at two epoll_ctl calls a frame. writeSequence() still does:
    a response's head and body leave together.
    """

    waiting = False
    taken = 0

    def write(self, data: bytes) -> None:
        if self.connected and not self.waiting:
            taken = self.writeSomeData(data)
            if taken == len(data):
                return
            if isinstance(taken, int):
                data = data[taken:]
        super().write(data)  # also after an error: there it ends the connection

    def writeSomeData(self, data: bytes) -> Any:
        taken = super().writeSomeData(data)
        if isinstance(taken, int):
            self.taken += taken
        return taken

    def startWriting(self) -> None:
        self.waiting = True
        super().startWriting()

    def stopWriting(self) -> None:
        self.waiting = False
        super().stopWriting()

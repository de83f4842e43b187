"""What one connection may take: seconds, bytes, frames. Daphne's protocols with these limits, on one clock.

Each connection has one deadline, which the server's tick compares with the monotonic clock: a timer for each would cost
more, and Daphne's own checks go by the wall clock. `Channel` is a connection while it speaks HTTP, `Request` one
request on it, `Socket` what it becomes when it is upgraded.
"""

import asyncio
import socket
from dataclasses import dataclass
from math import inf
from time import monotonic
from typing import Any

import daphne.server  # installs the asyncio reactor, so before anything of Twisted
from autobahn.websocket.types import ConnectionDeny, ConnectionRequest
from daphne.http_protocol import HTTPFactory, WebRequest
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol
from twisted.internet import tcp
from twisted.web import http

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
    linger_seconds: float = 2  # a goodbye has this long to arrive

    handshake_seconds: float = 5
    ping_seconds: float = 10  # of silence
    pong_seconds: float = 10
    message_bytes: int = 64 * 1024
    frames_per_tick: int = 256  # of any kind: pings cost as much as messages
    inbox_messages: int = 64
    inbox_bytes: int = 256 * 1024

    send_buffer: int = 64 * 1024  # in the kernel for a socket, which doubles it; Twisted holds as much again
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
    """What a client has sent and its application has not yet received."""

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

    Twisted leaves each write to the next turn of the loop, at two epoll_ctl calls a frame.
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


class Channel(http.HTTPChannel):
    """A connection that speaks HTTP."""

    def connectionMade(self) -> None:
        super().connectionMade()
        self.server = self.factory.server
        self.limits: Limits = self.server.limits
        self.gate = Gate()
        self.idle = self.refused = self.closing = False
        self.body_taken = self.body_room = 0
        self.body_began = 0.0
        self.give(self.limits.header_seconds)
        self.server.channels.add(self)

    def connectionLost(self, reason: Any) -> None:
        self.server.channels.discard(self)
        self.forget_body()
        self.gate.leave()
        super().connectionLost(reason)

    def give(self, seconds: float) -> None:
        self.deadline = monotonic() + seconds

    def check(self, now: float) -> None:
        stalled = self.gate.stalled_seconds(self.transport.taken, now) > self.limits.stall_seconds
        if stalled or (self.closing and now > self.deadline):
            self.transport.abortConnection()
        elif now > self.deadline:
            self.loseConnection()

    def loseConnection(self) -> None:
        self.closing = True
        self.give(self.limits.stall_seconds)
        self.gate.leave()
        super().loseConnection()

    # From a request's first byte to the next one's

    def dataReceived(self, data: bytes) -> None:
        if self.refused:
            return
        if self.idle:
            self.idle = False
            self.give(self.limits.header_seconds)
        super().dataReceived(data)

    def allHeadersReceived(self) -> None:
        upgrade = self.requests[-1].requestHeaders.getRawHeaders(b"Upgrade", [b""])[0]
        self.body_room = 0 if upgrade.lower() == b"websocket" else self.limits.body_bytes
        self.body_began = monotonic()
        self.give(self.limits.body_seconds)
        if (self.length or 0) > self.body_room:
            self.refuse(b"413 Content Too Large")
        else:
            super().allHeadersReceived()

    def take_body(self, size: int) -> bool:
        self.body_taken += size
        self.server.bodies_taken += size
        now, limits = monotonic(), self.limits
        average = self.body_began + limits.body_seconds + self.body_taken / limits.body_rate
        self.deadline = min(now + limits.body_seconds, average)
        if self.body_taken > self.body_room:
            self.refuse(b"413 Content Too Large")
        elif self.server.bodies_taken > limits.bodies_bytes:
            self.refuse(b"503 Service Unavailable")
        return not self.refused

    def forget_body(self) -> None:
        self.server.bodies_taken -= self.body_taken
        self.body_taken = 0

    def allContentReceived(self) -> None:
        if not self.refused:
            self.deadline = inf  # the application may take its time
            super().allContentReceived()

    def requestDone(self, request: http.Request) -> None:
        self.forget_body()
        self.idle = True
        self.give(self.limits.keep_alive_seconds)
        super().requestDone(request)  # last, since it reads the next request if that is here already

    def refuse(self, status: bytes) -> None:
        """Answer and read on into nothing: closing while bytes arrive is a reset, which can overtake the answer."""
        self.refused = True
        text = status + b"\n"
        head = b"HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
        self.transport.writeSequence([head % (status, len(text)), text])
        self.transport.loseWriteConnection()
        self.give(self.limits.linger_seconds)

    # The transport's producer (HTTPChannel registers itself)

    def pauseProducing(self) -> None:
        self.gate.pauseProducing()
        super().pauseProducing()

    def resumeProducing(self) -> None:
        self.gate.resumeProducing()
        super().resumeProducing()


class Request(WebRequest):
    error_template = "<title>%(title)s</title><h1>%(title)s</h1>"

    def __init__(self, channel: Channel, queued: object) -> None:
        # Twisted would parse forms here too, in the loop: Django does it, in a thread.
        super().__init__(channel, queued, parsePOSTFormSubmission=False)
        self.gate = channel.gate

    def handleContentChunk(self, data: bytes) -> None:
        if not self.channel.refused and self.channel.take_body(len(data)):
            super().handleContentChunk(data)

    def process(self) -> None:
        channel = self.channel
        self.forget_claims()
        super().process()
        if self.transport is None:  # upgraded: it belongs to a Socket now
            self.server.channels.discard(channel)

    def forget_claims(self) -> None:
        """Remove what only a proxy may say. Of a configured header the last value counts: the one our proxy wrote."""
        headers, trusted = self.requestHeaders, self.server.proxy_forwarded_address_header
        headers.removeHeader(b"Daphne-Root-Path")
        for name, values in list(headers.getAllRawHeaders()):
            if not name.lower().startswith((b"x-forwarded-", b"forwarded", b"x-real-ip")):
                continue
            if trusted:
                headers.setRawHeaders(name, [values[-1].split(b",")[-1].strip()])
            else:
                headers.removeHeader(name)

    def application_ended(self, error: BaseException | None) -> None:
        """It owes us the rest of a response. A client sees by the missing end that there is more."""
        if self._response_started:
            self.loseConnection()
        else:
            self.handle_exception(error)


class ChannelFactory(HTTPFactory):
    protocol = Channel

    def buildProtocol(self, addr: Any) -> Channel | None:
        if not self.server.has_room():
            return None
        channel = super().buildProtocol(addr)
        channel.requestFactory = Request
        return channel

    def startFactory(self) -> None:
        """No log of requests: their lines carry tokens."""

    def log(self, request: Request) -> None:
        pass


class Socket(WebSocketProtocol):
    request: ConnectionRequest | None = None  # until a handshake is good enough for the application
    opened = False

    def connectionMade(self) -> None:
        super().connectionMade()
        self.server = self.factory.server_class
        self.limits: Limits = self.server.limits
        self.gate = Gate()
        self.transport.unregisterProducer()  # the Channel is still registered
        self.transport.registerProducer(self.gate, True)
        self.frames = self.fragments = 0
        self.heard_at = monotonic()
        self.pinged_at: float | None = None
        self.deadline = self.heard_at + self.limits.handshake_seconds
        self.server.sockets.add(self)

    def connectionLost(self, reason: Any) -> None:
        self.server.sockets.discard(self)
        self.gate.leave()
        super().connectionLost(reason)

    # Opening

    def onConnect(self, request: ConnectionRequest) -> Any:
        if self.server.stopping or len(self.server.sockets) > self.limits.sockets:
            raise ConnectionDeny(503, "Service Unavailable")
        if not request.headers.get("sec-websocket-protocol", "").isascii():
            raise ConnectionDeny(400, "Bad Request")  # Daphne would log a traceback
        return super().onConnect(request)

    def onOpen(self) -> None:
        self.transport.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.limits.send_buffer)
        super().onOpen()
        self.opened = True

    # Each second

    def check(self, now: float) -> None:
        self.frames = 0
        if self.state == self.STATE_OPEN:
            self.check_peer(now)
        elif now <= self.deadline:
            pass
        elif self.state == self.STATE_CONNECTING:
            self.serverReject()
        else:
            self.transport.abortConnection()

    def check_peer(self, now: float) -> None:
        if not self.gate.opened.is_set():
            stalled = self.gate.stalled_seconds(self.transport.taken, now)
            if stalled > self.limits.stall_seconds:
                self.transport.abortConnection()
            elif not stalled:
                self.heard_at, self.pinged_at = now, None  # who takes bytes is there; a ping would wait behind them
        elif self.pinged_at is not None and now - self.pinged_at > self.limits.pong_seconds:
            self.transport.abortConnection()
        elif self.pinged_at is None and now - self.heard_at > self.limits.ping_seconds:
            self.pinged_at = now
            self.sendPing()

    # Receiving

    def dataReceived(self, data: bytes) -> None:
        """As autobahn's, without formatting a log line that nobody reads."""
        self.heard_at, self.pinged_at = monotonic(), None
        if self.state == self.STATE_CONNECTING and self.request is not None:
            self.transport.abortConnection()  # a client must wait for our answer (RFC 6455, 4.1)
        else:
            self._dataReceived(data)

    def onFrameBegin(self) -> None:
        self.frames += 1
        if self.frames > self.limits.frames_per_tick:
            self.flooded()
        super().onFrameBegin()

    def onMessageBegin(self, isBinary: bool) -> None:
        self.fragments = 0
        super().onMessageBegin(isBinary)

    def onMessageFrameBegin(self, length: int) -> None:
        self.fragments += 1
        if self.fragments > self.limits.inbox_messages:
            self.flooded()  # autobahn counts bytes, and there are frames without any
        super().onMessageFrameBegin(length)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        inbox: Inbox = self.application_queue
        if self.state != self.STATE_OPEN:
            return
        if inbox.qsize() >= self.limits.inbox_messages or inbox.weight > self.limits.inbox_bytes:
            self.flooded()
        else:
            super().onMessage(payload, isBinary)

    def onPing(self, payload: bytes) -> None:
        if self.gate.opened.is_set():  # who does not read shall not make us write
            super().onPing(payload)

    def flooded(self) -> None:
        self.sendClose(4409, "flood")
        self.data = b""
        self.transport.pauseProducing()

    # Sending

    def serverSend(self, content: Any, binary: bool = False) -> None:
        """Not by sendMessage(): its limit is the one for what comes in."""
        self.sendFrame(opcode=2 if binary else 1, payload=content if binary else content.encode())

    def sendData(self, data: bytes, sync: bool = False, chopsize: int | None = None) -> None:
        """As autobahn's, without its log line: that costs a third of the frame, read or not."""
        self.transport.write(data)

    # Closing

    def sendCloseFrame(self, code: int | None = None, reasonUtf8: bytes | None = None, isReply: bool = False) -> None:
        super().sendCloseFrame(code, reasonUtf8, isReply)
        self.gate.leave()
        self.deadline = monotonic() + self.limits.linger_seconds
        if self.failedByMe:
            self.transport.pauseProducing()  # autobahn would collect the rest of a frame that it refused

    def dropConnection(self, abort: bool = False) -> None:
        super().dropConnection(abort)
        self.gate.leave()
        self.deadline = monotonic() + self.limits.linger_seconds

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        if self.request is not None:
            super().onClose(wasClean, code, reason)

    def application_ended(self, error: BaseException | None) -> None:
        if error:
            self.handle_exception(error)
        elif self.state == self.STATE_CONNECTING:
            self.serverReject()
        else:
            self.serverClose()


class SocketFactory(WebSocketFactory):
    protocol = Socket

    def __init__(self, server: daphne.server.Server, limits: Limits) -> None:
        super().__init__(server, server="")
        self.setProtocolOptions(
            maxFramePayloadSize=limits.message_bytes,
            maxMessagePayloadSize=limits.message_bytes,
            failByDrop=False,  # say why: 1002, 1007, 1009
            openHandshakeTimeout=0,  # these two are Socket.deadline's: autobahn's timers round down to seconds
            closeHandshakeTimeout=0,
            webStatus=False,
            allowNullOrigin=True,  # origins are judged by the application
        )

"""A WebSocket within limits: what a `Channel` becomes when it is upgraded.

Clocks, counts and closing are here and not in autobahn's options: its timers are rounded down to whole seconds, and
Daphne's pings go by the wall clock.
"""

import socket
from time import monotonic
from typing import Any

from autobahn.websocket.types import ConnectionDeny, ConnectionRequest
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol

from chatsite.limits import Gate, Inbox, Limits


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

    def refuse(self, code: int, reason: str) -> None:
        self.failHandshake(reason, code)
        self.server.protocol_disconnected(self)  # what the application still says is not for the client

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
            self.refuse(503, "Service Unavailable")
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
        self.data = b""  # up to 10,000 frames more have come with this one

    # Sending

    def serverSend(self, content: Any, binary: bool = False) -> None:
        """Not by sendMessage(): its limit is the one for what comes in."""
        self.sendFrame(opcode=2 if binary else 1, payload=content if binary else content.encode())

    def sendData(self, data: bytes, sync: bool = False, chopsize: int | None = None) -> None:
        """As autobahn's, without its log line: that costs a third of the frame, read or not."""
        self.transport.write(data)

    # Closing

    def sendCloseFrame(self, code: int | None = None, reasonUtf8: bytes | None = None, isReply: bool = False) -> None:
        """Who does not answer it, or does not read what lies before it, is dropped at the deadline."""
        if self.state == self.STATE_OPEN:
            self.gate.leave()
            self.deadline = monotonic() + self.limits.linger_seconds
        super().sendCloseFrame(code, reasonUtf8, isReply)
        if self.failedByMe:
            self.transport.pauseProducing()  # autobahn would collect the rest of a frame that it refused

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        """Daphne's fails if onConnect never ran: for a bad handshake."""
        if self.request is not None:
            super().onClose(wasClean, code, reason)

    def application_ended(self, error: BaseException | None) -> None:
        if self.state == self.STATE_CONNECTING:
            self.refuse(500, "Internal Server Error")
        elif error:
            self.sendCloseFrame(1011)
        else:
            self.sendClose(1000)


class SocketFactory(WebSocketFactory):
    protocol = Socket

    def __init__(self, server: Any, limits: Limits) -> None:
        super().__init__(server, server="")
        self.setProtocolOptions(
            maxMessagePayloadSize=limits.message_bytes,
            failByDrop=False,  # say why: 1002, 1007, 1009
            openHandshakeTimeout=0,  # this and the next are Socket.deadline
            closeHandshakeTimeout=0,
            webStatus=False,  # a page that names autobahn
            allowNullOrigin=True,  # origins are judged by the application
        )

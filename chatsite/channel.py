"""HTTP within limits: `Channel` is a connection, `Request` one request on it.

A connection has one deadline, which the server's tick compares with the monotonic clock. Daphne has one idle timeout,
which every byte puts off.
"""

from math import inf
from time import monotonic
from typing import Any

from daphne.http_protocol import HTTPFactory, WebRequest
from twisted.web import http

from chatsite.limits import Gate, Limits


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
            last = values[-1].split(b",")[-1].strip()
            if trusted and last.isascii():
                headers.setRawHeaders(name, [last])
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

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self.timeOut = None  # Channel.deadline instead

    def buildProtocol(self, addr: Any) -> Channel | None:
        if not self.server.has_room():
            return None
        channel = super().buildProtocol(addr)
        channel.requestFactory = Request
        return channel

    def log(self, request: Request) -> None:
        """Nothing: request lines carry tokens. A proxy has the access log."""

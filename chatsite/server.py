"""Daphne with a beginning and an end: ready when it listens, and leaving at SIGTERM without losing anything.

Daphne has no lifespan, and stops by cancelling what it finds. Here `before_stop` runs first, while all connections are
open; who is still there is told 4012, given a second, and cancelled. What one connection may take is in `limits`.
"""

import asyncio
import faulthandler
import logging
import resource
import signal
import sys
import traceback
from collections.abc import Awaitable, Callable
from functools import partial
from time import monotonic
from typing import Any

import daphne.server
from twisted.internet import defer, reactor
from twisted.internet.error import CannotListenError
from twisted.logger import FilteringLogObserver, LogLevel, LogLevelFilterPredicate, STDLibLogObserver, globalLogBeginner

from chatsite.channel import Channel, ChannelFactory, Request
from chatsite.limits import Inbox, Limits, Transport
from chatsite.websocket import Socket, SocketFactory

logger = logging.getLogger(__name__)

RESTART = 4012  # "come again": the standard's 1012 is not among the codes that autobahn sends (1000, 3000-4999)
SPARE_FILES = 100  # descriptors for the database, upstreams, bodies
Hook = Callable[["Server"], Awaitable[None]]


def serve(
    application: Callable[..., Any],
    *,
    host: str,
    port: int,
    before_stop: Hook,
    on_ready: Hook | None = None,
    limits: Limits | None = None,
    proxy_header: str = "",
) -> None:
    """Serve until SIGTERM or SIGINT. Port 0 takes a free one: `server.address` tells which.

    `proxy_header` names the header in which a proxy in front writes the client's address; X-Forwarded-Proto is then
    believed too. Exits with 1 and a sentence if it cannot listen. What `on_ready` raises is raised here, after a drain.
    """
    server = Server(
        application,
        host=host,
        port=port,
        before_stop=before_stop,
        on_ready=on_ready,
        limits=limits or Limits(),
        proxy_header=proxy_header,
    )
    server.run()
    if server.failure:
        raise server.failure


class Server(daphne.server.Server):
    def __init__(
        self,
        application: Callable[..., Any],
        *,
        host: str,
        port: int,
        before_stop: Hook,
        on_ready: Hook | None,
        limits: Limits,
        proxy_header: str,
    ) -> None:
        super().__init__(
            application,
            endpoints=[f"{host}:{port}"],  # Daphne wants some; run() listens by itself
            proxy_forwarded_address_header=proxy_header or None,
            proxy_forwarded_proto_header="X-Forwarded-Proto" if proxy_header else None,
            server_name="",
        )
        self.host, self.port = host, port
        self.before_stop, self.on_ready = before_stop, on_ready
        self.limits = limits
        self.connections: dict[Request | Socket, dict[str, Any]] = {}
        self.channels: set[Channel] = set()
        self.sockets: set[Socket] = set()
        self.bodies_taken = self.turned_away = 0
        self.stopping = False
        self.failure: BaseException | None = None

    @property
    def address(self) -> tuple[str, int]:
        host = self.listener.getHost()
        return host.host, host.port

    # Arriving

    def run(self) -> None:
        """In place of Daphne's, which builds its own factories, hides Twisted's errors, and tells nobody."""
        reactor.seconds = monotonic  # Twisted's timers go by time.time(): set back an hour, each is an hour late
        errors_only = LogLevelFilterPredicate(defaultLogLevel=LogLevel.error)
        observer = FilteringLogObserver(STDLibLogObserver(__name__), [errors_only])
        globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)
        self.ws_factory = SocketFactory(self, self.limits)
        self.room = allowed_connections(self.limits.connections)
        self.listener = self.listen()
        reactor.callLater(0, self.ready)
        reactor.addSystemEventTrigger("before", "shutdown", self.drained)
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, self.on_signal)
        reactor.run(installSignalHandlers=False)

    def listen(self) -> Any:
        try:
            listener = reactor.listenTCP(self.port, ChannelFactory(self), backlog=1024, interface=self.host)
        except CannotListenError as error:
            sys.exit(f"Cannot listen on {self.host}:{self.port}: {error.socketError.strerror}.")
        listener.transport = Transport
        return listener

    def ready(self) -> None:
        self.tick()
        if self.on_ready:
            self.starting = asyncio.ensure_future(self.on_ready(self))
            self.starting.add_done_callback(self.started)

    def started(self, starting: asyncio.Future) -> None:
        if not starting.cancelled() and starting.exception():
            self.failure = starting.exception()
            self.stop()

    # Every second

    def tick(self) -> None:
        reactor.callLater(self.limits.tick_seconds, self.tick)
        now = monotonic()
        for connection in [*self.channels, *self.sockets]:
            connection.check(now)
        if self.turned_away:
            logger.warning("%s connections turned away: %s are open.", self.turned_away, self.room)
            self.turned_away = 0

    def has_room(self) -> bool:
        room = len(self.channels) + len(self.sockets) < self.room
        self.turned_away += not room
        return room

    # Applications (Daphne's protocols call create_application and protocol_disconnected)

    def create_application(self, protocol: Request | Socket, scope: dict[str, Any]) -> Inbox:
        inbox = Inbox()
        scope["asgi"] = {"version": "3.0"}
        application = self.application(scope=scope, receive=inbox.get, send=partial(self.handle_reply, protocol))
        task = asyncio.ensure_future(application)
        self.connections[protocol]["application_instance"] = task
        task.add_done_callback(partial(self.application_ended, protocol))
        return inbox

    async def handle_reply(self, protocol: Request | Socket, message: dict[str, Any]) -> None:
        """Send, then wait until the reader has taken enough.

        What is sent to a connection that is gone is dropped, as by Daphne: its disconnect event is in the inbox
        already, and Channels would end a consumer that meets an exception without calling its disconnect().
        """
        if not protocol.gate.gone:
            await super().handle_reply(protocol, message)
        await protocol.gate.wait()

    def application_ended(self, protocol: Request | Socket, task: asyncio.Task) -> None:
        details = self.connections[protocol]
        del details["application_instance"]
        error = None if task.cancelled() else task.exception()
        if error:
            self.report(protocol, error)
        if "disconnected" not in details:
            protocol.application_ended(error)
            return
        details["patience"].cancel()
        del self.connections[protocol]

    def report(self, protocol: Request | Socket, error: BaseException) -> None:
        if isinstance(protocol, Socket) and not protocol.opened:
            # Anybody can knock, as often as they like: one line each.
            place = traceback.extract_tb(error.__traceback__)[-1]
            logger.error("%s in a handshake, at %s:%s", type(error).__name__, place.filename, place.lineno)
        else:
            logger.error("Exception inside application", exc_info=error)

    def protocol_disconnected(self, protocol: Request | Socket) -> None:
        details = self.connections.get(protocol)
        if details is None or "disconnected" in details:
            return
        details["disconnected"] = True
        if "application_instance" in details:
            loop = asyncio.get_running_loop()
            details["patience"] = loop.call_later(self.limits.application_seconds, self.lose_patience, protocol)
        else:
            del self.connections[protocol]

    def lose_patience(self, protocol: Request | Socket) -> None:
        """Once: an application that is cancelled again (Daphne does it each second) loses what it saves in between."""
        logger.warning("An application did not end %s s after its connection.", self.limits.application_seconds)
        self.connections[protocol]["application_instance"].cancel()

    # Leaving

    def close_websockets(self, code: int = RESTART, reason: str = "restart") -> None:
        for socket in list(self.sockets):
            if socket.state == socket.STATE_OPEN:
                socket.sendClose(code, reason)

    def on_signal(self, signum: int, frame: Any) -> None:
        self.stop()

    def stop(self) -> None:
        """A second signal changes nothing: what is being saved is saved."""
        if self.stopping:
            return
        self.stopping = True
        self.leave_by = monotonic() + self.limits.exit_seconds - self.limits.farewell_seconds
        # Neither a blocked loop nor a worker thread, for which Python waits, may keep us: this shows both, and exits.
        faulthandler.dump_traceback_later(self.limits.exit_seconds, exit=True)
        reactor.callFromThread(reactor.stop)

    def drained(self) -> defer.Deferred:
        return defer.Deferred.fromFuture(asyncio.ensure_future(self.drain()))

    async def drain(self) -> None:
        self.listener.stopListening()
        await self.settle()
        self.close_websockets()
        await self.end_tasks()
        await self.flush()

    async def settle(self) -> None:
        task = asyncio.ensure_future(self.before_stop(self))
        await asyncio.wait([task], timeout=self.limits.before_stop_seconds)
        if not task.done():
            logger.error("before_stop did not end within %s s.", self.limits.before_stop_seconds)
            return
        [outcome] = await asyncio.gather(task, return_exceptions=True)
        if isinstance(outcome, BaseException):
            logger.error("before_stop failed.", exc_info=outcome)

    async def end_tasks(self) -> None:
        """Applications, and whatever else still runs: a moment to end by themselves, then they are cancelled, once."""
        left = asyncio.all_tasks() - {asyncio.current_task()}
        if left:
            _, left = await asyncio.wait(left, timeout=self.limits.farewell_seconds)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=max(0, self.leave_by - monotonic()))

    async def flush(self) -> None:
        """Let the last answers out. Twisted tells nobody when a transport that is closing has sent all."""
        end = monotonic() + self.limits.farewell_seconds / 2
        while monotonic() < end and any(each.transport.waiting for each in [*self.channels, *self.sockets]):
            await asyncio.sleep(0.01)


def allowed_connections(wanted: int) -> int:
    """As many as wanted, or as the limit on open files allows, which is raised as far as it may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = sys.maxsize if hard == resource.RLIM_INFINITY else hard
    if soft != resource.RLIM_INFINITY and soft < wanted + SPARE_FILES:
        soft = min(wanted + SPARE_FILES, most)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        return min(wanted, max(soft - SPARE_FILES, soft // 2))
    return wanted

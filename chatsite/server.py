"""Daphne with an end: starting, being ready, and leaving at SIGTERM without losing anything.

Daphne has no lifespan and stops by cancelling what it finds. Here `before_stop` runs first, while all sockets are open;
what remains is told 4012, given a second, and cancelled.
"""

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import daphne.server
from daphne.http_protocol import HTTPFactory
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol
from twisted.internet import defer, reactor
from twisted.internet.error import CannotListenError
from twisted.logger import FilteringLogObserver, LogLevel, LogLevelFilterPredicate, STDLibLogObserver, globalLogBeginner

logger = logging.getLogger(__name__)

RESTART = 4012  # "reconnect": 1012 is the standard's word, but autobahn sends only 1000 and 3000-4999
Hook = Callable[["Server"], Awaitable[None]]


def serve(
    application: Callable[..., Any],
    *,
    host: str,
    port: int,
    before_stop: Hook,
    on_ready: Hook | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT. Port 0 takes a free one: `server.address` says which.

    Exits with 1 and a sentence if it cannot listen; with 1 if `on_ready` raises.
    """
    server = Server(application, host=host, port=port, before_stop=before_stop, on_ready=on_ready)
    server.run()
    if server.failed:
        sys.exit(1)


class Server(daphne.server.Server):
    before_stop_seconds = 7.0  # then it is cancelled: 10 s after SIGTERM a supervisor kills
    exit_seconds = 9.5

    def __init__(
        self, application: Callable[..., Any], *, host: str, port: int, before_stop: Hook, on_ready: Hook | None
    ) -> None:
        super().__init__(application, endpoints=[f"{host}:{port}"], server_name="")
        self.host, self.port = host, port
        self.before_stop, self.on_ready = before_stop, on_ready
        self.connections: dict[Any, dict[str, Any]] = {}
        self.stopping = self.failed = False

    @property
    def address(self) -> tuple[str, int]:
        address = self.listener.getHost()
        return address.host, address.port

    def run(self) -> None:
        """Daphne's run() builds its own factories, swallows every error of Twisted, and knows no hook."""
        errors_only = LogLevelFilterPredicate(defaultLogLevel=LogLevel.error)
        observer = FilteringLogObserver(STDLibLogObserver(__name__), [errors_only])
        globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)
        self.http_factory = HTTPFactory(self)
        self.ws_factory = WebSocketFactory(self, server="")
        self.listener = self.listen()
        reactor.callLater(1, self.application_checker)
        reactor.callLater(2, self.timeout_checker)
        reactor.callLater(0, self.ready)
        reactor.addSystemEventTrigger("before", "shutdown", self.drained)
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, self.on_signal)
        reactor.run(installSignalHandlers=False)

    def listen(self) -> Any:
        try:
            return reactor.listenTCP(self.port, self.http_factory, backlog=1024, interface=self.host)
        except CannotListenError as error:
            sys.exit(f"Cannot listen on {self.host}:{self.port}: {error.socketError.strerror}.")

    def ready(self) -> None:
        if self.on_ready is None:
            return
        task = asyncio.ensure_future(self.on_ready(self))
        self.connections_ready = task
        task.add_done_callback(self.started)

    def started(self, task: asyncio.Task) -> None:
        if not task.cancelled() and task.exception():
            logger.critical("The server could not start.", exc_info=task.exception())
            self.failed = True
            self.stop()

    # Leaving

    def on_signal(self, signum: int, frame: Any) -> None:
        """A second signal changes nothing: what is being saved is saved."""
        reactor.callFromThread(self.stop)

    def stop(self) -> None:
        if self.stopping:
            return
        self.stopping = True
        # A thread, because neither a blocked loop nor Python's own wait for its worker threads may keep us.
        deadline = threading.Timer(self.exit_seconds, os._exit, (1,))
        deadline.daemon = True
        deadline.start()
        reactor.stop()

    def drained(self) -> defer.Deferred:
        return defer.Deferred.fromFuture(asyncio.ensure_future(self.drain()))

    async def drain(self) -> None:
        self.listener.stopListening()
        await self.settle(asyncio.ensure_future(self.before_stop(self)))
        self.close_websockets()
        await self.end_tasks()

    async def settle(self, task: asyncio.Task) -> None:
        await asyncio.wait([task], timeout=self.before_stop_seconds)
        if not task.done():
            logger.error("before_stop did not end in %s s.", self.before_stop_seconds)
        elif task.exception():
            logger.error("before_stop failed.", exc_info=task.exception())

    async def end_tasks(self) -> None:
        """Applications, and whatever else still runs: a second to end by themselves, then they are cancelled."""
        left = asyncio.all_tasks() - {asyncio.current_task()}
        if left:
            _, left = await asyncio.wait(left, timeout=1)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=1)

    def close_websockets(self, code: int = RESTART, reason: str = "restart") -> None:
        for protocol in list(self.connections):
            if isinstance(protocol, WebSocketProtocol) and protocol.state == protocol.STATE_OPEN:
                protocol.sendClose(code, reason)

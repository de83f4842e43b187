"""How bytes travel: aiohttp's sockets and parser under httpx's interface.

httpx's own transport costs 70 µs per event read at a model's pace (50 streams, 50 events/s each), this one 23, as
much as aiohttp alone. What is asked of it besides: nothing read is lost when the connection breaks, closing closes
the socket at once, and no timers of its own.
"""

import functools
import ssl
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import certifi
import httpx
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey
from yarl import URL

from chat.upstream import guard


class AiohttpTransport(httpx.AsyncBaseTransport):
    """Raises InvalidURL, ConnectTimeout, ConnectError, RemoteProtocolError before the headers, ReadError in the body.

    The extension "local" of a request says that its upstream may be on this machine or its network.
    """

    def __init__(self) -> None:
        self._sessions: dict[bool, aiohttp.ClientSession] = {}  # by "local"

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            response = await self._session(request.extensions.get("local", False)).request(
                request.method,
                URL(str(request.url.copy_with(userinfo=b"")), encoded=True),  # httpx made it a header
                headers=request.headers.multi_items(),
                data=request.content or None,
                allow_redirects=False,
                ssl=tls_context() if request.url.scheme == "https" else True,
                timeout=aiohttp.ClientTimeout(connect=request.extensions["timeout"]["connect"]),
            )
        except aiohttp.InvalidURL as error:  # 127.1, 2130706433: aiohttp takes IPv4 in its usual form only
            raise httpx.InvalidURL("no address") from error
        except TimeoutError as error:
            raise httpx.ConnectTimeout("timed out") from error
        except aiohttp.ServerDisconnectedError as error:
            raise httpx.RemoteProtocolError("closed without an answer") from error
        except (aiohttp.ClientResponseError, aiohttp.http_exceptions.HttpProcessingError) as error:
            raise httpx.RemoteProtocolError("not HTTP") from error
        except (aiohttp.ClientError, OSError) as error:
            raise httpx.ConnectError("failed") from error
        return httpx.Response(response.status, headers=response.raw_headers, stream=_Body(response), request=request)

    def _session(self, local: bool) -> aiohttp.ClientSession:
        """Made in the loop that uses it. Cookies would be shared between people; the pool is bounded by our caps.

        Each has connections of its own: none that was opened for a local upstream serves one that may not be there.
        """
        if local not in self._sessions:
            socket_factory = guard.any_socket if local else guard.public_socket
            connector = _Connector(limit=0, keepalive_timeout=30, socket_factory=socket_factory)
            self._sessions[local] = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        return self._sessions[local]

    async def aclose(self) -> None:
        for session in self._sessions.values():
            await session.close()


class _Body(httpx.AsyncByteStream):
    """To be read raw: it is decompressed already, by aiohttp, in bounded pieces. 100 kB of gzip may be 100 MB."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        content = self._response.content
        try:
            while data := await content.readany():
                yield data
        except Exception as error:  # ClientError, OSError, RuntimeError and the parser's own, which share no base
            content.set_exception(None)  # it would stand before what was read and not yet taken
            if data := content.read_nowait():
                yield data
            raise httpx.ReadError("broken off") from error

    async def aclose(self) -> None:
        """After the body's end there is no connection left to close: it is back in the pool."""
        self._response.close()


class _Protocol(ResponseHandler):
    """Reads an answer's head before what came with it: what is broken there would take head and text along."""

    def data_received(self, data: bytes) -> None:
        end = data.find(b"\r\n\r\n") + 4 if data.startswith(b"HTTP/") else 0
        if 4 <= end < len(data):
            super().data_received(data[:end])
            data = data[end:]
        super().data_received(data)

    def set_exception(self, exc: Any, *cause: Any) -> None:
        """Also for whoever reads the body: after a chunk that is none nobody else would tell, and nothing comes."""
        body = self._payload
        super().set_exception(exc, *cause)
        if body is not None and not body.is_eof():
            body.set_exception(exc)


class _Connector(aiohttp.TCPConnector):
    """What is not kept is aborted: a polite end waits for a peer that may not read.

    With TLS for its farewell, up to 30 s; for what is left of a long prompt, for ever. aiohttp has no other places for
    this than a method and a field of its own: tests say whether they are still used.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._factory = functools.partial(_Protocol, loop=self._loop)

    def _release(self, key: ConnectionKey, protocol: ResponseHandler, *, should_close: bool = False) -> None:
        if should_close or protocol.should_close:
            protocol.abort()
        super()._release(key, protocol, should_close=should_close)


@functools.cache
def tls_context() -> ssl.SSLContext:
    """The system's authorities, which may include a company's own; certifi's where there are none. Takes 20 ms."""
    context = ssl.create_default_context()
    if not context.cert_store_stats()["x509_ca"]:
        context.load_verify_locations(certifi.where())
    return context

"""The one door to HTTP: nothing else in the project calls an upstream.

`answer` reads one answer as it comes, for async code that holds it open; the rest is for sync code. Neither keys
nor texts get into logs or exceptions.
"""

import asyncio
import json
import logging
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import aclosing, suppress
from dataclasses import replace
from http.cookiejar import CookieJar, DefaultCookiePolicy
from socket import gaierror
from types import ModuleType
from typing import TypeVar
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import httpx

from chat.upstream import anthropic_messages, gemini, guard, kobold, ollama_chat, openai_chat, openrouter, profiles
from chat.upstream.contract import (
    BodyEnd,
    Call,
    Endpoint,
    Event,
    Failure,
    HttpRequest,
    ListedModel,
    Reader,
    Terminator,
    Turn,
    Usage,
)
from chat.upstream.failures import MAX_ERROR_BODY, failure_of_body
from chat.upstream.payloads import trusted
from chat.upstream.prefix import WithoutPrefix
from chat.upstream.transport import AiohttpTransport, tls_context

DIALECTS: dict[str, ModuleType] = {
    "openai_chat": openai_chat,
    "anthropic_messages": anthropic_messages,
    "gemini": gemini,
    "ollama_chat": ollama_chat,
    "kobold": kobold,
}

MAX_LIST_BODY = 16 * 1024 * 1024  # OpenRouter's is 1 MB
ERROR_BODY_SECONDS = 10
# How long the body may take to end after the terminator. It nearly always has ended by then; a connection whose body
# did not cannot be used again, but nothing is lost with it.
GRACE_SECONDS = 0.25
CANCEL_SECONDS = 2  # how long an upstream may take to hear that an answer is to end
SYNC_SECONDS = 8
CONNECT_SECONDS = 5
PROBE_SECONDS = 0.3
PIECE = 16 * 1024  # bytes
MAX_MODELS = 1000  # of a list: a page shows them all. OpenRouter has some hundreds; others are added by name
MAX_PAGES = 10  # of a list of models; a page has a thousand where that may be asked for
CONTEXTS_AT_ONCE = 8

for _name in ("httpx", "aiohttp"):  # httpx logs each URL at INFO
    logging.getLogger(_name).setLevel(logging.WARNING)

T = TypeVar("T")
_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, httpx.AsyncClient] = WeakKeyDictionary()
_cancelling: set[asyncio.Task] = set()


class UpstreamError(Exception):
    """Trouble at the sync door; `failure` says which."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def _client() -> httpx.AsyncClient:
    """The running loop's. No proxy and no .netrc from the environment, no redirects: only where we are told to go."""
    loop = asyncio.get_running_loop()
    if loop not in _clients:
        _clients[loop] = httpx.AsyncClient(
            transport=AiohttpTransport(),
            trust_env=False,
            follow_redirects=False,
            headers={"User-Agent": "chatsite"},
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # one person's would be sent for the next
        )
    return _clients[loop]


async def warm() -> None:
    """Spares the first answer the making of a client and of the TLS context."""
    _client()
    await asyncio.to_thread(tls_context)


async def aclose() -> None:
    """Closes the running loop's client, and with it what it still reads. What is to be cancelled is told first."""
    loop = asyncio.get_running_loop()
    if cancelling := [task for task in _cancelling if task.get_loop() is loop]:
        await asyncio.wait(cancelling, timeout=CANCEL_SECONDS)
    client = _clients.pop(loop, None)
    if client:
        await client.aclose()


async def counted_tokens(call: Call) -> int | None:
    """What its prompt is by the upstream's own tokenizer; None if that is not to be had."""
    try:
        return await _count_tokens(call.endpoint, call.model, call.turns)
    except UpstreamError:
        return None


# An answer as it comes


async def answer(call: Call, request: HttpRequest | None = None) -> AsyncIterator[list[Event]]:
    """The events of one answer, a list for each network read; Opened first, BodyEnd last.

    `request` is what to send, where it is not what the dialect would.

    Trouble of the upstream is an event, never an exception: a Failure alone if it could not be reached. Closing the
    generator, or cancelling who reads it, closes the socket at once, and tells upstreams to which that says little.
    """
    profile = profiles.profile(call.endpoint.profile)
    dialect = DIALECTS[profile.dialect]
    response, ended = None, False
    try:
        response = await _send(request or await _request_of(call), call.endpoint, profile.timers.connect)
        reader = _reader(call, response)
        yield reader.start()
        reading = _whole_error(response, reader) if response.status_code >= 300 else _body(response, reader)
        async with aclosing(reading):
            async for events in reading:
                ended = type(events[-1]) is BodyEnd
                yield _without_key(events, call.endpoint.key)
    except UpstreamError as error:
        ended = True
        yield [error.failure]
    finally:
        if response:
            await response.aclose()
        if not ended:
            _cancel(dialect.cancel_request(call), call.endpoint)


async def _request_of(call: Call) -> HttpRequest:
    """Megabytes of images are written beside the loop, in which others stream meanwhile."""
    dialect = DIALECTS[profiles.profile(call.endpoint.profile).dialect]
    if any(turn.images for turn in call.turns):
        return await asyncio.to_thread(dialect.request, call)
    return dialect.request(call)


def _reader(call: Call, response: httpx.Response) -> Reader:
    profile = profiles.profile(call.endpoint.profile)
    dialect = DIALECTS[profile.dialect]
    reader = dialect.reader(profile, status=response.status_code, headers=response.headers, n=call.n)
    if call.continues and (profile.may_repeat or profile.trims_kept):
        return WithoutPrefix(reader, call.turns[-1].text, is_trimmed=profile.trims_kept)
    return reader


def _cancel(request: HttpRequest | None, endpoint: Endpoint) -> None:
    """In a task that nobody waits for but `aclose`: the socket is closed already, and that ends it, too, if later."""
    if request:
        task = asyncio.get_running_loop().create_task(_tell(request, endpoint))
        _cancelling.add(task)
        task.add_done_callback(_cancelling.discard)


async def _tell(request: HttpRequest, endpoint: Endpoint) -> None:
    with suppress(UpstreamError):
        await _fetched(request, endpoint, CANCEL_SECONDS, CANCEL_SECONDS)


async def _body(response: httpx.Response, reader: Reader) -> AsyncIterator[list[Event]]:
    reads = response.aiter_raw()
    try:
        async for data in reads:
            has_ended = False
            async for piece in _in_pieces(data):
                if events := reader.feed(piece):
                    yield events
                    has_ended = has_ended or any(type(event) is Terminator for event in events)
            if has_ended:
                yield await _after_terminator(reads, reader)
                return
    except httpx.ReadError:
        yield [*reader.end()[:-1], BodyEnd(reset=True)]
    else:
        yield reader.end()


async def _in_pieces(data: bytes) -> AsyncIterator[bytes]:
    """A read may hold thousands of events, and everybody else waits while one piece is decoded."""
    for start in range(0, len(data), PIECE):
        if start:
            await asyncio.sleep(0)
        yield data[start : start + PIECE]


async def _after_terminator(reads: AsyncIterator[bytes], reader: Reader) -> list[Event]:
    """What still comes within the grace. How such a body ends proves nothing: the dialect's own end came.

    Figures come there, and text of proxies that say their end too early: it is shown and kept like any other, since
    it was sent and is paid for. What would come later than that nobody waits for.
    """
    events: list[Event] = []
    try:
        async with asyncio.timeout(GRACE_SECONDS):
            async for data in reads:
                async for piece in _in_pieces(data):
                    events += reader.feed(piece)
    except (TimeoutError, httpx.ReadError):
        pass
    return events + reader.end()


async def _whole_error(response: httpx.Response, reader: Reader) -> AsyncIterator[list[Event]]:
    try:
        async with asyncio.timeout(ERROR_BODY_SECONDS):
            async for data in _bounded(response, MAX_ERROR_BODY):
                reader.feed(data)
    except (TimeoutError, httpx.ReadError):
        pass
    yield reader.end()


async def _bounded(response: httpx.Response, limit: int) -> AsyncIterator[bytes]:
    async for data in response.aiter_raw():
        yield data
        limit -= len(data)
        if limit <= 0:
            break


def _without_key(events: list[Event], key: str) -> list[Event]:
    for event in events:
        if type(event) is Failure and len(key) > 5:
            event.message = event.message.replace(key, "…")
    return events


async def _send(request: HttpRequest, endpoint: Endpoint, connect: float) -> httpx.Response:
    """The response with its headers, its body unread. Raises UpstreamError if there is none."""
    if endpoint.key_lost:
        raise UpstreamError(Failure("auth", "The stored key cannot be read any more. Paste it again.", "key_lost"))
    if not (endpoint.key.isascii() and endpoint.key.strip().isprintable()):
        raise UpstreamError(Failure("auth", "The key holds characters that cannot be sent.", "key_unsendable"))
    if not request.url.startswith(("http://", "https://")) or not _address(endpoint):
        raise UpstreamError(_no_address(endpoint))
    client = _client()
    timeout = httpx.Timeout(None, connect=connect)
    try:
        sent = client.build_request(
            request.method,
            request.url,
            headers=request.headers,
            content=request.body,
            timeout=timeout,
            extensions={"local": endpoint.local},
        )
        return await client.send(sent, stream=True)
    except (httpx.InvalidURL, UnicodeError):  # of a host that no name server could be asked for
        raise UpstreamError(_no_address(endpoint)) from None
    except httpx.TransportError as error:
        raise UpstreamError(_unreachable(endpoint, error)) from None


def _no_address(endpoint: Endpoint) -> Failure:
    sentence = f"{_address(endpoint) or 'The base URL'} is not an http or https address."
    return Failure("unreachable", sentence, "no_address")


def _unreachable(endpoint: Endpoint, error: Exception) -> Failure:
    """Its code says why, for whoever words it in another language."""
    refused = next((cause for cause in _causes(error) if isinstance(cause, guard.Refused)), None)
    if refused:
        return _refused(endpoint, refused)
    code, reason = _reason(error)
    return Failure("unreachable", f"{_address(endpoint)} cannot be reached: {reason}.", code, retryable=True)


def _refused(endpoint: Endpoint, refused: guard.Refused) -> Failure:
    where = "is an address in a private network" if refused.place == "local" else "is an address without any server"
    name = _address(endpoint)
    whose = name if refused.address in name else f"{name}: {refused.address}"
    return Failure("unreachable", f"{whose} {where}.", f"{refused.place}_address")


def _address(endpoint: Endpoint) -> str:
    """Host and port, without what else an address may hold: user, password, query."""
    try:
        parts = urlsplit(endpoint.base_url.strip() or profiles.profile(endpoint.profile).base_url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
        return f"{host}:{parts.port}" if parts.port else host
    except ValueError:
        return ""


def _reason(error: BaseException) -> tuple[str, str]:
    """In a word, and in a sentence's second half."""
    causes = list(_causes(error))
    reasons: tuple[tuple[type[BaseException], str, str], ...] = (
        (gaierror, "unknown_name", "its name is not known"),
        (ssl.SSLCertVerificationError, "untrusted", "its certificate is not trusted"),
        (ssl.SSLError, "no_tls", "it does not speak TLS (is it http instead of https?)"),
        (ConnectionRefusedError, "nothing_listens", "nothing listens there"),
        (httpx.ConnectTimeout, "late", "it did not answer in time"),
        (ConnectionResetError, "broken_off", "it broke off the connection"),
    )
    for kind, code, reason in reasons:
        if any(isinstance(cause, kind) for cause in causes):
            return code, reason
    if isinstance(error, httpx.RemoteProtocolError):
        if "closed" in str(error):
            return "closed", "it closed the connection without an answer"
        return "no_http", "it does not speak HTTP"
    told = next((cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror), None)
    return "failed", told or "the connection failed"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


# For sync code


def list_models(endpoint: Endpoint) -> list[ListedModel]:
    """What the provider offers; empty where it does not say. Raises UpstreamError."""
    return run(_list_models(endpoint, connect=5, total=SYNC_SECONDS))


def count_tokens(endpoint: Endpoint, model: str, prompt: str | tuple[Turn, ...]) -> int | None:
    """By the upstream's own tokenizer; None if it has none. Raises UpstreamError."""
    return run(_count_tokens(endpoint, model, prompt))


def look_up(endpoint: Endpoint, request_id: str) -> Usage | None:
    """What the provider billed for an answer that has ended; None if it does not say, or not yet."""
    return run(_look_up(endpoint, request_id))


def post(url: str, headers: dict[str, str], body: bytes, *, local: bool) -> int:
    """Tells another server something: the status of its answer, of which nothing is read. Raises UpstreamError."""
    return run(_post(HttpRequest("POST", url, headers, body), Endpoint(url, "default", local=local)))


def listening(base_url: str) -> list[ListedModel] | None:
    """The models of a local server, or None if none is found there."""
    try:
        return run(_list_models(Endpoint(base_url, "default", local=True), connect=PROBE_SECONDS, total=1))
    except UpstreamError:
        return None


def run(work: Awaitable[T]) -> T:
    """In a loop of its own, since a client belongs to its loop. Asserts that none runs here."""

    async def closing() -> T:
        try:
            return await work
        finally:
            await aclose()

    return asyncio.run(closing())


async def _list_models(endpoint: Endpoint, *, connect: float, total: float) -> list[ListedModel]:
    profile = profiles.profile(endpoint.profile)
    dialect = DIALECTS[profile.dialect]
    failure: Failure | None = None
    deadline = time.monotonic() + total
    for request in dialect.models_requests(endpoint):
        try:
            listed = (await _all_pages(request, endpoint, connect, deadline))[:MAX_MODELS]
            return await _with_contexts(listed, endpoint, connect, deadline)
        except UpstreamError as error:
            failure = failure or error.failure
        except json.JSONDecodeError:
            failure = failure or no_models(endpoint, "no_json")
        except ValueError:
            failure = failure or no_models(endpoint)
    if failure:
        raise UpstreamError(failure)
    return []


def no_models(endpoint: Endpoint, code: str = "no_models") -> Failure:
    return Failure("upstream", f"{_address(endpoint)} answers, but lists no models.", code)


async def _all_pages(request: HttpRequest, endpoint: Endpoint, connect: float, deadline: float) -> list[ListedModel]:
    """Of pages after the first, those that come in time."""
    profile = profiles.profile(endpoint.profile)
    dialect = DIALECTS[profile.dialect]
    listed: list[ListedModel] = []
    for page in range(MAX_PAGES):
        try:
            body = await _fetched(request, endpoint, connect, deadline - time.monotonic())
        except UpstreamError:
            if page == 0:
                raise
            break
        listed += dialect.models(profile, body)
        request = dialect.next_models_request(endpoint, body)
        if request is None:
            break
    return listed


async def _with_contexts(
    listed: list[ListedModel], endpoint: Endpoint, connect: float, deadline: float
) -> list[ListedModel]:
    """With the context lengths that are told apart from the list; what is not told in time stays unknown."""
    dialect = DIALECTS[profiles.profile(endpoint.profile).dialect]
    at_once = asyncio.Semaphore(CONTEXTS_AT_ONCE)

    async def with_context(model: ListedModel) -> ListedModel:
        request = None if model.context_length else dialect.context_request(endpoint, model.id)
        if request is None:
            return model
        try:
            async with at_once:
                body = await _fetched(request, endpoint, connect, deadline - time.monotonic())
            told = dialect.sees(body)
            return replace(
                model,
                context_length=dialect.context_length(body),
                sees=model.sees if told is None else told,
            )
        except (UpstreamError, ValueError):
            return model

    return await asyncio.gather(*map(with_context, listed))


async def _count_tokens(endpoint: Endpoint, model: str, prompt: str | tuple[Turn, ...]) -> int | None:
    profile = profiles.profile(endpoint.profile)
    dialect = DIALECTS[profile.dialect]
    request = dialect.count_request(endpoint, model, prompt)
    if request is None:
        return None
    try:
        return dialect.token_count(profile, await _fetched(request, endpoint, profile.timers.connect, SYNC_SECONDS))
    except ValueError:
        return None


async def _look_up(endpoint: Endpoint, request_id: str) -> Usage | None:
    profile = profiles.profile(endpoint.profile)
    request = openrouter.lookup_request(endpoint, request_id) if profile.looking_up == "openrouter" else None
    if request is None:
        return None
    try:
        usage = openrouter.looked_up(await _fetched(request, endpoint, profile.timers.connect, SYNC_SECONDS))
    except (UpstreamError, ValueError):
        return None
    return usage if trusted(profile, usage) else None


async def _post(request: HttpRequest, endpoint: Endpoint) -> int:
    try:
        async with asyncio.timeout(SYNC_SECONDS):
            response = await _send(request, endpoint, CONNECT_SECONDS)
            await response.aclose()
    except TimeoutError as error:
        raise UpstreamError(_unreachable(endpoint, error)) from None
    return response.status_code


async def _fetched(request: HttpRequest, endpoint: Endpoint, connect: float, total: float) -> bytes:
    """A whole body of an answer that is none of a model's."""
    try:
        async with asyncio.timeout(total):
            response = await _send(request, endpoint, connect)
            try:
                body = b"".join([data async for data in _bounded(response, MAX_LIST_BODY)])
            finally:
                await response.aclose()
    except (TimeoutError, httpx.ReadError) as error:
        raise UpstreamError(_unreachable(endpoint, error)) from None
    if response.status_code >= 300:
        failure = failure_of_body(body[:MAX_ERROR_BODY], status=response.status_code, headers=response.headers)
        raise UpstreamError(_without_key([failure], endpoint.key)[0])
    return body

"""The page socket: one for each open page. It translates, and streams nothing itself.

Channels awaits each handler to its end, so a handler that waits is deaf; and what a consumer awaits dies with it.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable
from http.cookies import CookieError, SimpleCookie
from time import monotonic
from uuid import UUID

import orjson
from channels.consumer import get_handler_name
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.sessions.backends.db import SessionStore
from django.http import Http404, HttpRequest
from django.utils import translation
from django.utils.translation import get_language_from_request

from chat import frames
from chat.access import completion_for
from chat.articles import labels
from chat.live import person_group, registry
from chat.live.threads import in_reader
from chat.live.watching import Frame, Outbox, PageTooSlow, watch
from chat.models import Person

JUNK, SIGNED_OUT, FORBIDDEN, NO_SUCH, TOO_SLOW, FLOOD = 4400, 4401, 4403, 4404, 4408, 4409
MOST_SOCKETS = 50  # of one person, in one process
MOST_WATCHED = 20  # by one page
MOST_WATCHES, WATCH_SECONDS = 60, 10.0  # each begins with the whole text: a page that asks without end is costly
RECHECK_SECONDS = 30


class NoSuchSocket(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        await self.close(NO_SUCH)


class PageConsumer(AsyncWebsocketConsumer):
    person: Person | None = None

    async def dispatch(self, message: dict) -> None:
        """As Channels', which before each message also closes old connections, in the one thread of all sync code.

        No handler of ours uses that thread, and the way there and back cost a tenth of all CPU: acks are messages.
        """
        await getattr(self, get_handler_name(message))(message)

    async def connect(self) -> None:
        self.request = _request_of(self.scope)
        self.watching: dict[int, asyncio.Task] = {}
        self.asked: deque[float] = deque(maxlen=MOST_WATCHES)
        self.outbox = Outbox(self._send_text)
        self.person = await in_reader(_person_of, self.request)
        if self.person is None:
            # Accepted first: a refused handshake tells the page nothing, and it would try for ever.
            await self.accept()
            await self.close(SIGNED_OUT)
            return
        if registry.draining or registry.attendance.sockets[self.person.pk] >= MOST_SOCKETS:
            self.person = None
            await self.close(FORBIDDEN)
            return
        self.language = self.person.language or get_language_from_request(self.request)
        with translation.override(self.language):
            self.labels = labels()
        await registry.ensure_started()
        await self.accept()
        registry.attendance.arrive(self.person.pk)
        self.rechecking = asyncio.create_task(self._recheck_forever())

    async def disconnect(self, code: int) -> None:
        if self.person is None:
            return
        registry.attendance.depart(self.person.pk)
        for task in [self.rechecking, *self.watching.values()]:
            task.cancel()
        await self.channel_layer.group_discard(person_group(self.person.pk), self.channel_name)

    # What the page says

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        match _command(text_data):
            case {"type": "watch", "completion": int(pk)} if 0 < pk < 2**63:
                await self._watch(pk)
            case {"type": "unwatch", "completion": int(pk)}:
                if task := self.watching.pop(pk, None):
                    task.cancel()
            case {"type": "ack", "number": int(number)}:
                self.outbox.acknowledge(number)
            case _:
                await self.close(JUNK)

    async def _watch(self, pk: int) -> None:
        """A second watch of the same completion begins anew, with the whole."""
        self.asked.append(monotonic())
        if len(self.asked) == MOST_WATCHES and self.asked[-1] - self.asked[0] < WATCH_SECONDS:
            await self.close(FLOOD)
            return
        if task := self.watching.pop(pk, None):
            task.cancel()
        if len(self.watching) < MOST_WATCHED:
            self.watching[pk] = task = asyncio.create_task(self._until_closed(self._follow(pk)))
            task.add_done_callback(lambda ended: self._forget(pk, ended))

    def _forget(self, pk: int, task: asyncio.Task) -> None:
        if self.watching.get(pk) is task:
            del self.watching[pk]

    async def _follow(self, pk: int) -> None:
        try:
            signed_in = await in_reader(_may_watch, self.request, pk)
        except Http404:
            await self._say(type="gone", completion=pk)
            return
        if not signed_in:
            await self.close(SIGNED_OUT)
            return
        async for news in watch(pk, self.labels):
            for message in frames.encode(pk, news, self.language):
                if isinstance(news, Frame):
                    await self.outbox.send_frame(message)
                else:
                    await self._say(**message)

    async def _until_closed(self, work: Awaitable) -> None:
        try:
            await work
        except PageTooSlow:
            await self.close(TOO_SLOW)

    async def _say(self, **message) -> None:
        await self._send_text(orjson.dumps(message).decode())

    async def _send_text(self, text: str) -> None:
        await self.base_send({"type": "websocket.send", "text": text})

    # What others hint

    async def hint_queued(self, event: dict) -> None:
        registry.keep(registry.claim_in(UUID(event["conversation"])))
        await self.hint_changed(event)

    async def hint_changed(self, event: dict) -> None:
        message = {**event, "type": "changed"}
        await self._say(**message)

    async def hint_settled(self, event: dict) -> None:
        await self._say(type="list")

    async def hint_revoked(self, event: dict) -> None:
        await self._recheck()

    async def _recheck_forever(self) -> None:
        """Rights may change without a hint, and a channel layer forgets its groups after a day."""
        began = monotonic()
        while True:
            await self.channel_layer.group_add(person_group(self.person.pk), self.channel_name)
            if monotonic() - began >= RECHECK_SECONDS:
                await self._recheck()
            await asyncio.sleep(RECHECK_SECONDS)

    async def _recheck(self) -> None:
        if await in_reader(_person_of, self.request) is None:
            await self.close(SIGNED_OUT)


def _command(text: str | None) -> object:
    try:
        return orjson.loads(text or "")
    except orjson.JSONDecodeError:
        return None


def _request_of(scope: dict) -> HttpRequest:
    """As much of a request as session, user and language are read from."""
    request = HttpRequest()
    headers = dict(scope["headers"])
    try:
        cookies = SimpleCookie(headers.get(b"cookie", b"").decode("latin-1"))
        request.COOKIES = {name: morsel.value for name, morsel in cookies.items()}
    except CookieError:
        request.COOKIES = {}
    request.META["HTTP_ACCEPT_LANGUAGE"] = headers.get(b"accept-language", b"").decode("latin-1")
    return request


def _person_of(request: HttpRequest) -> Person | None:
    """Read afresh each time. Django's get_user honours SECRET_KEY_FALLBACKS, which channels.auth does not."""
    request.session = SessionStore(request.COOKIES.get(settings.SESSION_COOKIE_NAME))
    user = get_user(request)
    return user if user.is_authenticated and user.is_active else None


def _may_watch(request: HttpRequest, pk: int) -> bool:
    """Whether its person is signed in; raises Http404. In one visit to the thread: the first word waits for it."""
    person = _person_of(request)
    return person is not None and bool(completion_for(person, pk))

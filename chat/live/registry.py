"""This process's part in the work: its live completions, who is there, and the tasks that look after both."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from time import monotonic
from typing import IO
from uuid import UUID, uuid4

from channels.layers import get_channel_layer
from django.conf import settings
from django.db import connection

from chat.accounting import calibration
from chat.live.dying import Lookout, bury_all, take_lock_file
from chat.live.growth import Growth
from chat.live.labour import Labour, labour_on
from chat.live.presence import Attendance
from chat.live.queueing import Queue, begin
from chat.live.reading import LiveCompletion
from chat.live.recounting import Recounter
from chat.live.saving import IDLE_BEAT_SECONDS, SAVE_SECONDS, DeclaredDead, Saver
from chat.live.threads import in_reader, in_writer
from chat.models import Completion, Process
from chat.upstream import client, demo

logger = logging.getLogger(__name__)

TICK_SECONDS = 1.0
LOOK_SECONDS = 2.0
CHORE_SECONDS = 60.0
LAST_WORDS_SECONDS = 5.0  # what is live may end by itself so long after SIGTERM
SETTLE_SECONDS = 1.5
ELSEWHERE_SECONDS = 0.2
STOP_SECONDS = 2.0

Status = Completion.Status


class Registry:
    """One for each serving process; started by whoever first needs it, under any ASGI server."""

    def __init__(self) -> None:
        self.process = uuid4()
        self.live: dict[int, LiveCompletion] = {}
        self.claimed = Growth()
        self.attendance = Attendance(self)
        self.draining = False
        self._gone = False  # its row says so itself: nothing is saved any more
        self.afterwards: list[Callable[[int], object]] = []  # run in the writer's thread for each that has settled here
        self.chores: list[Callable[[], object]] = []  # run once a minute in the writer's thread
        self.labours: list[Labour] = []  # begun once a minute, and whenever there is work
        self._work = Growth()
        self._queue = Queue()
        self._lookout = Lookout()
        self._recounter = Recounter()
        self._taught: set[int] = set()  # models of which something has settled here since the last look
        self._saver = Saver()
        self._tasks: set[asyncio.Task] = set()
        self._starting: asyncio.Task | None = None
        self._lock_file: IO | None = None

    # Starting and stopping

    def take_lock(self) -> None:
        """On SQLite, for as long as this process lives. Raises AlreadyServed: best before anybody is listened to."""
        if connection.vendor == "sqlite" and self._lock_file is None and not connection.is_in_memory_db():
            self._lock_file = take_lock_file(settings.DATABASES["default"]["NAME"])

    async def ensure_started(self) -> None:
        """Raises AlreadyServed."""
        if self._starting is None:
            self._starting = asyncio.create_task(self._start())
        await asyncio.shield(self._starting)

    async def _start(self) -> None:
        self.take_lock()
        if self._lock_file:
            await in_writer(bury_all)
        await in_writer(Process.objects.create, id=self.process)
        await client.warm()
        if settings.DEMO:
            await demo.start()
        self.keep(self._save_forever())
        self.keep(_forever(TICK_SECONDS, self._tick))
        self.keep(_forever(TICK_SECONDS, self._recounter.look))
        self.keep(_forever(TICK_SECONDS, self._learn))
        self.keep(_forever(LOOK_SECONDS, self._look_out))
        self.keep(_forever(CHORE_SECONDS, self._do_chores))
        for labour in self.labours:
            self.keep(self._labour_forever(labour))

    def keep(self, work: Awaitable) -> asyncio.Task:
        """A task that is kept until it ends, and whose failure is told."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.error("a task of the registry failed", exc_info=error)

    async def drain(self, close_pages: Callable[[], object]) -> None:
        """At SIGTERM: claim nothing more, let end what can, settle the rest as lost. Within 7 s."""
        self.draining = True
        close_pages()
        await self._wait_for_all(LAST_WORDS_SECONDS)
        await self.save()
        for completion in self.live.values():
            completion.end(Status.LOST, "restart")
        await self._wait_for_all(SETTLE_SECONDS)
        await demo.stop()
        await client.aclose()
        self._gone = True
        await in_writer(Process.objects.filter(pk=self.process).update, dead=True)

    async def _wait_for_all(self, seconds: float) -> None:
        waits = [asyncio.create_task(completion.done.wait()) for completion in self.live.values()]
        if waits:
            await asyncio.wait(waits, timeout=seconds)

    # Claiming

    async def claim_in(self, conversation: UUID) -> None:
        """Claims what was just queued there: called where its person has a page open. A look finds what was before."""
        await self._claim_all(Completion.objects.filter(conversation=conversation, status=Status.QUEUED))

    async def claim_for_absent(self, person: int, conversation: UUID) -> None:
        """The same where they have none: whoever sends without a page socket need not wait for the next look."""
        if self.attendance.is_here(person):
            return
        if self._lock_file is None:  # another process may have their page, and comes first
            await asyncio.sleep(ELSEWHERE_SECONDS)
        await self.claim_in(conversation)

    async def _claim_all(self, queued) -> None:
        await self._claim(await in_reader(lambda: list(queued.order_by("pk").values_list("pk", flat=True))))

    async def _claim(self, queued: Iterable[int]) -> None:
        """Of a provider that allows few streams at once, only those whose turn it is."""
        for pk in queued:
            if self.draining:
                return
            if begun := await in_writer(begin, pk, self.process):
                self._read(begun)

    def _read(self, completion: LiveCompletion) -> None:
        self.live[completion.pk] = completion
        if not self.attendance.is_here(completion.person):
            completion.left_at = completion.began  # nobody is there: its grace runs from the beginning
        self.keep(self._run(completion))
        self.claimed.tell()

    async def _run(self, completion: LiveCompletion) -> None:
        try:
            await completion.run()
        finally:
            self.live.pop(completion.pk, None)
            self._taught.add(completion.completion.model_id)
        provider = completion.completion.model.provider
        if provider.max_streams is not None:  # its turn is free
            await self._claim_all(Completion.objects.filter(model__provider=provider, status=Status.QUEUED))
        # Pages that do not watch it show in their list that it has ended.
        if completion.person:
            await get_channel_layer().group_send(person_group(completion.person), _news_of(completion.completion))
        for act in self.afterwards:
            await in_writer(act, completion.pk)

    # Stopping

    async def stop(self, pk: int, reason: str) -> bool:
        """Ends a live completion, here or in another process. Whether it is settled, 2 s later at most."""
        if completion := self.live.get(pk):
            completion.end(Status.STOPPED, reason)
            return await _within(completion.done.wait(), STOP_SECONDS)
        await in_writer(Completion.ask_to_stop, pk, reason)
        return await _within(_settled(pk), STOP_SECONDS)

    # The tasks

    async def _save_forever(self) -> None:
        beat_due = 0.0
        while True:
            await asyncio.sleep(SAVE_SECONDS)
            now = monotonic()
            for completion in list(self.live.values()):
                completion.check_deadlines(now)
            if self.live or self._saver.has_unsaved or now >= beat_due:
                beat_due = now + IDLE_BEAT_SECONDS
                try:
                    await self.save()
                except Exception:
                    logger.exception("a save failed; the next one follows")

    async def save(self) -> None:
        try:
            stops = await self._saver.save(self.process, list(self.live.values()))
        except DeclaredDead:
            if not self._gone:
                await self._rise_again()
            return
        for pk, reason in stops.items():
            if completion := self.live.get(pk):
                completion.end(Status.STOPPED, reason)

    async def _rise_again(self) -> None:
        """Others have buried this process: what was live here is settled, and the pages are told to look."""
        logger.error("this process was declared dead: its beat stood still too long; it goes on under a new id")
        self._saver.forget()
        for completion in self.live.values():
            completion.closing = True
            completion.end(Status.LOST, "killed")  # settles nothing: it is settled
        self.process = uuid4()
        await in_writer(Process.objects.create, id=self.process)
        await self.attendance.record(*self.attendance.sockets)

    async def _tick(self) -> None:
        if not self.draining:
            await self._claim(await self._queue.look())
            await self.attendance.look()

    async def _learn(self) -> None:
        """How the estimates of a model compare with what was reported."""
        taught, self._taught = self._taught, set()
        for model in taught:
            await in_writer(calibration.learn, model)

    async def _look_out(self) -> None:
        if await self._lookout.look(self.process):
            self._work.tell()  # whoever is dead may have left some

    async def _do_chores(self) -> None:
        for chore in self.chores:
            await in_writer(chore)

    async def begin_labours(self) -> None:
        """Somebody waits for one; it need not wait for its minute."""
        await self.ensure_started()
        self._work.tell()

    async def _labour_forever(self, labour: Labour) -> None:
        while not self.draining:
            version = self._work.version
            try:
                await labour_on(labour(self.process), lambda: not self.draining)
            except Exception:
                logger.exception("a labour has failed; in a minute it begins again")
            await self._work.after(version, CHORE_SECONDS)


async def _forever(seconds: float, work: Callable[[], Awaitable]) -> None:
    """Works every so many seconds; what fails is told, and tried again the next time."""
    while True:
        await asyncio.sleep(seconds)
        try:
            await work()
        except Exception:
            logger.exception("what is done every %s s has failed; the next time follows", seconds)


def _news_of(completion: Completion) -> dict:
    """What the person's pages are told of its end: that their list has changed, or the name of a conversation."""
    if completion.purpose == Completion.Purpose.TITLE and completion.conversation_id:
        return {"type": "hint.changed", "conversation": str(completion.conversation_id)}
    return {"type": "hint.settled"}


def person_group(person: int) -> str:
    """The channel group of all page sockets of one person."""
    return f"person.{person}"


async def _settled(pk: int) -> None:
    while not await in_reader(lambda: Completion.objects.get(pk=pk).is_settled):
        await asyncio.sleep(0.05)


async def _within(work: Awaitable, seconds: float) -> bool:
    try:
        await asyncio.wait_for(work, seconds)
    except TimeoutError:
        return False
    return True


registry = Registry()

"""This process's part in the work: its live completions, who is there, and the tasks that look after both."""

import asyncio
import fcntl
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from time import monotonic
from uuid import UUID, uuid4

from channels.layers import get_channel_layer
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from chat import settlement
from chat.live.growth import Growth
from chat.live.reading import LiveCompletion
from chat.live.recounting import recount_some
from chat.live.saving import IDLE_BEAT_SECONDS, SAVE_SECONDS, DeclaredDead, Saver
from chat.live.threads import in_reader, in_writer
from chat.models import Completion, Presence, Process
from chat.prompts import NothingToAnswer, call_for
from chat.settlement import Ending
from chat.tokens import prompt_estimate
from chat.upstream import client, demo

logger = logging.getLogger(__name__)

TICK_SECONDS = 1.0
UNCLAIMED_AFTER = timedelta(seconds=1)  # then any process claims it, not only one where its person is
NOT_STARTED_AFTER = timedelta(minutes=10)
SHORTEST_GRACE = 5.0  # a reload or a blip is not leaving
STILL_LOOKS = 5  # looks at an unmoved beat until its process is dead
LOOK_SECONDS = 2.0
LAST_WORDS_SECONDS = 5.0  # what is live may end by itself so long after SIGTERM
STOP_SECONDS = 2.0
CHORE_SECONDS = 60.0

Status = Completion.Status


class AlreadyServed(Exception):
    """Another process holds this SQLite database: it is for one process only."""


class Registry:
    """One for each serving process; started by whoever first needs it, under any ASGI server."""

    def __init__(self) -> None:
        self.process = uuid4()
        self.live: dict[int, LiveCompletion] = {}
        self.claimed = Growth()
        self.sockets: Counter[int] = Counter()
        self._unrecorded: set[int] = set()  # people whose presence could not be written yet
        self._absent_since: dict[int, float] = {}  # queued completions whose person is gone
        self.draining = False
        self.chores: list[Callable[[], object]] = []  # run now and then in the writer's thread
        self._saver = Saver()
        self._tasks: set[asyncio.Task] = set()
        self._starting: asyncio.Task | None = None
        self._seen_beats: dict[UUID, tuple[int, int]] = {}
        self._lock_file = None

    # Starting and stopping

    async def ensure_started(self) -> None:
        """Raises AlreadyServed."""
        if self._starting is None:
            self._starting = asyncio.create_task(self._start())
        await asyncio.shield(self._starting)

    async def _start(self) -> None:
        if connection.vendor == "sqlite":
            self._take_lock_file()
            await in_writer(bury_all)
        await in_writer(Process.objects.create, id=self.process)
        await client.warm()
        if settings.DEMO:
            await demo.start()
        self.keep(self._save_forever())
        self.keep(self._tick_forever())
        self.keep(self._recount_forever())
        self.keep(self._do_chores_forever())

    def _take_lock_file(self) -> None:
        """Holding it proves that every other process of this database is dead."""
        self._lock_file = open(f"{settings.DATABASES['default']['NAME']}.lock", "w")
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise AlreadyServed from error

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
        """At SIGTERM: claim nothing more, let end what can, settle the rest as lost. Bounded to 8 s."""
        self.draining = True
        close_pages()
        await self._wait_for_all(LAST_WORDS_SECONDS)
        await self._save()
        for completion in self.live.values():
            completion.end(Status.LOST, "restart")
        await self._wait_for_all(2.0)
        await in_writer(Process.objects.filter(pk=self.process).update, dead=True)

    async def _wait_for_all(self, seconds: float) -> None:
        waits = [asyncio.create_task(completion.done.wait()) for completion in self.live.values()]
        if waits:
            await asyncio.wait(waits, timeout=seconds)

    # Claiming

    async def claim_for(self, person: int) -> None:
        """Claims what this person has queued: called where they have a page open."""
        await self._claim(Completion.objects.filter(person=person, status=Status.QUEUED))

    async def _claim(self, queued) -> None:
        """Of a provider that allows few streams at once, only those whose turn it is."""
        for pk in await in_reader(lambda: list(queued.order_by("pk").values_list("pk", flat=True))):
            if self.draining:
                return
            if begun := await in_writer(begin, pk, self.process):
                self._read(begun)

    def _read(self, completion: LiveCompletion) -> None:
        self.live[completion.pk] = completion
        if not self.sockets[completion.person]:
            completion.left_at = completion.began  # nobody is there: its grace runs from the beginning
        self.keep(self._run(completion))
        self.claimed.tell()

    async def _run(self, completion: LiveCompletion) -> None:
        try:
            await completion.run()
        finally:
            self.live.pop(completion.pk, None)
        provider = completion.completion.model.provider
        if provider.max_streams is not None:  # its turn is free
            await self._claim(Completion.objects.filter(model__provider=provider, status=Status.QUEUED))
        # Pages that do not watch it show in their list that it has ended.
        if completion.person:
            await get_channel_layer().group_send(person_group(completion.person), {"type": "hint.settled"})

    # Stopping

    async def stop(self, pk: int, reason: str) -> bool:
        """Ends a live completion, here or in another process. Whether it is settled, 2 s later at most."""
        if completion := self.live.get(pk):
            completion.end(Status.STOPPED, reason)
            return await _within(completion.done.wait(), STOP_SECONDS)
        await in_writer(Completion.ask_to_stop, pk, reason)
        return await _within(_settled(pk), STOP_SECONDS)

    # Presence

    def arrive(self, person: int) -> None:
        """A page socket has opened. Neither this nor `depart` awaits: whoever calls them may be cancelled, or fail."""
        self.sockets[person] += 1
        for completion in self._live_of(person):
            completion.left_at = None
        self.keep(self._record_presence(person))

    def depart(self, person: int) -> None:
        """A page socket has closed. One that the server closes for a restart does not leave."""
        self.sockets[person] -= 1
        if not self.draining:
            self.keep(self._record_presence(person))

    async def _record_presence(self, *people: int) -> None:
        self._unrecorded.update(people)
        for person in people:
            await in_writer(Presence.record, person, self.process, max(self.sockets[person], 0))
            self._unrecorded.discard(person)
        await self._notice_absence()

    async def _notice_absence(self) -> None:
        """Grace begins for what is live here and whose person has no page open, in any process."""
        here = [completion for completion in self.live.values() if completion.left_at is None]
        gone = {completion.person for completion in here if not self.sockets[completion.person]}
        gone -= await in_reader(_present, gone) if gone else set()
        left = [completion for completion in here if completion.person in gone]
        for completion in left:
            completion.left_at = monotonic()
        if left:
            await self._save()
            await in_writer(note_estimates, left)

    async def _end_graces(self) -> None:
        now = monotonic()
        over = [completion for completion in self.live.values() if _grace_is_over(completion, now)]
        back = await in_reader(_present, {completion.person for completion in over}) if over else set()
        for completion in over:
            if completion.person in back or self.sockets[completion.person]:
                completion.left_at = None
            else:
                completion.end(Status.ABANDONED, "left")

    async def _abandon_queued(self) -> None:
        """What waits for its turn at a provider does so only while its person is there, or its grace lasts."""
        queued = await in_reader(_queued)
        back = await in_reader(_present, {completion.person_id for completion in queued}) if queued else set()
        now = monotonic()
        gone = {completion.pk: completion for completion in queued if completion.person_id not in back}
        self._absent_since = {pk: self._absent_since.get(pk, now) for pk in gone}
        for pk, since in self._absent_since.items():
            grace = gone[pk].model.grace_seconds
            if grace is not None and now - since >= max(grace, SHORTEST_GRACE):
                await in_writer(settlement.settle_queued, gone[pk], Ending(Status.ABANDONED, "left"))

    def _live_of(self, person: int) -> list[LiveCompletion]:
        return [completion for completion in self.live.values() if completion.person == person]

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
                    await self._save()
                except Exception:
                    logger.exception("a save failed; the next one follows")

    async def _save(self) -> None:
        try:
            stops = await self._saver.save(self.process, list(self.live.values()))
        except DeclaredDead:
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
        await self._record_presence(*self.sockets)

    async def _tick_forever(self) -> None:
        look_due = 0.0
        while True:
            await asyncio.sleep(TICK_SECONDS)
            try:
                await self._tick()
                if monotonic() >= look_due:
                    look_due = monotonic() + LOOK_SECONDS
                    await self._look_at_others()
            except Exception:
                logger.exception("a tick failed; the next one follows")

    async def _tick(self) -> None:
        if self.draining:
            return
        waiting = Completion.objects.filter(status=Status.QUEUED)
        now = timezone.now()
        await in_writer(fail_unstarted, waiting.filter(created__lt=now - NOT_STARTED_AFTER))
        await self._claim(waiting.filter(created__lt=now - UNCLAIMED_AFTER))
        await self._record_presence(*self._unrecorded)
        await self._end_graces()
        await self._abandon_queued()

    async def _look_at_others(self) -> None:
        """Who has not moved for five looks is dead, and whoever can say so first settles what it left."""
        others = Process.objects.filter(dead=False).exclude(pk=self.process)
        beats = await in_reader(lambda: dict(others.values_list("pk", "beat")))
        looks = {}
        for pk, beat in beats.items():
            seen, times = self._seen_beats.get(pk, (beat, 0))
            looks[pk] = (beat, times + 1 if beat == seen else 1)
        self._seen_beats = looks
        for pk, (beat, times) in looks.items():
            if times >= STILL_LOOKS:
                await in_writer(declare_dead, pk, beat)

    async def _recount_forever(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            try:
                await recount_some()
            except Exception:
                logger.exception("recounting failed; it is tried again")

    async def _do_chores_forever(self) -> None:
        while True:
            await asyncio.sleep(CHORE_SECONDS)
            for chore in self.chores:
                try:
                    await in_writer(chore)
                except Exception:
                    logger.exception("a chore failed; it is done again in a minute")


def person_group(person: int) -> str:
    """The channel group of all page sockets of one person."""
    return f"person.{person}"


def begin(pk: int, process: UUID) -> LiveCompletion | None:
    """Claims one and makes it ready to be read; None if another process was faster, or there is nothing to answer."""
    try:
        with transaction.atomic():
            if not Completion.claim(pk, process):
                return None
            completion = Completion.objects.select_related("model__provider").get(pk=pk)
            call, left_out = call_for(completion)
            completion.note_prompt(*prompt_estimate(call.turns), left_out=left_out)
            messages = list(completion.messages.values_list("choice_index", "pk", "text"))
    except NothingToAnswer:
        settlement.settle_queued(Completion.objects.get(pk=pk), Ending(Status.STOPPED, "deleted"))
        return None
    prefixes = {index: text for index, _message, text in messages if text}
    return LiveCompletion(completion, call, {index: message for index, message, _text in messages}, prefixes)


def bury_all() -> None:
    """With the lock file held, every process that is not yet dead is."""
    for process in Process.objects.filter(dead=False):
        settlement.bury(process)


def declare_dead(pk: UUID, beat: int) -> None:
    if Process.declare_dead(pk, beat):
        logger.warning("process %s is dead; its completions are settled", pk)
        settlement.bury(Process.objects.get(pk=pk))


def fail_unstarted(queued) -> None:
    for completion in queued.select_related("model__provider"):
        settlement.settle_queued(completion, Ending(Status.FAILED, "not_started"))


def note_estimates(left: list[LiveCompletion]) -> None:
    for completion in left:
        Completion.note_estimate(completion.pk, *completion.meter.bounds)


def _queued() -> list[Completion]:
    return list(Completion.objects.filter(status=Status.QUEUED).select_related("model__provider"))


def _present(people: set[int]) -> set[int]:
    there = Presence.objects.filter(person__in=people, process__dead=False, sockets__gt=0)
    return set(there.values_list("person_id", flat=True))


def _grace_is_over(completion: LiveCompletion, now: float) -> bool:
    grace = completion.completion.model.grace_seconds
    if completion.left_at is None or grace is None:
        return False
    return now - completion.left_at >= max(grace, SHORTEST_GRACE)


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

"""Who is there, and what happens to the live replies of who is not: the grace, and its end."""

from collections import Counter
from time import monotonic
from typing import TYPE_CHECKING

from chat.live.reading import LiveCompletion
from chat.live.threads import in_reader, in_writer
from chat.models import Completion, Presence

if TYPE_CHECKING:
    from chat.live.registry import Registry

SHORTEST_GRACE = 5.0  # a reload or a blip is not leaving

Status = Completion.Status


class Attendance:
    """The page sockets of this process, by person, written to the database as Presence."""

    def __init__(self, registry: "Registry") -> None:
        self._registry = registry
        self.sockets: Counter[int] = Counter()
        self._unrecorded: set[int] = set()  # people whose presence could not be written yet

    def is_here(self, person: int | None) -> bool:
        return self.sockets[person] > 0

    def arrive(self, person: int) -> None:
        """A page socket has opened. Neither this nor `depart` awaits: whoever calls them may be cancelled, or fail."""
        self.sockets[person] += 1
        for completion in self._registry.live.values():
            if completion.person == person:
                completion.left_at = None
        self._registry.keep(self.record(person))

    def depart(self, person: int) -> None:
        """A page socket has closed. One that the server closes for a restart does not leave."""
        self.sockets[person] -= 1
        if not self._registry.draining:
            self._registry.keep(self.record(person))

    async def record(self, *people: int) -> None:
        self._unrecorded.update(people)
        for person in people:
            await in_writer(Presence.record, person, self._registry.process, max(self.sockets[person], 0))
            self._unrecorded.discard(person)
        await self._begin_graces()

    async def look(self) -> None:
        """Once a second: what has changed here or elsewhere."""
        await self.record(*self._unrecorded)
        await self._end_graces()

    async def _begin_graces(self) -> None:
        """For what is live here and whose person has no page open, in any process."""
        here = [completion for completion in self._registry.live.values() if completion.left_at is None]
        gone = {completion.person for completion in here if not self.is_here(completion.person)}
        gone -= await in_reader(present, gone) if gone else set()
        left = [completion for completion in here if completion.person in gone]
        for completion in left:
            completion.left_at = monotonic()
        if left:
            await self._registry.save()
            await in_writer(note_estimates, left)

    async def _end_graces(self) -> None:
        now = monotonic()
        over = [completion for completion in self._registry.live.values() if grace_is_over(completion, now)]
        back = await in_reader(present, {completion.person for completion in over}) if over else set()
        for completion in over:
            if completion.person in back or self.is_here(completion.person):
                completion.left_at = None
            else:
                completion.end(Status.ABANDONED, "left")


def present(people: set[int]) -> set[int]:
    """Which of them have a page open, in any process that lives."""
    there = Presence.objects.filter(person__in=people, process__dead=False, sockets__gt=0)
    return set(there.values_list("person_id", flat=True))


def note_estimates(left: list[LiveCompletion]) -> None:
    for completion in left:
        Completion.note_estimate(completion.pk, *completion.meter.bounds)


def grace_is_over(completion: LiveCompletion, now: float) -> bool:
    grace = completion.completion.model.grace_seconds
    if completion.left_at is None or grace is None:
        return False
    return now - completion.left_at >= max(grace, SHORTEST_GRACE)

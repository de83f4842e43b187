"""Processes that die: proved by the lock file on SQLite, seen by a beat that stands still elsewhere."""

import fcntl
import logging
from pathlib import Path
from typing import IO
from uuid import UUID

from chat import settlement
from chat.live.threads import in_reader, in_writer
from chat.models import Process

logger = logging.getLogger(__name__)

STILL_LOOKS = 5  # looks at an unmoved beat until its process is dead


class AlreadyServed(Exception):
    """Another process holds this SQLite database: it is for one process only."""


class Lookout:
    """Watches the beats of other processes."""

    def __init__(self) -> None:
        self._seen: dict[UUID, tuple[int, int]] = {}  # beat, and how many looks it has stood still

    async def look(self, me: UUID) -> bool:
        """Whoever can say first that one is dead settles what it left. Whether any is."""
        others = Process.objects.filter(dead=False).exclude(pk=me)
        beats = await in_reader(lambda: dict(others.values_list("pk", "beat")))
        seen = {pk: self._seen.get(pk, (beat, 0)) for pk, beat in beats.items()}
        self._seen = {pk: (beat, seen[pk][1] + 1 if seen[pk][0] == beat else 1) for pk, beat in beats.items()}
        still = [(pk, beat) for pk, (beat, looks) in self._seen.items() if looks >= STILL_LOOKS]
        for pk, beat in still:
            await in_writer(declare_dead, pk, beat)
        return bool(still)


def take_lock_file(database: Path) -> IO:
    """Holding it proves that every other process of this database is dead. Raises AlreadyServed."""
    lock_file = open(f"{database}.lock", "w")
    try:
        fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise AlreadyServed from error
    return lock_file


def bury_all() -> None:
    """With the lock file held, every process that is not yet dead is."""
    for process in Process.objects.filter(dead=False):
        settlement.bury(process)


def declare_dead(pk: UUID, beat: int) -> None:
    if Process.declare_dead(pk, beat):
        logger.warning("process %s is dead; its completions are settled", pk)
        settlement.bury(Process.objects.get(pk=pk))

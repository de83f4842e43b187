"""Work that takes long, in many small steps beside the live completions: imports, purges.

A labour is a generator. What it reads and reckons between two yields happens in a thread of its own; what it yields is
done in the writer's thread, in turn with the saves, so that neither starves the other. It holds the write lock for one
act at a time, and after each act others have as long.
"""

import asyncio
from collections.abc import Callable, Iterator
from time import monotonic
from uuid import UUID

from chat.live.threads import in_labourer, in_writer

Act = Callable[[], object]
Labour = Callable[[UUID], Iterator[Act | None]]  # for the process of this id; None: a step that wrote nothing

LONGEST_PAUSE = 0.25
OVER = object()


async def labour_on(steps: Iterator[Act | None], may_go_on: Callable[[], bool]) -> None:
    """To its end, or until it may not go on: what it has not done is done by whoever takes it up again."""
    while may_go_on() and (act := await in_labourer(next, steps, OVER)) is not OVER:
        if act is not None:
            await asyncio.sleep(await _timed(act))


async def _timed(act: Act) -> float:
    began = monotonic()
    await in_writer(act)
    return min(monotonic() - began, LONGEST_PAUSE)

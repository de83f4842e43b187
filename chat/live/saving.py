"""The background save: every 250 ms one transaction writes this process's beat and what has newly arrived."""

import asyncio
import logging
from uuid import UUID

import orjson
from django.db import DatabaseError, transaction

from chat.live.reading import LiveCompletion
from chat.live.threads import in_writer_next
from chat.models import Completion, Process, Segment

logger = logging.getLogger(__name__)

SAVE_SECONDS = 0.25
IDLE_BEAT_SECONDS = 1.0


class DeclaredDead(Exception):
    """Others have seen this process's beat unmoved and settled its completions: it may write no more of them."""


class Saver:
    """Cuts segments and keeps them until they are committed."""

    def __init__(self) -> None:
        self._unsaved: list[Segment] = []
        self._saving = asyncio.Lock()

    @property
    def has_unsaved(self) -> bool:
        return bool(self._unsaved)

    async def save(self, process: UUID, live: list[LiveCompletion]) -> dict[int, str]:
        """By completion, why it is to stop, as others have written it. Raises DeclaredDead."""
        async with self._saving:
            closing = {completion.pk for completion in live if completion.closing}
            self._unsaved = [segment for segment in self._unsaved if segment.completion_id not in closing]
            self._unsaved += [segment for completion in live if (segment := _segment_of(completion))]
            segments = list(self._unsaved)
            try:
                stops = await in_writer_next(write, process, segments)
            except DatabaseError as error:
                logger.warning("cannot save yet, %d segments wait: %s", len(segments), error)
                return {}
            self._unsaved = self._unsaved[len(segments) :]
            return stops

    def forget(self) -> None:
        self._unsaved = []


def write(process: UUID, segments: list[Segment]) -> dict[int, str]:
    with transaction.atomic():
        if not Process.move_beat(process):
            raise DeclaredDead
        if segments:
            Segment.objects.bulk_create(segments)
    stopping = Completion.objects.filter(process=process, status=Completion.Status.LIVE).exclude(stopping="")
    return dict(stopping.values_list("pk", "stopping"))


def _segment_of(completion: LiveCompletion) -> Segment | None:
    if completion.closing or (content := completion.cut_segment()) is None:
        return None
    completion.segments_cut += 1
    return Segment(
        completion_id=completion.pk,
        number=completion.segments_cut,
        content=orjson.dumps(content).decode(),
        output_tokens=completion.meter.tokens,
        is_thinking=not completion.transcript.has_text,
    )

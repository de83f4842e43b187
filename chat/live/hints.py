"""The doors for sync code: telling pages and processes to look, and stopping. A hint that is lost loses nothing."""

import logging
from collections.abc import Awaitable, Callable, Iterable
from uuid import UUID

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer

from chat.live.registry import person_group, registry
from chat.models import Completion
from chat.settlement import Ending, settle_queued

logger = logging.getLogger(__name__)


def hint_queued(person: int, conversation: UUID, leaf: int) -> None:
    """Something was queued: whoever has a page of this person open claims it, and pages that lack `leaf` look."""
    _hint(person, {"type": "hint.queued", "conversation": str(conversation), "leaf": leaf})
    _say(_claim_for_absent, person, conversation)


def hint_changed(person: int, conversation: UUID) -> None:
    _hint(person, {"type": "hint.changed", "conversation": str(conversation)})


def hint_revoked(person: int) -> None:
    """Sessions or rights of this person have changed: its sockets look whether they still may."""
    _hint(person, {"type": "hint.revoked"})


def hint_labour() -> None:
    """There is something to import or to purge; without the hint it begins within a minute."""
    _say(registry.begin_labours)


def stop(completion: Completion, reason: str) -> bool:
    """Ends a completion, wherever it is. Whether it is settled, 2 s later at most."""
    if settle_queued(completion, Ending(Completion.Status.STOPPED, reason)):
        return True
    completion.refresh_from_db()
    return completion.is_settled or async_to_sync(registry.stop)(completion.pk, reason)


def stop_all(completions: Iterable[Completion], reason: str) -> None:
    """Those of what is hidden or gone: hide it first, so that nothing is asked in it any more."""
    for completion in completions:
        stop(completion, reason)


def _hint(person: int, message: dict) -> None:
    _say(_send, person_group(person), message)


def _say(act: Callable[..., Awaitable], *about: object) -> None:
    try:
        async_to_sync(act)(*about)
    except Exception:
        logger.exception("a hint was lost; the next look finds what it was about")


async def _send(group: str, message: dict) -> None:
    await registry.ensure_started()
    await get_channel_layer().group_send(group, message)


async def _claim_for_absent(person: int, conversation: UUID) -> None:
    await registry.ensure_started()
    registry.keep(registry.claim_for_absent(person, conversation))

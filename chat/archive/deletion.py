"""Deleting: hidden at once, to be had back for some days, then gone for good, in batches: no transaction is long.

What is queued or live there is to be stopped when it is hidden. Completions stay, without their texts: the ledger
outlives conversations.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import Q, QuerySet
from django.utils import timezone

from chat import index
from chat.archive import parting, sharing
from chat.archive.retention import limit_in_force
from chat.models import Attachment, Chore, Completion, Conversation, File, Message, Person
from chat.models.file import remove_unattached, stray_bytes
from chat.settlement import Ending, settle_queued
from chat.steps import Act, Question, ids_of, in_batches

LEFT_AFTER = timedelta(minutes=1)  # loading a page again is not leaving
IDLE_AFTER = timedelta(hours=1)
MESSAGES = 50  # at a time: each is taken out of the index by itself
COMPLETIONS = 500
FILES = 20
WAITING = timedelta(days=1)  # in which a file must have been sent
STRAY = "stray bytes"
STRAY_EVERY = timedelta(hours=1)
STRAY_AFTER = timedelta(hours=1)  # nothing takes as long between its bytes and its row
TIDY = "tidy"  # the chore of overwriting what a purge has freed
TIDY_EVERY = timedelta(hours=12)


def hide(conversation: Conversation) -> None:
    Conversation.objects.filter(pk=conversation.pk).hide()
    conversation.refresh_from_db(fields=["deleted", "purge_at"])


def recoverable(person: Person) -> QuerySet[Conversation]:
    """What they have deleted and can have back, the latest first."""
    found = Conversation.objects.filter(person=person, purge_at__gt=timezone.now()).exclude(deleted=None)
    return found.order_by("-deleted", "pk")


def restore(person: Person, pks: Iterable[UUID]) -> int:
    """How many came back. One that is older than conversations are kept counts as active now, or it would go again."""
    found = recoverable(person).filter(pk__in=list(pks)).order_by()
    if limit := limit_in_force():
        found.filter(active__lt=limit, pinned=False).update(active=timezone.now())
    return found.update(deleted=None, purge_at=None)


def delete_for_good(found: QuerySet[Conversation]) -> int:
    """Of recoverable ones: the next purge takes them."""
    return found.order_by().update(purge_at=timezone.now())


def hide_temporary() -> None:
    """Temporary conversations that their person has left, or where nothing was asked for an hour. A chore."""
    now = timezone.now()
    over = Q(left__lt=now - LEFT_AFTER) | Q(active__lt=now - IDLE_AFTER)
    for conversation in Conversation.objects.filter(over, temporary=True, deleted=None):
        Conversation.objects.filter(pk=conversation.pk).update(deleted=now, purge_at=now)  # not to be had back
        for completion in conversation.completion_set.unsettled().select_related("model__provider"):
            if not settle_queued(completion, Ending(Completion.Status.STOPPED, "deleted")):
                Completion.ask_to_stop(completion.pk, "deleted")


# The purge


def purge(process: UUID | None = None) -> Iterator[Act]:
    """Removes all that is due."""
    now = timezone.now()
    due = ids_of(Conversation.objects.filter(purge_at__lte=now).exclude(deleted=None).order_by("purge_at"))
    for pk in due:
        yield from _purge_one(pk, now)
    yield from _sweep_files(now)
    yield sharing.remove_expired
    for person in Person.objects.exclude(leaving=None):
        yield from parting.remove(person)
    if due:
        yield partial(Chore.call_for, TIDY, now + TIDY_EVERY)
    if Chore.objects.filter(name=TIDY, due__lte=timezone.now()).exists():
        yield from _tidy()


def _purge_one(pk: UUID, now: datetime) -> Iterator[Act]:
    if Completion.objects.unsettled().filter(conversation=pk).exists():
        return  # still ending: the next time
    files = list(Attachment.objects.filter(message__conversation=pk).values_list("file", flat=True).distinct())
    # Newest first, and children are newer than their parents: a cascade never reaches beyond the batch.
    messages = ids_of(Message.objects.filter(conversation=pk).order_by("-pk"))
    yield from in_batches(messages, MESSAGES, _remove_messages)
    yield from in_batches(files, FILES, remove_unattached)
    completions = ids_of(Completion.objects.filter(conversation=pk))
    yield from in_batches(completions, COMPLETIONS, _clear_completions)
    yield Conversation.objects.filter(pk=pk, purge_at__lte=now).delete


def _sweep_files(now: datetime) -> Iterator[Act]:
    """What was never sent, or has lost its last message in another way; and bytes that no row names."""
    waiting = File.objects.unattached().filter(created__lt=now - WAITING)
    yield from in_batches(ids_of(waiting), FILES, remove_unattached)
    yield (mine := Question(partial(Chore.take, STRAY, STRAY_EVERY)))
    if mine.answer:
        for path in stray_bytes(now - STRAY_AFTER):
            path.unlink(missing_ok=True)


def _remove_messages(pks: list[int]) -> None:
    Message.objects.filter(pk__in=pks).delete()


def _clear_completions(pks: list[int]) -> None:
    """What a completion keeps of what was said: the provider's words of an error, and the rhythm of the answer."""
    Completion.objects.filter(pk__in=pks).update(conversation=None, error="", arrivals=b"")


def _tidy() -> Iterator[Act]:
    """What was deleted is no longer anywhere in the files: not in the index's old parts, not in the log of writes."""
    yield (mine := Question(partial(Chore.take, TIDY, timedelta(days=3650))))
    if mine.answer and connection.vendor == "sqlite":
        yield from index.overwrite_forgotten()
        yield _empty_write_ahead_log


def _empty_write_ahead_log() -> None:
    """Waits for nobody: a reader that stands in the way now does not the next time."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 0")
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (busy, *_frames) = cursor.fetchone()
        cursor.execute(f"PRAGMA busy_timeout = {settings.DATABASES['default']['OPTIONS']['timeout'] * 1000}")
    if busy:
        Chore.call_for(TIDY, timezone.now())

"""Conversations in which nothing has been asked for long: which they are, and their going. Pinned ones stay."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.db.models import Count, Min, QuerySet
from django.utils import timezone

from chat.models import Account, AuditEntry, Chore, Completion, Conversation, Person, Retention
from chat.steps import Act, Question, ids_of, in_batches

AT_ONCE = 200
RETIRE = "retire"
EVERY = timedelta(hours=1)
PEOPLE_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Preview:
    """What a rule would take, without a word of what it says."""

    conversations: int
    people: int
    oldest: datetime | None
    pinned: int  # as old, but spared
    by_person: list[tuple[str, int]]


def set_rule(days: int | None, by: Person) -> Retention:
    before = Retention.in_force()
    rule = Retention.objects.create(days=days, by=Account.of(by))
    AuditEntry.record(by, "retention set", rule, before={"days": before}, after={"days": days})
    return rule


def limit_in_force() -> datetime | None:
    """What was active last before then is to go."""
    days = Retention.in_force()
    return None if days is None else limit_of(days)


def limit_of(days: int) -> datetime:
    return timezone.now() - timedelta(days=days)


def older_than(limit: datetime) -> QuerySet[Conversation]:
    return Conversation.objects.filter(deleted=None, pinned=False, active__lt=limit)


def preview(days: int) -> Preview:
    limit = limit_of(days)
    found = older_than(limit)
    totals = found.aggregate(conversations=Count("pk"), people=Count("person", distinct=True), oldest=Min("active"))
    by_person = found.values_list("person__username").annotate(n=Count("pk")).order_by("-n", "person__username")
    pinned = Conversation.objects.filter(deleted=None, pinned=True, active__lt=limit).count()
    return Preview(**totals, pinned=pinned, by_person=list(by_person[:PEOPLE_SHOWN]))


def retire(process: UUID | None = None) -> Iterator[Act]:
    """Hides what the rule in force takes, once an hour: it can be had back like anything that is deleted."""
    limit = limit_in_force()
    if limit is None:
        return
    yield (mine := Question(partial(Chore.take, RETIRE, EVERY)))
    if not mine.answer:
        return
    yield from in_batches(ids_of(older_than(limit)), AT_ONCE, lambda pks: _hide(pks, limit))


def _hide(pks: list[UUID], limit: datetime) -> None:
    arriving = Completion.objects.unsettled().filter(conversation__in=pks).values("conversation")
    older_than(limit).filter(pk__in=pks).exclude(pk__in=arriving).hide()

"""What is queued and live at this moment, as an administrator watches it: who waits for what, how fast, what it holds.

From the rows alone, so that it is the same in every process. It reads no text.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import reduce
from operator import or_
from typing import Literal

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery, Sum

from chat.models import Completion, Hold, Presence, Provider, Segment, UsageEntry
from chat.models.budget import TOKENS

MOST = 100  # are shown, the oldest first
PACED = 40  # of them, the oldest, second by second
PACE_SECONDS = 15
A_SECOND = 4  # segments at most
PACE_OVER = 5 * A_SECOND
SILENT = timedelta(seconds=5)
RECENT = timedelta(minutes=10)
MOST_ENDED = 8

Status = Completion.Status
State = Literal["queued", "waiting", "thinking", "arriving", "silent", "stopping"]


@dataclass(frozen=True, slots=True)
class Underway:
    """One of them. `rate` is in tokens per second, None where nothing tells it; `held` by currency.

    `pace`: tokens in each of the last seconds, the oldest first; empty where nothing has come.
    `place` in the queue of a provider that allows few streams at once, 0 where there is none; `sockets`: how many
    pages its person has open.
    """

    completion: Completion
    state: State
    place: int
    since: timedelta
    silent: timedelta
    tokens: int
    rate: float | None
    pace: tuple[int, ...]
    held: dict[str, Decimal]
    sockets: int


@dataclass(frozen=True, slots=True)
class Now:
    """All of them at one moment; `items` are the first MOST."""

    items: list[Underway]
    live: int
    queued: int
    people: int
    sockets: int

    @property
    def unshown(self) -> int:
        return max(self.live + self.queued - len(self.items), 0)

    @property
    def rate(self) -> float:
        return sum(item.rate or 0 for item in self.items)

    @property
    def held(self) -> dict[str, Decimal]:
        together: defaultdict[str, Decimal] = defaultdict(Decimal)
        for item in self.items:
            for currency, amount in item.held.items():
                together[currency] += amount
        return dict(together)


def count() -> int:
    return Completion.objects.unsettled().count()


def look(now: datetime) -> Now:
    counts = dict(Completion.objects.unsettled().order_by().values_list("status").annotate(Count("pk")))
    there = Presence.objects.filter(process__dead=False, sockets__gt=0).aggregate(
        people=Count("person", distinct=True), sockets=Sum("sockets")
    )
    shown = list(_unsettled())
    places, held, sockets, paces = _places(shown), _held(shown), _sockets(shown), _paces(shown, now)
    items = [
        _item(
            one,
            now,
            place=places.get(one.pk, 0),
            held=held.get(one.pk, {}),
            sockets=sockets.get(one.person_id, 0),
            pace=tuple(paces.get(one.pk, ())),
        )
        for one in shown
    ]
    return Now(items, counts.get(Status.LIVE, 0), counts.get(Status.QUEUED, 0), there["people"], there["sockets"] or 0)


def just_ended(now: datetime) -> list[Completion]:
    """The last few, if it is not long ago, by their charges: these are in the order of the ends."""
    charges = UsageEntry.objects.filter(kind=UsageEntry.Kind.CHARGE).order_by("-pk")
    charges = charges.select_related("completion__account__person", "completion__model").defer("completion__arrivals")
    return [line.completion for line in charges[:MOST_ENDED] if now - line.created <= RECENT]


def _unsettled() -> QuerySet[Completion]:
    """With what its segments say: how far it has come, and how far it had come some seconds before."""
    found = Completion.objects.unsettled().select_related("account__person", "model__provider")
    last = Segment.objects.filter(completion=OuterRef("pk")).order_by("-number")
    found = found.annotate(**{f"last_{name}": Subquery(last.values(name)[:1]) for name in _OF_LAST})
    earlier = Segment.objects.filter(completion=OuterRef("pk"), number__gte=OuterRef("last_number") - PACE_OVER)
    earlier = earlier.order_by("number")
    found = found.annotate(**{f"earlier_{name}": Subquery(earlier.values(name)[:1]) for name in _OF_EARLIER})
    return found.order_by("status", "pk")[:MOST]


_OF_LAST = ("number", "output_tokens", "is_thinking", "saved")
_OF_EARLIER = ("output_tokens", "saved")


def _item(one: Completion, now: datetime, **more) -> Underway:
    silent = max(now - one.last_saved, timedelta(0)) if one.last_saved else timedelta(0)
    return Underway(
        completion=one,
        state=_state(one, silent),
        since=max(now - one.created, timedelta(0)),
        silent=silent,
        tokens=one.last_output_tokens or 0,
        rate=_rate(one, silent),
        **more,
    )


def _state(one: Completion, silent: timedelta) -> State:
    if one.stopping:
        return "stopping"
    if one.status == Status.QUEUED:
        return "queued"
    if one.last_saved is None:
        return "waiting"
    if silent >= SILENT:
        return "silent"
    return "thinking" if one.last_is_thinking else "arriving"


def _rate(one: Completion, silent: timedelta) -> float | None:
    """Over its last few segments."""
    if one.last_saved is None or one.earlier_saved == one.last_saved:
        return None
    if silent >= SILENT:
        return 0.0
    seconds = (one.last_saved - one.earlier_saved).total_seconds()
    return max(one.last_output_tokens - one.earlier_output_tokens, 0) / seconds if seconds > 0 else None


def _paces(shown: Iterable[Completion], now: datetime) -> dict[int, list[int]]:
    """By completion, of which only the last segments are read, however long it has been live."""
    live = [one for one in shown if one.last_number is not None][:PACED]
    if not live:
        return {}
    lately = (Q(completion=one.pk, number__gt=one.last_number - PACE_SECONDS * A_SECOND) for one in live)
    rows = Segment.objects.filter(reduce(or_, lately)).order_by("completion", "number")
    paces = {one.pk: [0] * PACE_SECONDS for one in live}
    before: dict[int, int] = {}
    for pk, number, tokens, saved in rows.values_list("completion", "number", "output_tokens", "saved"):
        ago = int((now - saved).total_seconds())
        new = tokens - before.get(pk, 0 if number == 1 else tokens)
        if 0 <= ago < PACE_SECONDS:
            paces[pk][PACE_SECONDS - 1 - ago] += max(new, 0)
        before[pk] = tokens
    return paces


def _places(shown: Iterable[Completion]) -> dict[int, int]:
    queued = [one for one in shown if one.status == Status.QUEUED]
    providers: dict[int, Provider] = {one.model.provider_id: one.model.provider for one in queued}
    places: dict[int, int] = {}
    for provider in providers.values():
        if provider.max_streams is not None:
            places |= Completion.turns_at(provider)[0]
    return places


def _held(shown: Iterable[Completion]) -> dict[int, dict[str, Decimal]]:
    """By completion. One that several budgets cover holds its money once."""
    found: dict[int, dict[str, Decimal]] = {}
    holds = Hold.objects.filter(completion__in=[one.pk for one in shown]).exclude(period__budget__unit=TOKENS)
    for pk, unit, amount in holds.values_list("completion", "period__budget__unit", "amount"):
        by_unit = found.setdefault(pk, {})
        by_unit[unit] = max(amount, by_unit.get(unit, Decimal(0)))
    return found


def _sockets(shown: Iterable[Completion]) -> dict[int, int]:
    there = Presence.objects.filter(person__in={one.person_id for one in shown}, process__dead=False)
    return dict(there.order_by().values("person").annotate(sum=Sum("sockets")).values_list("person", "sum"))

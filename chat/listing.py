"""The list of a person's conversations as pages show it: the pinned ones, then by day and month, part by part."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from chat.models import Completion, Conversation, Folder, Person

PART = 60
MOST = 600  # that are brought up to date at once; who has scrolled further scrolls again
FOLDERS = 6  # beside the conversations; the others are on a page of their own


@dataclass(frozen=True, slots=True)
class Entry:
    conversation: Conversation
    live: bool
    current: bool


@dataclass(frozen=True, slots=True)
class Group:
    """Without a name it goes on with what stood before. Folders stand with what is pinned."""

    name: str
    entries: list[Entry]
    folders: list[Folder]


@dataclass(frozen=True, slots=True)
class Listing:
    """One part. `after` is where the next one begins; empty at the end."""

    groups: list[Group]
    after: str
    more_folders: bool = False

    def __iter__(self) -> Iterator[Group]:
        return iter(self.groups)


def listing(person: Person, current: Conversation | None = None, *, after: str = "", length: int = PART) -> Listing:
    """From the top; or after the cursor of an earlier part."""
    found, cursor = Conversation.objects.for_person(person).listed(), _read(after)
    rows = list((_following(found, *cursor) if cursor else found)[: length + 1])
    now = timezone.localtime()
    grouped = groupby(_entries(person, rows[:length], current), key=lambda entry: _heading(entry.conversation, now))
    groups = [Group(name, list(members), []) for name, members in grouped]
    folders = [] if cursor else list(Folder.objects.filter(person=person)[: FOLDERS + 1])
    if folders:
        groups = _with_folders(groups, folders[:FOLDERS])
    if cursor and groups and groups[0].name == (_("Pinned") if cursor[0] else _age(cursor[1], now)):
        groups[0] = Group("", groups[0].entries, [])
    return Listing(groups, _cursor(rows[length - 1]) if len(rows) > length else "", len(folders) > FOLDERS)


def _with_folders(groups: list[Group], folders: list[Folder]) -> list[Group]:
    if groups and groups[0].name == _("Pinned"):
        return [Group(groups[0].name, groups[0].entries, folders), *groups[1:]]
    return [Group(_("Folders"), [], folders), *groups]


def part_of(found: QuerySet[Conversation], *, after: str = "", length: int = PART) -> tuple[list[Conversation], str]:
    """Of conversations in the order of their last activity, pinned or not: a part, and where the next begins."""
    cursor = _read(after)
    if cursor:
        found = _earlier(found, *cursor[1:])
    rows = list(found[: length + 1])
    return rows[:length], _cursor(rows[length - 1]) if len(rows) > length else ""


def _entries(person: Person, rows: list[Conversation], current: Conversation | None) -> list[Entry]:
    live = arriving_in(person)
    return [Entry(row, row.pk in live, row == current) for row in rows]


def arriving_in(person: Person) -> set[UUID]:
    """The conversations in which a reply is arriving."""
    return set(Completion.objects.unsettled().filter(person=person).values_list("conversation_id", flat=True))


def _heading(conversation: Conversation, now: datetime) -> str:
    return _("Pinned") if conversation.pinned else _age(conversation.active, now)


def _age(moment: datetime, now: datetime) -> str:
    local = timezone.localtime(moment)
    days = (now.date() - local.date()).days
    if days <= 0:
        return _("Today")
    if days == 1:
        return _("Yesterday")
    return _("Last 7 days") if days <= 7 else date_format(local, "YEAR_MONTH_FORMAT")


# Where a part begins: after what stood last, by what it is ordered by. What has moved up meanwhile is passed over.


def _following(found: QuerySet[Conversation], pinned: bool, active: datetime, pk: UUID) -> QuerySet[Conversation]:
    rest = found.filter(pinned=False)
    return rest | _earlier(found.filter(pinned=True), active, pk) if pinned else _earlier(rest, active, pk)


def _earlier(found: QuerySet[Conversation], active: datetime, pk: UUID) -> QuerySet[Conversation]:
    return found.filter(active__lte=active).exclude(active=active, pk__gte=pk)


def _cursor(conversation: Conversation) -> str:
    return f"{int(conversation.pinned)}.{conversation.active.timestamp():.6f}.{conversation.pk.hex}"


def _read(cursor: str) -> tuple[bool, datetime, UUID] | None:
    """None for what is no cursor: the list begins at its top."""
    try:
        pinned, seconds, fraction, pk = cursor.split(".")
        moment = datetime.fromtimestamp(int(seconds), timezone.get_current_timezone())
        return pinned == "1", moment.replace(microsecond=int(fraction)), UUID(pk)
    except (ValueError, OverflowError, OSError):
        return None

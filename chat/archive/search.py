"""Finds in what a person has written and read: conversations by their titles, and messages by their words.

Only one's own, and nothing that is deleted. What the index finds is newest first; what is shown is in the better order.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import log2
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from chat import index
from chat.archive.query import Query, WrongFilter
from chat.index import CONVERSATION, HAS, MODEL, NAMED_MODEL, ROLE, STATUS, WORD, Wanted
from chat.models import Conversation, Folder, LanguageModel, Message, Person, Tag
from chat.models.conversation import with_files
from chat.snippets import Piece, marked, snippet
from chat.words import Phrase, words

ENOUGH = 500  # messages: of more, the newest are looked at first
MOST_NAMED = 500  # conversations that the index is asked for by name; of more, each message is looked up
MOST_TITLES = 200
SHOWN = 20  # conversations at a time
SHOWN_OF_EACH = 2
DAY = 24 * 3600
HALF_WORTH_DAYS = 120
TITLE_WORTH = 4.0  # as much as eight messages
ROLES = {"me": Message.Role.USER, "models": Message.Role.ASSISTANT}


@dataclass(frozen=True, slots=True)
class Hit:
    """A message, and the part of it in which the words stand."""

    message: Message
    pieces: list[Piece]


@dataclass(frozen=True, slots=True)
class Found:
    """A conversation, and what was found in it."""

    conversation: Conversation
    title: list[Piece]
    hits: list[Hit]
    more: int  # messages that were found there beside those


@dataclass(frozen=True, slots=True)
class Results:
    """What is shown at a time."""

    found: list[Found]
    conversations: int
    messages: int
    skip: int | None  # how many conversations the next part leaves out; None: there is none
    older: int | None  # the place before which older messages may be found; None: all were looked at


@dataclass(slots=True)
class _Group:
    """What is known of a conversation before it is read."""

    newest: float = 0.0  # seconds since 1970
    titled: bool = False
    messages: list[int] = field(default_factory=list)

    def worth(self, now: float) -> float:
        age = max(now - self.newest, 0) / DAY
        return (TITLE_WORTH * self.titled + log2(1 + len(self.messages))) / (1 + age / HALF_WORTH_DAYS)


def search(
    person: Person,
    query: Query,
    *,
    within: UUID | None = None,
    newest_first: bool = False,
    skip: int = 0,
    older: int | None = None,
) -> Results:
    """`within`: one conversation. `older`: only messages before that place. Raises WrongFilter."""
    conversations = _conversations(person, query)
    if within:
        conversations = conversations.filter(pk=within)
    groups: dict[UUID, _Group] = {}
    rest = _collect_messages(person, query, conversations, groups, narrowed=bool(within), older=older)
    if query.terms and not query.is_about_messages and older is None:
        _collect_titles(query, conversations, groups)
    now = timezone.now().timestamp()
    order = sorted(groups, key=lambda pk: groups[pk].newest if newest_first else groups[pk].worth(now), reverse=True)
    return Results(
        found=list(_read(query, order[skip : skip + SHOWN], groups, of_each=ENOUGH if within else SHOWN_OF_EACH)),
        conversations=len(groups),
        messages=sum(len(group.messages) for group in groups.values()),
        skip=skip + SHOWN if len(order) > skip + SHOWN else None,
        older=rest,
    )


# Conversations


def matching_conversations(person: Person, query: Query) -> QuerySet[Conversation]:
    """Those that a query asks for which needs no messages, the last active first. Raises WrongFilter."""
    return _titled(query, _conversations(person, query)).order_by("-active", "-pk")


def _conversations(person: Person, query: Query) -> QuerySet[Conversation]:
    """All that the query's filters admit."""
    found = Conversation.objects.for_person(person).kept()
    if query.folders:
        found = found.filter(folder__in=_named(Folder, person, query.folders))
    for name in query.tags:
        found = found.filter(tags__in=_named(Tag, person, [name])).distinct()
    return found.filter(**{state: True for state in query.states})


def _named(kind: type[Folder] | type[Tag], person: Person, names: Sequence[str]) -> list[int]:
    """By their names, or by how their names begin."""
    found: list[int] = []
    for name in names:
        mine = kind.objects.filter(person=person)
        fitting = mine.filter(folded_name=name) or mine.filter(folded_name__startswith=name)
        if not fitting:
            sentence = _("You have no folder “%(name)s”.") if kind is Folder else _("You have no tag “%(name)s”.")
            raise WrongFilter(sentence % {"name": name})
        found += [each.pk for each in fitting]
    return found


def _titled(query: Query, conversations: QuerySet[Conversation]) -> QuerySet[Conversation]:
    """Titles are so few that each is looked at: any part of a word is found."""
    for term in query.terms:
        conversations = conversations.filter(folded_title__contains=term.text)
    if query.after:
        conversations = conversations.filter(active__gte=query.after)
    return conversations.filter(active__lt=query.before) if query.before else conversations


def _collect_titles(query: Query, conversations: QuerySet[Conversation], groups: dict[UUID, _Group]) -> None:
    for pk, active in _titled(query, conversations).order_by("-active").values_list("pk", "active")[:MOST_TITLES]:
        group = groups.setdefault(pk, _Group())
        group.titled, group.newest = True, max(group.newest, active.timestamp())


# Messages


def _collect_messages(
    person: Person,
    query: Query,
    conversations: QuerySet[Conversation],
    groups: dict[UUID, _Group],
    *,
    narrowed: bool,
    older: int | None,
) -> int | None:
    """The place before which older ones may follow; None: there are no more."""
    wanted, within = _wanted(person, query), None
    if narrowed or query.is_about_conversations:
        named = list(conversations.values_list("pk", flat=True)[: MOST_NAMED + 1])
        if not named:
            return None
        if len(named) <= MOST_NAMED:
            wanted.append([Wanted.fact(CONVERSATION, pk.hex) for pk in named])
        else:
            within = conversations.values("pk")
    first = index.place_at(query.after) if query.after else 0
    last = min(index.place_at(query.before) if query.before else index.LAST, index.LAST if older is None else older) - 1
    found = 0
    while found < ENOUGH:
        places = index.matching(person.pk, wanted, within=within, first=first, last=last, limit=ENOUGH)
        found += _group(places, conversations, groups)
        if len(places) < ENOUGH:
            return None
        last = places[-1] - 1
    return last + 1


def _group(places: list[int], conversations: QuerySet[Conversation], groups: dict[UUID, _Group]) -> int:
    """Those of conversations that are there. A message that is hidden with its conversation is still in the index."""
    homes = dict(
        Message.objects.filter(pk__in=[index.message_at(place) for place in places]).values_list(
            "pk", "conversation_id"
        )
    )
    there = set(conversations.filter(pk__in=set(homes.values())).values_list("pk", flat=True))
    found = 0
    for place in places:
        message = index.message_at(place)
        if (home := homes.get(message)) in there:
            group = groups.setdefault(home, _Group())
            group.messages.append(message)
            group.newest = max(group.newest, index.second_of(place))
            found += 1
    return found


def _wanted(person: Person, query: Query) -> list[list[Wanted]]:
    wanted = [[Wanted(WORD, term.phrase)] for term in query.terms]
    if query.models:
        wanted.append([each for name in query.models for each in _models(person, name)])
    if query.statuses:
        wanted.append([Wanted.fact(STATUS, status) for status in query.statuses])
    if query.writers:
        wanted.append([Wanted.fact(ROLE, ROLES[writer]) for writer in query.writers])
    return wanted + [[Wanted.fact(HAS, each)] for each in query.has]


def _models(person: Person, name: str) -> list[Wanted]:
    """Models of this site with that in their names, and what imported messages were written by."""
    known = LanguageModel.objects.filter(name__icontains=name).values_list("pk", flat=True)
    elsewhere = Wanted(NAMED_MODEL, Phrase(tuple(words(name)), open=True))
    if not elsewhere.phrase.words or not (known or index.matching(person.pk, [[elsewhere]], limit=1)):
        raise WrongFilter(_("No model has “%(name)s” in its name.") % {"name": name})
    return [elsewhere, *(Wanted.fact(MODEL, pk) for pk in known)]


# What is shown


def _read(query: Query, shown: Sequence[UUID], groups: dict[UUID, _Group], *, of_each: int) -> Iterator[Found]:
    conversations = Conversation.objects.select_related("folder").in_bulk(shown)
    wanted = [message for pk in shown for message in groups[pk].messages[:of_each]]
    readable = Message.objects.select_related("completion__model").prefetch_related(with_files())
    messages = readable.defer("completion__arrivals").in_bulk(wanted)
    for pk in filter(conversations.get, shown):
        ids = groups[pk].messages
        hits = [Hit(messages[each], snippet(index.searched(messages[each]), query.terms)) for each in ids[:of_each]]
        yield Found(conversations[pk], marked(conversations[pk].title, query.terms), hits, len(ids) - len(hits))

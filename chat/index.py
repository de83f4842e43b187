"""The index of all messages' words: written in the transaction that writes a text, read by `archive.search`.

An FTS5 table without content on SQLite, tsvectors under GIN on PostgreSQL. Both hold the same words, each of which
begins with its person's number and its kind: nobody's search reads what others wrote, and which model answered, or how,
is a word like any other. Places are in the order in which messages were made, imported ones too, whatever their ids.

What is in it for a message must not change while the message is there: SQLite forgets a text only when told that text.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction
from django.db.models import QuerySet, prefetch_related_objects

from chat.models import Conversation, Message
from chat.models.conversation import with_files
from chat.words import Phrase, words

# Kinds of words
WORD, ROLE, CONVERSATION, MODEL, NAMED_MODEL, STATUS, HAS = "w", "r", "c", "m", "n", "s", "h"

ID_BITS = 31
MESSAGE = (1 << ID_BITS) - 1
LAST_SECOND = 2**32 - 1
LAST = LAST_SECOND + 1 << ID_BITS  # no place is as high
# A tsvector holds 1 MiB, and 256 places of a word: longer texts are several rows, each with all its facts.
WORDS_IN_ROW = 8000


@dataclass(frozen=True, slots=True)
class Wanted:
    """A phrase of some kind, to be matched."""

    kind: str
    phrase: Phrase

    @classmethod
    def fact(cls, kind: str, value: object) -> "Wanted":
        return cls(kind, Phrase((str(value),)))


@dataclass(frozen=True, slots=True)
class Entry:
    """What the index holds for one message."""

    place: int
    message: int
    facts: list[str]
    words: list[str]

    @property
    def text(self) -> str:
        return " ".join(self.facts + self.words)


# Where a message stands


def place_of(message: Message) -> int:
    return place_at(message.created) | message.pk


def place_at(moment: datetime) -> int:
    """All places of messages that were made earlier are lower."""
    return min(max(int(moment.timestamp()), 0), LAST_SECOND) << ID_BITS


def message_at(place: int) -> int:
    return place & MESSAGE


def second_of(place: int) -> int:
    """Since 1970."""
    return place >> ID_BITS


# Writing


def put(messages: Iterable[Message]) -> int:
    """Adds those that are final and have text, and are not in it yet; how many. In the transaction that made them so.

    Of temporary conversations none: they are not found.

    Best loaded with conversation and completion.
    """
    messages = list(messages)
    prefetch_related_objects(messages, with_files())
    final = [
        message
        for message in messages
        if (message.text or message.attached) and message.is_final and not message.conversation.temporary
    ]
    known = _known([place_of(message) for message in final])
    entries = [_entry(message) for message in final if place_of(message) not in known]
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            rows = [(entry.place, entry.text) for entry in entries]
            cursor.executemany("INSERT INTO chat_words (rowid, words) VALUES (%s, %s)", rows)
        else:
            rows = [(e.place, part, e.message, vector) for e in entries for part, vector in enumerate(_vectors(e))]
            # What is put in from two sides at once is the same.
            into = "INSERT INTO chat_words VALUES (%s, %s, %s, %s::tsvector) ON CONFLICT DO NOTHING"
            cursor.executemany(into, rows)
    return len(entries)


def forget(message: Message) -> None:
    """Before it is deleted, whoever does that. On PostgreSQL its rows go with it."""
    if connection.vendor == "sqlite" and _known([place_of(message)]):
        entry = _entry(message)
        with connection.cursor() as cursor:
            told = "INSERT INTO chat_words (chat_words, rowid, words) VALUES ('delete', %s, %s)"
            cursor.execute(told, [entry.place, entry.text])


def empty() -> None:
    """To be filled anew, in batches: when `words` gives other words than it did."""
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("INSERT INTO chat_words (chat_words) VALUES ('delete-all')")
        else:
            cursor.execute("TRUNCATE chat_words")


def overwrite_forgotten() -> Iterator[Callable[[], None]]:
    """Acts of some 20 ms each. FTS5 only marks what it forgets: its old parts keep the words until they are merged."""
    merging = _Merging()
    while merging.goes_on:
        yield merging


class _Merging:
    """Merges all parts into one, some pages at a time: negative begins that, and it is over when nothing changes."""

    PAGES = 64

    def __init__(self) -> None:
        self.goes_on = connection.vendor == "sqlite"
        self._pages = -self.PAGES

    def __call__(self) -> None:
        with connection.cursor() as cursor:
            before = cursor.connection.total_changes
            cursor.execute("INSERT INTO chat_words (chat_words, rank) VALUES ('merge', %s)", [self._pages])
            self.goes_on = self._pages < 0 or cursor.connection.total_changes - before >= 2
        self._pages = self.PAGES


def _known(places: Sequence[int]) -> set[int]:
    if not places:
        return set()
    table, column = ("chat_words_docsize", "id") if connection.vendor == "sqlite" else ("chat_words", "place")
    with connection.cursor() as cursor:
        marks = ", ".join(["%s"] * len(places))
        cursor.execute(f"SELECT {column} FROM {table} WHERE {column} IN ({marks})", list(places))  # noqa: S608
        return {place for (place,) in cursor.fetchall()}


def _entry(message: Message) -> Entry:
    whose = _whose(message.conversation.person_id)
    return Entry(
        place_of(message),
        message.pk,
        [f"{whose}{kind}{value}" for kind, value in _facts(message)],
        [f"{whose}{WORD}{word}" for word in words(searched(message))],
    )


def searched(message: Message) -> str:
    """What its words are taken from: its text, and the names of its files."""
    return "\n".join([message.text, *(file.name for file in message.attached)])


def _whose(person: int) -> str:
    """Of six digits, for the sake of SQLite's index of beginnings; should there be more, that is of less use."""
    return f"{person:06}" if connection.vendor == "sqlite" else str(person)


def _facts(message: Message) -> Iterator[tuple[str, object]]:
    completion, imported = message.completion, message.imported or {}
    yield CONVERSATION, message.conversation_id.hex
    yield ROLE, message.role
    if completion:
        yield MODEL, completion.model_id
        yield STATUS, completion.status
    for word in words(str(imported.get("model") or "")):
        yield NAMED_MODEL, word
    for word in words(str(imported.get("status") or ""))[:1]:
        yield STATUS, word
    if "```" in message.text:
        yield HAS, "code"
    if files := message.attached:
        yield HAS, "file"
        if any(file.is_image for file in files):
            yield HAS, "image"


def _vectors(entry: Entry) -> Iterator[str]:
    """As tsvector's own text form, which leaves PostgreSQL nothing to interpret. Words have no quotes in them."""
    for start in range(0, len(entry.words), WORDS_IN_ROW) or [0]:
        places: dict[str, list[int]] = {}
        for place, word in enumerate(entry.words[start : start + WORDS_IN_ROW], 1):
            places.setdefault(word, []).append(place)
        placed = [f"'{word}':{','.join(map(str, found[:256]))}" for word, found in places.items()]
        yield " ".join([*(f"'{fact}'" for fact in entry.facts), *placed])


# Reading


def matching(
    person: int,
    wanted: Sequence[Sequence[Wanted]],
    *,
    within: QuerySet[Conversation] | None = None,
    first: int = 0,
    last: int = LAST - 1,
    limit: int,
) -> list[int]:
    """The places, newest first, of messages with one of each: at least one thing must be wanted."""
    sqlite = connection.vendor == "sqlite"
    every, some = (" AND ", " OR ") if sqlite else (" & ", " | ")
    condition = every.join(f"({some.join(_term(person, each) for each in options)})" for options in wanted)
    if sqlite:
        place, message = "rowid", f"rowid & {MESSAGE}"
        query = "SELECT rowid FROM chat_words WHERE chat_words MATCH %s AND rowid BETWEEN %s AND %s"
    else:
        place, message = "place", "message_id"
        query = "SELECT DISTINCT place FROM chat_words WHERE words @@ %s::tsquery AND place BETWEEN %s AND %s"
    parameters: list[object] = [condition, first, last]
    if within is not None:
        inside, given = Message.objects.filter(conversation__in=within).values("pk").query.sql_with_params()
        query, parameters = f"{query} AND ({message}) IN ({inside})", [*parameters, *given]
    with connection.cursor() as cursor:
        cursor.execute(f"{query} ORDER BY {place} DESC LIMIT %s", [*parameters, limit])
        return [place for (place,) in cursor.fetchall()]


def _term(person: int, wanted: Wanted) -> str:
    placed = [f"{_whose(person)}{wanted.kind}{word}" for word in wanted.phrase.words]
    if connection.vendor == "sqlite":
        return f'"{" ".join(placed)}"{" *" if wanted.phrase.open else ""}'
    return "(" + " <-> ".join(f"'{word}'" for word in placed) + (":*" if wanted.phrase.open else "") + ")"

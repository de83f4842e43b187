"""A conversation as another program told it, put in order: what every source makes, and what `storing` keeps."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count

from django.utils.translation import gettext_lazy

from chat.models import Message
from chat.models.conversation import TITLE_LENGTH
from chat.models.persona import SYSTEM_PROMPT_LENGTH
from chat.parameters import sensible
from chat.titles import first_words

MOST_MESSAGES = 20_000
MOST_CHARACTERS = 2_000_000  # of one message; as many as one reply may have here
LONGEST_NAME = 200
DEEPEST_TOLD = 4
NOT_HERE = gettext_lazy("not part of the import")  # said of a file, where it was
MILLISECONDS = 10**11  # a number of seconds as large as this is one of milliseconds
ROLES = frozenset(Message.Role.values)


class BadConversation(Exception):
    """Why one conversation cannot be brought in: a kind of `problems.SENTENCES`, and what its sentence names."""

    def __init__(self, kind: str, detail: object = "") -> None:
        super().__init__(kind, detail)
        self.kind, self.detail = kind, str(detail)[:LONGEST_NAME]


@dataclass(slots=True)
class ForeignMessage:
    """`told`: what the message keeps as `Message.imported`, or None where it needs nothing of the kind."""

    id: str
    parent: str | None
    role: str
    text: str
    reasoning: str = ""
    created: datetime | None = None
    told: dict | None = None
    thought_ms: int | None = None
    choice: int = 0
    finish_reason: str = ""
    prefix_length: int = 0
    files: list[str] = field(default_factory=list)  # ids of Foreign.files


@dataclass(slots=True)
class ForeignFile:
    """A file as one of our own exports told it. Without content it is only named."""

    name: str
    kind: str
    content: bytes | None


@dataclass(slots=True)
class Foreign:
    """`place`: the program; `id`: the conversation's there."""

    place: str
    id: str
    title: str
    messages: list[ForeignMessage]
    created: datetime | None = None
    active: datetime | None = None
    shown: str | None = None
    folder: str = ""
    tags: list[str] = field(default_factory=list)
    pinned: bool = False
    archived: bool = False
    system_prompt: str = ""
    parameters: dict = field(default_factory=dict)
    files: dict[str, ForeignFile] = field(default_factory=dict)

    def ordered(self) -> "Foreign":
        """Parents before their children, versions in their order; storable, and complete with what was missing.

        What hangs on nothing, or in a circle, stands at the root: nothing that was said is dropped.
        """
        if not self.messages:
            raise BadConversation("empty")
        if len(self.messages) > MOST_MESSAGES:
            raise BadConversation("many_messages", MOST_MESSAGES)
        self.messages = list(_parents_first(self.messages))
        moments = [message.created for message in self.messages if message.created]
        self.created = self.created or min(moments, default=None) or self.active or datetime.now(UTC)
        self.active = self.active or max(moments, default=self.created)
        self._complete()
        self.system_prompt = storable(self.system_prompt)[:SYSTEM_PROMPT_LENGTH]
        self.parameters = sensible(_told_storable(self.parameters))
        self.folder, self.tags = storable(self.folder), [storable(name) for name in self.tags]
        self.title = storable(self.title).strip()[:TITLE_LENGTH] or self._first_words()
        return self

    def _complete(self) -> None:
        known = {}
        for message in self.messages:
            message.text, message.reasoning = storable(message.text), storable(message.reasoning)
            message.finish_reason = storable(message.finish_reason)
            message.told = _told_storable(message.told)
            if len(message.id) > LONGEST_NAME:
                raise BadConversation("bad_message", message.id)
            if max(len(message.text), len(message.reasoning)) > MOST_CHARACTERS:
                raise BadConversation("long_message", MOST_CHARACTERS)
            message.created = message.created or known.get(message.parent, self.created)
            known[message.id] = message.created

    def _first_words(self) -> str:
        return next((words for message in self.messages if (words := first_words(message.text))), "…")


def _parents_first(messages: list[ForeignMessage]) -> Iterator[ForeignMessage]:
    by_id = {message.id: message for message in messages}
    if len(by_id) != len(messages):
        raise BadConversation("same_id")
    children: dict[str | None, list[str]] = {None: []}
    for message in messages:
        if message.parent not in by_id:
            message.parent = None
        children.setdefault(message.parent, []).append(message.id)
    left = dict.fromkeys(by_id)
    while left:
        if not children[None]:  # a circle: it begins where it was told first
            by_id[next(iter(left))].parent = None
            children[None].append(next(iter(left)))
        waiting = children[None][::-1]
        children[None] = []
        while waiting:
            if (pk := waiting.pop()) in left:
                del left[pk]
                yield by_id[pk]
                waiting += children.get(pk, [])[::-1]


# What sources read their values with: a value of another kind is as good as none


def text_of(value: object) -> str:
    return value if isinstance(value, str) else ""


def list_of(value: object) -> list:
    return value if isinstance(value, list) else []


def dict_of(value: object) -> dict:
    return value if isinstance(value, dict) else {}


def moment_of(value: object) -> datetime | None:
    """Seconds or milliseconds since 1970, or ISO 8601."""
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value)
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        if isinstance(value, int | float) and value > 0:
            return datetime.fromtimestamp(value / 1000 if value >= MILLISECONDS else value, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None


def fenced(text: str, language: str = "") -> str:
    """As a block of code, whatever fences are in it."""
    fence = next(mark for n in count(3) if (mark := "`" * n) not in text)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def storable(text: str) -> str:
    """PostgreSQL stores no U+0000, and nothing encodes half a surrogate pair."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _told_storable(told: object, depth: int = 0) -> object:
    if isinstance(told, str):
        return storable(told)
    if isinstance(told, dict) and depth < DEEPEST_TOLD:
        return {storable(str(name)): _told_storable(value, depth + 1) for name, value in told.items()}
    if isinstance(told, list) and depth < DEEPEST_TOLD:
        return [_told_storable(value, depth + 1) for value in told]
    return told if isinstance(told, int | float | None) else None

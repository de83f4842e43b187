"""A conversation with everything that is known of it, as JSON.

docs/export-format.md is its description; `importing.own` reads it back.
"""

from base64 import b64encode
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal

import orjson
from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from chat.archive.exporting.contents import SLICE, sliced
from chat.archive.exporting.words import Words
from chat.models import Attachment, Completion, Conversation, File, Message
from chat.models.conversation import with_files
from chat.models.money import plain

FORMAT, VERSION = "chat-conversations", 1

# What is told of a completion. A test holds these lists against the model, so that a new column is in one of them.
TOLD = (
    "purpose", "n", "streamed", "max_output", "parameters", "status", "reason", "error", "error_code", "attempts",
    "request_id",
    "created", "settled", "first_delta_ms", "duration_ms", "closing_ms", "asked_wait_s", "left_out",
    "images", "files_left_out",
)  # fmt: skip
USAGE = (
    "input_tokens", "input_low", "input_high", "output_tokens", "output_low", "output_high", "cached_tokens",
    "reasoning_tokens", "own_input_tokens", "own_output_tokens",
)  # fmt: skip
COST = ("amount", "amount_low", "amount_high", "said_cost", "cap")
PRICE = ("input_mtok", "output_mtok", "cached_mtok", "reasoning_mtok")
FILE = (
    "name", "kind", "media_type", "size", "sha256", "status", "refusal", "text", "tokens", "width", "height", "pages",
    "created",
)  # fmt: skip
MOST_CONTENT = 36 * 2**20  # bytes of files in one conversation, as an import reads at most 64 MiB of it
OURS_ALONE = (
    "id", "account", "person", "group", "conversation", "process", "stopping", "recounts_left", "lookups_left",
)  # fmt: skip
OTHERWISE = ("model", "ask", "day", "price", "arrivals", "usage_source")  # told, but not as they stand in the row


def write(conversation: Conversation, words: Words) -> Iterator[bytes]:
    yield from document([conversation])


def document(conversations: Iterable[Conversation]) -> Iterator[bytes]:
    head = {"format": FORMAT, "version": VERSION, "site": settings.SITE_NAME, "exported": _time(timezone.now())}
    yield orjson.dumps(head)[:-1] + b',"conversations":['
    for number, conversation in enumerate(conversations):
        yield b",\n" if number else b"\n"
        yield from _conversation(conversation)
    yield b"\n]}\n"


def _conversation(conversation: Conversation) -> Iterator[bytes]:
    """Its messages first, then the completions that they name."""
    numbers = {pk: n for n, pk in enumerate(conversation.messages.order_by("pk").values_list("pk", flat=True), 1)}
    yield orjson.dumps(_head(conversation, numbers))[:-1] + b',"messages":['
    told = _Told()
    messages = conversation.messages.select_related("completion").defer("completion__arrivals")
    messages = messages.prefetch_related(with_files())
    for number, message in enumerate(sliced(messages, list(numbers))):
        yield (b",\n" if number else b"\n") + orjson.dumps(_message(message, numbers, told))
    yield b'],"completions":['
    for number, facts in enumerate(told.facts()):
        yield (b",\n" if number else b"\n") + orjson.dumps(facts)
    yield b'],"files":['
    for number, (file, content) in enumerate(contents_of(conversation)):
        yield (b",\n" if number else b"\n") + orjson.dumps(_file(file, content))
    yield b"]}"


def contents_of(conversation: Conversation) -> Iterator[tuple[File, bytes | None]]:
    """Its files, with their bytes as far as an import would still read the whole."""
    left = MOST_CONTENT
    for file in each_file(File.objects.filter(pk__in=_attached(conversation))):
        content = file.read() if file.is_ready and file.size + len(file.text) <= left else None
        left -= len(content or b"") + len(file.text)
        yield file, content


def each_file(found: QuerySet[File]) -> Iterator[File]:
    """One after the other: each by a query of its own, since between two steps of an export no cursor stays open."""
    for pk in list(found.order_by("created", "pk").values_list("pk", flat=True)):
        yield from found.filter(pk=pk)


def _attached(conversation: Conversation) -> QuerySet:
    return Attachment.objects.filter(message__conversation=conversation).values("file")


def _file(file: File, content: bytes | None) -> dict:
    told = {name: _plain(getattr(file, name)) for name in FILE}
    return {"id": str(file.pk), **told, "content": None if content is None else b64encode(content).decode()}


def _head(conversation: Conversation, numbers: dict[int, int]) -> dict:
    return {
        "id": str(conversation.pk),
        "title": conversation.title,
        "created": _time(conversation.created),
        "active": _time(conversation.active),
        "shown": numbers.get(conversation.leaf_id),
        "folder": conversation.folder and conversation.folder.name,
        "tags": [tag.name for tag in conversation.tags.all()],
        "pinned": conversation.pinned,
        "archived": conversation.archived,
        "system_prompt": conversation.system_prompt,
        "parameters": conversation.parameters,
    }


def _message(message: Message, numbers: dict[int, int], told: "_Told") -> dict:
    imported = message.imported or {}
    return {
        "id": numbers[message.pk],
        "parent": numbers.get(message.parent_id),
        "role": message.role,
        "text": message.text,
        "files": [str(file.pk) for file in message.attached],
        "reasoning": message.reasoning,
        "thought_ms": message.thought_ms,
        "completion": told.number_of(message),
        "choice": message.choice_index,
        "finish_reason": message.finish_reason,
        "prefix_length": message.prefix_length,
        "created": _time(message.created),
        # What one of our own exports told stands among the completions again.
        "imported": message.imported if imported and "completion" not in imported else None,
    }


class _Told:
    """The completions that messages name, in the order of their first message: numbers from 0."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, int], int] = {}
        self._messages: list[int] = []  # of an imported one: the message that tells of it
        self._asks: dict[object, int] = {}

    def number_of(self, message: Message) -> int | None:
        if message.completion_id:
            key = ("asked", message.completion_id)
        elif message.imported and "completion" in message.imported:
            key = ("imported", message.imported["completion"])
        else:
            return None
        if key not in self._numbers:
            self._numbers[key] = len(self._numbers)
            self._messages.append(message.pk)
        return self._numbers[key]

    def facts(self) -> Iterator[dict]:
        keys = list(self._numbers)
        for start in range(0, len(keys), SLICE):
            few = keys[start : start + SLICE]
            completions = Completion.objects.select_related("model__provider", "price")
            asked = completions.in_bulk([pk for kind, pk in few if kind == "asked"])
            telling = Message.objects.only("imported").in_bulk(self._messages[start : start + SLICE])
            for (kind, pk), message in zip(few, self._messages[start : start + SLICE], strict=True):
                facts = facts_of(asked[pk]) if kind == "asked" else _without_place(telling[message].imported)
                yield facts | {"ask": self._asks.setdefault((kind, facts["ask"]), len(self._asks))}


def facts_of(completion: Completion) -> dict:
    """What is told of a completion; `ask` is the same for all that were asked for together."""
    return {
        "model": completion.model.name,
        "provider": completion.model.provider.name,
        "ask": str(completion.ask),
        **{name: _plain(getattr(completion, name)) for name in TOLD},
        "usage": {"source": completion.usage_source, **{name: getattr(completion, name) for name in USAGE}},
        "cost": _cost(completion),
        "arrivals": b64encode(completion.arrivals).decode(),
    }


def _cost(completion: Completion) -> dict | None:
    """Money as text, since a reader's floating point would round it."""
    price = completion.price
    if price is None:
        return None
    amounts = {name: _money(getattr(completion, name)) for name in COST}
    return {
        "day": completion.day.isoformat(),
        "currency": price.currency,
        **amounts,
        "price": {name: _money(getattr(price, name)) for name in PRICE},
    }


def _money(amount: Decimal | None) -> str | None:
    return None if amount is None else plain(amount)


def _without_place(imported: dict) -> dict:
    return {name: value for name, value in imported.items() if name not in ("from", "completion")}


def _plain(value: object) -> object:
    return _time(value) if isinstance(value, datetime) else value


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()

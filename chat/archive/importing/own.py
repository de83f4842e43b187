"""Our own JSON, as `exporting.json` writes it: every field of it comes out again with the next export."""

from base64 import b64decode
from collections.abc import Iterator

import orjson
from django.conf import settings

from chat.archive.exporting.json import FORMAT, VERSION
from chat.archive.importing.foreign import (
    ROLES,
    BadConversation,
    Foreign,
    ForeignFile,
    ForeignMessage,
    dict_of,
    list_of,
    moment_of,
    storable,
    text_of,
)
from chat.models import File

PLACE = FORMAT
MOST_CHOICES = 1000
MOST_FILES = 2000
MOST_TOLD = 64_000_000  # bytes, over all messages: each keeps what is told of its completion


def recognises(told: dict) -> bool:
    return isinstance(told.get("messages"), list) and isinstance(told.get("completions"), list)


def check_head(told: dict) -> None:
    """Of the file around the conversations."""
    if told.get("format") == FORMAT and told.get("version") != VERSION:
        raise BadConversation("newer", told.get("version"))


def foreign(told: dict) -> Foreign:
    completions = [dict_of(completion) for completion in told["completions"]]
    _refuse_bulk(told["messages"], completions)
    site = text_of(told.get("site"))  # of the file around it
    shown = told.get("shown")
    return Foreign(
        place=PLACE,
        id=text_of(told.get("id")),
        title=text_of(told.get("title")),
        messages=[_message(dict_of(message), completions, site) for message in told["messages"]],
        created=moment_of(told.get("created")),
        active=moment_of(told.get("active")),
        shown=str(shown) if isinstance(shown, int) else None,
        folder=text_of(told.get("folder")),
        tags=[name for tag in list_of(told.get("tags")) if (name := text_of(tag))],
        pinned=told.get("pinned") is True,
        archived=told.get("archived") is True,
        system_prompt=text_of(told.get("system_prompt")),
        parameters=dict_of(told.get("parameters")),
        files=dict(_files(list_of(told.get("files")))),
    )


def _files(told: list) -> Iterator[tuple[str, ForeignFile]]:
    """What is told of a file is not believed: its bytes are read anew."""
    for one in map(dict_of, told[:MOST_FILES]):
        kind = text_of(one.get("kind"))
        yield (
            text_of(one.get("id")),
            ForeignFile(
                name=storable(text_of(one.get("name"))),
                kind=kind if kind in File.Kind.values else File.Kind.TEXT,
                content=_content(one.get("content")),
            ),
        )


def _content(told: object) -> bytes | None:
    try:
        return b64decode(told, validate=True) if isinstance(told, str) else None
    except ValueError:
        return None


def _refuse_bulk(messages: list, completions: list[dict]) -> None:
    sizes = [len(orjson.dumps(completion)) for completion in completions]
    places = [dict_of(message).get("completion") for message in messages]
    if sum(sizes[place] for place in places if isinstance(place, int) and 0 <= place < len(sizes)) > MOST_TOLD:
        raise BadConversation("tangled")


def _message(told: dict, completions: list[dict], site: str) -> ForeignMessage:
    number, parent, role = told.get("id"), told.get("parent"), told.get("role")
    if not isinstance(number, int) or not isinstance(parent, int | None) or role not in ROLES:
        raise BadConversation("bad_message", number)
    return ForeignMessage(
        id=str(number),
        parent=None if parent is None else str(parent),
        role=role,
        text=text_of(told.get("text")),
        reasoning=text_of(told.get("reasoning")),
        created=moment_of(told.get("created")),
        told=_told(told, number, completions, site),
        thought_ms=_count(told.get("thought_ms")),
        choice=_count(told.get("choice"), MOST_CHOICES) or 0,
        finish_reason=text_of(told.get("finish_reason"))[:20],
        prefix_length=_count(told.get("prefix_length")) or 0,
        files=[text_of(file) for file in list_of(told.get("files"))][: settings.FILES_MAX_NUMBER],
    )


def _told(told: dict, number: int, completions: list[dict], site: str) -> dict | None:
    """What came from yet another program stays as it was told there."""
    if told.get("imported"):
        return dict_of(told["imported"])
    place = told.get("completion")
    if place is None:
        return None
    if not isinstance(place, int) or not 0 <= place < len(completions):
        raise BadConversation("no_completion", number)
    return {"ask": 0, **completions[place], "completion": place, "from": site or "Chat"}


def _count(value: object, most: int = 2**31 - 1) -> int | None:
    return value if isinstance(value, int) and 0 <= value <= most else None

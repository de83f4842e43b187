"""All that the site keeps of one person, as a zip: their conversations, their usage, themselves."""

from collections.abc import Iterator
from datetime import date
from uuid import UUID

import orjson
from django.conf import settings
from django.db.models import Model, QuerySet
from django.utils.translation import gettext as _

from chat.archive.exporting import json
from chat.archive.exporting.naming import file_name
from chat.archive.exporting.zipped import Member
from chat.models import Conversation, File, Person, Persona, UsageEntry
from chat.spreadsheets import csv_lines

SLICE = 500
PIECE = 64 * 1024
USAGE_BESIDE = ("completion__model__name", "completion__model__provider__name", "completion__status")


def everything(person: Person) -> Iterator[Member]:
    yield "README.txt", [_readme().encode()]
    yield "person.json", [orjson.dumps(_person(person), option=orjson.OPT_INDENT_2)]
    yield "usage.csv", csv_lines(_usage_titles(), _usage_rows(person))
    yield "usage.json", _usage_json(person)
    for conversation in each(Conversation.objects.for_person(person)):
        yield f"conversations/{file_name(conversation, 'json')}", json.document([conversation])
        for file, content in json.contents_of(conversation):
            if content is None and file.is_ready:
                yield f"files/{file.name}", _pieces(file)
    for file in json.each_file(File.objects.ready().unattached().filter(person=person)):
        yield f"files/{file.name}", _pieces(file)


def each(found: QuerySet[Conversation]) -> Iterator[Conversation]:
    """One after the other, newest first. What is deleted meanwhile is passed over."""
    ids: list[UUID] = list(found.order_by("-active", "pk").values_list("pk", flat=True))
    for pk in ids:
        yield from found.filter(pk=pk)


def _pieces(file: File) -> Iterator[bytes]:
    """Nothing of one whose bytes are not there any more."""
    if file.path.exists():
        with file.path.open("rb") as content:
            while piece := content.read(PIECE):
                yield piece


def _readme() -> str:
    return _(
        "This is all that %(site)s keeps of you.\n\n"
        "conversations/  one file for each conversation, with every message, also those of other branches.\n"
        "                This zip can be imported as it is, here or on another site of this kind.\n"
        "files/          files that were never sent, or are too large for a conversation’s file; if there are any.\n"
        "usage.csv       what each reply used, a line each: also of conversations that are deleted.\n"
        "usage.json      the same for programs.\n"
        "person.json     your name, when you joined, and what you have set, personas too.\n"
    ) % {"site": settings.SITE_NAME}


def _person(person: Person) -> dict:
    told = (
        "username", "first_name", "last_name", "email", "date_joined", "last_login", "theme", "language", "send_key",
        "titles",
    )  # fmt: skip
    return {name: getattr(person, name) for name in told} | {"personas": list(map(_persona, person.personas.all()))}


def _persona(persona: Persona) -> dict:
    """The nameless one, too: what their conversations begin with."""
    model = persona.model.name if persona.model else None
    told = {name: getattr(persona, name) for name in ("name", "system_prompt", "parameters")}
    return told | {"model": model}


def _usage_columns() -> list[str]:
    """Each column of the ledger, whatever it comes to hold, and beside them what the completion says."""
    return [field.attname for field in UsageEntry._meta.concrete_fields] + list(USAGE_BESIDE)


def _usage_titles() -> list[str]:
    return [name.removeprefix("completion__").replace("__name", "").replace("__", "_") for name in _usage_columns()]


def _usage_rows(person: Person) -> Iterator[tuple]:
    return _sliced(UsageEntry.objects.filter(account__person=person), _usage_columns())


def _usage_json(person: Person) -> Iterator[bytes]:
    names = _usage_titles()
    yield b"["
    for number, row in enumerate(_usage_rows(person)):
        yield (b",\n" if number else b"\n") + orjson.dumps(dict(zip(names, row, strict=True)), default=_simple)
    yield b"\n]\n"


def _sliced(entries: QuerySet[Model], columns: list[str]) -> Iterator[tuple]:
    last = 0
    while rows := list(entries.filter(pk__gt=last).order_by("pk").values_list("pk", *columns)[:SLICE]):
        yield from (row[1:] for row in rows)
        last = rows[-1][0]


def _simple(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)

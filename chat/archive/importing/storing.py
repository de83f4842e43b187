"""Keeps a foreign conversation, in transactions of a few messages each, so that none holds the write lock for long.

A conversation has the same id whenever the same person brings it in: a second time finds it, and adds what is new.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from uuid import UUID, uuid4, uuid5

from django.conf import settings
from django.db import transaction

from chat import index
from chat.archive.importing import own
from chat.archive.importing.foreign import BadConversation, Foreign, ForeignFile, ForeignMessage
from chat.extraction import Extract, Unreadable, extract
from chat.models import Attachment, Conversation, File, Folder, Message, Person, Tag
from chat.models.file import clean_name, limits, place_of, put, remove_bytes
from chat.models.filing import NAME_LENGTH
from chat.steps import Act
from chat.words import folded

BATCH = 30  # messages in one transaction: some 20 ms, most of them for the index
BATCH_CHARACTERS = 40_000
MOST_TAGS = 50
SECONDS = 15  # for one file: other imports wait for it
PATIENCE = 3  # files of one conversation that took too long; then none is read any more
NAMESPACE = UUID("6f1b1f0e-5c39-4a4e-9d0a-7a4b6f6f0c11")


@dataclass(slots=True)
class Stored:
    """How it goes: `outcome` is which count of Import rises, `messages` how many there are more."""

    outcome: str = "known"
    messages: int = 0


def store(person: Person, foreign: Foreign, stored: Stored, close: Act) -> Iterator[Act]:
    """The acts that keep it, one transaction each; `close` runs within the last. Raises BadConversation."""
    pk = _id_for(person, foreign)
    here = Conversation.objects.filter(pk=pk).first()
    if here and here.deleted:
        raise BadConversation("deleted")
    if here and here.leaf_id is None:  # an import that did not come to its end
        yield from _emptying(here)
        here = None
    new = foreign.messages if here is None else _new(here, foreign)
    stored.outcome = "made" if here is None else "continued" if new else "known"
    stored.messages = len(new)
    known = _known(here) if here and new else {}
    files: dict[str, File] = {}
    tiring = 0
    for name in dict.fromkeys(name for message in new for name in message.files if name in foreign.files):
        files[name] = _read(person, foreign.files[name], is_tired=tiring >= PATIENCE)
        tiring += files[name].refusal in ("slow", "memory")
        yield partial(_keep_file, files[name])
    left = len(new)
    for batch in _batches(new):
        left -= len(batch)
        yield partial(_keep, person, pk, foreign, batch, known, files, None if left else close)
    if not new:
        yield partial(_in_one, close)


def _read(person: Person, told: ForeignFile, *, is_tired: bool) -> File:
    """As if it were attached now: its bytes are written, its row is not. What cannot be read is only named."""
    try:
        if is_tired:
            raise Unreadable("slow")
        if not told.content or len(told.content) > settings.FILE_MAX_BYTES:
            raise Unreadable("damaged")
        found, content = _extracted(told)
        file = File.written(person, told.name, found, content)
    except Unreadable as unreadable:
        file = File(person=person, name=clean_name(told.name), kind=told.kind, size=0, status=File.Status.REFUSED)
        file.refusal = unreadable.complaint
    return file


def _extracted(told: ForeignFile) -> tuple[Extract, bytes]:
    beside = place_of(uuid4()).with_suffix(".part")
    put(beside, told.content)
    try:
        found = extract(beside, told.name, replace(limits(), seconds=SECONDS, cpu_seconds=SECONDS))
        return found, found.image or told.content
    finally:
        beside.unlink(missing_ok=True)


@transaction.atomic
def _keep_file(file: File) -> None:
    if file.is_ready and not file.find_room():
        remove_bytes([file.pk])
        file.status, file.refusal, file.size, file.text = File.Status.REFUSED, "no_room", 0, ""
    file.save(force_insert=True)


def _batches(messages: list[ForeignMessage]) -> Iterator[list[ForeignMessage]]:
    batch, size = [], 0
    for message in messages:
        if batch and (len(batch) == BATCH or size + len(message.text) > BATCH_CHARACTERS):
            yield batch
            batch, size = [], 0
        batch.append(message)
        size += len(message.text)
    if batch:
        yield batch


def _emptying(here: Conversation) -> Iterator[Act]:
    """Newest first, and children are newer than their parents: a cascade never reaches beyond the batch."""
    messages = list(here.messages.order_by("-pk").values_list("pk", flat=True))
    for start in range(0, len(messages), BATCH):
        yield Message.objects.filter(pk__in=messages[start : start + BATCH]).delete


@transaction.atomic
def _in_one(close: Act) -> None:
    close()


@transaction.atomic
def _keep(
    person: Person,
    pk: UUID,
    foreign: Foreign,
    batch: list[ForeignMessage],
    known: dict[str, int],
    files: dict[str, File],
    close: Act | None,
) -> None:
    """Some of the messages; with the first the conversation, with the last what it is shown as, and `close`."""
    start = {
        "title": foreign.title,
        "titled_by": Conversation.TitledBy.PERSON,  # whoever named it there
        "created": foreign.created,
        "active": foreign.active,
        "system_prompt": foreign.system_prompt,
        "parameters": foreign.parameters,
    }
    conversation = Conversation.objects.get_or_create(pk=pk, person=person, defaults=start)[0]
    made = []
    for told in batch:
        made.append(_message(conversation, told, known.get(told.parent)))
        known[told.id] = made[-1].pk
        held = [files[name] for name in dict.fromkeys(told.files) if name in files]
        Attachment.objects.bulk_create(Attachment(message=made[-1], file=file) for file in held)
    index.put(made)
    if close:
        _show(conversation, foreign, known)
        close()


def _message(conversation: Conversation, told: ForeignMessage, parent: int | None) -> Message:
    made = Message(
        conversation=conversation,
        parent_id=parent,
        role=told.role,
        text=told.text,
        reasoning=told.reasoning,
        thought_ms=told.thought_ms,
        choice_index=told.choice,
        finish_reason=told.finish_reason,
        prefix_length=min(told.prefix_length, len(told.text)),
        imported=told.told,
        created=told.created,
    )
    made.save(force_insert=True)
    return made


def _show(conversation: Conversation, foreign: Foreign, known: dict[str, int]) -> None:
    """One that was here already keeps its filing, and the thread that it shows if that was gone on with here."""
    is_new, leaf = conversation.leaf is None, conversation.leaf
    if is_new or leaf.imported:
        conversation.leaf_id = known.get(foreign.shown) or known[foreign.messages[-1].id]
    conversation.active = max(conversation.active, foreign.active)
    if is_new:
        conversation.folder = _named(Folder, conversation.person, foreign.folder) if foreign.folder.strip() else None
        conversation.pinned, conversation.archived = foreign.pinned, foreign.archived
        tags = [_named(Tag, conversation.person, name) for name in foreign.tags[:MOST_TAGS] if name.strip()]
        conversation.tags.add(*tags)
    conversation.save(update_fields=["leaf", "active", "folder", "pinned", "archived"])


def _id_for(person: Person, foreign: Foreign) -> UUID:
    """Ours keeps its own, so that links to it stay good; unless somebody else's conversation has it."""
    derived = uuid5(NAMESPACE, f"{person.pk} {foreign.place} {foreign.id}")
    if foreign.place != own.PLACE:
        return derived
    try:
        kept = UUID(foreign.id)
    except ValueError:
        return derived
    return derived if Conversation.objects.filter(pk=kept).exclude(person=person).exists() else kept


def _new(here: Conversation, foreign: Foreign) -> list[ForeignMessage]:
    """Nothing of one of ours: what it has got since its export is more than the export has."""
    if foreign.place == own.PLACE:
        return []
    known = _known(here)
    return [message for message in foreign.messages if message.id not in known]


def _known(here: Conversation) -> dict[str, int]:
    """By their ids there, the messages that have been brought in before."""
    told = here.messages.exclude(imported=None).values_list("imported__id", "pk")
    return {str(identity): pk for identity, pk in told if identity is not None}


def _named(model: type[Folder] | type[Tag], person: Person, name: str) -> Folder | Tag:
    name = " ".join(name.split())[:NAME_LENGTH]
    found = model.objects.filter(person=person, folded_name=folded(name)[: 2 * NAME_LENGTH]).first()
    return found or model.objects.create(person=person, name=name)

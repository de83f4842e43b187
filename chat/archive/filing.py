"""Filing conversations: into a folder, under tags, to the top of the list, away into the archive. Several at once."""

from collections.abc import Iterable

from django.db import transaction
from django.db.models import QuerySet

from chat.models import Conversation, Folder, Person, Tag
from chat.words import folded

AT_ONCE = 500


def pin(conversations: QuerySet[Conversation], pinned: bool) -> None:
    conversations.update(pinned=pinned)


def archive(conversations: QuerySet[Conversation], archived: bool) -> None:
    conversations.update(archived=archived)


def move(conversations: QuerySet[Conversation], folder: Folder | None) -> None:
    conversations.update(folder=folder)


def tag(conversations: QuerySet[Conversation], tags: Iterable[Tag]) -> None:
    """Beside those that they have."""
    through, pks = Conversation.tags.through, list(conversations.values_list("pk", flat=True))
    rows = [through(conversation_id=pk, tag=each) for each in tags for pk in pks]
    through.objects.bulk_create(rows, batch_size=AT_ONCE, ignore_conflicts=True)


def untag(conversations: QuerySet[Conversation], tags: Iterable[Tag]) -> None:
    Conversation.tags.through.objects.filter(conversation__in=conversations, tag__in=list(tags)).delete()


@transaction.atomic
def file(conversation: Conversation, folder: Folder | None, tags: Iterable[Tag]) -> None:
    """In that folder, under these tags and no others."""
    conversation.folder = folder
    conversation.save(update_fields=["folder"])
    conversation.tags.set(tags)


def folder_named(person: Person, name: str) -> Folder | None:
    """The person's folder of that name, made if there is none; None for no name."""
    if not name:
        return None
    return Folder.objects.get_or_create(person=person, folded_name=folded(name), defaults={"name": name})[0]


def tags_named(person: Person, names: Iterable[str]) -> list[Tag]:
    """The same of tags."""
    return [
        Tag.objects.get_or_create(person=person, folded_name=folded(name), defaults={"name": name})[0] for name in names
    ]

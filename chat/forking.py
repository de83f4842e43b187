"""Forks a conversation: its thread up to one message becomes a conversation of its own.

A reply that was copied is still the same completion's: what it cost is known in both places, and was paid once.
"""

from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from chat import index
from chat.models import Attachment, Conversation, Message, Person
from chat.models.conversation import TITLE_LENGTH

BATCH = 50  # messages in one transaction
OF_ITS_OWN = {"id", "conversation", "parent", "key"}


class ReplyArriving(Exception):
    """A reply of the thread is not settled yet: nobody knows what would be copied."""


class KeyTaken(Exception):
    """The key belongs to what somebody else has sent."""


def fork(person: Person, message: Message, *, key: UUID) -> Conversation:
    """A new conversation that ends in a copy of `message`; with a key that is known, the one that it made.

    Until it is whole it counts as deleted: nobody sees it, and should this process die, it is purged.
    """
    if known := _made_with(person, key):
        return known
    thread = message.conversation.thread(message.pk)
    if not all(original.is_final for original in thread):
        raise ReplyArriving
    title = _("Fork of %(title)s") % {"title": message.conversation.title}
    made = Conversation.objects.create(
        person=person,
        title=title[:TITLE_LENGTH],
        titled_by=Conversation.TitledBy.PERSON,
        model=message.conversation.model,
        system_prompt=message.conversation.system_prompt,
        parameters=message.conversation.parameters,
        temporary=message.conversation.temporary,
        active=timezone.now(),
        deleted=timezone.now(),
    )
    copies: list[Message] = []
    for start in range(0, len(thread), BATCH):
        with transaction.atomic():
            for original in thread[start : start + BATCH]:
                copies.append(_copied(original, made, parent=copies[-1] if copies else None))
            index.put(copies[start:])
    return _shown(made, copies, key)


def _made_with(person: Person, key: UUID) -> Conversation | None:
    made = Message.objects.filter(key=key, conversation__person=person).select_related("conversation").first()
    return made and made.conversation


def _copied(original: Message, into: Conversation, *, parent: Message | None) -> Message:
    fields = [field for field in Message._meta.concrete_fields if field.name not in OF_ITS_OWN]
    same = {field.attname: getattr(original, field.attname) for field in fields}
    copy = Message.objects.create(conversation=into, parent=parent, **same)
    Attachment.objects.bulk_create(Attachment(message=copy, file=file) for file in original.attached)
    return copy


def _shown(made: Conversation, copies: list[Message], key: UUID) -> Conversation:
    """Takes effect once for each key: another copy that was made at the same moment stays unseen."""
    try:
        with transaction.atomic():
            Message.objects.filter(pk=copies[0].pk).update(key=key)
            Conversation.objects.filter(pk=made.pk).update(leaf=copies[-1], deleted=None)
    except IntegrityError as error:
        known = _made_with(made.person, key)
        if known is None:
            raise KeyTaken from error
        return known
    return made

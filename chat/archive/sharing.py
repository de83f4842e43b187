"""Sharing a thread by a secret link: made, opened, revoked. The link itself is told once, and kept nowhere."""

from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256
from secrets import token_urlsafe

from django.utils import timezone

from chat.archive.exporting.contents import path, sliced
from chat.models import Attachment, Conversation, Message, Share
from chat.models.conversation import ids_to, with_files

TOKEN_BYTES = 32
DAYS = (1, 7, 30, 90)
MOST = 500  # open links of one person


class NothingToShare(Exception):
    """No message of the thread is final yet."""


class TooManyShares(Exception):
    """This person has as many open links as anybody can look after."""


def share(conversation: Conversation, *, days: int, with_thoughts: bool) -> tuple[Share, str]:
    """The thread that is shown, up to its last final message; and the link's token."""
    ids = path(conversation, conversation.leaf_id)
    final = [message.pk for message in sliced(_messages(conversation), ids) if message.is_final]
    if not final:
        raise NothingToShare
    if Share.objects.open().filter(person=conversation.person_id).count() >= MOST:
        raise TooManyShares
    token = token_urlsafe(TOKEN_BYTES)
    made = Share.objects.create(
        person_id=conversation.person_id,
        conversation=conversation,
        leaf_id=final[-1],
        title=conversation.title,
        with_thoughts=with_thoughts,
        token_hash=_hash(token),
        expires=timezone.now() + timedelta(days=days),
    )
    return made, token


def opened(token: str) -> Share | None:
    """None for whatever opens nothing: a guess, one that is revoked, expired, or of a conversation that is deleted."""
    return Share.objects.open().select_related("conversation").filter(token_hash=_hash(token)).first()


def shown(made: Share) -> Iterator[Message]:
    messages = sliced(_messages(made.conversation), path(made.conversation, made.leaf_id))
    for message in messages:
        if not made.with_thoughts:
            message.reasoning = ""
        yield message


def has_files(made: Share) -> bool:
    """On its thread: what is attached elsewhere, or later, it does not tell."""
    return Attachment.objects.filter(message__in=ids_to(made.leaf_id)).exists()


def remove_expired() -> int:
    return Share.objects.filter(expires__lt=timezone.now()).delete()[0]


def _messages(conversation: Conversation):
    messages = conversation.messages.select_related("completion__model__provider").defer("completion__arrivals")
    return messages.prefetch_related(with_files())


def _hash(token: str) -> str:
    return sha256(token.encode()).hexdigest()

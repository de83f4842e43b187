"""The messages of a conversation, in slices: an export holds no more of them at a time."""

from collections.abc import Iterator

from django.db.models import QuerySet

from chat.models import Conversation, Message
from chat.models.conversation import with_files
from chat.transcript import Transcript

SLICE = 100


def shown(conversation: Conversation) -> Iterator[Message]:
    """The thread that is shown, from its beginning."""
    messages = conversation.messages.select_related("completion__model__provider").defer("completion__arrivals")
    messages = messages.prefetch_related(with_files())
    return sliced(messages, path(conversation, conversation.leaf_id))


def path(conversation: Conversation, leaf: int | None) -> list[int]:
    """The ids from the root to one message."""
    parents = dict(conversation.messages.values_list("id", "parent_id"))
    found = []
    while leaf in parents:
        found.append(leaf)
        leaf = parents.pop(leaf)
    return found[::-1]


def sliced(messages: QuerySet[Message], ids: list[int]) -> Iterator[Message]:
    """These messages in this order; one that is still arriving with what is saved of it."""
    for start in range(0, len(ids), SLICE):
        found = messages.in_bulk(ids[start : start + SLICE])
        partials: dict[int, Transcript] = {}
        yield from (_so_far(found[pk], partials) for pk in ids[start : start + SLICE] if pk in found)


def _so_far(message: Message, partials: dict[int, Transcript]) -> Message:
    completion = message.completion
    if completion and not completion.is_settled:
        if completion.pk not in partials:
            partials[completion.pk] = completion.transcript_so_far()
        choice = partials[completion.pk].choice(message.choice_index)
        message.text += choice.text
        message.reasoning += choice.reasoning
    return message

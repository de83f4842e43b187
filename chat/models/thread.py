"""The thread of a conversation: the path from the root of its tree to one message, read a stretch at a time.

A stretch is bounded in messages and in characters, so that a conversation of a thousand messages opens as fast as a
short one. What precedes a message never changes; what follows it does, with every sibling that is walked to.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from django.db.models.functions import Length

from chat.models.conversation import Conversation, Message, ids_to

MOST_MESSAGES = 24
MOST_CHARACTERS = 150_000  # of which the reader sees some thousand at once


@dataclass(frozen=True, slots=True)
class Stretch:
    """Messages of a thread that follow each other; `leaf` is the thread's end."""

    messages: list[Message]
    leaf: int | None
    has_earlier: bool = False
    has_later: bool = False

    @property
    def first(self) -> int:
        return self.messages[0].pk

    @property
    def last(self) -> int:
        return self.messages[-1].pk


class Thread:
    def __init__(self, conversation: Conversation, leaf: int | None) -> None:
        self.conversation = conversation
        self.leaf = leaf

    @classmethod
    def through(cls, conversation: Conversation, message: int | None) -> "Thread":
        """The thread that is shown; but if it does not go through that message of the conversation, one that does."""
        shown = cls(conversation, conversation.leaf_id)
        if message is None or message in shown or not conversation.messages.filter(pk=message).exists():
            return shown
        return cls(conversation, conversation.newest_end(message))

    def __contains__(self, message: int | None) -> bool:
        return message in self.ids

    @cached_property
    def ids(self) -> list[int]:
        """From the root on."""
        return ids_to(self.leaf)

    def end(self) -> Stretch:
        return self._stretch(*self._before(len(self.ids)))

    def before(self, message: int) -> Stretch:
        return self._stretch(*self._before(self.ids.index(message)))

    def after(self, message: int) -> Stretch:
        return self._stretch(*self._after(self.ids.index(message) + 1))

    def around(self, message: int) -> Stretch:
        place = self.ids.index(message)
        start, _ = self._before(place, MOST_MESSAGES // 2)
        _, end = self._after(place, MOST_MESSAGES // 2)
        return self._stretch(start, end)

    def _before(self, place: int, most: int = MOST_MESSAGES) -> tuple[int, int]:
        candidates = self.ids[max(place - most, 0) : place]
        return place - self._fitting(candidates[::-1]), place

    def _after(self, place: int, most: int = MOST_MESSAGES) -> tuple[int, int]:
        return place, place + self._fitting(self.ids[place : place + most])

    def _fitting(self, ids: list[int]) -> int:
        """How many of them, in this order, may be shown: at least one, however long it is."""
        lengths = dict(self._messages(ids).annotate(length=Length("text")).values_list("pk", "length"))
        length = 0
        for count, pk in enumerate(ids):
            length += lengths.get(pk, 0)
            if length > MOST_CHARACTERS and count:
                return count
        return len(ids)

    def _stretch(self, start: int, end: int) -> Stretch:
        wanted = self.ids[start:end]
        by_id = self._messages(wanted).with_replies().in_bulk()
        messages = [by_id[pk] for pk in wanted if pk in by_id]
        return Stretch(messages, self.leaf, has_earlier=start > 0, has_later=end < len(self.ids))

    def _messages(self, ids: Iterable[int]):
        return self.conversation.messages.filter(pk__in=ids)

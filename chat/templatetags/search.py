"""What search says of a message that it found: who wrote it and how it ended."""

from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import UUID

from django import template

from chat.models import Completion, Message
from chat.templatetags.imported import name_of

register = template.Library()


@dataclass(frozen=True, slots=True)
class Writer:
    name: str
    ending: str


@register.simple_tag
def writer(message: Message) -> Writer:
    completion = message.completion
    whole = completion is None or completion.status == Completion.Status.COMPLETE
    return Writer(name_of(message), "" if whole else str(completion.get_status_display()))


@register.simple_tag
def within_address(address: str, conversation: UUID) -> str:
    """The same search in one conversation."""
    return f"{address}&{urlencode({'in': conversation})}"

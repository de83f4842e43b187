"""The thread that is shown, as plain text."""

from collections.abc import Iterator

from django.utils.translation import gettext as _

from chat.archive.exporting.contents import shown
from chat.archive.exporting.words import Words, day_and_hour
from chat.markdown.plain import plain
from chat.models import Conversation, Message

RULE = "-" * 72


def write(conversation: Conversation, words: Words) -> Iterator[bytes]:
    yield f"{' '.join(conversation.title.split())}\n".encode()
    for message in shown(conversation):
        yield "\n".join(_lines(message, words)).encode()


def _lines(message: Message, words: Words) -> Iterator[str]:
    moment = day_and_hour(message.created)
    yield f"\n{RULE}\n{words.name(message)}"
    yield " · ".join([*(str(fact.words) for fact in words.facts(message)), moment]) + "\n"
    if message.attached:
        label = _("Files:")
        yield f"[{label} {'; '.join(f'{file.name} ({words.file_facts(file)})' for file in message.attached)}]\n"
    if message.reasoning:
        yield f"[{words.thoughts(message)}]\n\n{plain(message.reasoning)}\n"
    if message.text:
        yield f"{plain(message.text)}\n"
    if ending := words.ending(message):
        yield f"[{ending}]\n"

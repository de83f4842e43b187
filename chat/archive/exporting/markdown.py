"""The thread that is shown, as Markdown: the messages' own text, untouched, under a heading for each."""

import re
from collections.abc import Iterator

from django.utils.translation import gettext as _

from chat.archive.exporting.contents import shown
from chat.archive.exporting.words import Words, day_and_hour
from chat.models import Conversation, File, Message

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})(.*)$", re.M)


def write(conversation: Conversation, words: Words) -> Iterator[bytes]:
    yield f"# {' '.join(conversation.title.split())}\n".encode()
    for message in shown(conversation):
        yield "\n".join(_lines(message, words)).encode()


def _lines(message: Message, words: Words) -> Iterator[str]:
    moment = day_and_hour(message.created)
    yield f"\n## {words.name(message)}\n"
    yield f"*{' · '.join([*(str(fact.words) for fact in words.facts(message)), moment])}*\n"
    if message.attached:
        label = _("Files:")
        yield f"*{label}* {'; '.join(_file(file, words) for file in message.attached)}\n"
    if message.reasoning:
        yield f"> **{words.thoughts(message)}**\n>"
        yield "\n".join(f"> {line}".rstrip() for line in message.reasoning.strip().split("\n")) + "\n"
    if message.text:
        yield f"{closed(message.text)}\n"
    if ending := words.ending(message):
        head = _("Not whole:")
        yield f"**{head}** {ending}\n"


def _file(file: File, words: Words) -> str:
    """Its name as code, in which nothing is markup."""
    name = file.name.replace("`", "'")
    return f"`{name}` ({words.file_facts(file)})"


def closed(text: str) -> str:
    """With the fence that a reply which was cut left open, so that it does not swallow what follows."""
    fence = ""
    for found in _FENCE.finditer(text):
        mark, rest = found.groups()
        if not fence:
            fence = mark if mark[0] == "~" or "`" not in rest else ""
        elif mark.startswith(fence) and not rest.strip():
            fence = ""
    return f"{text.rstrip()}\n{fence}" if fence else text.rstrip()

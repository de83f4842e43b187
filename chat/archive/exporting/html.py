"""The thread that is shown, as one HTML page that needs nothing but a browser: no script, nothing to fetch."""

from base64 import b64encode
from collections.abc import Iterable, Iterator

from django.template.loader import render_to_string
from django.utils.safestring import mark_safe

from chat import markdown
from chat.archive.exporting.contents import shown
from chat.archive.exporting.style import policy, style
from chat.archive.exporting.words import Words, day_and_hour
from chat.markdown.still import still
from chat.models import Conversation, File, Message


def write(conversation: Conversation, words: Words) -> Iterator[bytes]:
    yield from page(conversation.title, shown(conversation), words)


def page(
    title: str, messages: Iterable[Message], words: Words, *, dated: bool = True, closing: str = ""
) -> Iterator[bytes]:
    """`closing`: a sentence at its end. `dated`: each message with its time."""
    head = {"title": title, "policy": policy(), "style": mark_safe(style())}  # noqa: S308 - our own sheets
    yield render_to_string("exported/_head.html", head).encode()
    for message in messages:
        yield render_to_string("exported/_message.html", _parts(message, words, dated)).encode()
    yield render_to_string("exported/_end.html", {"closing": closing}).encode()


def _parts(message: Message, words: Words, dated: bool) -> dict:
    return {
        "message": message,
        "name": words.name(message),
        "files": [_file(file, words) for file in message.attached],
        "html": _rendered(message.text, words),
        "thoughts": words.thoughts(message) if message.reasoning else "",
        "reasoning_html": _rendered(message.reasoning, words),
        "facts": words.facts(message),
        "ending": words.ending(message),
        "moment": day_and_hour(message.created) if dated else "",
    }


def _file(file: File, words: Words) -> dict:
    """With an image itself, since the page has nothing to fetch."""
    content = file.read() if words.with_images and file.is_image and file.is_ready else None
    facts = words.file_facts(file) if words.with_images else ""
    source = f"data:{file.media_type};base64,{b64encode(content).decode()}" if content else ""
    return {"name": file.name, "facts": facts, "source": source, "width": file.width, "height": file.height}


def _rendered(text: str, words: Words) -> str:
    return mark_safe(still(markdown.render(text, words.labels)))  # noqa: S308 - its one purpose is to make safe HTML

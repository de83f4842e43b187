"""Conversations as files that can be taken along: one alone, or many in a zip, written while they are read.

    Markdown, plain text, HTML    the thread that is shown, as one reads it
    JSON                          everything: every message of the tree, every figure (docs/export-format.md)

Each format is a module with `write(conversation, words)`; nothing of it needs more memory than a hundred messages.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from chat.archive.exporting import html, json, markdown, text
from chat.archive.exporting.words import Words
from chat.models import Conversation

__all__ = ["FORMATS", "Format", "Words"]


@dataclass(frozen=True, slots=True)
class Format:
    suffix: str
    content_type: str
    write: Callable[[Conversation, Words], Iterator[bytes]]


FORMATS = {
    "markdown": Format("md", "text/markdown; charset=utf-8", markdown.write),
    "text": Format("txt", "text/plain; charset=utf-8", text.write),
    "html": Format("html", "text/html; charset=utf-8", html.write),
    "json": Format("json", "application/json", json.write),
}

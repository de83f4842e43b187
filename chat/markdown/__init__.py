"""Markdown text → safe HTML, for what is live, saved, shared, exported and printed alike. Knows no Django.

    blocks(text)    one HTML string for each top-level block
    render(text)    the same, wrapped and joined as a page holds them: <div class="block">…</div>…

A text passes three stations: `source` (lines, before the parser), `parsing` (comrak: blocks with their first line) and
`dressing` (nh3 makes them safe; then links, code, mathematics and tables get what is ours). `document` runs the same
stations on a text that grows.

Nothing from a model becomes an id, a name, a class, a style or a data attribute; raw HTML is shown as text; an image
is a link until somebody opens it. Every station is bounded: what would cost too much is shown as plain text.
"""

from chat.markdown.dressing import dress
from chat.markdown.labels import ENGLISH, Labels
from chat.markdown.parsing import Block, parse
from chat.markdown.source import Source, readable, source_of, with_newlines

__all__ = ["ENGLISH", "Block", "Labels", "Source", "dress", "parse", "readable", "source_of", "with_newlines"]


def blocks(text: str, labels: Labels = ENGLISH) -> list[str]:
    return [dress(block.html, labels) for block in parse(source_of(text))]


def render(text: str, labels: Labels = ENGLISH) -> str:
    return "".join(f'<div class="block">{block}</div>' for block in blocks(text, labels))

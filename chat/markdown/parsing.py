"""From source to the HTML of comrak, block by block. It is not safe yet: `dressing` makes it so.

Raw HTML comes out escaped, as text. What comrak does in more than linear time is bounded here.
"""

import html
import re
from typing import NamedTuple

import comrak

MAX_TEXT = 1_000_000  # characters; a longer text is shown plain. The worst texts take 4 ms for each thousand
MAX_DEPTH = 60  # nested elements in one block: nh3 is quadratic in depth (100,000 take 19 s)
MAX_COSTLY = 1_000  # occurrences of what comrak does in quadratic time: footnotes, e-mail addresses, cells of a row
MAX_MATH_SCAN = 2_000_000  # characters that comrak looks through for ends of mathematics that are missing


def _extensions(*names: str) -> comrak.ExtensionOptions:
    options = comrak.ExtensionOptions()
    for name in names:
        setattr(options, name, True)
    return options


_ALWAYS = "strikethrough", "tasklist", "math_dollars", "cjk_friendly_emphasis", "alerts"
_COSTLY = "table", "autolink", "footnotes", "math_latex"
_ALL = _extensions(*_ALWAYS, *_COSTLY)
_PARSING, _RENDERING = comrak.ParseOptions(), comrak.RenderOptions()
_RENDERING.escape = _RENDERING.sourcepos = _RENDERING.compact_html = True

_TOP = re.compile(
    r'<(/?)(p|h[1-6r]|[uo]l|pre|table|blockquote|div|section)\b(?: data-sourcepos="(\d+):[^"]*")?([^>]*)>'
)
_POSITION = re.compile(r' data-sourcepos="(\d+):[^"]*"')
_NESTING = re.compile(r"<(/?)(?:em|strong|del|[uo]l|li|blockquote|div)\b")
_ANY_TAG = re.compile(r"<[^>]*>")


class Block(NamedTuple):
    """A top-level element: its first line in the source (-1 where that is unknown), and its HTML, to be dressed."""

    line: int
    html: str

    def key(self) -> str:
        """The same for the same Markdown, wherever it stands."""
        return without_positions(self.html)

    def moved(self, lines: int) -> "Block":
        return self._replace(line=self.line + lines) if self.line >= 0 else self


def without_positions(rendered: str) -> str:
    return _POSITION.sub("", rendered)


def parse(source: str) -> list[Block]:
    if len(source) > MAX_TEXT:
        return [Block(-1, _plain(html.escape(source)))]
    return _split(comrak.render_markdown(source, _affordable(source), _PARSING, _RENDERING))


def _affordable(source: str) -> comrak.ExtensionOptions:
    """All extensions, but for those for which this text is a bomb."""
    if len(source) <= MAX_COSTLY:
        return _ALL
    off = set()
    if source.count("|") > MAX_COSTLY and max(line.count("|") for line in source.split("\n")) > MAX_COSTLY:
        off.add("table")
    if source.count("@") > MAX_COSTLY:
        off.add("autolink")
    if source.count("[^") > MAX_COSTLY:
        off.add("footnotes")
    if source.count("\\(") + source.count("\\[") > MAX_COSTLY and _math_scan(source) > MAX_MATH_SCAN:
        off.add("math_latex")
    return _extensions(*_ALWAYS, *(name for name in _COSTLY if name not in off)) if off else _ALL


def _math_scan(source: str) -> int:
    """How far comrak looks for the ends of \\( and \\[, over all; it looks to the end for one that is missing."""
    total, end = 0, {"(": len(source), "[": len(source)}
    for found in reversed(list(re.finditer(r"\\([()\[\]])", source))):
        if found[1] in end:
            total += end[found[1]] - found.start()
        else:
            end["(" if found[1] == ")" else "["] = found.start()
    return total


def _split(rendered: str) -> list[Block]:
    """Cut at depth 0. What stands between elements there is a raw HTML block, escaped."""
    found, depth, start, end, line = [], 0, 0, 0, -1
    for tag in _TOP.finditer(rendered):
        closing, name, position, attributes = tag.groups()
        if depth == 0:
            found += _raw(rendered[end : tag.start()])
            start, line = tag.start(), _first_line(name, position, attributes)
        if name != "hr":
            depth += -1 if closing else 1
        if depth == 0:
            end = tag.end()
            found.append(Block(line, _bounded(rendered[start:end])))
    return found + _raw(rendered[end:])


def _raw(escaped: str) -> list[Block]:
    """A block for each line: where one raw HTML block ends and the next begins cannot be told."""
    return [Block(-1, _plain(line)) for line in escaped.split("\n") if line.strip()] if escaped else []


def _first_line(name: str, position: str | None, attributes: str) -> int:
    """From 0; -1 for footnotes, which stand last, wherever they were defined."""
    if name == "section":
        return -1
    if not position and (found := _POSITION.search(attributes)):  # an alert, whose class comes first
        position = found[1]
    return int(position) - 1 if position else -1


def _plain(escaped: str) -> str:
    return f'<p class="raw">{escaped}</p>'


def _bounded(block: str) -> str:
    if block.count("<") <= 2 * MAX_DEPTH:
        return block
    depth = 0
    for tag in _NESTING.finditer(block):
        depth += -1 if tag[1] else 1
        if depth > MAX_DEPTH:
            return _plain(_ANY_TAG.sub("", block))
    return block

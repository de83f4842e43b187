"""Makes a block of `parsing` safe, then puts in what is ours: hosts beside links, code, mathematics, tables.

nh3 is the one choke point for what a model may say. All that it does not know is added after it, by code that escapes.
"""

import html
import re
from collections.abc import Callable
from dataclasses import dataclass, field

import nh3

from chat.markdown.code import figure, highlight
from chat.markdown.labels import ENGLISH, Labels
from chat.markdown.links import image, link
from chat.markdown.mathematics import as_tex, mathml
from chat.markdown.parsing import without_positions

_CLEANER = nh3.Cleaner(
    tags=set(
        "p h1 h2 h3 h4 h5 h6 ul ol li pre code em strong del a img table thead tbody tr th td blockquote hr br input "
        "sup span div section".split()
    ),
    attributes={
        "a": {"href", "title", "class"},
        "img": {"src", "alt"},
        "code": {"class"},
        "span": {"data-math-style"},
        "ol": {"start"},
        "input": {"checked"},
        "th": {"align"},
        "td": {"align"},
        "div": {"class"},
        "p": {"class"},
        "sup": {"class"},
        "section": {"class"},
    },
    url_schemes={"http", "https", "mailto"},
    url_relative="deny",
    link_rel=None,
    strip_comments=True,
)

_DRESSED = re.compile(
    r'<pre><code(?: class="language-(?P<language>[^"]*)")?>(?P<code>.*?)</code></pre>'
    r'|<span data-math-style="(?P<style>inline|display)">(?P<tex>.*?)</span>'
    r'|<sup class="footnote-ref"><a[^>]*>(?P<reference>[^<]*)</a></sup>'
    r'|<a(?P<link>(?: [a-z]+="[^"]*")*)>(?P<text>.*?)</a>'
    r'|<img(?P<image>(?: [a-z]+="[^"]*")*)>'
    r"|<(?P<heading>/?h[1-6])>"
    r"|<(?P<table>/?table)>"
    r'|<(?P<cell>t[hd])(?: align="(?P<align>\w+)")?>'
    r"|<input(?P<task>[^>]*)>"
    r'|<div class="markdown-alert markdown-alert-(?P<alert>\w+)"><p class="markdown-alert-title">(?P<title>.*?)</p>'
    r'|<section class="(?P<section>footnotes)">',
    re.S,
)
_BACK = re.compile(r' <a class="footnote-backref">.*?</a>')
_ATTRIBUTE = re.compile(r' ([a-z]+)="([^"]*)"')
_ONLY_CLOSES = re.compile(r"(?:</\w+>)*\Z")
_HEADINGS = {"h1": "h3", "h2": "h4", "h3": "h5", "h4": "h6", "h5": "h6", "h6": "h6"}  # the message's own heading is h2
_ALIGN = {"right": ' class="num"', "center": ' class="mid"'}


@dataclass
class _Dresser:
    """Turns each match of _DRESSED into ours. `growing` says that the last code of the text is still being written."""

    labels: Labels
    growing: bool
    inside_link: bool = field(default=False, init=False)

    def __call__(self, found: re.Match[str]) -> str:
        part = found.lastgroup
        act: Callable[[re.Match[str]], str] = getattr(self, _ACTS[part])
        return act(found)

    def code(self, found: re.Match[str]) -> str:
        language, code = html.unescape(found["language"] or ""), html.unescape(found["code"]).removesuffix("\n")
        growing = self.growing and bool(_ONLY_CLOSES.match(found.string, found.end()))
        if language == "math":
            return as_tex(code) if growing else mathml(code, display=True)
        return figure(language, html.escape(code, False) if growing else highlight(language, code), self.labels)

    def maths(self, found: re.Match[str]) -> str:
        return mathml(html.unescape(found["tex"]), display=found["style"] == "display")

    def reference(self, found: re.Match[str]) -> str:
        label = html.escape(self.labels.footnote.format(number=html.unescape(found["reference"])))
        return (
            f'<sup class="reference"><button type="button" data-act="footnote" aria-label="{label}">'
            f"{found['reference']}</button></sup>"
        )

    def link(self, found: re.Match[str]) -> str:
        attributes = dict(_ATTRIBUTE.findall(found["link"]))
        self.inside_link = True
        text = _DRESSED.sub(self, found["text"])
        self.inside_link = False
        return link(attributes.get("href", ""), attributes.get("title", ""), text, self.labels)

    def image(self, found: re.Match[str]) -> str:
        attributes = dict(_ATTRIBUTE.findall(found["image"]))
        return image(attributes.get("src", ""), attributes.get("alt", ""), self.inside_link, self.labels)

    def heading(self, found: re.Match[str]) -> str:
        slash, level = found["heading"][:-2], found["heading"][-2:]
        return f"<{slash}{_HEADINGS[level]}>"

    def table(self, found: re.Match[str]) -> str:
        if found["table"] == "/table":
            return "</table></div>"
        return f'<div class="scroll" tabindex="0" role="region" aria-label="{html.escape(self.labels.table)}"><table>'

    def cell(self, found: re.Match[str]) -> str:
        scope = ' scope="col"' if found["cell"] == "th" else ""
        return f"<{found['cell']}{scope}{_ALIGN.get(found['align'], '')}>"

    def task(self, found: re.Match[str]) -> str:
        checked = "checked" in found["task"]
        label = html.escape(self.labels.done if checked else self.labels.to_do)
        return f'<input type="checkbox" disabled{" checked" if checked else ""} aria-label="{label}">'

    def alert(self, found: re.Match[str]) -> str:
        kind, title = found["alert"], _DRESSED.sub(self, found["title"])
        if title.lower() == kind:
            title = html.escape(getattr(self.labels, kind))
        return f'<div class="alert alert-{kind}" role="note"><p class="alert-title">{title}</p>'

    def footnotes(self, found: re.Match[str]) -> str:
        return f'<section class="footnotes" aria-label="{html.escape(self.labels.footnotes)}">'


_ACTS = {
    "code": "code", "tex": "maths", "reference": "reference", "text": "link", "image": "image",
    "heading": "heading", "table": "table", "cell": "cell", "align": "cell", "task": "task", "title": "alert",
    "section": "footnotes",
}  # fmt: skip


def dress(block: str, labels: Labels = ENGLISH, *, growing: bool = False) -> str:
    """The safe HTML of one block of `parse`. Code at the end of what is growing is not highlighted yet."""
    safe = _CLEANER.clean(without_positions(block))
    if "footnote-backref" in safe:
        safe = _BACK.sub("", safe)
    return _DRESSED.sub(_Dresser(labels, growing), safe)

"""Markdown text → safe HTML, for what is live, saved, shared, exported and printed alike. Knows no Django.

    blocks(text)    one HTML string for each top-level block
    render(text)    the same, wrapped and joined as a page holds them: <div class="block">…</div>…

A text passes four stations: `Source` (lines, before the parser), `parse` (comrak: blocks with their first line),
`_CLEANER` (nh3: the one choke point for what a model may say), and `dress` (links, code, mathematics, tables: all that
is ours is put in after the cleaner, by code that escapes). `document` runs the same stations on a text that grows.

Nothing from a model becomes an id, a name, a class, a style or a data attribute; raw HTML is shown as text; an image
is a link until somebody opens it. Every station is bounded: what would cost too much is shown as plain text.
"""

import html
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache, lru_cache
from time import thread_time
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import comrak
import nh3
from math_core import LatexError, LatexToMathML
from pygments import lex
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import Token, _TokenType
from pygments.util import ClassNotFound

# Bounds. Measured on hostile input: see the table in tests/test_markdown.py.
MAX_TEXT = 1_000_000  # characters; a longer text is shown plain. The worst texts take 4 ms for each thousand
MAX_DEPTH = 60  # nested elements in one block: nh3 is quadratic in depth (100,000 take 19 s)
MAX_QUOTES = 200  # leading ">" of a line: comrak is quadratic in them (100,000 take 7 s)
MAX_COSTLY = 1_000  # occurrences of what comrak does in quadratic time: footnotes, e-mail addresses, cells of a row
MAX_MATH_SCAN = 2_000_000  # characters that comrak looks through for \) and \] that are missing
# math-core 0.9 knows no bounds: it overflows the C stack, which kills the process (a level takes up to 2.5 kB), and it
# takes twice as long for each opening delimiter whose end it does not find: $((((…$ with 40 of them would take hours.
MAX_TEX = 8_000
MAX_TEX_DEPTH = 50  # of groups, environments, \left … \right
MAX_TEX_RUN = 60  # commands in a row, of which each may be the argument of the one before
MAX_TEX_SWITCHES = 100  # commands that may take all that follows: \color, \over, and \frac without braces
MAX_TEX_DELIMITERS = 18  # opening ones in one cell: 2 to the power of that is how often a part may be read, in 5 ms
MAX_CODE = 60_000  # characters to highlight
MAX_CODE_LINE = 1_000  # some lexers' expressions are cubic in the length of a line
MAX_LEXING = 0.25  # seconds of CPU; 60 kB of Python take 0.14, of unclosed "/*" 6
LONG_QUERY = 100  # characters after "?" that make a link worth a warning: data may leave in it


@dataclass(frozen=True)
class Labels:
    """The words of the interface that stand inside rendered text, in the reader's language."""

    code: str = "Code"
    wrap: str = "Wrap"
    copy: str = "Copy"
    copy_code: str = "Copy code"
    table: str = "Table"
    image_from: str = "image from {host}"
    long_query: str = "sends {count} characters"
    done: str = "Done"
    to_do: str = "To do"
    footnotes: str = "Footnotes"
    footnote: str = "Footnote {number}"
    note: str = "Note"
    tip: str = "Tip"
    important: str = "Important"
    warning: str = "Warning"
    caution: str = "Caution"


ENGLISH = Labels()


def blocks(text: str, labels: Labels = ENGLISH) -> list[str]:
    return [dress(block.html, labels) for block in parse(source_of(text))]


def render(text: str, labels: Labels = ENGLISH) -> str:
    return "".join(f'<div class="block">{block}</div>' for block in blocks(text, labels))


# --- Source: what the parser may see ---------------------------------------------------------------------------------

_FENCE = re.compile(r"((?:[ \t]|>|[-+*][ \t]|\d{1,9}[.)][ \t])*)(`{3,}|~{3,})(.*)", re.S)
_ITEM = re.compile(r"[ \t>]*(?:[-+*]|\d{1,9}[.)])[ \t]")
_INDENTED = re.compile(r" {0,3}\t| {4}")  # code, but for a list's
_MATHS_OPEN = re.compile(r"((?:[ \t]|>)*)(\$\$|\\\[)[ \t]*(.*)", re.S)
_MATHS_CLOSE = {"$$": re.compile(r"(.*?)\$\$[ \t]*(.*)", re.S), "\\[": re.compile(r"(.*?)\\\][ \t]*(.*)", re.S)}
_CONTAINERS = re.compile(r"[-+*>\d.) \t]*")
_UNREADABLE = re.compile("[\0\ud800-\udfff\ufeff]")


def readable(text: str) -> str:
    """Without what no UTF-8 parser takes (half a surrogate pair), changes (NUL), or drops at the start only (a BOM)."""
    return text if text.isascii() and "\0" not in text else _UNREADABLE.sub("\ufffd", text)


def with_newlines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def source_of(text: str) -> str:
    source = Source()
    return "\n".join(map(source.line, with_newlines(readable(text)).split("\n")))


class Source:
    """Lines as the parser is to see them. Its state goes from line to line: a streamed text gets what a whole one gets.

    Display mathematics that owns its lines becomes a ````math fence: every CommonMark parser takes "= b", "+ c" or
    "# d" in it for Markdown (`$$\\na\\n=\\nb\\n$$` becomes a heading).
    """

    def __init__(self) -> None:
        self.fence: _Fence | None = None  # the one that is open
        self._in_list = False
        self._maths: tuple[str, re.Pattern[str]] | None = None  # the prefix of its lines, and what closes it

    @property
    def verbatim(self) -> bool:
        """Whether the next line is code or mathematics."""
        return bool(self.fence or self._maths)

    def line(self, line: str) -> str:
        if line.count(">") > MAX_QUOTES:
            line = _fewer_quotes(line)
        if self._maths:
            return self._in_maths(line, *self._maths)
        if self.fence and self.fence.holds(line):
            if self.fence.closing.fullmatch(line):
                self.fence = None
            return line
        self.fence = None
        if line.strip():
            self._in_list = bool(_ITEM.match(line)) or (self._in_list and line[0] in " \t")
        if fence := _FENCE.fullmatch(line):
            self.fence = _Fence.opened(*fence.groups()) if self._in_list or not _INDENTED.match(line) else None
        elif opening := _MATHS_OPEN.fullmatch(line):
            return self._open_maths(line, *opening.groups())
        return line

    def _open_maths(self, line: str, prefix: str, marker: str, rest: str) -> str:
        closing = _MATHS_CLOSE[marker]
        if closing.fullmatch(rest):
            return line
        self._maths = prefix, closing
        return prefix + "````math" + (f"\n{prefix}{rest}" if rest else "")

    def _in_maths(self, line: str, prefix: str, closing: re.Pattern[str]) -> str:
        if end := closing.fullmatch(line):
            self._maths = None
            before = f"{end[1]}\n" if end[1].strip() else ""
            after = f"\n{prefix}{end[2]}" if end[2].strip() else ""
            return f"{before}{prefix}````{after}"
        if not line.strip():  # what is never closed must not eat the rest
            self._maths = None
            return f"{prefix}````\n{line}"
        return line


def _fewer_quotes(line: str) -> str:
    start = _CONTAINERS.match(line)[0]
    return start.replace(">", "", max(0, start.count(">") - MAX_QUOTES)) + line[len(start) :]


@dataclass(frozen=True)
class _Fence:
    """A code fence within its container, as far as lines can tell."""

    closing: re.Pattern[str]
    container: re.Pattern[str] | None  # what its lines begin with; another line ends the container, and the fence in it

    @classmethod
    def opened(cls, prefix: str, marker: str, info: str) -> "_Fence | None":
        if marker[0] == "`" and "`" in info:  # a code span
            return None
        end = rf"{re.escape(marker[0])}{{{len(marker)},}}[ \t]*"
        if ">" in prefix:
            return cls(re.compile(rf"[ \t>]*{end}"), re.compile(r"[ \t]*>"))
        if prefix.strip():  # a list item begins with it: what follows is indented, or blank
            return cls(re.compile(rf"[ \t]+{end}"), re.compile(rf"[ \t]{{{len(prefix.rstrip()) + 1}}}|[ \t]*\Z|\t"))
        return cls(re.compile(rf"[ \t]{{0,{len(prefix) + 3}}}{end}"), None)

    def holds(self, line: str) -> bool:
        return self.container is None or bool(self.container.match(line))


# --- parse: blocks of comrak's HTML, with their first line -----------------------------------------------------------


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

_TOP = re.compile(r"<(/?)(?:p|h[1-6r]|[uo]l|pre|table|blockquote|div|section)\b([^>]*)>")
_POSITION = re.compile(r' data-sourcepos="(\d+):[^"]*"')
_NESTING = re.compile(r"<(/?)(?:em|strong|del|[uo]l|li|blockquote|div)\b")
_ANY_TAG = re.compile(r"<[^>]*>")


class Block(NamedTuple):
    """A top-level element: its first line in the source (-1 where that is unknown), and its HTML, to be dressed."""

    line: int
    html: str

    def key(self) -> str:
        """The HTML without positions in the source: the same for the same Markdown, wherever it stands."""
        return _POSITION.sub("", self.html)

    def moved(self, lines: int) -> "Block":
        return self._replace(line=self.line + lines) if self.line >= 0 else self


def parse(source: str) -> list[Block]:
    if len(source) > MAX_TEXT:
        return [Block(-1, _plain(html.escape(source)))]
    return _split(comrak.render_markdown(source, _affordable(source), _PARSING, _RENDERING))


def _affordable(source: str) -> comrak.ExtensionOptions:
    """All extensions, but for those for which this text is a bomb."""
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
        closing, attributes = tag.groups()
        if depth == 0:
            found += _raw(rendered[end : tag.start()])
            start, line = tag.start(), _first_line(attributes)
        depth += -1 if closing else 0 if tag[0].startswith("<hr") else 1
        if depth == 0:
            end = tag.end()
            found.append(Block(line, _bounded(rendered[start:end])))
    return found + _raw(rendered[end:])


def _raw(escaped: str) -> list[Block]:
    """A block for each line: where one raw HTML block ends and the next begins cannot be told."""
    return [Block(-1, _plain(line)) for line in escaped.split("\n") if line.strip()] if escaped else []


def _first_line(attributes: str) -> int:
    position = _POSITION.match(attributes) or _POSITION.search(attributes)
    if not position or 'class="footnotes"' in attributes:  # footnotes stand last, wherever they were defined
        return -1
    return int(position[1]) - 1


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


# --- dress: clean, then put in what is ours --------------------------------------------------------------------------

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
            return _tex(code) if growing else mathml(code, display=True)
        return _figure(language, html.escape(code, False) if growing else highlight(language, code), self.labels)

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
        return _link(attributes.get("href", ""), attributes.get("title", ""), text, self.labels)

    def image(self, found: re.Match[str]) -> str:
        attributes = dict(_ATTRIBUTE.findall(found["image"]))
        return _image(attributes.get("src", ""), attributes.get("alt", ""), self.inside_link, self.labels)

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
    safe = _CLEANER.clean(block)
    if "footnote-backref" in safe:
        safe = _BACK.sub("", safe)
    return _DRESSED.sub(_Dresser(labels, growing), safe)


# --- links and images ------------------------------------------------------------------------------------------------

_SCHEME = re.compile(r"^(?:https?://|mailto:)")
_OUT = 'rel="noopener noreferrer nofollow" target="_blank"'


@lru_cache(maxsize=128)  # a growing paragraph shows the same links many times
def _link(href: str, title: str, text: str, labels: Labels) -> str:
    """`href` and `title` are as the cleaner wrote them: escaped. Without an address to follow only the text stays."""
    host = host_of(html.unescape(href))
    if not host:
        return text
    shown = html.unescape(_ANY_TAG.sub("", text)).strip()
    title = f' title="{title}"' if title else ""
    link = f'<a href="{href}" {_OUT}{title}>{text if shown else html.escape(host)}</a>'
    return link + _host_mark(href, host, shown, labels)


def _host_mark(href: str, host: str, shown: str, labels: Labels) -> str:
    """Where a link leads, unless its text already says so; and whether much may leave with it."""
    address = html.unescape(href)
    says_so = not shown or shown == host or _bare(shown) == _bare(address)
    words = [] if says_so else [host]
    query = address.partition("?")[2]
    if len(query) > LONG_QUERY:
        words.append(labels.long_query.format(count=len(query)))
    if not words:
        return ""
    return f' <span class="host{" long" if len(query) > LONG_QUERY else ""}">{html.escape(" · ".join(words))}</span>'


def _bare(address: str) -> str:
    return unquote(_SCHEME.sub("", address)).rstrip("/")


def host_of(url: str) -> str:
    """The host as a browser understands it, in ASCII ("xn--…"), or the e-mail address; empty if it cannot be told."""
    if re.search(r"[\\\s\x00-\x1f]", url):  # a browser takes "\\" for "/", and drops line breaks
        return ""
    try:
        parts = urlsplit(url)
        if parts.scheme == "mailto":
            return unquote(parts.path)
        host = unquote(parts.hostname or "").rstrip(".")
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or re.search(r"[\s\\/@<>?#]", host):
        return ""
    return host if host.isascii() else _punycode(host)


def _punycode(host: str) -> str:
    """A Cyrillic "а" must not pass for a Latin one."""
    try:
        return host.encode("idna").decode()
    except UnicodeError:
        return ""


def _image(src: str, alt: str, inside_link: bool, labels: Labels) -> str:
    """Nothing is fetched until the reader opens it: an address that a model made up may carry data away (EchoLeak)."""
    host = host_of(html.unescape(src))
    if not host or src.startswith("mailto:"):
        return alt
    where = html.escape(labels.image_from.format(host=host))
    inner = (f"{alt} " if alt else "") + f'<span class="host">{where}</span>'
    if inside_link:
        return f'<span class="image">{inner}</span>'
    return f'<a class="image" href="{src}" {_OUT}>{inner}</a>'


# --- code ------------------------------------------------------------------------------------------------------------

_CLASSES = [
    (Token.Comment, "c"),
    (Token.Keyword, "k"),
    (Token.Operator.Word, "k"),
    (Token.Literal.String, "s"),
    (Token.Literal.Number, "n"),
    (Token.Name.Function, "f"),
    (Token.Name.Class, "t"),
    (Token.Name.Exception, "t"),
    (Token.Name.Decorator, "d"),
    (Token.Name.Builtin, "b"),
    (Token.Name.Tag, "k"),
    (Token.Name.Attribute, "f"),
    (Token.Generic.Deleted, "gd"),
    (Token.Generic.Inserted, "gi"),
]
_LAST_BREAK = re.compile(r"\n(</i>)?\Z")
_ICON = '<svg class="i s" aria-hidden="true"><use href="#i-{}"/></svg>'


def _figure(language: str, inner: str, labels: Labels) -> str:
    name = language.split()[0] if language.split() else ""
    label = html.escape(f"{labels.code}, {name}" if name else labels.code)
    wrap, copy, copy_code = html.escape(labels.wrap), html.escape(labels.copy), html.escape(labels.copy_code)
    return (
        f'<figure class="code"><figcaption>{html.escape(name)}'
        f'<button class="btn small ghost" type="button" data-act="wrap">{_ICON.format("wrap")}{wrap}</button>'
        f'<button class="btn small ghost" type="button" data-act="copy-code" aria-label="{copy_code}">'
        f"{_ICON.format('copy')}{copy}</button></figcaption>"
        f'<pre tabindex="0" role="group" aria-label="{label}"><code>{inner}</code></pre></figure>'
    )


@cache  # there are some hundred kinds of token
def _class_of(kind: _TokenType) -> str:
    return next((name for parent, name in _CLASSES if kind in parent), "")


def highlight(language: str, code: str) -> str:
    """HTML of code with about ten classes: a third of the size of Pygments' own formatter."""
    name = language.split()[0].lower() if language.split() else ""
    if not name or len(code) > MAX_CODE or max(map(len, code.split("\n"))) > MAX_CODE_LINE:
        return html.escape(code, False)
    return _highlighted(name, code) if len(code) <= 8_000 else _marked_up(name, code)


@lru_cache(maxsize=256)  # at most 8 kB of code each; what grows shows the same code many times
def _highlighted(name: str, code: str) -> str:
    return _marked_up(name, code)


def _marked_up(name: str, code: str) -> str:
    lexer = _lexer(name)
    try:
        # Lexers know no last line without its end
        return _LAST_BREAK.sub(r"\1", "".join(_runs(lex(code + "\n", lexer)))) if lexer else html.escape(code, False)
    except _TooSlow:
        return html.escape(code, False)


class _TooSlow(Exception):
    """This code takes a lexer longer than any honest code of its length does."""


def _runs(tokens: Iterable[tuple[_TokenType, str]]) -> Iterator[str]:
    run, current = [], ""
    deadline = thread_time() + MAX_LEXING
    for count, (kind, value) in enumerate(tokens):
        name = _class_of(kind)
        if name != current and not (value.isspace() and current):  # a space does not end a comment
            yield _marked(current, run)
            run, current = [], name
        run.append(value)
        if count % 16 == 0 and thread_time() > deadline:
            raise _TooSlow
    yield _marked(current, run)


def _marked(name: str, values: list[str]) -> str:
    text = html.escape("".join(values), False)
    return f"<i class={name}>{text}</i>" if name and text else text


@lru_cache(maxsize=128)
def _lexer(name: str) -> Lexer | None:
    try:
        return get_lexer_by_name(name, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None


# --- mathematics -----------------------------------------------------------------------------------------------------

_TEX = LatexToMathML(
    fancy_error=False,
    ignore_unknown_commands=True,
    max_expansions=100,
    macros={"substack": r"\begin{subarray}{c}#1\end{subarray}"},
)
_TEX_RUN = re.compile(rf"(?:\\[a-zA-Z]+\s*+){{{MAX_TEX_RUN}}}")
_TEX_SWITCH = re.compile(
    r"\\(?:color|(?:display|text|script|scriptscript)style|rm|bf|it|sf|tt|cal|over|choose|atop|above|brace|brack)"
    r"(?![a-zA-Z])|\\(?:[a-z]*frac|[a-z]*binom|overset|underset|stackrel|sideset|prescript|mathchoice)(?!\s*\{)"
)
_TEX_REFUSED = re.compile(  # a macro of one's own, or trying alternatives, multiplies what all the rest costs
    r"\\(?:[gex]?def|let|(?:re|provide)?(?:new)?command|Declare[a-zA-Z]+|mathchoice)(?![a-zA-Z])"
)
_OPENING = "".join(chr(code) for code in range(0x2000, 0x3100) if unicodedata.category(chr(code)) in ("Ps", "Pi"))
_TEX_PERHAPS_OPENING = re.compile(rf"[(\[{_OPENING}]|\\(?:[lu{{]|[bB]ig|mathopen)")
_TEX_TOKEN = re.compile(
    r"\\(?:middle|[bB]igg?[mr]?)(?![a-zA-Z])\s*(?:\\[a-zA-Z]+|\\?.)"
    r"|(?P<right>\\right(?![a-zA-Z])\s*(?:\\[a-zA-Z]+|\\?.))"
    r"|(?P<left>\\left(?![a-zA-Z])\s*(?:\\[a-zA-Z]+|\\?.))|(?P<begin>\\begin(?![a-zA-Z]))|(?P<end>\\end(?![a-zA-Z]))"
    r"|\\l(?:eft|dots|eq|e|t|ambda|im|iminf|imsup|imits|n|og|g|and|or|not|abel)(?![a-zA-Z])"
    rf"|(?P<opening>[(\[{_OPENING}]|\\\{{|\\(?:[bB]igg?l|mathopen|l[a-zA-Z]+|ul[a-zA-Z]+)(?![a-zA-Z]))"
    r"|(?P<cell>&|\\\\)|\\(?:[a-zA-Z]+|.)|(?P<group>\{)|(?P<ungroup>\})",
    re.S,
)
# Environments that math-core does not know, or would number from 1 in each formula, with an id
_ENVIRONMENT = re.compile(r"\\(begin|end)\{(\w+)\*?\}(\{\d+\})?")
_SAME_AS = {
    **dict.fromkeys("align alignat alignedat flalign split eqnarray".split(), "aligned"),
    **dict.fromkeys("equation gather multline displaymath".split(), "gathered"),
    "smallmatrix": "matrix",
}
_TAG = re.compile(r"\\tag(\*?)\{([^{}]*)\}")
_NUMBERING = re.compile(r"\\label\{[^{}]*\}|\\(?:notag|nonumber)(?![a-zA-Z])")
_STYLE = re.compile(r' style="([^"]*)"')
_COLOUR = re.compile(r"color:(#[0-9A-Fa-f]{3,8})")
# math-core writes style="…", which a strict style-src drops: known declarations become classes of prose.css
# Nothing but presentation may come out: no id, no link, no attribute that somebody thought of later
_ATTRIBUTES = (
    "accent|accentunder|class|display|displaystyle|form|height|linethickness|lspace|mathcolor|mathvariant|maxsize|minsize"
    "|movablelimits|notation|rspace|scriptlevel|stretchy|symmetric|voffset|width"
)
_HARMLESS = re.compile(rf'(?:[^<]++|</?(?:m[a-z]+|b|i|em|s|u|code|span)(?: (?:{_ATTRIBUTES})="[^"<>&]*")*/?>)*+')
_DECLARATIONS = {
    "text-align:right": "mr",
    "text-align:left": "ml",
    "padding-right:0": "p0",
    "padding-right:0.2778em": "p3",
    "padding-left:0": "q0",
    "padding-left:0.2778em": "q3",
    "padding-left:1em": "q1",
    "padding-top:0": "t0",
    "padding-top:0.1667em": "t1",
    "padding-bottom:0": "b0",
    "border-right:0.05em solid currentcolor": "br",
    "border-right:0.05em dashed currentcolor": "br dash",
    "border-left:0.05em solid currentcolor": "bl",
    "border-left:0.05em dashed currentcolor": "bl dash",
    "border-top:0.05em solid currentcolor": "bt",
    "border-top:0.05em dashed currentcolor": "bt dash",
    "border-bottom:0.05em solid currentcolor": "bb",
    "border-bottom:0.05em dashed currentcolor": "bb dash",
    "margin-left:-0.16666667em": "thin",
    "font-variant-caps:small-caps": "caps",
}


@lru_cache(maxsize=1024)
def mathml(tex: str, *, display: bool) -> str:
    """MathML, or the TeX itself where that cannot be had."""
    if not _affordable_tex(tex):
        return _tex(tex)
    try:
        found = _STYLE.sub(_styled, _TEX.convert_with_local_state(_known_tex(tex), displaystyle=display))
    except LatexError:
        return _tex(tex)
    return found if _HARMLESS.fullmatch(found) else _tex(tex)


def _affordable_tex(tex: str) -> bool:
    if len(tex) > MAX_TEX or _TEX_RUN.search(tex) or _TEX_REFUSED.search(tex):
        return False
    if len(_TEX_SWITCH.findall(tex)) > MAX_TEX_SWITCHES:
        return False
    groups = tex.count("{") + tex.count("\\left") + tex.count("\\begin")
    if groups <= MAX_TEX_DEPTH and len(_TEX_PERHAPS_OPENING.findall(tex)) <= MAX_TEX_DELIMITERS:  # nearly always
        return True
    depth, steps = _tex_cost(tex)
    return depth <= MAX_TEX_DEPTH and steps <= 2**MAX_TEX_DELIMITERS


def _tex_cost(tex: str) -> tuple[int, int]:
    """How deep it nests, and how often math-core may read a part of it at worst: as if no delimiter found its end.

    It looks for the end to the end of the cell, and reads what it passed again; also a table that stands there.
    """
    depth = deepest = steps = 0
    cells = [(0, 0)]  # delimiters that are open in each cell around, and the depth at which it ends
    for token in _TEX_TOKEN.finditer(tex):
        kind, (opened, level) = token.lastgroup, cells[-1]
        if kind == "opening":
            cells[-1] = opened + 1, level
        elif kind == "cell" and depth == level and len(cells) > 1:
            steps += 2 ** min(opened, 64)
            cells[-1] = cells[-2][0], level
        elif kind == "end" and len(cells) > 1:
            steps += 2 ** min(cells.pop()[0], 64)
        depth += (kind in ("group", "left", "begin")) - (kind in ("ungroup", "right", "end"))
        deepest = max(deepest, depth)
        if kind == "begin":
            cells.append((opened, depth))
    return deepest, steps + sum(2 ** min(opened, 64) for opened, _ in cells)


def _known_tex(tex: str) -> str:
    """The same in words that math-core knows."""
    if "\\begin" in tex:
        tex = _ENVIRONMENT.sub(_environment, tex)
    if "\\tag" in tex:
        tex = _TAG.sub(lambda tag: rf"\qquad\text{{{tag[2] if tag[1] else f'({tag[2]})'}}}", tex)
    return _NUMBERING.sub("", tex)


def _environment(found: re.Match[str]) -> str:
    name = _SAME_AS.get(found[2])
    if not name:
        return found[0]
    argument = "" if found[2].endswith("at") else found[3] or ""  # the number of columns
    return f"\\{found[1]}{{{name}}}{argument}"


def _tex(tex: str) -> str:
    return f'<code class="tex">{html.escape(tex, False)}</code>'


def _styled(found: re.Match[str]) -> str:
    declarations = [re.sub(r"\s*:\s*", ":", part.strip()) for part in found[1].split(";")]
    classes = " ".join(_DECLARATIONS[part] for part in declarations if part in _DECLARATIONS)
    colours = [colour[1] for part in declarations if (colour := _COLOUR.fullmatch(part))]
    return (f' class="{classes}"' if classes else "") + (f' mathcolor="{colours[0]}"' if colours else "")

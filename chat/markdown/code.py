"""Code, highlighted with about ten classes: a third of the size of what Pygments' own formatter writes."""

import html
import re
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from time import thread_time

from pygments import lex
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import Token, _TokenType
from pygments.util import ClassNotFound

from chat.markdown.labels import Labels

MAX_CODE = 60_000  # characters to highlight
MAX_CODE_LINE = 1_000  # some lexers' expressions are cubic in the length of a line
MAX_LEXING = 0.25  # seconds of CPU; 60 kB of Python take 0.14, of unclosed "/*" in JavaScript 6
MAX_REMEMBERED = 8_000  # characters of one piece of code that is kept, highlighted

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


def figure(language: str, inner: str, labels: Labels) -> str:
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
    name = language.split()[0].lower() if language.split() else ""
    if not name or len(code) > MAX_CODE or max(map(len, code.split("\n"))) > MAX_CODE_LINE:
        return html.escape(code, False)
    return _highlighted(name, code) if len(code) <= MAX_REMEMBERED else _marked_up(name, code)


@lru_cache(maxsize=256)  # what grows shows the same code many times
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

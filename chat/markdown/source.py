"""What the parser may see of a text: its lines, made harmless and unambiguous before they are parsed."""

import re
from dataclasses import dataclass

MAX_QUOTES = 200  # leading ">" of a line: comrak is quadratic in them (100,000 take 7 s)

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

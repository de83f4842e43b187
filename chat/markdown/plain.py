"""Markdown text → plain text as one would type it: no marks of emphasis, lists with dashes, links with their address.

Works on what the parser makes of the text, before it is dressed: mathematics is still TeX there, code has no colours.
"""

import re
from html.parser import HTMLParser

from chat.markdown.parsing import parse
from chat.markdown.source import source_of

_SPACES = re.compile(r"[ \t\n]+")
_BLOCKS = ("p", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "blockquote", "ul", "ol", "table", "div", "section")


def plain(text: str) -> str:
    return "\n\n".join(written for block in parse(source_of(text)) if (written := _plain(block.html)))


def _plain(html: str) -> str:
    writer = _Writer()
    writer.feed(html)
    writer.close()
    return writer.written()


class _Part:
    """One element that is open: what has been written inside it so far."""

    def __init__(self, tag: str, attributes: dict[str, str]) -> None:
        self.tag, self.attributes = tag, attributes
        self.pieces: list[str] = []  # finished blocks, then the line that is being written
        self.line: list[str] = []
        self.number = int(attributes.get("start") or 1) if attributes.get("start", "1").isdigit() else 1

    def end_line(self) -> None:
        line = "".join(self.line)
        self.line.clear()
        if line.strip():
            self.pieces.append(line if self.tag == "pre" else line.strip())


class _Writer(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._open = [_Part("", {})]

    def written(self) -> str:
        while len(self._open) > 1:
            self.handle_endtag(self._open[-1].tag)
        self._open[0].end_line()
        return "\n\n".join(self._open[0].pieces)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        match tag:
            case "br":
                self._open[-1].line.append("\n")
            case "hr":
                self._open[-1].end_line()
                self._open[-1].pieces.append("* * *")
            case "img":
                self._open[-1].line.append(_link(attributes.get("alt", ""), attributes.get("src", "")))
            case "input":
                self._open[-1].line.append("[x]" if "checked" in attributes else "[ ]")
            case _:
                if tag in _BLOCKS:
                    self._open[-1].end_line()
                self._open.append(_Part(tag, attributes))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_data(self, data: str) -> None:
        inside_pre = any(part.tag == "pre" for part in self._open)
        self._open[-1].line.append(data if inside_pre else _SPACES.sub(" ", data))

    def handle_endtag(self, tag: str) -> None:
        if not any(part.tag == tag for part in self._open[1:]):
            return
        while (part := self._open.pop()).tag != tag:
            self._give(part)
        self._give(part)

    def _give(self, part: _Part) -> None:
        """Puts what an element holds into the one around it."""
        around = self._open[-1]
        if part.tag in (*_BLOCKS, "li", "tr"):
            part.end_line()
            around.pieces += self._block(part, around)
        elif part.tag in ("th", "td"):
            around.line.append(("" if not around.line else " | ") + "".join(part.line).strip())
        elif part.tag in ("thead", "tbody"):
            around.pieces += part.pieces
        else:
            around.line.append(self._inline(part))

    def _inline(self, part: _Part) -> str:
        text = "".join(part.line)
        match part.tag:
            case "a" if "footnote-backref" in part.attributes.get("class", ""):
                return ""
            case "a":
                return _link(text, part.attributes.get("href", ""))
            case "sup":
                return f"[{text}]"
            case "span" if "data-math-style" in part.attributes:
                return f"${text}$"
        return text

    def _block(self, part: _Part, around: _Part) -> list[str]:
        match part.tag:
            case "pre":
                return ["\n".join(_indented("\n".join(part.pieces).rstrip("\n"), "    ", "    "))]
            case "blockquote":
                return ["\n".join(_indented("\n\n".join(part.pieces), "> ", "> "))]
            case "li":
                mark = "- "
                if around.tag == "ol":
                    mark, around.number = f"{around.number}. ", around.number + 1
                inside = "\n".join(part.pieces)
                return ["\n".join(_indented(inside, mark, " " * len(mark)))] if inside else []
            case "ul" | "ol" | "table":
                return ["\n".join(part.pieces)] if part.pieces else []
        return part.pieces


def _indented(text: str, first: str, rest: str) -> list[str]:
    lines = text.split("\n")
    return [((first if n == 0 else rest) + line).rstrip() for n, line in enumerate(lines)]


def _link(text: str, address: str) -> str:
    text, address = text.strip(), address.removeprefix("mailto:")
    if not address or address.startswith("#") or text in (address, address.partition("://")[2]):
        return text
    return f"{text} ({address})" if text else address

"""A document that grows: one choice's Markdown while it arrives, shared by all who watch it. Knows no Django.

    document.feed(text)       stores; renders nothing
    document.finish()         no more text will come
    document.frame(cursor)    what this watcher is owed: a list of operations, [] if nothing; moves the cursor

Text is rendered when somebody asks for a frame, once for all watchers. A frame is the difference between what its
cursor holds and what the document shows now: there is no queue for each watcher and nothing to replay. After `finish`
the page shows exactly `markdown.blocks(text)`, whatever was fed how and whoever joined when.

The wire. The page holds a list of blocks, each an HTML string without its trailing closing tags (the browser's parser
closes them), so that most frames are one string. The operations of a frame, in order:

    "html"                    append to the last block
    12                        cut so many UTF-16 units off the end of the last block
    null                      begin a new, empty block at the end; the one before is done
    {"drop": i}               remove block i and all after it
    {"replace": [i, "html"]}  block i is this instead (a link or footnote that was defined later; only after `finish`)
    {"whole": ["html", …]}    these are all blocks: the first frame of a cursor

How it grows.

1. Complete lines go through `markdown.Source`; the blocks that are still open are parsed again as their text grows.
2. A top-level block that starts right after a blank line starts just so when it is parsed alone, and its start closes
   all before it for ever. There the text is cut; what precedes has settled and is not parsed again. So it is with one
   that starts after a heading, a rule or code. The parser decides about fences, loose lists, tables, lazy quotes.
   (To cut at other starts is wrong: in "text\\n2. two\\n|-" the second line is the head of a table; alone, a list.)
3. Three ways of growing ask less of the parser, where its answer is known: plain words within a line, lines within a
   fence (`_Fence`), items of a list or rows of a table (`_Items`). So a block of n characters costs O(n), not O(n²).
"""

import html
import re
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from time import thread_time
from typing import NamedTuple, Self

from chat import markdown
from chat.markdown import ENGLISH, Block, Labels

Operation = str | int | None | dict[str, object]

# What may hold an event loop up
HEAVY = 4_000  # characters new to the renderer: Pygments takes up to 2.3 ms for a thousand
HEAVY_SECONDS = 0.01  # of CPU, last time


@dataclass
class Cursor:
    """What one watcher has been sent. Begin with a fresh one; `frame` moves it."""

    started: bool = False
    settled: int = 0  # how many blocks it holds that had settled: the document's first
    open: tuple[str, ...] = ()  # the blocks after them, as they were sent
    finished: bool = False


class _Shown(NamedTuple):
    """What the document shows. One value, so that a frame built while another thread renders is of one moment."""

    settled: list[str]  # only ever appended to
    count: int  # how many of them are shown
    open: tuple[str, ...]  # the blocks that may still change
    corrected: tuple[int, ...] | None = None  # settled blocks that the finish changed; None before it


class Document:
    def __init__(self, labels: Labels = ENGLISH) -> None:
        self.cpu = 0.0  # seconds that the last rendering took
        self._labels = labels
        self._text: list[str] = []  # all that was fed
        self._length = 0  # of it
        self._read = 0  # how many of these have been rendered
        self._finishing = False
        self._rendering = threading.Lock()
        self._shown = _Shown([], 0, ())
        self._known: dict[str, str] = {}  # HTML of settled blocks, by what the parser gave
        self._before: dict[str, str] = {}  # and of the open ones but the last, at the last parsing
        # the source of the open blocks
        self._source = markdown.Source()
        self._lines = ""  # complete lines, as the parser sees them
        self._partial = ""  # the line that grows
        self._carriage = ""  # a "\r" at the end of what was fed: half a line break, or a whole one
        # how the last block may grow without parsing all that is open
        self._plainly = False
        self._fence: _Fence | None = None
        self._items: _Items | None = None

    def feed(self, text: str) -> None:
        if text:
            self._text.append(text)
            self._length += len(text)

    def finish(self) -> None:
        self._finishing = True

    def frame(self, cursor: Cursor) -> list[Operation]:
        self.render()
        return _owed(cursor, self._shown)

    @property
    def heavy(self) -> bool:
        """Whether the next rendering is better done in a thread: `await asyncio.to_thread(document.render)`."""
        unread = self._text[self._read :]
        if self._shown.corrected is not None or not (unread or self._finishing):
            return False
        if self.cpu > HEAVY_SECONDS or sum(map(len, unread)) > HEAVY or (self._finishing and self._length > 8 * HEAVY):
            return True
        return bool(self._fence and self._fence.length > HEAVY and self._fence.may_close(unread))

    def render(self) -> None:
        """Bring what is shown up to date. Returns at once if nothing is new, or another thread is at it."""
        if not self._rendering.acquire(blocking=False):
            return
        try:
            started = thread_time()
            if self._finishing and self._shown.corrected is None:
                self._settle()
            elif self._read < len(self._text) and not self._finishing:
                self._grow(self._unread())
            else:
                return
            self.cpu = thread_time() - started
        finally:
            self._rendering.release()

    # --- growing

    def _unread(self) -> str:
        """What was fed since the last time, with the line breaks and characters that the parser knows."""
        until = len(self._text)
        text = self._carriage + markdown.readable("".join(self._text[self._read : until]))
        self._read = until
        if "\r" not in text:
            self._carriage = ""
            return text
        self._carriage = "\r" if text.endswith("\r") else ""
        return markdown.with_newlines(text.removesuffix("\r"))

    def _grow(self, text: str) -> None:
        if self._plainly and grows_plainly(self._partial, text):
            self._partial += text
            self._show_last(self._shown.open[-1] + text)
            return
        *lines, self._partial = (self._partial + text).split("\n")
        seen = [part for line in lines for part in self._source.line(line).split("\n")]
        self._lines += "".join(line + "\n" for line in seen)
        visible = _visible_code(self._partial) if self._source.verbatim else heal(self._partial)
        if self._fence and self._fence.take(seen):
            self._show_last(self._fence.html(visible))
        elif self._items and (grown := self._items.take(seen, visible, self._source.verbatim)):
            self._show_last(grown)
            self._plainly = self._may_grow_plainly(self._items.lines, visible)
        else:
            self._parse(visible)

    def _show_last(self, last: str) -> None:
        settled, count, shown, _ = self._shown
        self._shown = _Shown(settled, count, (*shown[:-1], last))

    def _parse(self, visible: str) -> None:
        blocks = markdown.parse(self._lines + visible)
        dressed = [self._before.get(block.html) or self._dressed(block.html) for block in blocks[:-1]]
        self._before = {block.html: shown for block, shown in zip(blocks, dressed, strict=False)}
        dressed += [self._dressed(block.html, self._source.verbatim) for block in blocks[-1:]]
        cut = self._cut(blocks, visible)
        first = blocks[cut].line if cut else 0
        if cut:
            for block, shown in zip(blocks[:cut], dressed, strict=False):
                self._shown.settled.append(self._known.setdefault(block.key(), shown))
            self._lines = "\n".join(self._lines.split("\n")[first:])
        self._shown = _Shown(self._shown.settled, len(self._shown.settled), tuple(dressed[cut:]))
        self._find_ways_to_grow(blocks[-1].moved(-first) if blocks else None, visible)

    def _cut(self, blocks: list[Block], visible: str) -> int:
        """The index of the last block whose start closes what precedes it for ever; 0 if there is none."""
        if len(blocks) < 2:
            return 0
        lines = self._lines.split("\n")
        decided = len(lines) - (not visible or bool(_UNDECIDED.match(visible)))
        for index in range(len(blocks) - 1, 0, -1):
            line = blocks[index].line
            if 0 < line < decided and (not lines[line - 1].strip(" \t") or _ENDS.match(blocks[index - 1].html)):
                return index
        return 0

    def _find_ways_to_grow(self, last: Block | None, visible: str) -> None:
        self._fence = self._items = None
        self._plainly = False
        if not last:
            return
        shown = self._shown.open[-1]
        lines = self._lines.split("\n")[last.line :] if last.line >= 0 else []
        if lines and self._source.fence:
            self._fence = _Fence.at_end_of(last, shown, lines)
        if lines and not self._fence:
            self._items = _Items.at_end_of(last, shown, lines, visible, self._source.verbatim, self._dressed)
        self._plainly = self._may_grow_plainly(self._lines, visible)

    def _may_grow_plainly(self, lines: str, visible: str) -> bool:
        if self._source.verbatim or visible != self._partial:  # what healing changed, more text may change again
            return False
        return may_grow_plainly(lines, self._partial, self._shown.open[-1])

    def _dressed(self, block: str, growing: bool = False) -> str:
        return _unclosed(markdown.dress(block, self._labels, growing=growing))

    # --- the end

    def _settle(self) -> None:
        """Render the whole text once more: links and footnotes that were defined elsewhere are known now."""
        text, self._read = "".join(self._text), len(self._text)
        final = [
            self._known.get(block.key()) or self._dressed(block.html)
            for block in markdown.parse(markdown.source_of(text))
        ]
        before = self._shown.settled[: self._shown.count]
        corrected = tuple(i for i, (was, now) in enumerate(zip(before, final, strict=False)) if was != now)
        self._shown = _Shown(final, len(final), (), corrected)
        self._known, self._before, self._lines, self._fence, self._items = {}, {}, "", None, None


_ENDS = re.compile(r"<(?:h[1-6r]|pre)\b")  # blocks that nothing continues


# --- what a watcher is owed ------------------------------------------------------------------------------------------


def _owed(cursor: Cursor, shown: _Shown) -> list[Operation]:
    finished = shown.corrected is not None
    if not cursor.started:
        operations: list[Operation] = [{"whole": [*shown.settled[: shown.count], *shown.open]}]
    else:
        operations = _corrections(cursor, shown) if finished and not cursor.finished else []
        operations += _difference(cursor, [*shown.settled[cursor.settled : shown.count], *shown.open])
    cursor.started, cursor.finished, cursor.settled, cursor.open = True, finished, shown.count, shown.open
    return operations


def _corrections(cursor: Cursor, shown: _Shown) -> list[Operation]:
    """Make it true again that the cursor's settled blocks are the document's first."""
    operations: list[Operation] = []
    if cursor.settled > shown.count:
        operations.append({"drop": shown.count})
        cursor.settled, cursor.open = shown.count, ()
    operations += [{"replace": [i, shown.settled[i]]} for i in shown.corrected or () if i < cursor.settled]
    return operations


def _difference(cursor: Cursor, wanted: list[str]) -> list[Operation]:
    """From the blocks that the cursor holds after its settled ones to those that it should hold there."""
    held, same = cursor.open, 0
    while same < min(len(held), len(wanted)) and held[same] == wanted[same]:
        same += 1
    operations: list[Operation] = []
    if same == len(held) - 1 and same < len(wanted):  # all but its last: that one grows
        operations += _edit(held[same], wanted[same])
        same += 1
    elif same < len(held):
        operations.append({"drop": cursor.settled + same})
    for block in wanted[same:]:
        operations += [None, block]
    return operations


def _edit(held: str, wanted: str) -> list[Operation]:
    kept = _common_prefix(held, wanted)
    operations: list[Operation] = []
    if kept < len(held):
        operations.append(utf16_length(held[kept:]))
    if kept < len(wanted):
        operations.append(wanted[kept:])
    return operations


def _common_prefix(a: str, b: str) -> int:
    low, high = 0, min(len(a), len(b))
    if a[:high] == b[:high]:  # growth by appending: nearly always
        return high
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def utf16_length(text: str) -> int:
    """How JavaScript counts: a character outside the basic plane is two units."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2


def _unclosed(block: str) -> str:
    """Without its trailing closing tags."""
    end = len(block)
    while (
        (start := block.rfind("<", 0, end)) >= 0 and block.startswith("</", start) and block.find(">", start) == end - 1
    ):
        end = start
    return block[:end]


def in_parts(operations: list[Operation], most: int) -> Iterator[list[Operation]]:
    """The same operations in lists of some `most` characters each, so that no frame is as long as a whole reply.

    A block is cut anywhere, in a tag or an entity, too: what follows takes the last character back, which makes the
    page read the block anew. Only a correction stays whole.
    """
    part: list[Operation] = []
    size = 0
    for length, *together in _small(operations, most):
        if part and size + length > most:
            yield part
            part, size = [], 0
        part += together
        size += length
    if part:
        yield part


def _small(operations: list[Operation], most: int) -> Iterator[tuple]:
    """Each with its length, and with what it must not be parted from."""
    for operation in operations:
        match operation:
            case str():
                yield from _cut(operation, most)
            case {"whole": blocks}:
                lengths = list(accumulate(map(len, blocks)))
                fitting = bisect_right(lengths, most)
                yield lengths[fitting - 1] if fitting else 0, {"whole": blocks[:fitting]}
                for block in blocks[fitting:]:
                    yield 0, None
                    yield from _cut(block, most)
            case {"replace": [_, block]}:
                yield len(block), operation
            case _:
                yield 0, operation


def _cut(block: str, most: int) -> Iterator[tuple]:
    yield len(block[:most]), block[:most]
    for start in range(most, len(block), most):
        before = block[start - 1]
        yield most, utf16_length(before), before + block[start : start + most]


# --- the line that grows ---------------------------------------------------------------------------------------------

_UNDECIDED = re.compile(r"\Z|[ \t]|[-+*](?:[ \t]|\Z)|\d{1,9}(?:[.)](?:[ \t]|\Z)|\Z)")
_ONLY_MARKUP = re.compile(
    r"[ \t>]*(?:(?:[-+*=_#|:~`][-+*=_#|:~` \t]*)?|\d{1,9}[.)]?[ \t]*|(?:`{3,}|~{3,})[^`]*"
    r"|[-+*][ \t]+\[[ xX]?\]?[ \t]*)|[ \t]*>[ \t>]*\[!?[A-Z]*\]?"
)
_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*\Z")
_CODE_SPAN = re.compile(r"`[^`]*`")
_CODE_END = re.compile(r"[ \t>]*(?:`+|~+|\$+|\\\]?)[ \t]*")


def heal(line: str) -> str:
    """The growing line as it may be shown: no raw ** or ` flashes by, no heading, rule or link comes and goes."""
    if _ONLY_MARKUP.fullmatch(line):
        return ""
    if "](" in line:
        line = _LINK.sub(r"\1", line)
    line = _not_yet_an_address(line.rstrip("*_~`"))
    if line.count("`") % 2:
        return line + "`"
    if line.count("**") and _CODE_SPAN.sub("", line).count("**") % 2:
        return line.rstrip() + "**"
    return line


def _not_yet_an_address(line: str) -> str:
    """An address that grows is text until it ends: a link's markup would be sent again for each piece of it."""
    start = line.rfind(" ") + 1
    if line.find("://", start) < 0 and line.find("www.", start) < 0:
        return line
    return line[:start] + line[start:].replace("://", ":\u2060//").replace("www.", "www\u2060.")  # word joiner: unseen


def _visible_code(line: str) -> str:
    """A growing line of code or mathematics: what may be its end is not shown as part of it."""
    return "" if _CODE_END.fullmatch(line) else line


# Characters to which no rule of Markdown applies, wherever they stand in a line that has begun
_PLAIN = r"(?:[^\W_]|[,.:;!?'\"%+=\-，。、：；！？“”‘’（）《》])"
_WORDS = re.compile(rf"(?:{_PLAIN}| )*{_PLAIN}")
_WORDS_END = re.compile(rf"(?:{_PLAIN}| ){_PLAIN}")
_BEGUN = re.compile(r"(?:[ \t]|>|[-+*] |\d{1,9}[.)] |#{1,6} )*(?:\*{1,3}|_{1,3}|`{1,2}|[\"'(“（])?[^\W\d_][^|<]*")
_LENGTHENED = re.compile(r"[:@&/]")


def may_grow_plainly(lines: str, partial: str, shown: str) -> bool:
    """Whether plain words added to this line are just added to what is shown. True only if

    1. it ends in plain characters which are the end of what is shown: they are text, not an address, a definition, a
       lost cell;
    2. no definition may be open in the lines before it, whose title the words could close;
    3. the line has begun with a word, so that no words can make another kind of block of it.
    """
    end = partial[-2:]
    return bool(
        _WORDS_END.fullmatch(end) and shown.endswith(end.strip()) and "[" not in lines and _BEGUN.fullmatch(partial)
    )


def grows_plainly(partial: str, text: str) -> bool:
    """Whether `text` is plain words, after which the line may again grow plainly.

    It must not end in white space, which is dropped at the end of a paragraph's line and kept in code's. The last word
    of the line must not be an address, or an entity, that the text would lengthen.
    """
    last = partial[partial.rfind(" ") + 1 :]
    return bool(_WORDS.fullmatch(text)) and not _LENGTHENED.search(last) and "www" not in last + text


# --- lines within a fence --------------------------------------------------------------------------------------------

_FENCE_START = re.compile(r"`{3,}|~{3,}")


class _Fence:
    """An open fence at the left margin, the last block: what follows is text, up to the line that closes it."""

    def __init__(self, head: str, marker: str) -> None:
        self.length = 0
        self._marker = marker[0]
        self._closing = re.compile(rf" {{0,3}}{marker[0]}{{{len(marker)},}}[ \t]*")
        self._html = head  # up to the end of the last complete line
        self._break = ""  # before the next line; the first has none

    @classmethod
    def at_end_of(cls, block: Block, shown: str, lines: list[str]) -> Self | None:
        """`lines`: the block's own, its fence first; the last is the one that grows."""
        marker = _FENCE_START.match(lines[0])
        if not marker or not block.html.startswith("<pre") or 'class="language-math"' in block.html:
            return None
        fence = cls(shown[: shown.rindex("<code>") + len("<code>")], marker[0])
        return fence if fence.take(lines[1:-1]) else None

    def take(self, lines: list[str]) -> bool:
        """Whether these complete lines are code, all of them; if not, it is for the parser to say what they are."""
        if any(self._closing.fullmatch(line) for line in lines):
            return False
        if lines:
            self._html += self._break + html.escape("\n".join(lines), False)
            self._break = "\n"
            self.length += sum(map(len, lines))
        return True

    def html(self, partial: str) -> str:
        return self._html + self._break + html.escape(partial, False) if partial else self._html

    def may_close(self, texts: list[str]) -> bool:
        return any(self._marker in text for text in texts)


# --- items of a list or table ----------------------------------------------------------------------------------------

_MARKER = re.compile(r"[ \t]*(?:[-+*]|\d{1,9}[.)])")
_LIST_TAG = re.compile(r'<(/?)([uo]l|li)\b(?: data-sourcepos="(\d+):)?')
_FIRST_LINE = re.compile(r'<\w+ data-sourcepos="(\d+):')
_ROW = re.compile(r'<tr(?: data-sourcepos="(\d+):[^"]*")?>')


class _Stub(NamedTuple):
    source: str
    item: str


class _Items:
    """A list at the left margin, or a table: the last block, of which only the last item is parsed as it grows.

    Where its last item begins, the parser's state is known: in a list of this kind, or a table with these columns. A
    stub with one item "x" stands for the items before. Whether a list is loose depends on all of its items: should it
    become loose, the stub does too; `take` sees that, and the parser is asked about all.
    """

    def __init__(self, stub: _Stub, before: str, lines: str, dress: Callable[[str, bool], str]) -> None:
        self.lines = lines  # complete ones, from the last item's first on
        self._stub = stub.source
        self._before = before  # HTML of the block up to the last item
        self._dress = dress
        two = dress(markdown.parse(stub.source + stub.item)[0].html, False)  # a list of one item is never loose
        self._stub_html = two[: _items(two)[-1].start] if _items(two) else ""

    @classmethod
    def at_end_of(
        cls, block: Block, shown: str, lines: list[str], visible: str, growing: bool, dress: Callable[[str, bool], str]
    ) -> Self | None:
        """`lines`: the block's own; the last is the one that grows. None unless just one stub gives what is shown."""
        found = _items(block.html) if block.html.startswith(("<ul", "<ol", "<table")) else []
        in_shown = _items(shown)
        if not found or not in_shown:
            return None
        *complete, _ = lines
        first = found[-1].line - int(_FIRST_LINE.match(block.html)[1])
        if not 0 <= first <= len(complete):  # definitions shift the parser's positions
            return None
        source = "".join(line + "\n" for line in complete[first:])
        before = shown[: in_shown[-1].start]
        ways = [cls(stub, before, source, dress) for stub in _stubs(block.html, [*complete, visible], first)]
        fitting = [way for way in ways if way.take([], visible, growing) == shown]
        return fitting[0] if len(fitting) == 1 else None

    def take(self, lines: list[str], visible: str, growing: bool) -> str | None:
        """The block with these complete lines and this growing one; None if the parser must be asked about it all."""
        source = self.lines + "".join(line + "\n" for line in lines)
        blocks = markdown.parse(self._stub + source + visible)
        if len(blocks) != 1:
            return None
        html = self._dress(blocks[0].html, growing)
        items, before = _items(html), self._before
        if len(items) < 2 or html[: items[1].start] != self._stub_html:
            return None
        self.lines = source
        if len(items) > 2:
            self._before += html[items[1].start : items[-1].start]
            self.lines = _after_line(source, _items(blocks[0].html)[-1].line - 1 - self._stub.count("\n"))
        return before + html[items[1].start :]


class _Item(NamedTuple):
    start: int  # in the HTML
    line: int  # in the source, from 1; 0 where the HTML does not say


def _items(block: str) -> list[_Item]:
    """The outermost items of a list, or the rows of a table's body."""
    if "<table" in block[:200] and not block.startswith(("<ul", "<ol")):
        body = block.find("<tbody>")
        return [_Item(row.start(), int(row[1] or 0)) for row in _ROW.finditer(block, body)] if body >= 0 else []
    items, depth = [], 0
    for tag in _LIST_TAG.finditer(block):
        if tag[2] != "li":
            depth += -1 if tag[1] else 1
        elif depth == 1 and not tag[1]:
            items.append(_Item(tag.start(), int(tag[3] or 0)))
    return items


def _stubs(block: str, lines: list[str], first: int) -> list[_Stub]:
    """What could stand for the items before line `first`: for a list, a tight one and a loose one."""
    if block.startswith("<table"):
        return [_Stub("\n".join(lines[:2]) + "\n|x|\n", "|x|\n")]
    marker = _MARKER.match(lines[first])
    item = f"{marker[0]} x\n" if marker else ""
    return [_Stub(item, item), _Stub(item + "\n", item)] if marker else []


def _after_line(text: str, count: int) -> str:
    return "\n".join(text.split("\n")[count:])

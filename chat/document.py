"""A document that grows: one choice's Markdown while it arrives, shared by all who watch it. Knows no Django.

    document.feed(text)           stores; renders nothing
    document.finish()             no more text will come
    document.frame(cursor)        what this watcher is owed: a list of operations, [] if nothing; moves the cursor

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

How it grows. Complete lines go through `markdown.Source`; what is still open is parsed again as it grows. A top-level
block that starts right after a blank line starts just so when it is parsed alone, and its start closes all before it
for ever: there the text is cut, and what precedes is never parsed again. The parser decides about fences, loose lists,
tables, lazy quotes. (Cutting at other starts is wrong: in "text\\n2. two\\n|-" the second line is the head of a table;
alone it is a list.) Two ways of growing skip the parser, since its answer is known: plain words within a line, and
lines within a fence.
"""

import html
import re
import threading
from dataclasses import dataclass
from time import thread_time

from chat import markdown
from chat.markdown import ENGLISH, Block, Labels

Operation = str | int | None | dict[str, object]

HEAVY = 4_000  # characters whose rendering may hold an event loop up: Pygments takes up to 2.3 ms per kB


@dataclass
class Cursor:
    """What one watcher has been sent. Begin with a fresh one; `frame` moves it."""

    started: bool = False
    settled: int = 0  # how many blocks it holds that had settled, and so are the document's first
    open: tuple[str, ...] = ()  # the blocks after them, as they were sent
    finished: bool = False


class Document:
    def __init__(self, labels: Labels = ENGLISH) -> None:
        self.cpu = 0.0  # seconds that the last rendering took
        self._labels = labels
        self._text: list[str] = []  # all that was fed
        self._unread = 0  # index in it of what has not been rendered
        self._finishing = False
        self._rendering = threading.Lock()
        # what is shown: blocks that will not change, and those that may. One tuple, so that a frame that is built while
        # another thread renders sees both as they were
        self._settled: list[str] = []
        self._shown: tuple[int, tuple[str, ...]] = 0, ()
        self._corrected: list[int] = []  # settled blocks that the finish changed
        self._finished = False
        # the source of the open blocks
        self._source = markdown.Source()
        self._lines = ""  # complete lines, as the parser sees them
        self._partial = ""  # the line that grows
        self._carriage = ""  # a "\r" at the end of what was fed: half a line break, or a whole one
        self._code: _Code | None = None  # the fence at the end, while it is open
        self._plain = False  # whether plain words may be added without parsing
        self._known: dict[str, str] = {}  # dressed blocks by what the parser gave

    def feed(self, text: str) -> None:
        if text:
            self._text.append(text)

    def finish(self) -> None:
        self._finishing = True

    def frame(self, cursor: Cursor) -> list[Operation]:
        self.render()
        return self._owed(cursor)

    @property
    def heavy(self) -> bool:
        """Whether the next rendering is better done in a thread (`await asyncio.to_thread(document.render)`)."""
        unread = sum(map(len, self._text[self._unread :]))
        in_code = self._code.length if self._code else 0
        return unread > HEAVY or (unread > 0 and in_code > HEAVY and self._code.may_close(self._text[self._unread :]))

    def render(self) -> None:
        """Bring what is shown up to date. At once if nothing is new, or if another thread is at it."""
        if not self._rendering.acquire(blocking=False):
            return
        try:
            started = thread_time()
            if self._finishing and not self._finished:
                self._settle()
            elif self._unread < len(self._text):
                self._grow(self._read())
            else:
                return
            self.cpu = thread_time() - started
        finally:
            self._rendering.release()

    # --- what a watcher is owed

    def _owed(self, cursor: Cursor) -> list[Operation]:
        settled, shown = self._shown
        if not cursor.started:
            operations: list[Operation] = [{"whole": [*self._settled[:settled], *shown]}]
        else:
            operations = self._corrections(cursor, settled) if self._finished and not cursor.finished else []
            operations += _difference(cursor, [*self._settled[cursor.settled : settled], *shown])
        cursor.started, cursor.finished, cursor.settled, cursor.open = True, self._finished, settled, shown
        return operations

    def _corrections(self, cursor: Cursor, settled: int) -> list[Operation]:
        """Make true again that the cursor's settled blocks are the document's first."""
        operations: list[Operation] = []
        if cursor.settled > settled:
            operations.append({"drop": settled})
            cursor.settled, cursor.open = settled, ()
        operations += [{"replace": [i, self._settled[i]]} for i in self._corrected if i < cursor.settled]
        return operations

    # --- growing

    def _read(self) -> str:
        """What was fed since the last time, with the line breaks and characters that the parser knows."""
        until = len(self._text)
        text = self._carriage + markdown.clean_characters("".join(self._text[self._unread : until]))
        self._unread = until
        self._carriage = "\r" if text.endswith("\r") else ""
        return text.removesuffix("\r").replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text

    def _grow(self, text: str) -> None:
        if self._plain and grows_plainly(self._partial, text):
            self._partial += text
            self._show_last(self._shown[1][-1] + text)
            return
        *lines, self._partial = (self._partial + text).split("\n")
        seen = [part for line in lines for part in self._source.line(line).split("\n")]
        self._lines += "".join(line + "\n" for line in seen)
        if self._code and self._code.take(seen):
            self._show_last(self._code.html(_visible_code(self._partial)))
        else:
            self._parse()

    def _show_last(self, last: str) -> None:
        settled, shown = self._shown
        self._shown = settled, (*shown[:-1], last)

    def _parse(self) -> None:
        visible = _visible_code(self._partial) if self._source.verbatim else heal(self._partial)
        blocks = markdown.parse(self._lines + visible)
        cut = self._cut(blocks, visible)
        closed, still_open = blocks[:cut], blocks[cut:]
        if cut:
            self._settled += [_unclosed(self._dressed(block)) for block in closed]
            self._lines = "\n".join(self._lines.split("\n")[still_open[0].line :])
        dressed = [_unclosed(self._dressed(block)) for block in still_open[:-1]]
        dressed += [_unclosed(self._dressed(block, growing=self._source.verbatim)) for block in still_open[-1:]]
        self._shown = len(self._settled), tuple(dressed)
        self._ways_to_grow(still_open[-1:], still_open[0].line if cut else 0)

    def _ways_to_grow(self, last: list[Block], offset: int) -> None:
        """Whether the next text may be added without the parser."""
        self._code, self._plain = None, False
        shown = self._shown[1][-1] if last else ""
        if last and self._source.fence and last[0].line >= 0:
            lines = self._lines.split("\n")[last[0].line - offset : -1]
            self._code = _Code.at_end_of(last[0], shown, lines)
        elif last and not self._source.verbatim:
            self._plain = may_grow_plainly(self._lines, self._partial, shown)

    def _cut(self, blocks: list[Block], visible: str) -> int:
        """The index of the last block whose start closes what precedes it for ever; 0 if there is none."""
        if len(blocks) < 2:
            return 0
        lines = self._lines.split("\n")
        complete = len(lines) - 1 if not visible or _UNDECIDED.match(visible) else len(lines)
        for index in range(len(blocks) - 1, 0, -1):
            if 0 < blocks[index].line < complete and not lines[blocks[index].line - 1].strip(" \t"):
                return index
        return 0

    def _dressed(self, block: Block, *, growing: bool = False) -> str:
        if growing:
            return markdown.dress(block.html, self._labels, growing=True)
        if block.html not in self._known:
            self._known[block.html] = markdown.dress(block.html, self._labels)
        return self._known[block.html]

    # --- the end

    def _settle(self) -> None:
        """Render the whole text once more: links and footnotes that were defined elsewhere are known now."""
        source = markdown.source_of("".join(self._text))
        final = [_unclosed(self._dressed(block)) for block in markdown.parse(source)]
        self._corrected = [i for i, (was, now) in enumerate(zip(self._settled, final, strict=False)) if was != now]
        self._settled, self._shown = final, (len(final), ())
        self._finished = True
        self._known, self._code, self._unread = {}, None, len(self._text)


def _difference(cursor: Cursor, wanted: list[str]) -> list[Operation]:
    """From the blocks that the cursor holds after its settled ones to those it should hold there."""
    same, held = 0, cursor.open
    while same < min(len(held), len(wanted)) and held[same] == wanted[same]:
        same += 1
    operations: list[Operation] = []
    if same < len(held):
        if same == len(held) - 1 and same < len(wanted):
            operations += _edit(held[same], wanted[same])
            same += 1
        else:
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


_CLOSING_TAGS = re.compile(r"(?:</\w+>)+\Z")


def _unclosed(block: str) -> str:
    return _CLOSING_TAGS.sub("", block)


# --- the line that grows

_UNDECIDED = re.compile(r"\Z|[ \t]|[-+*](?:[ \t]|\Z)|\d{1,9}(?:[.)](?:[ \t]|\Z)|\Z)")
_ONLY_MARKUP = re.compile(r"[ \t>]*(?:[-+*=_#|:~` \t]*|\d{1,9}[.)]?[ \t]*|(?:`{3,}|~{3,})[^`]*)")
_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*\Z")
_EDGE = re.compile(r"[*_~`]+\Z")
_FENCE_END = re.compile(r"[ \t>]*(?:`+|~+|\$+|\\\]?)[ \t]*")


def _visible_code(line: str) -> str:
    """A growing line of code or mathematics: what may be its end is not shown as part of it."""
    return "" if _FENCE_END.fullmatch(line) else line


def heal(line: str) -> str:
    """The growing line as it may be shown: no raw ** or ` flashes by, and no heading or rule comes and goes."""
    if _ONLY_MARKUP.fullmatch(line):
        return ""
    line = _EDGE.sub("", _LINK.sub(r"\1", line))
    if line.count("`") % 2:
        return line + "`"
    if "**" in line and re.sub(r"`[^`]*`", "", line).count("**") % 2:
        return line.rstrip() + "**"
    return line


# Words to which no rule of Markdown applies, wherever they stand within a line that has begun
_WORDS = r"(?:[^\W_]|[ ,.:;!?'\"%+=\-，。、：；！？“”‘’（）《》])"
_PLAIN = re.compile(rf"{_WORDS}*[^\W_]")
_BEGUN = re.compile(r"(?:[ \t]|>|[-+*] |\d{1,9}[.)] |#{1,6} )*(?:\*{1,3}|_{1,3}|`{1,2}|[\"'(“（])?[^\W\d_][^|<]*")
_LAST_WORD = re.compile(r"[^ \t]+\Z")
_RUN = re.compile(r"[^\W_]{2,}\Z")
_ADDRESS = re.compile(r"[:@&/]|www")


def may_grow_plainly(lines: str, partial: str, shown: str) -> bool:
    """Whether plain words added to this line are just added to what is shown. True only if

    1. the line has begun with a word, so no words can make another kind of block of it;
    2. it ends in letters which are the end of what is shown: they are text, not an address, a definition, a lost cell;
    3. no definition may be open in the lines before it, whose title the words could close;
    4. healing changed nothing that more words would change again.
    """
    run = _RUN.search(partial)
    return bool(
        run and shown.endswith(run[0]) and "[" not in lines and _BEGUN.fullmatch(partial) and heal(partial) == partial
    )


def grows_plainly(partial: str, text: str) -> bool:
    """Whether `text` is plain words, after which the line may again grow plainly.

    It must end in a letter: white space at the end of a line is dropped in a paragraph and kept in code. The last word
    of the line must not be an address, or an entity, that the text would lengthen.
    """
    return bool(_PLAIN.fullmatch(text)) and not _ADDRESS.search(_LAST_WORD.search(partial)[0] + text.partition(" ")[0])


# --- lines within a fence

_FENCE_START = re.compile(r"`{3,}|~{3,}")


class _Code:
    """An open fence at the left margin, the last block: what follows is text, up to the line that closes it."""

    def __init__(self, head: str, marker: str) -> None:
        self.length = 0
        self._marker = marker[0]
        self._closing = re.compile(rf" {{0,3}}{marker[0]}{{{len(marker)},}}[ \t]*")
        self._html = head  # up to the end of the last complete line
        self._break = ""  # before the next line; the first has none

    @classmethod
    def at_end_of(cls, block: Block, shown: str, lines: list[str]) -> "_Code | None":
        """`lines`: the block's complete ones, its fence first."""
        fence = _FENCE_START.match(lines[0]) if lines and block.html.startswith("<pre>") else None
        if not fence or block.html.startswith('<pre><code class="language-math"'):
            return None
        code = cls(shown[: shown.rindex("<code>") + len("<code>")], fence[0])
        return code if code.take(lines[1:]) else None

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

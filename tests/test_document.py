"""The growing document: whatever is fed how, and whoever joins when, the settled page is `markdown.blocks(text)`.

DOCUMENT_EXAMPLES=15000 searches longer. COMMONMARK_SPEC=…/spec.txt (npm: commonmark-spec; CC-BY-SA, so not kept here)
also grows each example of the CommonMark specification, one character at a time.
"""

import os
import random
import re
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat import document, markdown
from chat.document import Cursor, Document, heal, in_parts
from tests.corpus import ANSWER, CHARACTERS, DEFINITIONS, LINES

EXAMPLES = int(os.environ.get("DOCUMENT_EXAMPLES", "0"))
thoroughly = settings(
    max_examples=EXAMPLES or 150,
    derandomize=not EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def lines(pool: list[str]) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(pool), min_size=1, max_size=14).map("\n".join)


# Lines of one kind meet often; of all kinds, sometimes.
LISTS = [
    "",
    "- item",
    "- item two",
    "- ",
    "-",
    "  more",
    "  - inner",
    "    - deep",
    "text",
    "1. one",
    "2. two",
    "* * *",
]
FENCES = ["", "```", "````", "```py", "~~~", "- ```", "  ```", "    ```", "> ```", "x = 1", "1. ```sh", "# head"]
TABLES = ["", "a|b", "-|-", "|-", "x|cd|cd", "cd", "| *c* | d |", "2. two", "text", "\u3000", "- item", "# head"]
some_lines = st.one_of(*map(lines, (LINES, LISTS, FENCES, TABLES)), st.text(st.sampled_from(CHARACTERS), max_size=60))
with_definitions = st.one_of(lines(LINES + DEFINITIONS * 3), lines(DEFINITIONS + LISTS + FENCES))
any_text = st.one_of(some_lines, with_definitions)

# What it took to find that a rule of cutting or growing was wrong
TRAPS = [
    "text\n2. two\n|-\nx\n\ny\n",
    "\u3000\n2. two\n|-\nx\n\ny\n",
    "1. ```sh\n1. one\n-\n",
    "close**\n1. ```sh\n\n1. ```sh\n> text",
    "> # a\n>b\n",
    "- a\n- b\n\n- c\n- d",
    "- \n\n- ```\n  x\n  ```\n- text",
    "````py\nx\n```\ny\n````\nz",
    "a|b\n-|-\nx|cd|cdef",
    "- [^1]: in a list\n# h\n[^1]: note",
    "[foo]:\n- a\n[^2]: x\n[foo]:\n[^2]\n- [^1]: in a list\n[^1]: note\n[foo]: /u",
]


class Page:
    """What the browser holds, with strings for DOM; lengths in UTF-16 units."""

    def __init__(self) -> None:
        self.blocks: list[str] = []

    def apply(self, operations: list) -> "Page":
        for operation in operations:
            match operation:
                case str():
                    self.blocks[-1] += operation
                case int():
                    kept = self.blocks[-1].encode("utf-16-le")[: -2 * operation]
                    self.blocks[-1] = kept.decode("utf-16-le")
                case None:
                    self.blocks.append("")
                case {"drop": first}:
                    assert first < len(self.blocks)
                    del self.blocks[first:]
                case {"replace": [i, html]}:
                    self.blocks[i] = html
                case {"whole": blocks}:
                    self.blocks = list(blocks)
        return self


class Parsing(Document):
    """Without shortcuts: the parser is asked about all that is open, each time."""

    def _find_ways_to_grow(self, last: object, visible: str) -> None:
        pass


def unclosed(blocks: list[str]) -> list[str]:
    return [re.sub(r"(</\w+>)+\Z", "", block) for block in blocks]


def page_of(text: str) -> list[str]:
    return unclosed(markdown.blocks(text))


def pieces(text: str, cuts: list[int]) -> list[str]:
    ends = [*sorted(min(cut, len(text)) for cut in cuts), len(text)]
    return [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def grown(text: str, cuts: list[int]) -> tuple[Page, Document]:
    """The page of somebody who watched from the first character to the last, with a frame at each cut."""
    grows, cursor, page = Document(), Cursor(), Page()
    for piece in pieces(text, cuts):
        grows.feed(piece)
        page.apply(grows.frame(cursor))
    grows.finish()
    return page.apply(grows.frame(cursor)), grows


@thoroughly
@given(any_text, st.lists(st.integers(0, 200), max_size=12))
def test_the_settled_page_is_what_a_whole_rendering_gives(text, cuts):
    assert grown(text, cuts)[0].blocks == page_of(text)


@thoroughly
@given(any_text)
def test_every_character_may_be_a_frame(text):
    assert grown(text, list(range(len(text))))[0].blocks == page_of(text)


@thoroughly
@given(some_lines, st.lists(st.integers(0, 200), max_size=12))
def test_what_has_settled_is_right_unless_a_definition_came_late(text, cuts):
    _, grows = grown(text, cuts)
    assert "]:" in text or grows._shown.corrected == ()


@thoroughly
@given(some_lines, st.one_of(st.none(), st.lists(st.integers(0, 200), max_size=12)))
def test_shortcuts_show_what_the_parser_would(text, cuts):
    quick, slow, page, other = (Document(), Cursor()), (Parsing(), Cursor()), Page(), Page()
    for piece in pieces(text, list(range(len(text))) if cuts is None else cuts):
        for (grows, cursor), shown in ((quick, page), (slow, other)):
            grows.feed(piece)
            shown.apply(grows.frame(cursor))
        assert "]:" in text or page.blocks == other.blocks


@thoroughly
@given(any_text, st.data())
def test_watchers_may_join_miss_frames_and_leave_at_any_time(text, data):
    grows, pages = Document(), []
    for piece in pieces(text, data.draw(st.lists(st.integers(0, 200), max_size=12))):
        grows.feed(piece)
        if data.draw(st.booleans()):
            pages.append((Page(), Cursor()))
        for page, cursor in pages:
            if data.draw(st.booleans()):
                page.apply(grows.frame(cursor))
    grows.finish()
    for page, cursor in [*pages, (Page(), Cursor())]:
        assert page.apply(grows.frame(cursor)).blocks == page_of(text)
        assert grows.frame(cursor) == []


@thoroughly
@given(any_text, st.lists(st.integers(0, 200), max_size=6))
def test_all_watchers_see_the_same_at_the_same_time(text, cuts):
    grows, early, page = Document(), Cursor(), Page()
    for piece in pieces(text, cuts):
        grows.feed(piece)
        page.apply(grows.frame(early))
        assert Page().apply(grows.frame(Cursor())).blocks == page.blocks


@pytest.mark.parametrize("text", TRAPS)
def test_what_once_went_wrong(text):
    quick, slow, page, other = (Document(), Cursor()), (Parsing(), Cursor()), Page(), Page()
    for character in text:
        for (grows, cursor), shown in ((quick, page), (slow, other)):
            grows.feed(character)
            shown.apply(grows.frame(cursor))
        assert page.blocks == other.blocks
    quick[0].finish()
    assert page.apply(quick[0].frame(quick[1])).blocks == page_of(text)
    assert "]:" in text or quick[0]._shown.corrected == ()


@pytest.mark.parametrize("step", [1, 7, 60, 10_000])
def test_an_answer_grows_into_its_whole_rendering(step):
    page, _ = grown(ANSWER, list(range(0, len(ANSWER), step)))
    assert page.blocks == page_of(ANSWER)


def specification() -> list[str]:
    path = os.environ.get("COMMONMARK_SPEC")
    text = Path(path).read_text() if path else ""
    return [example.replace("→", "\t") for example in re.findall(r"^`{32} example\n(.*?)^\.\n", text, re.S | re.M)]


@pytest.mark.skipif(not specification(), reason="COMMONMARK_SPEC is not set")
def test_each_example_of_the_specification_grows_into_its_whole_rendering():
    examples = specification()
    assert len(examples) > 600
    for example in examples:
        page, grows = grown(example, list(range(len(example))))
        assert page.blocks == page_of(example)
        assert "]:" in example or grows._shown.corrected == (), example


@pytest.mark.skipif(not specification(), reason="COMMONMARK_SPEC is not set")
def test_examples_of_the_specification_in_any_order_grow_into_their_whole_rendering():
    shuffle = random.Random(5)
    for _ in range(200):
        text = "\n\n".join(shuffle.sample(specification(), 8))
        assert grown(text, [shuffle.randrange(len(text)) for _ in range(40)])[0].blocks == page_of(text)


# --- the wire


@pytest.mark.parametrize(
    ("fed", "frames"),
    [
        (["Hel", "lo", " world"], [[{"whole": ["<p>Hel"]}], ["lo"], [" world"]]),
        (["a", "", " b"], [[{"whole": ["<p>a"]}], [], [" b"]]),
        (["a **b", " c** d"], [[{"whole": ["<p>a <strong>b"]}], [" c</strong> d"]]),
        (["a\n\n", "b"], [[{"whole": ["<p>a"]}], [None, "<p>b"]]),
        (["a\n", "===\n"], [[{"whole": ["<p>a"]}], [3, "h3>a"]]),
        (["x *😀😀", "* y"], [[{"whole": ["<p>x *😀😀"]}], [5, "<em>😀😀</em> y"]]),
        (["text\n\n- a\n- b", "\n\nc"], [[{"whole": ["<p>text", "<ul><li>a</li><li>b"]}], [None, "<p>c"]]),
        (["a|b\n", "-|-\n"], [[{"whole": ["<p>a|b"]}], [5, page_of("a|b\n-|-")[0][1:]]]),
        (["[a]\n\n", "b\n\n", "[a]: http://c.d"], [[{"whole": ["<p>[a]"]}], [None, "<p>b"], []]),
    ],
)
def test_a_frame_is_the_difference(fed, frames):
    grows, cursor = Document(), Cursor()
    for text, operations in zip(fed, frames, strict=True):
        grows.feed(text)
        assert grows.frame(cursor) == operations


def size_of(operations: list) -> int:
    return len("".join(str(operation) for operation in operations if not isinstance(operation, int)))


@thoroughly
@given(any_text, st.lists(st.integers(0, 200), max_size=4), st.integers(1, 40))
def test_a_frame_in_parts_leads_to_the_same_page(text, cuts, most):
    grows, cursor, page = Document(), Cursor(), Page()
    for piece in [*pieces(text, cuts), None]:
        grows.finish() if piece is None else grows.feed(piece)
        for part in in_parts(grows.frame(cursor), most):
            assert sum(isinstance(one, dict) and "replace" in one for one in part) or size_of(part) <= most + 60
            page.apply(part)
    assert page.blocks == page_of(text)


def test_a_late_definition_replaces_what_had_settled():
    page, grows = Page(), Document()
    cursor = Cursor()
    grows.feed("[a]\n\nb\n\n[a]: http://c.d")
    page.apply(grows.frame(cursor))
    grows.finish()
    (operation,) = grows.frame(cursor)
    assert operation["replace"][0] == 0
    assert 'href="http://c.d"' in operation["replace"][1]


def test_a_block_that_turns_out_to_be_two_others_is_dropped():
    grows, cursor = Document(), Cursor()
    grows.feed("a\n# b\nc")
    assert grows.frame(cursor) == [{"whole": ["<p>a", "<h3>b", "<p>c"]}]
    cursor = Cursor(started=True, open=("<p>a", "<p>was", "<p>else"))
    assert grows.frame(cursor) == [{"drop": 1}, None, "<h3>b", None, "<p>c"]


def test_a_page_that_holds_more_than_was_left_drops_the_rest():
    text = "- [^1]: in a list\n# h\n[^1]: note"
    page, cursor, grows = Page(), Cursor(), Document()
    for character in text:
        grows.feed(character)
        page.apply(grows.frame(cursor))
    assert cursor.settled == 2
    grows.finish()
    assert {"drop": 1} in (operations := grows.frame(cursor))
    assert page.apply(operations).blocks == page_of(text)


def test_a_reader_who_falls_behind_gets_one_larger_frame():
    grows, slow, quick = Document(), Cursor(), Cursor()
    grows.feed("one")
    grows.frame(slow)
    sizes = []
    for word in range(100):
        grows.feed(f" word{word}")
        sizes.append(len(str(grows.frame(quick))))
    (operation,) = grows.frame(slow)
    assert operation.startswith(" word0 word1 ")
    assert len(operation) < sum(sizes)


# --- what it costs


class Counter:
    """Counts what the parser is given."""

    def __init__(self, monkeypatch) -> None:
        self.calls = self.characters = 0
        self._parse = markdown.parse
        monkeypatch.setattr(markdown, "parse", self)

    def __call__(self, source: str) -> list[markdown.Block]:
        self.calls += 1
        self.characters += len(source)
        return self._parse(source)


def test_nothing_is_rendered_while_nobody_watches(monkeypatch):
    parser, grows = Counter(monkeypatch), Document()
    for _ in range(1_000):
        grows.feed("words *and* more\n\n")
    assert parser.calls == 0


def test_many_watchers_cost_one_rendering(monkeypatch):
    parser, grows = Counter(monkeypatch), Document()
    cursors = [Cursor() for _ in range(50)]
    for piece in ("a *b", "* c\n\n", "- d\n"):
        grows.feed(piece)
        before = parser.calls
        grows.frame(cursors[0])
        asked = parser.calls - before
        for cursor in cursors:
            grows.frame(cursor)
        assert parser.calls - before == asked
    assert grows.frame(cursors[0]) == []


LONG = {
    "paragraphs": "Some words, *more* words: `code` and the end.\n\n" * 800,
    "a list": "- an **item** of the list with `code` in it\n" * 800,
    "a loose list": "1. an **item** of the list\n\n   with two paragraphs\n\n" * 800,
    "nested lists": "- outer\n  - inner one\n  - inner *two*\n" * 800,
    "a table": "| a | b |\n|---|--:|\n" + "| cell *one* | 2 |\n" * 800,
    "code": "```python\n" + "    if x < 1: return '&'\n\n" * 800,
    "headings": "# heading\ntext\n" * 800,
    "Chinese": "缓存的命中率取决于访问分布，热表与冷表的大小之和不应超过内存的一半。" * 20 + "\n\n" + "好的" * 500,
}


@pytest.mark.parametrize("name", LONG)
def test_a_long_text_costs_what_its_length_says(name, monkeypatch):
    """A block of n characters that is parsed as a whole for each frame costs n²/40 here: 25 times what is allowed."""
    parser, text, grows, cursor = Counter(monkeypatch), LONG[name], Document(), Cursor()
    for start in range(0, len(text), 20):
        grows.feed(text[start : start + 20])
        grows.frame(cursor)
    assert parser.characters < 25 * len(text)


def test_plain_words_are_not_parsed(monkeypatch):
    grows, cursor = Document(), Cursor()
    grows.feed("- It begins")
    grows.frame(cursor)
    parser = Counter(monkeypatch)
    for word in (" with", " plain words,", " numbers like 3.14,", " “quotes”，中文", " and no more"):
        grows.feed(word)
        assert grows.frame(cursor) == [word]
    assert parser.calls == 0


@pytest.mark.parametrize(
    ("begun", "more"),
    [
        ("see http://a.b/c", "d e"),
        ("an &amp", "; b"),
        ("at ww", "w.a.b c"),
        ("me@a.b", "c d"),
        ("1", "2. x"),
        ("a", "\nb"),
        ("a|b\n-|-\ncd", "ef"),
        ("a|b\n-|-\nx|cd|cd", "ef"),
        ("x [cd](cd", "e"),
        ("[a]: /b 'ti\ntle", "'"),
        ("[a]: /b 'ti\ntle", "' more"),
        ("[a](b 'ti", "tle') c"),
        ("a **b", " c** d"),
        ("a `b", " c` d"),
        ("    code", " more "),
    ],
)
def test_words_that_change_what_is_shown_are_parsed(begun, more):
    quick, slow = Document(), Parsing()
    for grows in (quick, slow):
        grows.feed(begun)
        grows.render()
        grows.feed(more)
    assert quick.frame(Cursor()) == slow.frame(Cursor())


def test_the_caller_learns_what_the_last_rendering_took_and_whether_the_next_is_heavy():
    grows = Document()
    grows.feed("short")
    assert not grows.heavy
    grows.render()
    assert 0 < grows.cpu < 1
    grows.feed("\n```python\n" + "x = 1\n" * 1_000)
    assert grows.heavy
    grows.cpu = 0
    grows.render()
    grows.cpu = 0
    grows.feed("y = 2\n")
    assert not grows.heavy
    grows.feed("```\n")  # now it is highlighted
    assert grows.heavy


# --- edges


def test_line_breaks_and_half_characters_may_be_cut():
    text = "a\r\nb\rc\r\n\r\nd \ud83d\ude00 e\ufeff"
    page, _ = grown(text, list(range(len(text))))
    assert page.blocks == page_of(text) == ["<p>a\nb\nc", "<p>d \ufffd\ufffd e\ufffd"]


def test_half_a_line_break_breaks_no_line_twice():
    grows, cursor = Document(), Cursor()
    for piece, operations in (("a\r", [{"whole": ["<p>a"]}]), ("\nb", ["\nb"]), ("\r", []), ("c", ["\nc"])):
        grows.feed(piece)
        assert grows.frame(cursor) == operations


def test_an_empty_document_shows_nothing():
    grows, cursor = Document(), Cursor()
    assert grows.frame(cursor) == [{"whole": []}]
    grows.finish()
    assert grows.frame(cursor) == []


def test_a_document_may_be_rendered_in_another_thread_while_it_is_watched():
    text = ANSWER * 5
    grows, cursor, page = Document(), Cursor(), Page()
    stop = threading.Event()

    def render() -> None:
        while not stop.is_set():
            grows.render()

    threads = [threading.Thread(target=render) for _ in range(2)]
    for thread in threads:
        thread.start()
    for piece in pieces(text, list(range(0, len(text), 50))):
        grows.feed(piece)
        page.apply(grows.frame(cursor))
    stop.set()
    for thread in threads:
        thread.join()
    grows.finish()
    assert page.apply(grows.frame(cursor)).blocks == page_of(text)


@pytest.mark.parametrize(
    ("line", "healed"),
    [
        ("a **b", "a **b**"),
        ("a **b ", "a **b**"),
        ("a `b", "a `b`"),
        ("a `b` **c** d", "a `b` **c** d"),
        ("a **", "a "),
        ("a [link](http://x.y/z", "a link"),
        ("![alt](http://x", "alt"),
        ("see https://a.b/c", "see https:\u2060//a.b/c"),
        ("see https://a.b/c and", "see https://a.b/c and"),
        ("-", ""),
        ("- ", ""),
        ("1.", ""),
        ("##", ""),
        ("|---|-", ""),
        ("===", ""),
        ("```pyth", ""),
        ("> ", ""),
        ("> - ~~~", ""),
        ("- [", ""),
        ("- [x] ", ""),
        ("- [x] a", "- [x] a"),
        ("> [!WARN", ""),
        ("> [!NOTE] own", "> [!NOTE] own"),
        ("2024 was", "2024 was"),
    ],
)
def test_half_written_markup_is_not_shown(line, healed):
    assert heal(line) == healed


def test_utf16_is_how_the_browser_counts():
    assert document.utf16_length("a中😀") == 4

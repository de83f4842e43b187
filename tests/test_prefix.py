"""A continuation that repeats what was kept says only what is new, however it is cut."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chat.upstream.contract import BodyEnd, Call, Delta, Endpoint, Event, Finish, Opened, Terminator, Turn
from chat.upstream.prefix import TAIL, WHOLE, PrefixRemover, WithoutPrefix
from tests.samples import folded
from tests.scripted import ScriptedUpstream, chat_stream, whole
from tests.test_client import read, run

KEPT = "The kept text ends in the middle of a sen"

texts = st.text(alphabet="ab \n好😀", max_size=60)
long_texts = st.text(alphabet="abcdefgh .好", min_size=TAIL, max_size=80).filter(lambda text: text == text.rstrip())


def cleared(kept: str, pieces: list[str], *, is_trimmed: bool = False) -> str:
    remover = PrefixRemover(kept, is_trimmed=is_trimmed)
    return "".join(remover.feed(piece) for piece in pieces) + remover.end()


def pieces_of(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
@pytest.mark.parametrize(
    "kept, continuation, new",
    [
        (KEPT, KEPT + "tence.", "tence."),
        (KEPT, "tence.", "tence."),
        (KEPT, "the middle of a sentence.", "tence."),
        (KEPT, "of a sentence.", "of a sentence."),  # too little to be sure
        (KEPT, "The kept text was begun anew.", "The kept text was begun anew."),
        (KEPT, "The kept text ends", ""),
        (KEPT, "in the middle", "in the middle"),
        (KEPT, KEPT, ""),
        (KEPT, "", ""),
        (KEPT, "T", "T"),
        ("Hel", "Hello", "lo"),
        ("He", "Hello", "Hello"),
        ("", "Hello", "Hello"),
        ("   ", "   Hello", "   Hello"),
        ("A list:\n\n", "A list:\n\n- one", "- one"),
        ("A list:\n\n", "A list:\n- one", "- one"),
        ("A list:\n\n", "\n\n- one", "\n\n- one"),
        ("好好好好好好好好好好好好好好好好好", "好好好好好好好好好好好好好好好好好吗", "吗"),
        ("abababababababababababab", "abababababababababababXY", "XY"),
    ],
)
def test_what_is_repeated_is_taken_out(kept: str, continuation: str, new: str, size: int) -> None:
    assert cleared(kept, pieces_of(continuation, size)) == new


@pytest.mark.parametrize("size", [1, 2, 1000])
@pytest.mark.parametrize(
    "kept, continuation, new",
    [
        ("Hello ", " world", "world"),
        ("Hello ", "world", "world"),
        ("Hello \n", " world", "world"),
        ("Hello\n\n", "\n\n\nworld", "\nworld"),
        ("Hello\n\n", " world", " world"),
        ("Hello ", "Hello world", "world"),
        ("Hello", " world", " world"),
        ("  ", " world", "world"),
    ],
)
def test_white_space_that_was_not_sent_is_not_doubled(kept: str, continuation: str, new: str, size: int) -> None:
    assert cleared(kept, pieces_of(continuation, size), is_trimmed=True) == new


@given(long_texts, texts, st.integers(1, 20), st.booleans())
@example("ab" * TAIL, "ab", 1, True)
def test_the_whole_kept_text_is_always_taken_out(kept: str, new: str, size: int, is_trimmed: bool) -> None:
    assert cleared(kept, pieces_of(kept + new, size), is_trimmed=is_trimmed) == new


@given(texts, st.lists(texts, max_size=6), st.booleans())
def test_the_cuts_change_nothing(kept: str, pieces: list[str], is_trimmed: bool) -> None:
    whole = cleared(kept, ["".join(pieces)], is_trimmed=is_trimmed)
    assert cleared(kept, pieces, is_trimmed=is_trimmed) == whole


@given(texts, st.lists(texts, max_size=6))
def test_nothing_is_lost_but_what_was_repeated(kept: str, pieces: list[str]) -> None:
    said = "".join(pieces)
    new = cleared(kept, pieces)
    assert said.endswith(new)
    assert said[: len(said) - len(new)] in kept


@given(texts, st.lists(texts, min_size=1, max_size=6))
def test_text_is_held_back_only_while_it_stands_in_the_kept_one(kept: str, pieces: list[str]) -> None:
    remover = PrefixRemover(kept)
    told = said = ""
    for piece in pieces:
        said += piece
        told += remover.feed(piece)
        if said not in kept or len(kept) < WHOLE:
            assert said.endswith(told)
            assert said[: len(said) - len(told)] in kept


def test_a_long_text_repeated_in_small_pieces_takes_no_time() -> None:
    kept = "".join(f"{number} " for number in range(40_000))
    assert cleared(kept, [*pieces_of(kept, 3), "new"]) == "new"


class Said:
    """A reader that says what it is given."""

    def start(self) -> list[Event]:
        return [Opened(200, "terminator")]

    def feed(self, data: bytes) -> list[Event]:
        index, text = data.decode().split(":", 1)
        return [Delta(int(index), text, role="assistant")]

    def end(self) -> list[Event]:
        return [Finish(0, "stop", "stop"), Terminator(), BodyEnd()]


def test_each_choice_is_cleared_by_itself_and_nothing_else_is_touched() -> None:
    reader = WithoutPrefix(Said(), KEPT)
    assert reader.start() == [Opened(200, "terminator")]
    assert reader.feed(f"0:{KEPT[:20]}".encode()) == [Delta(0, "", role="assistant")]
    assert reader.feed(b"1:tence") == [Delta(1, "tence", role="assistant")]
    assert reader.feed(f"0:{KEPT[20:]}tence".encode()) == [Delta(0, "tence", role="assistant")]
    assert reader.feed(b"2:The") == [Delta(2, "", role="assistant")]
    assert reader.end() == [Finish(0, "stop", "stop"), Terminator(), Delta(2, "The"), BodyEnd()]


@pytest.mark.parametrize(
    "name, said, text",
    [
        ("openrouter", [KEPT[:20], KEPT[20:] + "ten", "ce."], "tence."),
        ("koboldcpp", [KEPT, "tence."], "tence."),
        ("moonshot", [KEPT, "tence."], KEPT + "tence."),  # never repeats: what looks so is the answer
    ],
)
def test_an_answer_goes_on_behind_what_was_kept(
    name: str, said: list[str], text: str, upstream: ScriptedUpstream
) -> None:
    upstream.script("tiny", chat_stream(said))
    turns = (Turn("user", KEPT), Turn("assistant", KEPT))
    events = run(read(Call(Endpoint(upstream.base_url, name, local=True), "tiny", turns, continues=True)))
    assert folded(events).choice(0).text == text
    assert folded(events).incomplete_reason() is None
    events = run(read(Call(Endpoint(upstream.base_url, name, local=True), "tiny", turns[:1])))
    assert folded(events).choice(0).text == "".join(said)


def test_white_space_that_anthropic_refuses_is_not_doubled(upstream: ScriptedUpstream) -> None:
    upstream.script("/v1/messages", whole({"content": [{"type": "text", "text": " sentence."}]}))
    turns = (Turn("user", "Hello"), Turn("assistant", "The end of a "))
    call = Call(
        Endpoint(upstream.base_url, "anthropic", local=True), "claude-3-opus", turns, continues=True, streamed=False
    )
    assert folded(run(read(call))).choice(0).text == "sentence."
    assert upstream.requests[0].body["messages"][-1]["content"] == "The end of a"

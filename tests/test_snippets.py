"""The stretch of a text in which what was looked for stands, and what is marked there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.snippets import marked, snippet
from chat.words import term
from tests.corpus import HOSTILE


def told(pieces) -> str:
    return "".join(f"[{text}]" if mark else text for text, mark in pieces)


def terms(*typed: str):
    return [term(each) for each in typed]


@pytest.mark.parametrize(
    "text, typed, expected",
    [
        ("The stability of it", ["stab"], "The [stab]ility of it"),
        ("instability", ["stab"], "instability"),
        ("显式格式的稳定性条件", ["稳定"], "显式格式的[稳定]性条件"),
        ("用GPU加速", ["gpu加速"], "用[GPU加速]"),
        ("Die Straße nach Éclair", ["strasse", "ecl"], "Die [Straße] nach [Écl]air"),
        ("asyncio.to_thread(x)", ["asyncio to"], "[asyncio.to]_thread(x)"),
        ("# Head\n\n- **bold** `code`\n\n```py\nx\n```\n\n| a | b |\n|---|---|", ["code"], "Head bold [code] x a b"),
        ("ﬁne and İstanbul", ["fine", "istan"], "[ﬁne] and [İstan]bul"),
    ],
)
def test_what_was_looked_for_is_marked(text, typed, expected):
    assert told(snippet(text, terms(*typed))) == expected


def test_of_a_long_text_the_stretch_with_the_most_of_it_is_shown():
    text = "word " * 500 + "stability alone " + "word " * 500 + "stability of explicit schemes " + "word " * 500
    shown = told(snippet(text, terms("stability", "schemes")))
    assert shown.startswith("…word") and shown.endswith("…")
    assert "[stability] of explicit [schemes]" in shown and len(shown) < 260


def test_what_is_not_there_leaves_the_beginning():
    assert told(snippet("one two", terms("three"))) == "one two"


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text):
    """Nothing is HTML here; templates escape each piece."""
    for typed in ("script", "a", "href", "onerror"):
        assert all(
            type(piece.text) is str and not hasattr(piece.text, "__html__") for piece in snippet(text, terms(typed))
        )


@given(st.text(max_size=200), st.text(min_size=1, max_size=8))
def test_nothing_is_added_or_lost_by_marking(text, typed):
    wanted = [each for each in [term(typed)] if each]
    assert "".join(piece.text for piece in marked(text, wanted)) == text
    snippet(text, wanted)

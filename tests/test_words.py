"""How text is folded and cut into words, and what somebody who looks for something means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.words import Phrase, folded, phrase, words


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Straße ÉCLAIR naïve Việt Nam", "strasse eclair naive viet nam"),
        ("Ёлка ΣΊΣΥΦΟΣ İstanbul", "елка σισυφοσ istanbul"),
        ("Ｆｕｌｌ　ｗｉｄｔｈ ﬁne ｶﾞﾗｽ", "full width fine ガラス"),
        ("がぎ हिन्दी ก็ได้ 각", "がぎ हिन्दी ก็ได้ 각"),
    ],
)
def test_case_accents_and_width_make_no_difference(text, expected):
    assert folded(text) == expected


@pytest.mark.parametrize(
    "text, expected",
    [
        ("asyncio.to_thread(3.14)", "asyncio to thread 3 14"),
        ("有限元方法，热表。", "有限 限元 元方 方法 法 热表 表"),
        ("用GPU加速3倍", "用 gpu 加速 速 3 倍"),
        ("東京タワー 서울", "東京 京タ タワ ワー ー 서울 울"),
        ("हिन्दी में", "हिन्दी में"),
        ("*** — 。 __", ""),
        ("x" * 80, "x" * 64),
    ],
)
def test_text_is_cut_into_words(text, expected):
    assert words(text) == expected.split()


@pytest.mark.parametrize(
    "typed, expected",
    [
        ("stab", Phrase(("stab",), open=True)),
        ("go", Phrase(("go",))),
        ("热表", Phrase(("热表",))),
        ("热", Phrase(("热",), open=True)),
        ("有限元", Phrase(("有限", "限元"))),
        ("限元GPU加", Phrase(("限元", "元", "gpu", "加"), open=True)),
        ("to_thread", Phrase(("to", "thread"), open=True)),
        ("…", None),
    ],
)
def test_what_is_typed_is_looked_for(typed, expected):
    assert phrase(typed) == expected


def test_a_word_in_quotes_does_not_go_on():
    assert phrase("stab", whole=True) == Phrase(("stab",))


def found(wanted: Phrase, there: list[str]) -> bool:
    """As an index finds it."""
    for start in range(len(there) - len(wanted.words) + 1):
        *exact, last = zip(wanted.words, there[start:], strict=False)
        ends = last[1].startswith(last[0]) if wanted.open else last[1] == last[0]
        if ends and all(one == other for one, other in exact):
            return True
    return False


SPACED = "gpuГÉé9"


@given(st.text(f"热表有限元{SPACED} .，_ガ", max_size=30), st.integers(0, 30), st.integers(1, 8))
def test_any_part_of_a_text_finds_it_unless_it_cuts_into_a_spaced_word(text, start, length):
    part, before = text[start : start + length], text[max(start - 1, 0) : start]
    wanted = phrase(part)
    if wanted is None or (before and before in SPACED and part[0] in SPACED):
        return
    goes_on = text[start + length : start + length + 1]
    if goes_on and goes_on in SPACED and part[-1] in SPACED and not wanted.open:
        return
    assert found(wanted, words(text))

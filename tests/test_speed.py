"""The flight of a reply, from its arrivals: values in, values out."""

import random

import pytest

from chat.replay import FRAME_MS, MOST_FRAMES, replay
from chat.speed import MOST_BARS, speed_of
from chat.templatetags.speed_chart import chart_of, table_of
from chat.transcript import Arrival
from tests.corpus import ANSWER
from tests.test_document import Page, page_of


def steady(count: int, every: float = 0.1, begin: float = 0.5, index: int = 0, length: int = 4) -> list[Arrival]:
    return [Arrival(begin + n * every, index, False, length) for n in range(count)]


def test_a_steady_reply_has_its_rate_and_no_stall():
    speed = speed_of(steady(51), index=0, tokens=102, total=5.6)
    assert speed.first == 0.5 and speed.last == pytest.approx(5.5)
    assert speed.rate == pytest.approx(102 / 5)
    assert speed.stalls == [] and speed.longest_gap == pytest.approx(0.1)
    assert sum(bar.tokens for bar in speed.bars) == pytest.approx(102)


def test_a_stall_is_a_gap_of_two_seconds_also_at_the_end():
    speed = speed_of([*steady(5), *steady(5, begin=4.0)], index=0, tokens=10, total=9.0)
    assert [(round(stall.start, 1), round(stall.end, 1)) for stall in speed.stalls] == [(0.9, 4.0), (4.4, 9.0)]
    assert speed.longest_gap == pytest.approx(3.1)
    assert [span.tokens == 0 for span in table_of(speed)].count(True) == 2


def test_of_several_choices_each_has_its_share():
    speed = speed_of([*steady(10), *steady(30, index=1)], index=1, tokens=80)
    assert speed.tokens == pytest.approx(60)


def test_what_never_came_has_no_speed_and_what_came_at_once_no_rate():
    assert speed_of([], index=0, tokens=0) is None
    assert speed_of(steady(3, index=1), index=0, tokens=9) is None
    whole = speed_of([Arrival(2.0, 0, False, 400)], index=0, tokens=100, total=2.1)
    assert whole.rate is None and whole.first == 2.0


@pytest.mark.parametrize("total", [0.3, 4, 59, 61, 3600, 40_000])
def test_a_chart_of_any_length_stays_within_its_frame(total):
    speed = speed_of(steady(200, every=total / 201, begin=total / 201), index=0, tokens=1000, total=total)
    chart = chart_of(speed)
    assert 1 <= len(chart.bars) <= MOST_BARS + 1
    for box in [*chart.bars, *chart.stalls, *([chart.waiting] if chart.waiting else [])]:
        assert 0 <= float(box.x[:-1]) <= 100 and float(box.x[:-1]) + float(box.width[:-1]) <= 100.01
        assert 0 <= float(box.y) and float(box.y) + float(box.height) <= 120.1
    assert 1 <= len(chart.levels) <= 3 and 1 <= len(chart.times) <= 5


# The replay


def shown(moments, part: str = "text") -> list[str]:
    """What the page holds after all of them."""
    page = Page()
    for moment in moments:
        page.apply(moment.ops if moment.part == part else [])
    return page.blocks


def pieces(text: str, seed: int) -> list[Arrival]:
    rng, arrivals, left, at = random.Random(seed), [], len(text), 0.3
    while left:
        length = min(rng.randint(1, 12), left)
        arrivals.append(Arrival(at, 0, False, length))
        left, at = left - length, at + rng.random() / 10
    return arrivals


@pytest.mark.parametrize("seed", range(5))
def test_at_its_end_a_replay_shows_what_is_saved(seed):
    moments = replay(ANSWER, "", pieces(ANSWER, seed))
    assert shown(moments) == page_of(ANSWER)
    assert [moment.ms for moment in moments] == sorted(moment.ms for moment in moments)


def test_each_word_comes_at_its_moment():
    arrivals = [Arrival(1.0, 0, True, 3), Arrival(2.0, 0, False, 6), Arrival(5.0, 0, False, 5)]
    moments = replay("Hello world", "Hm.", arrivals)
    parts = [(moment.ms // 1000, moment.part) for moment in moments]
    assert parts[:3] == [(1, "reasoning"), (2, "text"), (5, "text")]
    assert "Hello" in str(moments[1].ops) and "world" in str(moments[2].ops)


def test_what_was_kept_of_an_earlier_answer_is_there_from_the_beginning():
    moments = replay("Once upon a time", "", [Arrival(3.0, 0, False, 7)], kept=9)
    assert moments[0].ms == 0 and moments[0].ops == [{"whole": ["<p>Once upon"]}]
    assert "time" in str(moments[1].ops) and moments[1].ms >= 3000


def test_text_of_which_no_arrival_tells_is_shown_at_the_end():
    assert shown(replay("Hello", "", [])) == ["<p>Hello"]


def test_an_hour_is_not_told_in_more_frames_than_a_page_can_use():
    text = "word " * 20_000
    arrivals = [Arrival(n * 0.18, 0, False, 5) for n in range(20_000)]
    moments = replay(text, "", arrivals)
    assert len(moments) <= MOST_FRAMES + 2
    assert moments[1].ms - moments[0].ms >= FRAME_MS

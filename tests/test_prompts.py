"""A prompt fits the window: the system text and the last message stay, the oldest turns go first."""

from hypothesis import given
from hypothesis import strategies as st

from chat.prompts import fitted
from chat.tokens import prompt_estimate
from chat.upstream.contract import Turn

turns = st.lists(st.builds(Turn, st.sampled_from(["user", "assistant"]), st.text(min_size=1, max_size=200)), min_size=1)


@given(turns, st.integers(0, 800), st.booleans())
def test_what_is_sent_is_the_newest_end_of_the_thread_and_fits(turns, room, with_system):
    system = [Turn("system", "Be brief.")] if with_system else []
    sent = fitted([*system, *turns], room)
    assert sent[: len(system)] == system
    rest = sent[len(system) :]
    assert rest == turns[-len(rest) :] and rest
    assert len(rest) == 1 or prompt_estimate(sent).tokens <= room
    assert len(rest) == 1 or rest[0].role == "user"


def test_where_the_window_is_not_known_nothing_is_left_out():
    turns = [Turn("user", "x" * 100_000)] * 3
    assert fitted(turns, None) == turns


def test_a_continued_answer_keeps_its_question():
    turns = [
        Turn("user", "old " * 100),
        Turn("assistant", "old " * 100),
        Turn("user", "why"),
        Turn("assistant", "because"),
    ]
    assert fitted(turns, 10, kept=2) == turns[2:]

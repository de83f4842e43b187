"""Parameters: what people may ask for, what of it a profile lets through, and what another site may tell of it."""

import pytest

from chat.parameters import PARAMETERS, longest_answer, sensible, sent, taken
from chat.upstream.profiles import PROFILES

ALL = {name: 1 for name in PARAMETERS}


@pytest.mark.parametrize("name", PROFILES)
def test_a_call_carries_only_what_its_profile_takes(name):
    allowed = PROFILES[name].parameters
    assert sent({**ALL, "models": ["dear"], "template": "x"}, allowed).keys() == PARAMETERS.keys() & allowed
    assert "max_output" in taken(allowed) and set(taken(allowed)) <= {*allowed, "max_output"}


@pytest.mark.parametrize(
    ("wished", "tokens"),
    [({}, 4096), ({"max_output": 50}, 50), ({"max_output": 5000}, 4096), ({"max_output": 0}, 4096)],
)
def test_the_longest_answer_is_the_shorter_of_two(wished, tokens):
    assert longest_answer(wished, 4096) == tokens


@pytest.mark.parametrize(
    ("name", "value", "is_kept"),
    [
        ("temperature", 0, True),
        ("temperature", 2.1, False),
        ("temperature", True, False),
        ("temperature", float("nan"), False),
        ("temperature", "1", False),
        ("seed", 7, True),
        ("seed", 7.5, False),
        ("think", False, True),
        ("think", "no", False),
        ("reasoning_effort", "low", True),
        ("reasoning_effort", ["low"], False),
        ("stop", ["a", "b"], True),
        ("stop", ["a"] * 5, False),
        ("stop", [""], False),
        ("stop", "a", False),
        ("models", ["dear"], False),
    ],
)
def test_of_what_another_site_tells_only_what_could_be_set_here_is_kept(name, value, is_kept):
    assert sensible({name: value}) == ({name: value} if is_kept else {})

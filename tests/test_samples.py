"""Every recorded sample of every dialect, cut everywhere, is read as it must be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.management.commands.readstream import told
from chat.upstream import openai_chat
from chat.upstream.profiles import PROFILES, profile
from tests.samples import Sample, all_samples, assert_as_expected, cut, folded, read

SAMPLES = all_samples()
SMALL = [sample for sample in SAMPLES if len(sample.body) < 10_000]
every_sample = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)


# Samples


@every_sample
@pytest.mark.parametrize("size", [0, 7, 1], ids=["whole", "sevens", "bytes"])
def test_a_sample_is_read_as_expected_however_it_is_cut(sample: Sample, size: int) -> None:
    places = range(size, len(sample.body), size) if size else sample.facts["split_at"]
    for pieces in ([sample.body], cut(sample.body, places)):
        assert_as_expected(sample, folded(read(sample.reader(), pieces), sample.n))


@given(st.sampled_from(SMALL), st.data())
def test_any_cutting_of_a_sample_gives_the_same_transcript(sample: Sample, draw: st.DataObject) -> None:
    places = draw.draw(st.lists(st.integers(0, len(sample.body)), max_size=30))
    assert_as_expected(sample, folded(read(sample.reader(), cut(sample.body, places)), sample.n))


@given(st.sampled_from(SMALL), st.data())
def test_a_sample_that_is_cut_off_is_never_complete(sample: Sample, draw: st.DataObject) -> None:
    """Unless what is missing is nothing but the end of the last line (Q4)."""
    end = draw.draw(st.integers(0, len(sample.body)))
    transcript = folded(read(sample.reader(), [sample.body[:end]]), sample.n)
    if transcript.incomplete_reason() is None:
        assert told(transcript, profile(sample.profile)) == told(
            folded(read(sample.reader(), [sample.body]), sample.n), profile(sample.profile)
        )


@pytest.mark.parametrize(
    "sample", [sample for sample in SAMPLES if "expected_if_profile_unknown" in sample.facts], ids=lambda s: s.name
)
def test_without_its_profile_a_sample_says_less(sample: Sample) -> None:
    reader = openai_chat.reader(PROFILES["default"], status=200, headers=sample.headers, n=sample.n)
    seen = told(folded(read(reader, [sample.body]), sample.n), PROFILES["default"])
    seen |= {"content": seen["choices"][0]["content"], "finish_reason": seen["choices"][0]["finish_reason"]}
    expected = sample.facts["expected_if_profile_unknown"]
    assert {name: seen[name] for name in expected} == expected

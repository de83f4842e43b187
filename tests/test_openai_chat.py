"""The OpenAI chat dialect: every recorded sample, cut everywhere, and the rules that the samples only touch."""

import pytest

from tests.samples import Sample, assert_as_expected, cut, folded, openai_chat_samples, read

SAMPLES = openai_chat_samples()
every_sample = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)


@every_sample
@pytest.mark.parametrize("size", [0, 7, 1], ids=["whole", "sevens", "bytes"])
def test_a_sample_is_read_as_expected_however_it_is_cut(sample: Sample, size: int) -> None:
    places = range(size, len(sample.body), size) if size else sample.facts["split_at"]
    if len(sample.body) > 100_000 and size == 1:
        places = range(1, 2000)
    for pieces in ([sample.body], cut(sample.body, places)):
        assert_as_expected(sample, folded(read(sample.reader(), pieces), sample.n))

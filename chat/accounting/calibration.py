"""Learns, for each model, how its tokens compare with our estimates: from completions whose usage was reported.

The last hundred of them are looked at again each time, so nothing is lost with a process, and a model that changes its
tokenizer is followed.
"""

from collections.abc import Iterator
from typing import Literal

from chat.models import Calibration, Completion
from chat.tokens import Ratio
from chat.tokens import ratio_of as taught

LAST = 100
LEAST_TOKENS = 20  # of ours: in shorter ones, what stands around a text outweighs it


def ratio_of(model: int, part: Literal["input", "output"]) -> Ratio | None:
    known = Calibration.objects.filter(model=model, part=part).values_list("ratio", "low", "high").first()
    return Ratio(*known) if known else None


def learn(model: int) -> None:
    """From what is settled by now."""
    found = Completion.objects.filter(model=model, usage_source=Completion.Source.REPORTED, attempts__gt=0)
    last = list(found.defer("arrivals", "error").order_by("-settled")[:LAST])
    for part, ratios in (("input", _of_prompts(last)), ("output", _of_answers(last))):
        known = list(ratios)
        if ratio := taught(known):
            figures = {"ratio": ratio.tokens, "low": ratio.low, "high": ratio.high}
            Calibration.objects.update_or_create(
                model_id=model, part=part, defaults={**figures, "samples": len(known), "newest": last[0].settled}
            )


def _of_prompts(completions: list[Completion]) -> Iterator[float]:
    for completion in completions:
        if completion.images:
            continue  # what a text takes cannot be told from what they take
        if completion.own_input_tokens >= LEAST_TOKENS and completion.input_tokens:
            yield completion.input_tokens / completion.own_input_tokens


def _of_answers(completions: list[Completion]) -> Iterator[float]:
    """Thoughts that are billed but not sent are part of the ratio, and widen its bounds: what is owed is estimated."""
    for completion in completions:
        own, said = completion.own_output_tokens, completion.output_tokens
        if own >= LEAST_TOKENS and said:
            yield said / own

"""How much a live completion may still say: its longest answer, and what its sender's cap leaves.

The upstream is told, and ends by itself; this is for one that does not listen.
"""

from chat.accounting import pricing
from chat.models import Completion
from chat.tokens import TokenMeter
from chat.transcript import Transcript

LOOK_EACH = 50  # characters: what an upstream can say unseen
DENSEST = 3  # tokens of one character: less text than a third of the limit is not even counted


class Allowance:
    """In tokens of all choices together."""

    def __init__(self, completion: Completion) -> None:
        self.longest = completion.max_output * completion.n
        self.capped = _capped(completion)
        self._must_be_sure = completion.model.provider.facts.heeds_max_output
        self._least = min(self.longest, self.longest if self.capped is None else self.capped) // DENSEST
        self._looked_at = 0

    def is_used_up(self, transcript: Transcript, meter: TokenMeter) -> bool:
        """By the lower bound, where the upstream heeds its limit: it is not ended since an estimate is too high."""
        if transcript.size <= self._least or transcript.size - self._looked_at < LOOK_EACH:
            return False
        self._looked_at = transcript.size
        tokens, low, _high = meter.bounds
        if self.capped is not None and tokens > self.capped:
            return True
        return (low if self._must_be_sure else tokens) > self.longest


def _capped(completion: Completion) -> int | None:
    """Tokens of output that its sender's cap leaves beside the prompt."""
    if completion.cap is None or completion.price is None:
        return None
    fits = pricing.most_output(completion.cap, completion.input_tokens or 0, completion.price)
    return None if fits is None else max(fits, 0)

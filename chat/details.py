"""What is known of one message: how a reply ended, what it used and cost, how fast it came. Figures, no words."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from chat.accounting import pricing
from chat.models import Completion, Message, UsageEntry
from chat.speed import Speed, speed_of
from chat.transcript import Arrival, decode_arrivals

MILLION = 1_000_000
KINDS = "input", "cached", "output", "reasoning"


@dataclass(frozen=True, slots=True)
class Row:
    """Tokens of one kind, between bounds that are equal where the figure is exact."""

    kind: str
    tokens: int
    low: int
    high: int

    @property
    def is_exact(self) -> bool:
        return self.low == self.tokens == self.high


@dataclass(frozen=True, slots=True)
class Part:
    """What tokens of one kind cost, at so much for a million."""

    kind: str
    tokens: int
    mtok: Decimal

    @property
    def amount(self) -> Decimal:
        return self.tokens * self.mtok / MILLION


class Details:
    def __init__(self, message: Message) -> None:
        self.message = message
        self.completion = message.completion

    @property
    def rows(self) -> list[Row]:
        """Unknown figures have no row."""
        return [row for kind in KINDS if (row := self._row(kind))]

    def _row(self, kind: str) -> Row | None:
        tokens, low, high = (getattr(self.completion, f"{kind}_{what}", None) for what in ("tokens", "low", "high"))
        if tokens is None:
            return None
        return Row(kind, tokens, tokens if low is None else low, tokens if high is None else high)

    @property
    def parts(self) -> list[Part]:
        """What the cost is made of; nothing where there is no price, or nothing to pay."""
        reply = self.completion
        if reply.amount is None or reply.price is None or reply.price.free:
            return []
        figures = (getattr(reply, f"{kind}_tokens") or 0 for kind in KINDS)
        priced = zip(KINDS, pricing.parts(reply.price, *figures), strict=True)
        return [Part(kind, tokens, mtok) for kind, (tokens, mtok) in priced if tokens]

    @cached_property
    def corrections(self) -> list[UsageEntry]:
        """Ledger lines after the charge."""
        return list(self.completion.usage_entries.filter(kind=UsageEntry.Kind.ADJUSTMENT).order_by("number"))

    @cached_property
    def speed(self) -> Speed | None:
        """Known once it is settled."""
        reply = self.completion
        seconds = None if reply.duration_ms is None else reply.duration_ms / 1000
        tokens = reply.output_tokens or reply.own_output_tokens
        return speed_of(arrivals_of(reply), index=self.message.choice_index, tokens=tokens, total=seconds)


def arrivals_of(completion: Completion) -> Iterator[Arrival]:
    """Of all its choices, once it is settled."""
    return decode_arrivals(zlib.decompress(completion.arrivals) if completion.arrivals else b"")

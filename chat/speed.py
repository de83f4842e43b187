"""How fast a reply came: tokens over time, the wait before the first, the gaps between. Values in, values out."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from chat.transcript import Arrival

MOST_BARS = 60
WIDTHS = 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0  # seconds
STALL_SECONDS = 2.0  # a longer gap is told by itself


@dataclass(frozen=True, slots=True)
class Span:
    """From one moment to another, in seconds since the call; `tokens` is what came meanwhile."""

    start: float
    end: float
    tokens: float = 0.0

    @property
    def seconds(self) -> float:
        return self.end - self.start

    @property
    def rate(self) -> float:
        return self.tokens / self.seconds


@dataclass(frozen=True, slots=True)
class Speed:
    """Of one choice. `total` is how long the reply took, to its end."""

    first: float
    last: float
    total: float
    tokens: float
    bars: list[Span]
    stalls: list[Span]
    longest_gap: float

    @property
    def rate(self) -> float | None:
        """Tokens per second from the first to the last; None where all came at once."""
        return self.tokens / (self.last - self.first) if self.last > self.first else None


def speed_of(arrivals: Iterable[Arrival], *, index: int, tokens: float, total: float | None = None) -> Speed | None:
    """`tokens` is what all choices together took: each character counts for as many as any other. None: nothing came.

    `total`: to the end of the reply, which may come long after its last word.
    """
    arrivals = list(arrivals)
    mine = [arrival for arrival in arrivals if arrival.index == index]
    if not mine:
        return None
    each = tokens / sum(arrival.length for arrival in arrivals)
    first, last = mine[0].at, mine[-1].at
    total = max(total or last, last)
    gaps = [Span(before.at, after.at) for before, after in pairwise(mine)]
    stalls = [gap for gap in [*gaps, Span(last, total)] if gap.seconds >= STALL_SECONDS]
    return Speed(
        first=first,
        last=last,
        total=total,
        tokens=each * sum(arrival.length for arrival in mine),
        bars=_bars(mine, each, total),
        stalls=stalls,
        longest_gap=max((gap.seconds for gap in gaps), default=0.0),
    )


def _bars(arrivals: list[Arrival], each: float, total: float) -> list[Span]:
    """Of equal width, those in which something came."""
    width = next((width for width in WIDTHS if total / width <= MOST_BARS), total / MOST_BARS)
    tokens: dict[int, float] = {}
    for arrival in arrivals:
        place = int(arrival.at / width)
        tokens[place] = tokens.get(place, 0.0) + each * arrival.length
    return [Span(place * width, (place + 1) * width, found) for place, found in sorted(tokens.items())]

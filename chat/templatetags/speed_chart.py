"""The speed of a reply as a small drawing: x in per cent, y in pixels, so that bars stretch and words do not."""

from dataclasses import dataclass

from django import template

from chat.speed import Span, Speed

register = template.Library()

TOP, BASE = 12, 120  # px from above, of the highest bar and of the line on which all stand
FILLED = 0.78  # of a bar's share of the width
MOST_LEVELS, MOST_TIMES = 3, 4
ROUND = 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000
ROUND_TIMES = 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200
NEAR_END = 85  # per cent; a time beyond that would stand in the way of the last


@dataclass(frozen=True, slots=True)
class Box:
    """Numbers as SVG reads them, in every language."""

    x: str
    width: str
    y: str
    height: str
    span: Span


@dataclass(frozen=True, slots=True)
class Level:
    y: str
    text_y: str
    rate: float


@dataclass(frozen=True, slots=True)
class Time:
    x: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Chart:
    waiting: Box | None
    bars: list[Box]
    stalls: list[Box]
    levels: list[Level]
    times: list[Time]
    total: float


@register.simple_tag
def chart_of(speed: Speed) -> Chart:
    total = speed.total or 1.0
    highest = max(bar.rate for bar in speed.bars)
    waiting = Span(0.0, speed.first)
    return Chart(
        waiting=_tall(waiting, total) if waiting.seconds / total > 0.01 else None,
        bars=[_bar(bar, total, highest) for bar in speed.bars],
        stalls=[_tall(stall, total) for stall in speed.stalls],
        levels=[_level(rate, highest) for rate in _steps(highest, ROUND, MOST_LEVELS)],
        times=[Time(_percent(at, total), at) for at in _times(total)],
        total=total,
    )


@register.simple_tag
def table_of(speed: Speed) -> list[Span]:
    """The same in rows: what came when, and when nothing did."""
    return sorted([*speed.bars, *speed.stalls], key=lambda span: span.start)


def _bar(bar: Span, total: float, highest: float) -> Box:
    height = bar.rate / highest * (BASE - TOP)
    width = _percent(min(bar.seconds, total - bar.start) * FILLED, total)
    return Box(_percent(bar.start, total), width, _pixels(BASE - height), _pixels(height), bar)


def _tall(span: Span, total: float) -> Box:
    return Box(_percent(span.start, total), _percent(span.seconds, total), _pixels(TOP), _pixels(BASE - TOP), span)


def _level(rate: float, highest: float) -> Level:
    y = BASE - rate / highest * (BASE - TOP)
    return Level(_pixels(y), _pixels(y + 4), rate)


def _times(total: float) -> list[float]:
    steps = _steps(total, ROUND_TIMES, MOST_TIMES)
    return [0.0, *(at for at in steps if at / total * 100 < NEAR_END)]


def _steps(most: float, steps: tuple, count: int) -> list[float]:
    """The multiples of a round number up to `most`, `count` at most."""
    step = next((step for step in steps if most / step < count + 1), steps[-1])
    return [step * n for n in range(1, int(most / step) + 1)][:count]


def _percent(part: float, total: float) -> str:
    return f"{part / total * 100:.2f}%"


def _pixels(number: float) -> str:
    return f"{number:.1f}"

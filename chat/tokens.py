"""Estimates tokens where the upstream did not say. No tokenizer: a vocabulary takes megabytes, each model has its own.

Characters are counted by class, and each class weighted by what it takes on average. Measured on 37 samples (prose in
16 languages, code, JSON, Markdown, tables, TeX; truth: o200k, by gpt-tokenizer 4.0 of npm) the mean error is 11 %; one
weight each for CJK, other scripts and ASCII gives 19 %, characters / 4 gives 27 %. Tokenizers differ more than that:
cl100k takes 1.2 to 1.4 times as many as o200k for Chinese, 2 to 3 times as many for Arabic, Hindi or Greek. So bounds
are wide until a model's own ratio is known, from usage that it reported. Random letters (keys, base64) take up to twice
what is said here.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, Self


class Estimate(NamedTuple):
    tokens: int
    low: int
    high: int


class Ratio(NamedTuple):
    """Tokens of a model for each of ours: in the middle, and between what nine in ten of its texts take."""

    tokens: float
    low: float
    high: float


class Image(Protocol):
    tokens: int
    low: int
    high: int


class Turn(Protocol):
    text: str
    images: Sequence[Image]


@dataclass(frozen=True, slots=True)
class _Weight:
    """Tokens for each character: on average, and at least and at most with any tokenizer that was measured."""

    tokens: float
    low: float
    high: float


_LETTERS = _Weight(0.225, 0.19, 0.29)
_DIGITS = _Weight(0.5, 0.33, 0.65)  # some count each, some three as one
_SPACES = _Weight(0.07, 0.04, 0.1)  # most are part of the word that follows
_SIGNS = _Weight(0.7, 0.5, 0.9)
_CJK = _Weight(0.72, 0.5, 1.4)
_OTHER = _Weight(0.33, 0.24, 1.15)
_ASTRAL = _Weight(1.3, 0.9, 2.6)  # emoji
_WEIGHTS = _LETTERS, _DIGITS, _SPACES, _SIGNS, _CJK, _OTHER, _ASTRAL

FEWEST = 5  # texts from which a ratio is learnt
_TAILS = 0.05  # of them, on each side, say nothing of the bounds
_DOUBT = 3.0  # how much wider the bounds are made for few texts: by this over their number
_GRAIN = 1  # tokens that a short text may be off by whatever its ratio
_OVERHEAD = 4  # tokens that a message's role and its separators take, as published for OpenAI's models
_PRIMER = 3  # that begin the answer

# High bytes of UTF-16 units. U+2E80 to U+A4CF, Hangul, compatibility ideographs, full-width forms; surrogates
_CJK_BYTES = bytes([*range(0x2E, 0xA5), *range(0xAC, 0xD8), 0xF9, 0xFA, 0xFF])
_ASTRAL_BYTES = bytes(range(0xD8, 0xDC))
_DIGIT_BYTES = b"0123456789"
_SPACE_BYTES = b" \t\n\r\x0b\x0c"
_LETTER_BYTES = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def estimate(text: str, ratio: Ratio | None = None) -> Estimate:
    """`ratio`: the model's own, where it is known."""
    return _weighed(_counted(text), ratio)


def prompt_estimate(turns: Iterable[Turn], ratio: Ratio | None = None) -> Estimate:
    """Of a whole prompt: its texts, what stands around them, and its images, as their vendor counts them."""
    meter, overhead, images = TokenMeter(ratio), _PRIMER, []
    for turn in turns:
        meter.feed(turn.text)
        overhead += _OVERHEAD
        images += turn.images
    seen = [sum(getattr(image, bound) for image in images) for bound in Estimate._fields]
    return Estimate(*(figure + overhead + more for figure, more in zip(meter.bounds, seen, strict=True)))


class TokenMeter:
    """A running estimate. Feeding costs next to nothing; what was fed is counted once, when somebody looks."""

    def __init__(self, ratio: Ratio | None = None) -> None:
        self.ratio = ratio
        self._counts = [0] * len(_WEIGHTS)
        self._uncounted: list[str] = []

    def feed(self, text: str) -> Self:
        self._uncounted.append(text)
        return self

    @property
    def bounds(self) -> Estimate:
        if self._uncounted:
            new = _counted("".join(self._uncounted))
            self._counts = [count + more for count, more in zip(self._counts, new, strict=True)]
            self._uncounted = []
        return _weighed(self._counts, self.ratio)

    @property
    def tokens(self) -> int:
        return self.bounds.tokens


def _counted(text: str) -> list[int]:
    """How many characters there are of each class, in the order of _WEIGHTS. Bytes are counted in C: 0.005 µs each."""
    plain = text.encode("ascii", "ignore")
    letters, digits, spaces = (_count(plain, kind) for kind in (_LETTER_BYTES, _DIGIT_BYTES, _SPACE_BYTES))
    signs = len(plain) - letters - digits - spaces
    if len(plain) == len(text):
        return [letters, digits, spaces, signs, 0, 0, 0]
    high_bytes = text.encode("utf-16-le", "surrogatepass")[1::2]
    cjk, astral = _count(high_bytes, _CJK_BYTES), _count(high_bytes, _ASTRAL_BYTES)
    return [letters, digits, spaces, signs, cjk, max(0, len(text) - len(plain) - cjk - astral), astral]


def _count(data: bytes, kind: bytes) -> int:
    return len(data) - len(data.translate(None, kind))


def ratio_of(ratios: Iterable[float]) -> Ratio | None:
    """What texts whose tokens are known teach. Their median and quantiles: a few that are far off change nothing."""
    known = sorted(ratio for ratio in ratios if ratio > 0)
    if len(known) < FEWEST:
        return None
    middle, doubt = _quantile(known, 0.5), 1 + _DOUBT / len(known)
    low, high = _quantile(known, _TAILS), _quantile(known, 1 - _TAILS)
    return Ratio(middle, middle * (low / middle) ** doubt, middle * (high / middle) ** doubt)


def _quantile(known: list[float], share: float) -> float:
    place = share * (len(known) - 1)
    below = math.floor(place)
    above = min(below + 1, len(known) - 1)
    return known[below] + (known[above] - known[below]) * (place - below)


def _weighed(counts: list[int], ratio: Ratio | None) -> Estimate:
    tokens, low, high = (
        sum(count * getattr(weight, bound) for count, weight in zip(counts, _WEIGHTS, strict=True))
        for bound in ("tokens", "low", "high")
    )
    if ratio and tokens:
        low, high = max(tokens * ratio.low - _GRAIN, 0), tokens * ratio.high + _GRAIN
        tokens *= ratio.tokens
    return Estimate(math.ceil(tokens), math.floor(low), math.ceil(high) + (high > 0))

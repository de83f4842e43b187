"""Words that say when they were sent, so that a lag can be read off wherever the text arrives.

A stamp is "zq" and six letters: the monotonic clock, which all processes of a machine share, in units of 10 µs. No word
of any language begins so, and to a renderer it is a word like others. It comes round after 51 minutes.
"""

import re
from itertools import product
from string import ascii_lowercase
from time import monotonic

UNIT = 1e-5  # seconds
_TRIPLES = ["".join(letters) for letters in product(ascii_lowercase, repeat=3)]
_VALUES = {triple.encode(): value for value, triple in enumerate(_TRIPLES)}
_ROUND = len(_TRIPLES) ** 2

STAMP = re.compile(rb"zq([a-z]{3})([a-z]{3})")


def units(now: float | None = None) -> int:
    return int((monotonic() if now is None else now) / UNIT)


def word(at: int) -> str:
    """The stamp for a time in units."""
    high, low = divmod(at % _ROUND, len(_TRIPLES))
    return f"zq{_TRIPLES[high]}{_TRIPLES[low]}"


def ages(text: bytes, now: float) -> list[float]:
    """How many seconds ago each stamp in a text was sent, in the order of the text."""
    until = units(now)
    return [(until - _VALUES[high] * len(_TRIPLES) - _VALUES[low]) % _ROUND * UNIT for high, low in STAMP.findall(text)]

"""What people may ask of a model besides the prompt: names, kinds and bounds. Which of it is sent, its profile says.

What else a profile lists is for administrators: it asks other models, adds services that cost, or changes the shape of
an answer.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

MAX_OUTPUT = "max_output"  # ours: each dialect has its own word for it, and a model its own limit
MOST_STOPS, LONGEST_STOP = 4, 100


@dataclass(frozen=True, slots=True)
class Number:
    low: float
    high: float
    is_whole: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Switch:
    """On, off, or left to the model."""


@dataclass(frozen=True, slots=True)
class Texts:
    """Some short texts."""


Kind = Number | Choice | Switch | Texts

PARAMETERS: dict[str, Kind] = {
    "temperature": Number(0, 2),
    "top_p": Number(0, 1),
    MAX_OUTPUT: Number(1, 10_000_000, is_whole=True),
    "reasoning_effort": Choice(("minimal", "low", "medium", "high")),
    "think": Switch(),
    "top_k": Number(1, 1000, is_whole=True),
    "min_p": Number(0, 1),
    "repeat_penalty": Number(0, 2),
    "presence_penalty": Number(-2, 2),
    "frequency_penalty": Number(-2, 2),
    "seed": Number(0, 2**31 - 1, is_whole=True),
    "stop": Texts(),
}


def taken(names: Iterable[str]) -> list[str]:
    """The parameters that people may set of a model that takes `names`."""
    allowed = {*names, MAX_OUTPUT}
    return [name for name in PARAMETERS if name in allowed]


def sent(wished: Mapping[str, object], names: Iterable[str]) -> dict[str, object]:
    """What a call carries of what was wished for, to a model that takes `names`."""
    allowed = frozenset(names) & PARAMETERS.keys()
    return {name: value for name, value in wished.items() if name in allowed}


def sensible(told: Mapping[str, object]) -> dict[str, object]:
    """Of what another site tells: as much as could have been set here."""
    return {name: value for name, value in told.items() if name in PARAMETERS and _is_sensible(PARAMETERS[name], value)}


def _is_sensible(kind: Kind, value: object) -> bool:
    match kind:
        case Number(low, high, is_whole):
            return type(value) in ((int,) if is_whole else (int, float)) and low <= value <= high
        case Choice(words):
            return value in words
        case Switch():
            return isinstance(value, bool)
        case Texts():
            return (
                isinstance(value, list)
                and len(value) <= MOST_STOPS
                and all(isinstance(text, str) and 0 < len(text) <= LONGEST_STOP for text in value)
            )


def longest_answer(wished: Mapping[str, object], limit: int) -> int:
    """In tokens: what was wished for, but no more than the model's own limit."""
    asked = wished.get(MAX_OUTPUT)
    return min(asked, limit) if isinstance(asked, int) and asked > 0 else limit

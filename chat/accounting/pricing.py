"""Usage × price = amount. Values in, values out; nothing else makes an amount of money from tokens.

Computed in whole numbers, rounded once, half up, to 10⁻⁹. Without a price an amount is None: unknown, not nothing.
"""

from dataclasses import astuple, dataclass
from decimal import Decimal
from typing import Protocol

from chat.models.money import PLACES

MILLION = 10**6


class Priced(Protocol):
    """Money per million tokens. Cached input without a price of its own costs what input does; so does reasoning."""

    input_mtok: Decimal
    output_mtok: Decimal
    cached_mtok: Decimal | None
    reasoning_mtok: Decimal | None


@dataclass(frozen=True, slots=True)
class Tokens:
    """What one completion used, in tokens, between bounds that are equal where the figure is exact.

    Cached tokens are part of the input and reasoning tokens part of the output, as far as they are known.
    """

    input_tokens: int
    input_low: int
    input_high: int
    output_tokens: int
    output_low: int
    output_high: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0

    @classmethod
    def exactly(cls, input_tokens: int, output_tokens: int, *, cached: int = 0, reasoning: int = 0) -> "Tokens":
        known = min(cached, input_tokens), min(reasoning, output_tokens)
        return cls(input_tokens, input_tokens, input_tokens, output_tokens, output_tokens, output_tokens, *known)

    def __sub__(self, other: "Tokens") -> "Tokens":
        return Tokens(*(mine - theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True, slots=True)
class Amounts:
    """What they cost, between bounds."""

    amount: Decimal
    low: Decimal
    high: Decimal


def amounts(tokens: Tokens, price: Priced | None) -> Amounts | None:
    if price is None:
        return None
    return Amounts(
        _amount(price, tokens.input_tokens, tokens.cached_tokens, tokens.output_tokens, tokens.reasoning_tokens),
        _amount(price, tokens.input_low, tokens.cached_tokens, tokens.output_low, tokens.reasoning_tokens),
        _amount(price, tokens.input_high, tokens.cached_tokens, tokens.output_high, tokens.reasoning_tokens),
    )


def output_amount(output_tokens: int, price: Priced | None) -> Decimal | None:
    return None if price is None else _amount(price, 0, 0, output_tokens, 0)


def most(prompt: int, output: int, price: Priced) -> Decimal:
    """What so many tokens can cost, whatever part of them is cached or reasoning."""
    dear_input, dear_output = _dearest(price)
    return _money(_rounded(prompt * dear_input + output * dear_output))


def most_output(room: Decimal, prompt: int, price: Priced) -> int | None:
    """How many tokens of output fit into `room` beside the prompt; negative: not even that fits. None: any number."""
    dear_input, dear_output = _dearest(price)
    left = _nanos(room) * MILLION - prompt * dear_input
    if dear_output == 0:
        return None if left >= 0 else -1
    return left // dear_output


def parts(
    price: Priced, input_tokens: int, cached: int, output_tokens: int, reasoning: int
) -> tuple[tuple[int, Decimal], ...]:
    """Tokens and their price: of input, cached input, output, reasoning."""
    cached, reasoning = min(cached, input_tokens), min(reasoning, output_tokens)
    return (
        (input_tokens - cached, price.input_mtok),
        (cached, _either(price.cached_mtok, price.input_mtok)),
        (output_tokens - reasoning, price.output_mtok),
        (reasoning, _either(price.reasoning_mtok, price.output_mtok)),
    )


def _amount(price: Priced, input_tokens: int, cached: int, output_tokens: int, reasoning: int) -> Decimal:
    priced = parts(price, input_tokens, cached, output_tokens, reasoning)
    return _money(_rounded(sum(tokens * _nanos(mtok) for tokens, mtok in priced)))


def _dearest(price: Priced) -> tuple[int, int]:
    dear_input = max(price.input_mtok, _either(price.cached_mtok, price.input_mtok))
    dear_output = max(price.output_mtok, _either(price.reasoning_mtok, price.output_mtok))
    return _nanos(dear_input), _nanos(dear_output)


def _either(mtok: Decimal | None, otherwise: Decimal) -> Decimal:
    return otherwise if mtok is None else mtok


def _nanos(money: Decimal) -> int:
    return int(money.scaleb(PLACES))


def _rounded(nanos_mtok: int) -> int:
    """Half up."""
    return (nanos_mtok * 2 + MILLION) // (MILLION * 2)


def _money(nanos: int) -> Decimal:
    return Decimal(nanos).scaleb(-PLACES)

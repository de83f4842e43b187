"""Usage × price: exact, rounded once, and never less than its parts."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.accounting.pricing import Amounts, Tokens, amounts, most, most_output, output_amount

NANO = Decimal("0.000000001")


@dataclass(frozen=True)
class Listed:
    input_mtok: Decimal
    output_mtok: Decimal
    cached_mtok: Decimal | None = None
    reasoning_mtok: Decimal | None = None


def listed(*figures: str | None) -> Listed:
    return Listed(*(None if figure is None else Decimal(figure) for figure in figures))


@pytest.mark.parametrize(
    ("price", "tokens", "amount"),
    [
        (listed("3", "15"), Tokens.exactly(1000, 200), "0.006"),
        (listed("0.6", "2.5"), Tokens.exactly(1204, 612), "0.0022524"),
        (listed("3", "15", "0.3"), Tokens.exactly(1000, 0, cached=900), "0.00057"),
        (listed("3", "15"), Tokens.exactly(1000, 0, cached=900), "0.003"),  # no price of its own: as input
        (listed("3", "15", None, "60"), Tokens.exactly(0, 100, reasoning=40), "0.0033"),
        (listed("3", "15", "0"), Tokens.exactly(1000, 0, cached=1000), "0"),  # free is not missing
        (listed("0.0005", "0"), Tokens.exactly(1, 0), "0.000000001"),  # half a nano, up
        (listed("0.000499", "0"), Tokens.exactly(1, 0), "0"),
        (listed("0.0005", "0.0005"), Tokens.exactly(1, 1), "0.000000001"),  # rounded once, not each part
        (listed("1000000", "1000000"), Tokens.exactly(10**8, 10**8), "200000000"),
    ],
)
def test_an_amount(price, tokens, amount):
    assert amounts(tokens, price).amount == Decimal(amount)


def test_without_a_price_an_amount_is_unknown():
    assert amounts(Tokens.exactly(1000, 200), None) is None
    assert output_amount(1000, None) is None


def test_an_estimate_costs_between_bounds():
    tokens = Tokens(100, 90, 110, 310, 300, 322)
    assert amounts(tokens, listed("1", "2")) == Amounts(*map(Decimal, ("0.00072", "0.00069", "0.000754")))


def test_more_cached_or_reasoning_tokens_than_there_are_count_as_all():
    assert Tokens.exactly(10, 5, cached=99, reasoning=99) == Tokens.exactly(10, 5, cached=10, reasoning=5)


money = st.integers(0, 10**15).map(lambda nanos: Decimal(nanos).scaleb(-9))
prices = st.builds(Listed, money, money, st.none() | money, st.none() | money)
counts = st.integers(0, 10**8)


@given(prices, counts, counts, counts, counts)
def test_an_amount_is_the_exact_sum_rounded_half_up(price, tokens_in, cached, tokens_out, reasoning):
    tokens = Tokens.exactly(tokens_in, tokens_out, cached=cached, reasoning=reasoning)
    cached_mtok = price.input_mtok if price.cached_mtok is None else price.cached_mtok
    reasoning_mtok = price.output_mtok if price.reasoning_mtok is None else price.reasoning_mtok
    exact = (
        (tokens.input_tokens - tokens.cached_tokens) * Fraction(price.input_mtok)
        + tokens.cached_tokens * Fraction(cached_mtok)
        + (tokens.output_tokens - tokens.reasoning_tokens) * Fraction(price.output_mtok)
        + tokens.reasoning_tokens * Fraction(reasoning_mtok)
    ) / 10**6
    found = amounts(tokens, price).amount
    assert abs(Fraction(found) - exact) <= Fraction(NANO) / 2
    assert found == found.quantize(NANO, ROUND_HALF_UP)


@given(prices, counts, counts, counts, counts)
def test_what_is_held_is_never_less_than_what_it_costs(price, tokens_in, cached, tokens_out, reasoning):
    tokens = Tokens.exactly(tokens_in, tokens_out, cached=cached, reasoning=reasoning)
    assert amounts(tokens, price).amount <= most(tokens_in, tokens_out, price)


@given(prices, st.integers(0, 10**5), st.integers(0, 10**14))
def test_the_longest_answer_that_fits_fits_and_one_more_token_does_not(price, prompt, nanos):
    room = Decimal(nanos).scaleb(-9)
    fits = most_output(room, prompt, price)
    if fits is None:
        assert most(prompt, 10**9, price) <= room
    elif fits < 0:
        assert most(prompt, 0, price) >= room
    else:
        assert most(prompt, fits, price) <= room
        # In nanos of a millionth: what rounding hides is less than half of one.
        dear = max(price.output_mtok, price.reasoning_mtok or Decimal(0))
        assert most(prompt, fits + 1, price) >= room - NANO or dear < NANO

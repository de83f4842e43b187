"""What a report says of some usage: replies, tokens and money, and how much of it is an estimate. They add up."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from decimal import Decimal

from chat.models.money import PLACES


@dataclass(slots=True)
class Money:
    """In one currency, in whole numbers of 10⁻⁹: reports add up thousands of them."""

    amount: int = 0
    amount_low: int = 0
    amount_high: int = 0
    estimated_amount: int = 0
    spared_amount: int = 0

    def add(self, other: "Money") -> None:
        self.amount += other.amount
        self.amount_low += other.amount_low
        self.amount_high += other.amount_high
        self.estimated_amount += other.estimated_amount
        self.spared_amount += other.spared_amount

    @property
    def sum(self) -> Decimal:
        return _money(self.amount)

    @property
    def low(self) -> Decimal:
        return _money(self.amount_low)

    @property
    def high(self) -> Decimal:
        return _money(self.amount_high)

    @property
    def estimated(self) -> Decimal:
        return _money(self.estimated_amount)

    @property
    def exact(self) -> Decimal:
        return _money(self.amount - self.estimated_amount)

    @property
    def bound(self) -> Decimal:
        """How far the sum may be off."""
        return _money(max(self.amount_high - self.amount, self.amount - self.amount_low))

    @property
    def spared(self) -> Decimal:
        return _money(self.spared_amount)

    @property
    def exact_share(self) -> float:
        return _exact_share(self.estimated_amount, self.amount)

    @property
    def estimated_share(self) -> float:
        return 1 - self.exact_share


PARTS = tuple(each.name for each in fields(Money))


@dataclass(slots=True)
class Figures:
    replies: int = 0
    adjustments: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    estimated_input: int = 0
    estimated_output: int = 0
    spared_tokens: int = 0
    unpriced_tokens: int = 0
    money: dict[str, Money] = field(default_factory=dict)  # by currency

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    @property
    def exact_share(self) -> float | None:
        """Of the tokens; None where there are none."""
        return _exact_share(self.estimated_input + self.estimated_output, self.tokens) if self.tokens else None

    @property
    def cached_share(self) -> float:
        return self.cached_tokens / self.input_tokens if self.input_tokens > 0 else 0.0

    @property
    def reasoning_share(self) -> float:
        return self.reasoning_tokens / self.output_tokens if self.output_tokens > 0 else 0.0

    def in_(self, currency: str) -> Money:
        return self.money.get(currency) or Money()

    def add(self, other: "Figures") -> None:
        self.replies += other.replies
        self.adjustments += other.adjustments
        self.input_tokens += other.input_tokens
        self.cached_tokens += other.cached_tokens
        self.output_tokens += other.output_tokens
        self.reasoning_tokens += other.reasoning_tokens
        self.estimated_input += other.estimated_input
        self.estimated_output += other.estimated_output
        self.spared_tokens += other.spared_tokens
        self.unpriced_tokens += other.unpriced_tokens
        for currency, money in other.money.items():
            self.money.setdefault(currency, Money()).add(money)


SUMMED = tuple(each.name for each in fields(Figures) if each.name not in ("unpriced_tokens", "money"))


def figures_of(sums: Sequence[int], currency: str) -> Figures:
    """Of the sums of SUMMED and of PARTS, all in one currency or unpriced."""
    found = Figures(*sums[: len(SUMMED)])
    if currency:
        found.money[currency] = Money(*sums[len(SUMMED) :])
    else:
        found.unpriced_tokens = found.tokens
    return found


def _money(nanos: int) -> Decimal:
    return Decimal(nanos).scaleb(-PLACES)


def _exact_share(estimated: int, whole: int) -> float:
    return min(max(1 - estimated / whole, 0.0), 1.0) if whole > 0 else 1.0

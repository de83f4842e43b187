"""What a report says of some usage: replies, tokens and money, and how much of it is an estimate. They add up."""

from dataclasses import dataclass, field, fields
from decimal import Decimal

from chat.models.money import PLACES

PARTS = ("amount", "amount_low", "amount_high", "estimated_amount", "spared_amount")


@dataclass(slots=True)
class Money:
    """In one currency, in whole numbers of 10⁻⁹: reports add up thousands of them."""

    amount: int = 0
    amount_low: int = 0
    amount_high: int = 0
    estimated_amount: int = 0
    spared_amount: int = 0

    def add(self, other: "Money") -> None:
        for name in PARTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))

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
        for name in COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for currency, money in other.money.items():
            self.money.setdefault(currency, Money()).add(money)


COUNTS = tuple(each.name for each in fields(Figures) if each.name != "money")
SUMMED = tuple(name for name in COUNTS if name != "unpriced_tokens")


def figures_of(sums: dict[str, int], currency: str) -> Figures:
    """Of sums of columns, all in one currency or unpriced."""
    found = Figures(**{name: sums[name] for name in SUMMED})
    if currency:
        found.money[currency] = Money(**{name: sums[name] for name in PARTS})
    else:
        found.unpriced_tokens = found.tokens
    return found


def _money(nanos: int) -> Decimal:
    return Decimal(nanos).scaleb(-PLACES)


def _exact_share(estimated: int, whole: int) -> float:
    return min(max(1 - estimated / whole, 0.0), 1.0) if whole > 0 else 1.0

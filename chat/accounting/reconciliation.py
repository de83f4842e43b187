"""Compares what a provider has billed with what the books say, by day and model, and makes estimates exact by it.

1. Our side is what completions stand at, adjustments included, whatever month these are booked in.
2. Only estimates are corrected: what a provider reported is what it billed. What is billed for a day and model, less
   what stands exactly there, is shared among its estimates by their size, if their bounds allow for that sum.
3. Each correction is an adjustment; afterwards the usage is exact, and a second time there is nothing left to correct.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import BigIntegerField, Count, Q, QuerySet, Sum
from django.utils import timezone

from chat.accounting import booking
from chat.accounting.pricing import Tokens
from chat.models import AuditEntry, Completion, LanguageModel, Person, Provider
from chat.models.money import NANO

Source = Completion.Source
LONGEST = timedelta(hours=26)  # from the day on which it is asked for until a reply is settled, in any time zone
SNAPSHOT = re.compile(r"[-@]?(\d{4}-\d{2}-\d{2}|\d{8})$")  # what a provider puts after a model's name


@dataclass(frozen=True, slots=True)
class Billed:
    """Of one day and model, as the provider names it. None: the bill does not say what it cost."""

    day: date
    model: str
    input_tokens: int
    output_tokens: int
    cost: Decimal | None = None

    def __add__(self, other: "Billed") -> "Billed":
        costs = [cost for cost in (self.cost, other.cost) if cost is not None]
        cost = sum(costs, Decimal(0)) if costs else None
        input_tokens, output_tokens = self.input_tokens + other.input_tokens, self.output_tokens + other.output_tokens
        return Billed(self.day, self.model, input_tokens, output_tokens, cost)

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens


@dataclass(slots=True)
class Captured:
    """What our books say of it, and how much of that is estimated."""

    replies: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal = Decimal(0)
    estimates: int = 0  # replies

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class Line:
    """One day and model. `model` None: we know none of that name."""

    day: date
    name: str
    model: LanguageModel | None
    billed: Billed
    ours: Captured

    @property
    def differs(self) -> bool:
        return (self.billed.input_tokens, self.billed.output_tokens) != (
            self.ours.input_tokens,
            self.ours.output_tokens,
        )

    @property
    def tokens_off(self) -> int:
        return self.ours.tokens - self.billed.tokens

    @property
    def cost_off(self) -> Decimal | None:
        return None if self.billed.cost is None else self.ours.cost - self.billed.cost


@dataclass(slots=True)
class Comparison:
    provider: Provider
    currency: str
    lines: list[Line]
    billed: list[Billed] = field(repr=False, default_factory=list)

    @property
    def first(self) -> date:
        return min(line.day for line in self.lines)

    @property
    def last(self) -> date:
        return max(line.day for line in self.lines)

    @property
    def has_costs(self) -> bool:
        return any(line.billed.cost is not None for line in self.lines)

    @property
    def total(self) -> Line:
        billed, ours = Billed(self.first, "", 0, 0), Captured()
        for line in self.lines:
            billed += line.billed
            for name in ("replies", "input_tokens", "output_tokens", "cost", "estimates"):
                setattr(ours, name, getattr(ours, name) + getattr(line.ours, name))
        return Line(self.first, "", None, billed, ours)

    @property
    def captured_tokens(self) -> float | None:
        """Which share of what was billed our books have. More than was billed is no more than all of it."""
        whole = sum(line.billed.tokens for line in self.lines)
        return sum(min(line.billed.tokens, line.ours.tokens) for line in self.lines) / whole if whole else None

    @property
    def captured_cost(self) -> float | None:
        costs = [(line.billed.cost, line.ours.cost) for line in self.lines if line.billed.cost is not None]
        whole = sum(billed for billed, _ours in costs)
        return float(sum(min(billed, ours) for billed, ours in costs) / whole) if whole else None

    @property
    def captured(self) -> float | None:
        """By money where the bill names it."""
        return self.captured_cost if self.captured_cost is not None else self.captured_tokens

    @property
    def correctable(self) -> int:
        """Replies whose estimate the bill can make exact."""
        return sum(1 for line in self.lines for _share in shares_of(self.provider, line))


def compare(provider: Provider, billed: Iterable[Billed], currency: str) -> Comparison:
    known = {model.name: model for model in provider.models.all()}
    by_key: dict[tuple[date, str], Billed] = {}
    for one in billed:
        model = model_of(known, one.model)
        key = one.day, model.name if model else one.model
        by_key[key] = by_key[key] + one if key in by_key else one
    if not by_key:
        return Comparison(provider, currency, [])
    ours = _captured(provider, min(day for day, _name in by_key), max(day for day, _name in by_key), currency)
    nothing = Captured()
    lines = []
    for day, name in sorted({*by_key, *ours}):
        empty = Billed(day, name, 0, 0, Decimal(0) if any(one.cost is not None for one in by_key.values()) else None)
        found = ours.get((day, name), nothing)
        lines.append(Line(day, name, known.get(name), by_key.get((day, name), empty), found))
    return Comparison(provider, currency, lines, list(by_key.values()))


def model_of(known: dict[str, LanguageModel], name: str) -> LanguageModel | None:
    """By its name, or by that without the date of its snapshot."""
    if name in known:
        return known[name]
    bare = SNAPSHOT.sub("", name)
    alike = [model for other, model in known.items() if SNAPSHOT.sub("", other) == bare]
    return known.get(bare) or (alike[0] if len(alike) == 1 else None)


def _captured(provider: Provider, first: date, last: date, currency: str) -> dict[tuple[date, str], Captured]:
    of_days = _settled(provider, first, last).order_by().values("day", "model__name")
    in_currency = Sum("amount", filter=Q(price__currency=currency), output_field=BigIntegerField())
    sums = of_days.annotate(
        replies=Count("pk"),
        input=Sum("input_tokens"),
        output=Sum("output_tokens"),
        cost=in_currency,
        estimates=Count("pk", filter=Q(usage_source=Source.ESTIMATED)),
    )
    return {
        (row["day"], row["model__name"]): Captured(
            row["replies"], row["input"] or 0, row["output"] or 0, (row["cost"] or 0) * NANO, row["estimates"]
        )
        for row in sums
    }


def _settled(provider: Provider, first: date, last: date) -> QuerySet[Completion]:
    """Of these days. By the moment of settling, too: that has an index."""
    since, until = (timezone.make_aware(datetime.combine(day, time())) for day in (first, last))
    models = list(provider.models.values_list("pk", flat=True))
    found = Completion.objects.filter(model__in=models, settled__gte=since - LONGEST, settled__lte=until + 2 * LONGEST)
    return found.filter(day__gte=first, day__lte=last).exclude(usage_source=Source.NOT_SENT)


# Corrections


def shares_of(provider: Provider, line: Line) -> Iterator[tuple[Completion, Tokens]]:
    """What each estimate of a day and model becomes; nothing where the bill does not fit between their bounds."""
    if line.model is None or not line.ours.estimates:
        return
    those = _settled(provider, line.day, line.day).filter(model=line.model)
    exact = those.exclude(usage_source=Source.ESTIMATED).aggregate(
        input=Sum("input_tokens"), output=Sum("output_tokens")
    )
    estimates = list(those.filter(usage_source=Source.ESTIMATED).defer("arrivals").order_by("pk"))
    inputs = _shared(line.billed.input_tokens - (exact["input"] or 0), estimates, "input")
    outputs = _shared(line.billed.output_tokens - (exact["output"] or 0), estimates, "output")
    if inputs is None or outputs is None:
        return
    for completion, input_tokens, output_tokens in zip(estimates, inputs, outputs, strict=True):
        cached = min(completion.cached_tokens or 0, input_tokens)
        reasoning = min(completion.reasoning_tokens or 0, output_tokens)
        yield completion, Tokens.exactly(input_tokens, output_tokens, cached=cached, reasoning=reasoning)


def _shared(whole: int, estimates: list[Completion], part: str) -> list[int] | None:
    """By size, in whole tokens that add up. None: their bounds do not allow for it."""
    low, middle, high = (
        [getattr(one, name) or 0 for one in estimates] for name in (f"{part}_low", f"{part}_tokens", f"{part}_high")
    )
    if not sum(low) <= whole <= sum(high):
        return None
    # Between a bound and the middle all move by the same share of their room, so that none leaves its bounds.
    down = whole < sum(middle)
    room = [(m - lo) if down else (h - m) for lo, m, h in zip(low, middle, high, strict=True)]
    missing, free = whole - sum(middle), sum(room)
    shares = [missing * each // free if free else 0 for each in room]
    left = missing - sum(shares)  # rounding down leaves less than one for each
    for place, most in enumerate([0] * len(room) if down else room):
        if left and shares[place] < most:
            shares[place] += 1
            left -= 1
    return [m + share for m, share in zip(middle, shares, strict=True)]


def correct(by: Person | None, comparison: Comparison, *, file: str) -> int:
    """Writes the adjustments that a bill allows for, each in a transaction of its own; how many.

    The audit tells of it first, with how many there are to be: a process that dies in between leaves none untold.
    """
    shares = [share for line in comparison.lines for share in shares_of(comparison.provider, line)]
    if shares:
        captured = comparison.captured
        after = {
            "file": file[:100],
            "days": f"{comparison.first} to {comparison.last}",
            "replies": len(shares),
            "captured before": "" if captured is None else f"{captured:.2%}",
        }
        AuditEntry.record(by, "bill reconciled", comparison.provider, after=after)
    return sum(_correct(completion, tokens) for completion, tokens in shares)


def _correct(completion: Completion, tokens: Tokens) -> bool:
    """Unless it has a better figure by now than when the shares were computed."""
    with transaction.atomic():
        kept = Completion.objects.select_for_update(of=("self",)).defer("arrivals").get(pk=completion.pk)
        if kept.usage_source != Source.ESTIMATED or kept.output_tokens != completion.output_tokens:
            return False
        booking.adjust(kept.pk, Source.RECONCILED, tokens, recounts_left=0, lookups_left=0)
    return True

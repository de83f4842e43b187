"""Proves that the books agree, and names what does not.

1. Each settled completion has exactly one charge, and no other has any (I2); of its corrections none is missing (I8).
2. A completion shows what its lines add up to (I8), and costs what its tokens cost by its price.
3. A line names the payer, the group and the price of its completion, whose source is that of the last line.
4. Σ lines = Σ days, figure by figure (I9); how fast replies came and what was spared by what their completions say.
5. Σ days = each of their rollups, figure by figure.
6. Each budget period's `spent` is what the ledger says of its days, and `held` the sum of its Holds (I9).
7. Only queued and live completions hold anything, or have text that is not in its message yet.

All in parts, each bounded: a day, one kind of a month's rollups, or some thousand completions. Whoever reads all of
them from one state of the database proves it of that state; whoever takes a part now and then proves each of the state
that it saw. What is true of all states can be proved in both ways.
"""

from collections import Counter, defaultdict, namedtuple
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import partial, reduce
from operator import or_

from django.db import connection, transaction
from django.db.models import BigIntegerField, Count, Exists, F, Max, Min, Model, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Cast, Coalesce

from chat.accounting import budgets, ledger, pace, pricing, rollups
from chat.accounting.days import FIGURES, SUMMED, WITHOUT_THEIR_END
from chat.models import BudgetPeriod, Completion, Hold, Segment, UsageDay, UsageEntry, UsageRollup
from chat.models.money import PLACES, plain

MOST = 20  # findings of one kind and part that are named one by one
COMPLETIONS, PRICED, PERIODS = 20_000, 2_000, 500  # in a part
KEY = ("account", "group", "model", "purpose", "outcome", "currency")
STANDING = (*ledger.TOKENS[:6], *ledger.AMOUNTS)

MTOK = ("input_mtok", "output_mtok", "cached_mtok", "reasoning_mtok")
Rates = namedtuple("Rates", MTOK)

Part = Callable[[], Iterator["Finding"]]
Figures = Iterator[tuple[tuple, dict[str, int | Decimal]]]  # by key; to be added up


@dataclass(frozen=True, slots=True)
class Finding:
    """What does not agree: of which check, where, and how; the day whose sums may be made anew.

    `facts` are the same by name, for who says it in sentences: numbers of rows, and figures as they stand and as they
    should, in pairs.
    """

    check: str
    where: str
    what: str
    day: date | None = None
    facts: dict[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.check}: {self.where}: {self.what}"


@contextmanager
def one_state() -> Iterator[None]:
    """On SQLite a deferred transaction, which takes no write lock; elsewhere a repeatable read."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            if connection.in_atomic_block:
                yield
                return
            cursor.execute("BEGIN DEFERRED")
            try:
                yield
            finally:
                cursor.execute("ROLLBACK")
        return
    with transaction.atomic(), connection.cursor() as cursor:
        if len(connection.savepoint_ids) == 0:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield


def audit() -> Iterator[Finding]:
    """All that is off, part by part. Call it within `one_state`."""
    for part in parts():
        yield from part()


def parts() -> list[Part]:
    days = all_days()
    return [
        *(
            partial(look, *ids)
            for ids in _ranges(Completion, COMPLETIONS)
            for look in (charges, figures_shown, lines_named)
        ),
        *(partial(amounts_priced, *ids) for ids in _ranges(Completion, PRICED)),
        *(partial(sums_of, day) for day in days),
        *(partial(rollups_of, *each) for month in all_months(days) for each in rollups.slices(month)),
        *(partial(budgets_kept, *ids) for ids in _ranges(BudgetPeriod, PERIODS)),
        holds_kept,
        nothing_unwritten,
    ]


def _ranges(model: type[Model], size: int) -> Iterator[tuple[int, int]]:
    """Of ids, the second of each left out: all that there are now."""
    found = model.objects.aggregate(first=Min("pk"), last=Max("pk"))
    if found["last"] is not None:
        yield from ((start, start + size) for start in range(found["first"], found["last"] + 1, size))


def charges(first: int, end: int) -> Iterator[Finding]:
    """I2, I8. Two charges of one completion are refused by the database itself."""
    kinds = {kind: Q(usage_entries__kind=kind) for kind in UsageEntry.Kind.values}
    counted = Completion.objects.filter(pk__gte=first, pk__lt=end).order_by("pk").values("pk", "status")
    counted = counted.annotate(
        charged=Count("usage_entries", filter=kinds["charge"]),
        corrected=Count("usage_entries", filter=kinds["adjustment"]),
        last=Coalesce(Max("usage_entries__number"), 0),
    )
    unsettled = Q(status__in=Completion.UNSETTLED)
    wrong = {
        "has ended, but has no charge": ~unsettled & Q(charged=0),
        "has more than one charge": Q(charged__gt=1),
        "has a charge, but has not ended": unsettled & Q(charged__gt=0),
        "lacks a correction": ~Q(corrected=F("last")),
    }
    if not counted.filter(reduce(or_, wrong.values())).exists():
        return
    for what, condition in wrong.items():
        for pk in counted.filter(condition).values_list("pk", flat=True)[:MOST]:
            yield Finding("one charge each", f"completion {pk}", what, facts={"completion": pk, "fault": what})


def figures_shown(first: int, end: int) -> Iterator[Finding]:
    """What the page of a conversation says is what was booked."""
    within = Completion.objects.filter(pk__gte=first, pk__lt=end)
    settled = within.exclude(status__in=Completion.UNSETTLED).order_by("pk").values("pk", *STANDING)
    booked = settled.annotate(**{f"booked_{name}": Sum(f"usage_entries__{name}") for name in STANDING})
    differs = reduce(or_, map(_differs, STANDING))
    for row in booked.filter(differs)[:MOST]:
        wrong = [name for name in STANDING if row[name] != row[f"booked_{name}"]]
        what = ", ".join(f"{name} {_told(row[name])}, booked {_told(row[f'booked_{name}'])}" for name in wrong)
        figures = {name: [_told(row[name]), _told(row[f"booked_{name}"])] for name in wrong}
        facts = {"completion": row["pk"], "figures": figures}
        yield Finding("shown is booked", f"completion {row['pk']}", what, facts=facts)


def _told(figure: int | Decimal | None) -> str:
    """Money without an exponent."""
    return plain(figure) if isinstance(figure, Decimal) else str(figure)


def _differs(name: str) -> Q:
    """Also where one of both is unknown."""
    shown, booked = {f"{name}__isnull": True}, {f"booked_{name}__isnull": True}
    return (
        Q(Q(**shown) & ~Q(**booked)) | Q(~Q(**shown) & Q(**booked)) | Q(~Q(**{name: F(f"booked_{name}")}), ~Q(**shown))
    )


def lines_named(first: int, end: int) -> Iterator[Finding]:
    """Whoever looks a line up finds what its completion says, too."""
    lines = UsageEntry.objects.filter(completion__gte=first, completion__lt=end).order_by("completion", "number")
    wrong = {
        "payer": ~Q(account=F("completion__account")),
        "group": _unlike("group", "completion__group"),
        "price": _unlike("price", "completion__price"),
        "source": Q(is_last=True) & ~Q(source=F("completion__usage_source")),
    }
    later = UsageEntry.objects.filter(completion=OuterRef("completion"), number__gt=OuterRef("number"))
    lines = lines.annotate(is_last=~Exists(later))
    if not lines.filter(reduce(or_, wrong.values())).exists():
        return
    for what, condition in wrong.items():
        for completion, number in lines.filter(condition).values_list("completion", "number")[:MOST]:
            told, facts = f"{what} of line {number} is another", {"completion": completion, "fault": what}
            yield Finding("line is of completion", f"completion {completion}", told, facts=facts)


def _unlike(one: str, other: str) -> Q:
    """Also where one of both is none."""
    neither = Q(**{f"{one}__isnull": True, f"{other}__isnull": True})
    return ~neither & ~Q(**{f"{one}__isnull": False, f"{other}__isnull": False, one: F(other)})


def amounts_priced(first: int, end: int) -> Iterator[Finding]:
    """Usage × price = amount, by the one function that makes amounts."""
    settled = Completion.objects.filter(pk__gte=first, pk__lt=end).exclude(status__in=Completion.UNSETTLED)
    names = ("pk", "amount", "price", *(f"price__{name}" for name in MTOK), *ledger.TOKENS[:6])
    summed = {name: Sum(f"usage_entries__{name}") for name in ledger.TOKENS[6:]}
    for row in settled.order_by("pk").values(*names).annotate(**summed):
        if any(row[name] is None for name in ledger.TOKENS):
            continue  # it has no line: that is another finding
        price = Rates(*(row[f"price__{name}"] for name in MTOK)) if row["price"] else None
        cost = pricing.amounts(pricing.Tokens(*(row[name] for name in ledger.TOKENS)), price)
        right = cost.amount if cost else None
        if row["amount"] != right:
            what = f"amount {_told(row['amount'])}, by its price {_told(right)}"
            facts = {"completion": row["pk"], "figures": {"amount": [_told(row["amount"]), _told(right)]}}
            yield Finding("usage × price", f"completion {row['pk']}", what, facts=facts)


def all_days() -> list[date]:
    """Each day that has lines or sums. From one to the next by the index: not all lines are read for it."""
    return sorted({*_days_of(UsageEntry), *_days_of(UsageDay)})


def _days_of(model: type[UsageEntry | UsageDay]) -> Iterator[date]:
    day = model.objects.aggregate(first=Min("day"))["first"]
    while day is not None:
        yield day
        day = model.objects.filter(day__gt=day).aggregate(next=Min("day"))["next"]


def sums_of(day: date) -> Iterator[Finding]:
    """What the lines add up to, and what their replies say of pace and of what was spared."""
    named = UsageEntry.objects.filter(day=day).order_by()
    named = named.annotate(
        model=F("completion__model"), purpose=F("completion__purpose"), outcome=F("completion__status")
    )
    booked: defaultdict[tuple, Counter] = defaultdict(Counter)
    for found in (_summed(named), _paces(named), _spared(named)):
        for key, figures in found:
            booked[key].update(figures)
    summed = {tuple(row[name] for name in KEY): row for row in UsageDay.objects.filter(day=day).values(*KEY, *FIGURES)}
    for key in sorted({*booked, *summed}, key=str):
        yield from _differences(day, key, summed.get(key, {}), booked.get(key, {}))


def _summed(lines: QuerySet[UsageEntry]) -> Figures:
    charges = Count("pk", filter=Q(kind=UsageEntry.Kind.CHARGE))
    sums = {f"sum_{name}": Sum(name) for name in SUMMED}
    sums |= {"sum_replies": charges, "sum_adjustments": Count("pk") - charges}
    for row in lines.values(*KEY).annotate(**sums):
        figures = {name.removeprefix("sum_"): row[name] or 0 for name in sums}
        yield tuple(row[name] for name in KEY), figures


def _paces(lines: QuerySet[UsageEntry]) -> Figures:
    """How many replies lie in each bucket."""
    numbers = {
        "ttft": pace.ttft_number("completion__first_delta_ms"),
        "speed": pace.speed_number("completion__first_delta_ms", "completion__duration_ms", "output_tokens"),
    }
    charges = lines.filter(kind=UsageEntry.Kind.CHARGE).annotate(**{f"{kind}_no": no for kind, no in numbers.items()})
    for row in charges.values(*KEY, "ttft_no", "speed_no").annotate(replies=Count("pk")):
        found = {f"{kind}_{row[f'{kind}_no']}": row["replies"] for kind in numbers if row[f"{kind}_no"] is not None}
        yield tuple(row[name] for name in KEY), found


def _spared(lines: QuerySet[UsageEntry]) -> Figures:
    """One by one: each amount is rounded by itself."""
    charges = lines.filter(kind=UsageEntry.Kind.CHARGE, completion__attempts__gt=0, outcome__in=WITHOUT_THEIR_END)
    room = F("completion__max_output") * F("completion__n") - F("output_tokens")
    spared = charges.annotate(room=Cast(room, BigIntegerField())).filter(room__gt=0)
    for row in spared.values(*KEY, "room", "price", *(f"price__{name}" for name in MTOK)).iterator():
        price = Rates(*(row[f"price__{name}"] for name in MTOK)) if row["price"] else None
        amount = pricing.output_amount(row["room"], price) or Decimal(0)
        yield tuple(row[name] for name in KEY), {"spared_tokens": row["room"], "spared_amount": amount}


def _differences(day: date, key: tuple, summed: dict, booked: dict) -> Iterator[Finding]:
    where = ", ".join([f"{day}", *(f"{name} {part}" for name, part in zip(KEY, key, strict=True) if part)])
    of = {name: part for name, part in zip(KEY, key, strict=True) if part}
    for name in FIGURES:
        if summed.get(name, 0) != booked.get(name, 0):
            kept, right = _told(summed.get(name, 0)), _told(booked.get(name, 0))
            facts = {"of": of, "figures": {name: [kept, right]}}
            yield Finding("Σ lines = Σ days", where, f"{name} {kept}, lines {right}", day, facts)


def all_months(days: list[date]) -> list[date]:
    """The first day of each month that has sums."""
    rolled = UsageRollup.objects.order_by().values_list("first", flat=True).distinct()
    return sorted({day.replace(day=1) for day in (*days, *rolled)})


def rollups_of(by: str, span: str, first: date) -> Iterator[Finding]:
    for off in rollups.off(by, span, first):
        where = ", ".join(f"{name} {part}" for name, part in off.key.items() if part)
        for name, right in off.right.items():
            if off.kept[name] != right:
                kept = off.kept[name]
                if name.endswith("amount") or "amount_" in name:  # in whole numbers there
                    kept, right = Decimal(kept).scaleb(-PLACES), Decimal(right).scaleb(-PLACES)
                told = _told(kept), _told(right)
                of = {name: str(part) for name, part in off.key.items() if part}
                facts = {"of": of, "figures": {name: list(told)}}
                yield Finding("Σ days = rollups", where, f"{name} {told[0]}, days {told[1]}", first, facts)


def budgets_kept(first: int, end: int) -> Iterator[Finding]:
    """By the days' sums, which are proved to be those of the lines."""
    holds = Hold.objects.filter(period=OuterRef("pk")).order_by().values("period")
    held = Subquery(holds.annotate(sum=Sum("amount")).values("sum"))
    periods = BudgetPeriod.objects.filter(pk__gte=first, pk__lt=end).select_related("budget").order_by("pk")
    for period in periods.annotate(sum_held=held):
        booked = budgets.spent_in(period.budget, period.begins, period.ends, UsageDay.objects)
        where = f"budget {period.budget_id}, from {period.begins}"
        facts = {"budget": period.budget_id, "begins": period.begins.isoformat()}
        if period.spent != booked:
            figures = {"spent": [plain(period.spent), plain(booked)]}
            yield Finding(
                "spent is booked", where, f"spent {period.spent}, days {booked}", facts=facts | {"figures": figures}
            )
        if period.held != (sum_held := period.sum_held or Decimal(0)):
            figures = {"held": [plain(period.held), plain(sum_held)]}
            what = f"held {period.held}, holds {sum_held}"
            yield Finding("held is held by somebody", where, what, facts=facts | {"figures": figures})


def holds_kept() -> Iterator[Finding]:
    ended = Hold.objects.exclude(completion__status__in=Completion.UNSETTLED).order_by("pk")
    found = ended.values_list("completion", "period", "period__budget", "amount")
    for pk, period, budget, amount in found[:MOST]:
        facts = {"completion": pk, "budget": budget, "figures": {"held": [plain(amount), "0"]}}
        what = f"holds {amount} of period {period}"
        yield Finding("only what is queued or live holds", f"completion {pk}", what, facts=facts)


def nothing_unwritten() -> Iterator[Finding]:
    """I8: what was saved of a reply while it arrived is in its message once it has ended."""
    ended = Segment.objects.exclude(completion__status__in=Completion.UNSETTLED).order_by("completion")
    for pk in ended.values_list("completion", flat=True).distinct()[:MOST]:
        what = "has ended, but segments of it are left"
        yield Finding("settled text is whole", f"completion {pk}", what, facts={"completion": pk})

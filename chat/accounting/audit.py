"""Proves that the books agree, and names what does not.

1. Each settled completion has exactly one charge, and no other has any (I2).
2. A completion shows what its lines add up to.
3. Σ lines = Σ days, figure by figure (I9).
4. Σ days = each of their rollups, figure by figure.
5. Each budget period's `spent` is what the ledger says of its days, and `held` the sum of its Holds.
6. Only queued and live completions hold anything.

It reads one state of the database, however much is written meanwhile.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import reduce
from operator import or_

from django.db import connection, transaction
from django.db.models import Count, F, OuterRef, Q, Subquery, Sum
from django.db.models.functions import Coalesce

from chat.accounting import budgets, ledger, rollups
from chat.accounting.days import SUMMED
from chat.models import BudgetPeriod, Completion, Hold, UsageDay, UsageEntry, UsageRollup

MOST = 20  # findings of one kind that are named one by one
KEY = ("account", "group", "model", "purpose", "outcome", "currency")
STANDING = (*ledger.TOKENS[:6], *ledger.AMOUNTS)


@dataclass(frozen=True, slots=True)
class Finding:
    """What does not agree: of which check, where, and how."""

    check: str
    where: str
    what: str

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
    """All that is off, check by check. Call it within `one_state`."""
    yield from charges()
    yield from figures_shown()
    days = all_days()
    for day in days:
        yield from sums_of(day)
    for month in all_months(days):
        yield from rollups_of(month)
    yield from budgets_kept()
    yield from holds_kept()


def charges() -> Iterator[Finding]:
    """I2. Two charges of one completion are refused by the database itself."""
    charged = Count("usage_entries", filter=Q(usage_entries__kind=UsageEntry.Kind.CHARGE))
    counted = Completion.objects.annotate(charged=charged).order_by("pk")
    wrong = {
        "has ended, but has no charge": counted.exclude(status__in=Completion.UNSETTLED).filter(charged=0),
        "has more than one charge": counted.filter(charged__gt=1),
        "has a charge, but has not ended": counted.filter(status__in=Completion.UNSETTLED, charged__gt=0),
    }
    for what, completions in wrong.items():
        for pk in completions.values_list("pk", flat=True)[:MOST]:
            yield Finding("one charge each", f"completion {pk}", what)


def figures_shown() -> Iterator[Finding]:
    """What the page of a conversation says is what was booked."""
    settled = Completion.objects.exclude(status__in=Completion.UNSETTLED).order_by("pk").values("pk", *STANDING)
    booked = settled.annotate(**{f"booked_{name}": Sum(f"usage_entries__{name}") for name in STANDING})
    differs = reduce(or_, map(_differs, STANDING))
    for row in booked.filter(differs)[:MOST]:
        wrong = [name for name in STANDING if row[name] != row[f"booked_{name}"]]
        what = ", ".join(f"{name} {row[name]}, booked {row[f'booked_{name}']}" for name in wrong)
        yield Finding("shown is booked", f"completion {row['pk']}", what)


def _differs(name: str) -> Q:
    """Also where one of both is unknown."""
    shown, booked = {f"{name}__isnull": True}, {f"booked_{name}__isnull": True}
    return (
        Q(Q(**shown) & ~Q(**booked)) | Q(~Q(**shown) & Q(**booked)) | Q(~Q(**{name: F(f"booked_{name}")}), ~Q(**shown))
    )


def all_days() -> list[date]:
    """Each day that has lines or sums."""
    lines = UsageEntry.objects.order_by().values_list("day", flat=True).distinct()
    return sorted({*lines, *UsageDay.objects.order_by().values_list("day", flat=True).distinct()})


def sums_of(day: date) -> Iterator[Finding]:
    charges = Count("pk", filter=Q(kind=UsageEntry.Kind.CHARGE))
    lines = UsageEntry.objects.filter(day=day).order_by()
    named = lines.annotate(
        model=F("completion__model"), purpose=F("completion__purpose"), outcome=F("completion__status")
    )
    sums = {f"sum_{name}": Coalesce(Sum(name), 0) if "amount" not in name else Sum(name) for name in SUMMED}
    booked = {
        tuple(row[name] for name in KEY): _figures(row, "sum_")
        for row in named.values(*KEY).annotate(sum_replies=charges, sum_adjustments=Count("pk") - charges, **sums)
    }
    summed = {
        tuple(row[name] for name in KEY): _figures(row, "")
        for row in UsageDay.objects.filter(day=day).values(*KEY, *SUMMED, "replies", "adjustments")
    }
    for key in sorted({*booked, *summed}, key=str):
        yield from _differences(day, key, summed.get(key, {}), booked.get(key, {}))


def _figures(row: dict, prefix: str) -> dict[str, int | Decimal]:
    return {name: row[f"{prefix}{name}"] or 0 for name in (*SUMMED, "replies", "adjustments")}


def _differences(day: date, key: tuple, summed: dict, booked: dict) -> Iterator[Finding]:
    where = ", ".join([f"{day}", *(f"{name} {part}" for name, part in zip(KEY, key, strict=True) if part)])
    for name in (*SUMMED, "replies", "adjustments"):
        if summed.get(name, 0) != booked.get(name, 0):
            yield Finding("Σ lines = Σ days", where, f"{name} {summed.get(name, 0)}, lines {booked.get(name, 0)}")


def all_months(days: list[date]) -> list[date]:
    """The first day of each month that has sums."""
    rolled = UsageRollup.objects.order_by().values_list("first", flat=True).distinct()
    return sorted({day.replace(day=1) for day in (*days, *rolled)})


def rollups_of(month: date) -> Iterator[Finding]:
    for off in rollups.off(month):
        where = ", ".join(f"{name} {part}" for name, part in off.key.items() if part)
        for name, right in off.right.items():
            if off.kept[name] != right:
                yield Finding("Σ days = rollups", where, f"{name} {off.kept[name]}, days {right}")


def budgets_kept() -> Iterator[Finding]:
    holds = Hold.objects.filter(period=OuterRef("pk")).order_by().values("period")
    held = Subquery(holds.annotate(sum=Sum("amount")).values("sum"))
    for period in BudgetPeriod.objects.select_related("budget").annotate(sum_held=held).order_by("pk"):
        booked = budgets.spent_in(period.budget, period.begins, period.ends, UsageEntry.objects)
        where = f"budget {period.budget_id}, from {period.begins}"
        if period.spent != booked:
            yield Finding("spent is booked", where, f"spent {period.spent}, lines {booked}")
        if period.held != (period.sum_held or 0):
            yield Finding("held is held by somebody", where, f"held {period.held}, holds {period.sum_held or 0}")


def holds_kept() -> Iterator[Finding]:
    ended = Hold.objects.exclude(completion__status__in=Completion.UNSETTLED).order_by("pk")
    for pk, period, amount in ended.values_list("completion", "period", "amount")[:MOST]:
        yield Finding("only what is queued or live holds", f"completion {pk}", f"holds {amount} of period {period}")

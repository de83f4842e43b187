"""The only writer of UsageDay: adds each ledger line to its day's sums, and can make a day's sums anew from its lines.
Their rollups are written with them.

Sums are added to, never overwritten, whoever adds at the same time; a rebuilt one is computed with its row locked, so
that a line is either seen or added later.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from django.db import IntegrityError, transaction

from chat.accounting import rollups
from chat.accounting.pace import buckets_of
from chat.accounting.pricing import output_amount
from chat.models import Completion, UsageDay, UsageEntry
from chat.models.money import plus

SUMMED = (
    "input_tokens",
    "input_low",
    "input_high",
    "cached_tokens",
    "output_tokens",
    "output_low",
    "output_high",
    "reasoning_tokens",
    "estimated_input",
    "estimated_output",
    "amount",
    "amount_low",
    "amount_high",
    "estimated_amount",
)
FIGURES = tuple(field.name for field in UsageDay._meta.fields if field.name not in ("id", *UsageDay.KEY))
WITHOUT_THEIR_END = (Completion.Status.STOPPED, Completion.Status.ABANDONED)


def add(line: UsageEntry) -> None:
    """Into the row of its key, which is made if there is none."""
    key, figures = key_of(line), figures_of(line)
    if not _added(key, figures):
        try:
            with transaction.atomic():
                UsageDay.objects.create(**key, **figures)
        except IntegrityError:
            assert _added(key, figures)  # somebody else has made it at the same moment
    rollups.add(key, figures)


def key_of(line: UsageEntry) -> dict[str, object]:
    completion = line.completion
    return {
        "day": line.day,
        "account_id": line.account_id,
        "group_id": line.group_id,
        "model_id": completion.model_id,
        "purpose": completion.purpose,
        "outcome": completion.status,
        "currency": line.currency,
    }


def figures_of(line: UsageEntry) -> dict[str, int | Decimal]:
    """What a line adds to its day."""
    figures = Counter({name: figure for name in SUMMED if (figure := getattr(line, name))})
    if line.kind == UsageEntry.Kind.ADJUSTMENT:
        return {**figures, "adjustments": 1}
    completion = line.completion
    figures["replies"] = 1
    figures.update(buckets_of(completion.first_delta_ms, completion.duration_ms, line.output_tokens))
    spared = completion.max_output * completion.n - line.output_tokens
    if completion.status in WITHOUT_THEIR_END and completion.attempts and spared > 0:
        figures["spared_tokens"] = spared
        figures["spared_amount"] = output_amount(spared, line.price) or Decimal(0)
    return dict(figures)


def rebuild(day: date) -> int:
    """A day's sums anew from its lines, row by row, and the rollups of its month; returns how many were wrong."""
    lines = UsageEntry.objects.filter(day=day).order_by()
    keys = lines.values_list(
        "account", "group", "completion__model", "completion__purpose", "completion__status", "currency"
    )
    there = UsageDay.objects.filter(day=day).values_list("account", "group", "model", "purpose", "outcome", "currency")
    wrong = sum(_rebuild(day, *key) for key in {*keys.distinct(), *there})
    return wrong + rollups.rebuild(day.replace(day=1))


def _rebuild(day: date, account: int, group: int | None, model: int, purpose: str, outcome: str, currency: str) -> bool:
    key = {"day": day, "account_id": account, "group_id": group, "model_id": model, "purpose": purpose}
    key |= {"outcome": outcome, "currency": currency}
    with transaction.atomic():
        made, _new = UsageDay.objects.get_or_create(**key)
        row = UsageDay.objects.select_for_update().get(pk=made.pk)
        lines = UsageEntry.objects.filter(day=day, account=account, group=group, currency=currency).filter(
            completion__model=model, completion__purpose=purpose, completion__status=outcome
        )
        sums = total(lines.select_related("completion", "price").defer("completion__arrivals"))
        right = {name: sums.get(name, 0) for name in FIGURES}
        if all(getattr(row, name) == figure for name, figure in right.items()):
            return False
        if sums:
            UsageDay.objects.filter(pk=row.pk).update(**right)
        else:
            row.delete()
    return True


def total(lines: Iterable[UsageEntry]) -> dict[str, int | Decimal]:
    sums: Counter = Counter()
    for line in lines:
        for name, figure in figures_of(line).items():
            sums[name] += figure
    return dict(sums)


def _added(key: dict[str, object], figures: dict[str, int | Decimal]) -> bool:
    added = {name: plus(name, figure) for name, figure in figures.items()}
    return UsageDay.objects.filter(**key).update(**added) == 1

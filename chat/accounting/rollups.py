"""The only writer of UsageRollup: what is added to a day is added to its rollups too, in the same transaction.

So they are never behind, and nothing has to be caught up with. Each can be made anew from the days.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.db import connection, transaction
from django.db.models import BigIntegerField, F, Sum, Value
from django.db.models.functions import Coalesce

from chat.models import UsageDay, UsageRollup

By, Span = UsageRollup.By, UsageRollup.Span
NUMBERS = ("account", "group", "model")
WORDS = ("purpose", "outcome")
FIGURES = tuple(field.name for field in UsageDay._meta.fields if field.name not in ("id", *UsageDay.KEY))


@dataclass(frozen=True, slots=True)
class Off:
    """A rollup that is not what its days add up to; 0 and empty where one of both is missing."""

    key: dict[str, object]
    kept: dict[str, int]
    right: dict[str, int]


def add(day_key: dict[str, object], figures: dict[str, int | Decimal]) -> None:
    """What one line adds to a row of UsageDay. One statement for all rollups, which locks them in the order of KINDS.

    SQL of our own: the same as five updates, and their inserts where a row is new, takes five times as long.
    """
    columns = [UsageRollup._meta.get_field(name) for name in (*UsageRollup.KEY, *FIGURES)]
    rows = [{**figures, **key_of(by, span, day_key)} for by, span in UsageRollup.KINDS]
    values = [field.get_db_prep_save(row.get(field.name, 0), connection) for row in rows for field in columns]
    with connection.cursor() as cursor:
        cursor.execute(_upsert(len(rows)), values)


def key_of(by: str, span: str, day_key: dict[str, object]) -> dict[str, object]:
    """Of the rollup in which a row of UsageDay counts."""
    kept = UsageRollup.KEPT[by]
    numbers = {name: (day_key[f"{name}_id"] or 0) if name in kept else 0 for name in NUMBERS}
    words = {name: day_key[name] if name in kept else "" for name in WORDS}
    first = day_key["day"] if span == Span.DAY else day_key["day"].replace(day=1)
    return {"by": by, "span": span, "first": first, **numbers, **words, "currency": day_key["currency"]}


def _upsert(rows: int) -> str:
    names = (*UsageRollup.KEY, *FIGURES)
    table, columns = UsageRollup._meta.db_table, ", ".join(map(_quoted, names))
    values = ", ".join([f"({', '.join(['%s'] * len(names))})"] * rows)
    added = ", ".join(f"{_quoted(name)} = {table}.{_quoted(name)} + excluded.{_quoted(name)}" for name in FIGURES)
    key = ", ".join(map(_quoted, UsageRollup.KEY))
    return f"INSERT INTO {table} ({columns}) VALUES {values} ON CONFLICT ({key}) DO UPDATE SET {added}"  # noqa: S608


def _quoted(name: str) -> str:
    return connection.ops.quote_name(name)


# The proof, and making them anew


def off(month: date) -> Iterator[Off]:
    """Those of a month, given by its first day, and of its days."""
    for by, span in UsageRollup.KINDS:
        right, kept = _right(by, span, month), _kept(by, span, month)
        nothing = dict.fromkeys(FIGURES, 0)
        for key in sorted({*right, *kept}):
            if right.get(key) != kept.get(key):
                named = dict(zip(UsageRollup.KEY, key, strict=True))
                yield Off(named, kept.get(key, nothing), right.get(key, nothing))


def rebuild(month: date) -> int:
    """Makes right what is off in a month; how many that was. A row at a time, locked, so that what is added waits."""
    return sum(_rebuild(one.key) for one in list(off(month)))


def _rebuild(key: dict[str, object]) -> bool:
    """Whether it was wrong: what was added between two looks only seemed to be."""
    with transaction.atomic():
        made, is_new = UsageRollup.objects.get_or_create(**key)
        row = UsageRollup.objects.select_for_update().get(pk=made.pk)
        named = tuple(key[name] for name in UsageRollup.KEY)
        right = _right(row.by, row.span, row.first, only=row).get(named)
        kept = None if is_new else _kept(row.by, row.span, row.first, only=row)[named]
        if right is None:
            row.delete()
        elif right != kept:
            UsageRollup.objects.filter(pk=row.pk).update(**{name: Value(figure) for name, figure in right.items()})
    return right != kept


def _right(by: str, span: str, first: date, only: UsageRollup | None = None) -> dict[tuple, dict[str, int]]:
    """What the days say, by key: all of a month, or only those of one row."""
    days = UsageDay.objects.order_by()
    if only is not None and span == Span.DAY:
        days = days.filter(day=first)
    else:
        days = days.filter(day__gte=first, day__lt=_after(first))
    kept = UsageRollup.KEPT[by]
    numbers = {f"key_{name}": Coalesce(F(f"{name}_id"), 0) for name in NUMBERS if name in kept}
    days = days.annotate(**numbers)
    names = [*numbers, *(name for name in WORDS if name in kept), "currency"]
    if only is not None:
        days = days.filter(**{name: getattr(only, name.removeprefix("key_")) for name in names})
    if span == Span.DAY:
        names.append("day")
    found = {}
    for row in days.values(*names).annotate(**_sums()):
        numbers_of = [row.get(f"key_{name}", 0) for name in NUMBERS]
        words = [row[name] if name in kept else "" for name in WORDS]
        key = (by, span, row.get("day", first), *numbers_of, *words, row["currency"])
        found[key] = {name: row[f"sum_{name}"] for name in FIGURES}
    return found


def _kept(by: str, span: str, first: date, only: UsageRollup | None = None) -> dict[tuple, dict[str, int]]:
    rows = UsageRollup.objects.filter(by=by, span=span, first__gte=first, first__lt=_after(first)).order_by()
    if only is not None:
        rows = rows.filter(pk=only.pk)
    found = {}
    for row in rows.values(*UsageRollup.KEY).annotate(**_sums()):
        key = tuple(row[name] for name in UsageRollup.KEY)
        found[key] = {name: row[f"sum_{name}"] for name in FIGURES}
    return found


def _sums() -> dict[str, Sum]:
    """As whole numbers: money, too."""
    return {f"sum_{name}": Sum(name, output_field=BigIntegerField()) for name in FIGURES}


def _after(first: date) -> date:
    return date(first.year + first.month // 12, first.month % 12 + 1, 1)

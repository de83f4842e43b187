"""The only writer of UsageRollup: what is added to a day is added to its rollups too, in the same transaction.

So they are never behind, and nothing has to be caught up with. Each can be made anew from the days.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from django.db import connection, transaction
from django.db.models import BigIntegerField, F, Sum, Value
from django.db.models.functions import Cast, Coalesce

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


def slices(month: date) -> Iterator[tuple[str, str, date]]:
    """What together are all rollups of a month, given by its first day, and of its days: kinds, from when.

    The days one by one: in a month, each person has their own of each.
    """
    for by, span in UsageRollup.KINDS:
        for day in range((_after(month) - month).days if span == Span.DAY else 1):
            yield by, span, month + timedelta(days=day)


def off(by: str, span: str, first: date) -> Iterator[Off]:
    """Those of one kind, of a day or a month."""
    right, kept = _right(by, span, first), _kept(by, span, first)
    nothing = (0,) * len(FIGURES)
    for key in sorted({*right, *kept}):
        if right.get(key) != kept.get(key):
            named = dict(zip(UsageRollup.KEY, key, strict=True))
            yield Off(named, _named(kept.get(key, nothing)), _named(right.get(key, nothing)))


def _named(figures: tuple[int, ...]) -> dict[str, int]:
    return dict(zip(FIGURES, figures, strict=True))


def rebuild(month: date) -> int:
    """Makes right what is off in a month; how many that was. A row at a time, locked, so that what is added waits."""
    wrong = [one.key for each in slices(month) for one in off(*each)]
    return sum(_rebuild(key) for key in wrong)


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
            figures = {name: Value(figure) for name, figure in _named(right).items()}
            UsageRollup.objects.filter(pk=row.pk).update(**figures)
    return right != kept


def _right(by: str, span: str, first: date, only: UsageRollup | None = None) -> dict[tuple, tuple[int, ...]]:
    """What the days say, by key: all of that day or month, or only those of one row."""
    until = first + timedelta(days=1) if span == Span.DAY else _after(first)
    days = UsageDay.objects.filter(day__gte=first, day__lt=until).order_by()
    kept = UsageRollup.KEPT[by]
    numbers = {f"key_{name}": Coalesce(F(f"{name}_id"), 0) for name in NUMBERS if name in kept}
    days = days.annotate(**numbers)
    names = [*numbers, *(name for name in WORDS if name in kept), "currency"]
    if only is not None:
        days = days.filter(**{name: getattr(only, name.removeprefix("key_")) for name in names})
    # As whole numbers: money, too.
    sums = {f"sum_{name}": Cast(Sum(name), BigIntegerField()) for name in FIGURES}
    found = {}
    for row in days.values_list(*names).annotate(**sums):
        its = dict(zip(names, row, strict=False))
        numbers_of = [its.get(f"key_{name}", 0) for name in NUMBERS]
        found[by, span, first, *numbers_of, *(its.get(name, "") for name in WORDS), its["currency"]] = row[len(names) :]
    return found


def _kept(by: str, span: str, first: date, only: UsageRollup | None = None) -> dict[tuple, tuple[int, ...]]:
    until = first + timedelta(days=1) if span == Span.DAY else _after(first)
    rows = UsageRollup.objects.filter(by=by, span=span, first__gte=first, first__lt=until).order_by()
    if only is not None:
        rows = rows.filter(pk=only.pk)
    figures = {f"kept_{name}": Cast(name, BigIntegerField()) for name in FIGURES}
    width = len(UsageRollup.KEY)
    return {row[:width]: row[width:] for row in rows.values_list(*UsageRollup.KEY).annotate(**figures)}


def _after(first: date) -> date:
    return date(first.year + first.month // 12, first.month % 12 + 1, 1)

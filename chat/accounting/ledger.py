"""The only writer of UsageEntry. Lines are appended; what a completion costs now is the sum of its lines."""

from dataclasses import astuple, fields
from datetime import date, timedelta
from decimal import Decimal

from django.db import connection
from django.db.models import Max, Sum
from django.utils import timezone

from chat.accounting.pricing import Amounts, Tokens, amounts
from chat.models import ClosedMonth, Completion, UsageEntry

TOKENS = tuple(field.name for field in fields(Tokens))
ESTIMATES = ("estimated_input", "estimated_output", "estimated_amount")
AMOUNTS = ("amount", "amount_low", "amount_high")
NOTHING = Decimal(0)


def charge(completion: Completion, source: str, tokens: Tokens) -> UsageEntry:
    """The completion's one charge, at the price of when it was asked for. Call it in the transaction that settles."""
    return UsageEntry.objects.create(
        kind=UsageEntry.Kind.CHARGE,
        completion=completion,
        account_id=completion.account_id,
        group_id=completion.group_id,
        day=open_day(completion.day),
        price=completion.price,
        source=source,
        **_figures(source, tokens, completion),
    )


def adjust(completion: Completion, source: str, tokens: Tokens) -> UsageEntry:
    """Brings a charge to a new figure: the line holds the difference. Call it with the completion's row locked."""
    charged = completion.usage_entries.get(kind=UsageEntry.Kind.CHARGE)
    last = charged.adjustments.aggregate(last=Max("number"))["last"] or 0
    so_far = charged_so_far(completion)
    new = _figures(source, tokens, completion)
    return UsageEntry.objects.create(
        kind=UsageEntry.Kind.ADJUSTMENT,
        completion=completion,
        account_id=charged.account_id,
        group_id=charged.group_id,
        charge=charged,
        number=last + 1,
        day=open_day(charged.day),
        price_id=charged.price_id,
        source=source,
        currency=new.pop("currency"),
        **{name: None if figure is None else figure - so_far[name] for name, figure in new.items()},
    )


def charged_so_far(completion: Completion) -> dict[str, int | Decimal | None]:
    """Each figure, summed over the lines there are."""
    return completion.usage_entries.aggregate(**{name: Sum(name) for name in (*TOKENS, *AMOUNTS, *ESTIMATES)})


def hold_still() -> None:
    """Until the transaction ends, nobody else writes a line, and all that others have written is seen.

    On SQLite whoever writes is alone anyway.
    """
    _lock("SHARE ROW EXCLUSIVE")


def _lock(mode: str) -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {UsageEntry._meta.db_table} IN {mode} MODE")


def open_day(day: date) -> date:
    """That day, or the first of the next month that is not closed. Only months that are over are ever closed."""
    first = day.replace(day=1)
    if first == timezone.localdate().replace(day=1):
        return day
    _lock("ROW EXCLUSIVE")  # the lock of writing a line, already now: no month is closed between this look and the line
    closed = set(ClosedMonth.objects.filter(first__gte=first).values_list("first", flat=True))
    if first not in closed:
        return day
    while first in closed:
        first = (first + timedelta(days=31)).replace(day=1)
    return first


def _figures(source: str, tokens: Tokens, completion: Completion) -> dict[str, int | Decimal | str | None]:
    """The columns of a line that stands for these tokens."""
    cost = amounts(tokens, completion.price)
    is_estimate = source == Completion.Source.ESTIMATED
    return {
        **dict(zip(TOKENS, astuple(tokens), strict=True)),
        **dict(zip(AMOUNTS, astuple(cost) if cost else (None, None, None), strict=True)),
        "currency": completion.price.currency if completion.price else "",
        "estimated_input": tokens.input_tokens if is_estimate else 0,
        "estimated_output": tokens.output_tokens if is_estimate else 0,
        "estimated_amount": _estimated(cost, is_estimate),
    }


def _estimated(cost: Amounts | None, is_estimate: bool) -> Decimal | None:
    return None if cost is None else cost.amount if is_estimate else NOTHING

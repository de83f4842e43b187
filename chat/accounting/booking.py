"""Books what a completion used: the ledger's line, the budgets, the day's sums. In this order, which is that of locks.

Call it in a transaction that has the completion's row locked.
"""

from dataclasses import astuple
from decimal import Decimal

from chat.accounting import budgets, days, ledger
from chat.accounting.pricing import Tokens, amounts
from chat.models import Completion


def charge(completion: Completion, source: str, tokens: Tokens) -> None:
    """The completion's one charge; its holds are spent or free again."""
    line = ledger.charge(completion, source, tokens)
    budgets.settle(completion, line)
    days.add(line)


def adjust(pk: int, source: str, tokens: Tokens, **columns: int | Decimal | None) -> None:
    """Brings a settled completion to a later and better figure, wherever it is summed."""
    rows = Completion.objects.select_for_update(of=("self",)).defer("arrivals")
    completion = rows.select_related("price").get(pk=pk)
    line = ledger.adjust(completion, source, tokens)
    budgets.book(line)
    days.add(line)
    Completion.objects.filter(pk=pk).update(**standing(completion, source, tokens), **columns)


def standing(completion: Completion, source: str, tokens: Tokens) -> dict[str, int | Decimal | str | None]:
    """Usage as the columns of a completion, adjustments included."""
    bounded = dict(zip(ledger.TOKENS[:6], astuple(tokens)[:6], strict=True))
    cost = amounts(tokens, completion.price)
    money = dict(zip(ledger.AMOUNTS, astuple(cost) if cost else (None, None, None), strict=True))
    return {"usage_source": source, **bounded, **money}

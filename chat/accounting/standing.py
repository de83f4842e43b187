"""How a person stands: what they have used this month, and what is left of the budgets that they count in.

Read beside what is written, without a lock: it is for people, and decides nothing.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from django.db.models import Sum
from django.utils import timezone

from chat.accounting import budgets
from chat.models import Account, Budget, BudgetPeriod, UsageDay
from chat.models.budget import TOKENS

SHORT = 5  # what is left is short below one part in so many of the limit


@dataclass(frozen=True, slots=True)
class Spent:
    """In one currency; without one, what is unpriced, whose amounts say nothing."""

    currency: str
    tokens: int
    amount: Decimal
    estimated: Decimal
    low: Decimal
    high: Decimal


@dataclass(frozen=True, slots=True)
class Month:
    """What an account has used in the site's month, most money first, and its own budget for it."""

    first: date
    spent: list[Spent]
    period: BudgetPeriod | None


@dataclass(frozen=True, slots=True)
class Left:
    """What is left of a budget that has a limit, and whether that is little."""

    period: BudgetPeriod
    left: Decimal
    is_short: bool


def month_of(account: Account) -> Month:
    today = timezone.localdate()
    first = today.replace(day=1)
    days = UsageDay.objects.filter(account=account, day__gte=first, day__lte=today).order_by()
    sums = days.values("currency").annotate(
        tokens=Sum("input_tokens") + Sum("output_tokens"),
        sum=Sum("amount"),
        estimated=Sum("estimated_amount"),
        low=Sum("amount_low"),
        high=Sum("amount_high"),
    )
    spent = [
        Spent(row["currency"], row["tokens"], row["sum"], row["estimated"], row["low"], row["high"]) for row in sums
    ]
    own = BudgetPeriod.objects.filter(budget__account=account, budget__period=Budget.Period.MONTH, begins=first)
    periods = sorted(own.select_related("budget"), key=lambda period: (period.budget.unit == TOKENS, period.pk))
    return Month(first, sorted(spent, key=lambda one: (-one.amount, one.currency)), next(iter(periods), None))


def estimated_in(period: BudgetPeriod) -> Decimal:
    """What of a period's spending is an estimate."""
    days = UsageDay.objects.filter(day__gte=period.begins, day__lte=period.ends)
    budget = period.budget
    if budget.account_id:
        days = days.filter(account=budget.account_id)
    if budget.group_id:
        days = days.filter(group=budget.group_id)
    if budget.unit == TOKENS:
        sums = days.aggregate(input=Sum("estimated_input"), output=Sum("estimated_output"))
        return budgets.in_millions((sums["input"] or 0) + (sums["output"] or 0))
    return days.filter(currency=budget.unit).aggregate(sum=Sum("estimated_amount"))["sum"] or Decimal(0)


def left_of(account: Account, now: datetime) -> list[Left]:
    """Of each budget that sets a limit, the shortest first."""
    counting = budgets.counting(account.pk, account.group_id, timezone.localdate(now))
    periods = [period for period in budgets.standing_on(counting, timezone.localdate(now)) if period.hard is not None]
    extra = budgets.granted(periods, now)
    found = []
    for period in periods:
        most = period.hard + extra.get(period.pk, Decimal(0))
        left = max(most - period.spent - period.held, Decimal(0))
        warned = period.soft is not None and period.spent + period.held >= period.soft
        found.append((left / most if most else Decimal(0), Left(period, left, warned or left * SHORT < most)))
    return [left for _share, left in sorted(found, key=lambda pair: pair[0])]

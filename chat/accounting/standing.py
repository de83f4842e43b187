"""How a person stands: what they have used this month, and what is left of the budgets that they count in.

Read beside what is written, without a lock: it is for people, and decides nothing.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from django.db.models import Q, QuerySet, Sum
from django.utils import timezone

from chat.accounting import budgets
from chat.accounting.reports.scope import Period, Scope
from chat.accounting.reports.sums import total
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
    budget, last = period.budget, min(period.ends, timezone.localdate())
    if last < period.begins:
        return Decimal(0)
    figures = total(Scope(Period(period.begins, last), account=budget.account_id, group=budget.group_id))
    if budget.unit == TOKENS:
        return budgets.in_millions(figures.estimated_input + figures.estimated_output)
    return figures.in_(budget.unit).estimated


def budgets_of(account: int | None, group: int | None) -> list[BudgetPeriod]:
    """Today's periods of those in which an account counts, or a group; without both, of everybody's together."""
    if account is not None:
        group = Account.objects.filter(pk=account).values_list("group", flat=True).first()
    today = timezone.localdate()
    found = Budget.objects.filter(budgets.of_whom(account, group)) if account is not None else _of_all(group)
    running = [one for one in found.select_related("account", "group").order_by("pk") if one.has_begun(today)]
    return budgets.standing_on(running, today)


def _of_all(group: int | None) -> QuerySet[Budget]:
    return Budget.objects.filter(account=None).filter(Q(group=None) | Q(group=group or None))


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

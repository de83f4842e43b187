"""How the person stands, in words: their month at the foot of the sidebar, and what is left when it is short."""

from dataclasses import dataclass
from decimal import Decimal

from django import template
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from chat.accounting import standing
from chat.models import Account, BudgetPeriod, Person
from chat.models.money import FREE
from chat.templatetags.budget_words import until, whose
from chat.templatetags.money import money, quantity, tokens_of

register = template.Library()


@dataclass(frozen=True, slots=True)
class Bar:
    """Parts of a budget's limit, in percent, as an attribute takes them: exact is solid, estimated hatched."""

    exact: str
    estimated: str
    held: str
    held_from: str


@dataclass(frozen=True, slots=True)
class Foot:
    words: str
    label: str
    bar: Bar | None


@register.simple_tag
def month_of(person: Person) -> Foot | None:
    """Nothing for somebody who has never asked for anything, and has no budget."""
    account = _account_of(person)
    month = standing.month_of(account) if account else None
    if month is None or not (month.spent or month.period):
        return None
    words = _of_limit(month) or _sums(month.spent)
    label = _("%(spent)s in %(month)s") % {"spent": words, "month": date_format(month.first, "F")}
    return Foot(words, label, bar_of(month.period) if month.period else None)


def _account_of(person: Person) -> Account | None:
    """Looking makes none."""
    try:
        return person.account
    except Account.DoesNotExist:
        return None


def _sums(spent: list[standing.Spent]) -> str:
    paid = [money(one.amount, one.currency) for one in spent if one.currency not in ("", FREE)]
    tokens = sum(one.tokens for one in spent)
    return " · ".join(paid) or tokens_of(Decimal(tokens).scaleb(-6))


def _of_limit(month: standing.Month) -> str:
    return spent_of(month.period) if month.period else ""


@register.simple_tag
def spent_of(period: BudgetPeriod) -> str:
    """`$5.08 of $40.00`."""
    limit, unit = _limit(period), period.budget.unit
    spent = quantity(period.spent, unit)
    return spent if limit is None else _("%(spent)s of %(limit)s") % {"spent": spent, "limit": quantity(limit, unit)}


def _limit(period: BudgetPeriod) -> Decimal | None:
    return period.hard if period.hard is not None else period.soft


@register.simple_tag
def bar_of(period: BudgetPeriod) -> Bar | None:
    limit = _limit(period)
    if not limit:
        return None
    estimated = min(max(standing.estimated_in(period), Decimal(0)), period.spent)
    exact, hatched, held = (_percent(part / limit) for part in (period.spent - estimated, estimated, period.held))
    hatched = min(hatched, 100 - exact)
    held = min(held, 100 - exact - hatched)
    return Bar(*(f"{width:.2f}%" for width in (exact, hatched, held, exact + hatched)))


def _percent(share: Decimal) -> Decimal:
    return min(share * 100, Decimal(100))


@register.simple_tag
def what_is_left(person: Person) -> str:
    """Said beside the composer, when it is short; else nothing."""
    account = _account_of(person)
    found = standing.left_of(account, timezone.now()) if account else []
    tightest = next((left for left in found if left.is_short), None)
    if tightest is None:
        return ""
    period = tightest.period
    words = {"left": quantity(tightest.left, period.budget.unit), "budget": whose(period.budget)}
    if last := until(period):
        return _("%(left)s left of %(budget)s until %(until)s") % {**words, "until": last}
    return _("%(left)s left of %(budget)s") % words

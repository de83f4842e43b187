"""How the person stands, in words: their month at the foot of the sidebar, and what is left when it is short."""

from dataclasses import dataclass
from decimal import Decimal

from django import template
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from chat.accounting import standing
from chat.models import Account, Person
from chat.models.budget import TOKENS
from chat.models.money import FREE
from chat.templatetags.budget_words import until, whose
from chat.templatetags.money import quantity, sum_of_money, tokens_of

register = template.Library()


@dataclass(frozen=True, slots=True)
class Foot:
    """`exact`, `estimated` and `held` are parts of the bar, in percent, as an attribute takes them."""

    words: str
    label: str
    exact: str
    estimated: str
    estimated_from: str
    held: str
    held_from: str


@register.simple_tag
def month_of(person: Person) -> Foot | None:
    """Nothing for somebody who has never asked for anything, and has no budget."""
    account = Account.objects.filter(person=person).first()
    month = standing.month_of(account) if account else None
    if month is None or not (month.spent or month.period):
        return None
    words = _of_limit(month) or _sums(month.spent)
    label = _("%(spent)s in %(month)s") % {"spent": words, "month": date_format(month.first, "F")}
    return Foot(words, label, *_parts(month))


def _sums(spent: list[standing.Spent]) -> str:
    paid = [sum_of_money(one.amount, one.currency) for one in spent if one.currency not in ("", FREE)]
    tokens = sum(one.tokens for one in spent)
    return " · ".join(paid) or tokens_of(Decimal(tokens).scaleb(-6))


def _of_limit(month: standing.Month) -> str:
    if month.period is None or (limit := _limit(month)) is None:
        return ""
    unit = month.period.budget.unit
    if unit == TOKENS:
        return _("%(spent)s of %(limit)s") % {"spent": tokens_of(month.period.spent), "limit": tokens_of(limit)}
    return _("%(spent)s of %(limit)s") % {
        "spent": sum_of_money(month.period.spent, unit),
        "limit": sum_of_money(limit, unit),
    }


def _limit(month: standing.Month) -> Decimal | None:
    return month.period.hard if month.period.hard is not None else month.period.soft


def _parts(month: standing.Month) -> tuple[str, str, str, str, str]:
    limit = _limit(month) if month.period else None
    if not limit:
        return ("", "", "", "", "")
    unit = month.period.budget.unit
    estimated = sum((one.estimated for one in month.spent if one.currency == unit), Decimal(0))
    estimated = min(max(estimated, Decimal(0)), month.period.spent)
    shares = [month.period.spent - estimated, estimated, month.period.held]
    widths = [min(share / limit * 100, Decimal(100)) for share in shares]
    after = widths[0] + widths[1]
    return tuple(f"{width:.2f}%" for width in (widths[0], widths[1], widths[0], widths[2], after))


@register.simple_tag
def what_is_left(person: Person) -> str:
    """Said beside the composer, when it is short; else nothing."""
    account = Account.objects.filter(person=person).first()
    found = standing.left_of(account, timezone.now()) if account else []
    tightest = next((left for left in found if left.is_short), None)
    if tightest is None:
        return ""
    period = tightest.period
    words = {"left": quantity(tightest.left, period.budget.unit), "budget": whose(period.budget)}
    if last := until(period):
        return _("%(left)s left of %(budget)s until %(until)s") % {**words, "until": last}
    return _("%(left)s left of %(budget)s") % words

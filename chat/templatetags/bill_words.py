"""A bill beside the books, in words."""

from decimal import Decimal

from django import template
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from chat.accounting.reconciliation import Billed, Comparison, Line
from chat.templatetags.money import grouped, money, sum_of_money

register = template.Library()


@register.simple_tag
def billed_cost(billed: Billed, currency: str) -> str:
    return "–" if billed.cost is None else sum_of_money(billed.cost, currency)


@register.simple_tag
def difference(line: Line, found: Comparison) -> str:
    """Of the books from the bill: in money where it names some, else in tokens."""
    off = line.cost_off if found.has_costs else Decimal(line.tokens_off)
    if not off:
        return "0"
    sign = "+" if off > 0 else "−"
    return sign + (money(abs(off), found.currency) if found.has_costs else grouped(int(abs(off))))


def _dear(line: Line) -> bool:
    """Whether it costs another sum by more than a hundredth: providers round each reply, or each day."""
    return bool(line.cost_off) and abs(line.cost_off) * 100 > line.billed.cost


@register.simple_tag
def meaning(line: Line) -> str:
    if line.model is None:
        return _("This site knows no such model: used elsewhere by the same account?")
    if not line.differs:
        return (
            _("The tokens agree, the cost does not: is the price right, and in this currency?")
            if _dear(line)
            else _("agrees")
        )
    if not line.ours.replies:
        return _("Nothing of it went through this site.")
    if not line.billed.tokens:
        return _("The bill has nothing of it.")
    if line.ours.estimates:
        n = line.ours.estimates
        return ngettext("%(n)s reply is estimated", "%(n)s replies are estimated", n) % {"n": grouped(n)}
    return _("All of it was reported by the provider: the rest went past this site, or days are cut elsewhere.")

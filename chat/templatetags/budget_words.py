"""Budgets in words: whose they are, until when, and what is said when they do not suffice."""

from datetime import date
from decimal import Decimal

from django import template
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from chat.accounting.budgets import Refused, granted
from chat.forecast import Forecast
from chat.models import Budget, BudgetPeriod, LanguageModel
from chat.templatetags.money import money, quantity, tokens_of

register = template.Library()

MOST_NAMES = 3


@register.simple_tag
def whose(budget: Budget) -> str:
    """As the person says it who counts in it."""
    if budget.account_id:
        return _("your budget")
    if budget.group_id:
        return _("the budget of %(group)s") % {"group": budget.group}
    return _("everybody’s budget")


@register.simple_tag
def owner(budget: Budget) -> str:
    """As an administrator reads it."""
    return str(budget.account or budget.group or _("Everybody"))


@register.simple_tag
def limits_of(period: BudgetPeriod) -> str:
    """What is held, what its limits do, and what is granted beyond them now."""
    unit, words = period.budget.unit, []
    if more := granted([period], timezone.now()).get(period.pk):
        words.append(_("%(more)s more granted") % {"more": quantity(more, unit)})
    if period.held:
        words.append(_("%(held)s held") % {"held": quantity(period.held, unit)})
    if period.soft is not None:
        words.append(_("warns at %(soft)s") % {"soft": quantity(period.soft, unit)})
    words.append(_("refuses at the limit") if period.hard is not None else _("refuses nothing"))
    return pgettext("between facts", "; ").join(words)


@register.simple_tag
def span_of(period: BudgetPeriod) -> str:
    """From its first to its last day."""
    form = pgettext("date format", "j F Y")
    first = date_format(period.begins, form)
    if period.begins == period.ends:
        return first
    if period.ends == date.max:
        return _("since %(first)s") % {"first": first}
    return _("%(first)s to %(last)s") % {"first": first, "last": date_format(period.ends, form)}


@register.simple_tag
def until(period: BudgetPeriod) -> str:
    """The last day on which what is left is left."""
    if period.ends == date.max:
        return ""
    same_year = period.ends.year == period.begins.year
    form = pgettext("date format", "j F") if same_year else pgettext("date format", "j F Y")
    return date_format(period.ends, form)


def over_budget(refused: Refused, fitting: list[LanguageModel]) -> str:
    """What is missing, what would still fit, and that nothing is lost."""
    sentences = [_missing(refused), _fits(refused, fitting), _("Your text is kept.")]
    return _joined([sentence for sentence in sentences if sentence])


def would_cost(found: Forecast) -> str:
    """Before it is sent: `≈ 310 tokens, at most $0.06`."""
    words = {"tokens": tokens_of(Decimal(found.tokens).scaleb(-6))}
    if found.most is None:
        return _("≈ %(tokens)s") % words
    return _("≈ %(tokens)s, at most %(most)s") % {**words, "most": money(found.most, found.currency)}


def _missing(refused: Refused) -> str:
    names = {"model": refused.model.short_name, "currency": refused.unit}
    if refused.why == "unpriced":
        if refused.period is None:
            return _("%(model)s has no price, so what it costs cannot be limited.") % names
        names["budget"] = whose(refused.period.budget)
        return _("%(model)s has no price in %(currency)s, so %(budget)s cannot pay for it.") % names
    figures = {
        "left": quantity(refused.left, refused.unit),
        "needed": quantity(refused.needed, refused.unit),
    }
    if refused.why == "cap" or refused.period is None:
        return _("You said to stop at %(left)s, and this needs at least %(needed)s.") % figures
    figures |= {"budget": whose(refused.period.budget), "until": until(refused.period)}
    sentence = _left(figures)
    if refused.period.held:
        held = {"held": quantity(refused.period.held, refused.unit)}
        return _joined([sentence, _("%(held)s is held by replies that are still arriving.") % held])
    return sentence


def _left(figures: dict[str, str]) -> str:
    if figures["until"]:
        return _("This needs at least %(needed)s; %(left)s is left of %(budget)s until %(until)s.") % figures
    return _("This needs at least %(needed)s; %(left)s is left of %(budget)s.") % figures


def _fits(refused: Refused, fitting: list[LanguageModel]) -> str:
    if refused.why == "cap":
        return _("Raise the limit, or send without one.")
    if not fitting:
        return "" if refused.why == "unpriced" else _("Nothing would fit any more. An administrator can grant more.")
    names = ", ".join(model.short_name for model in fitting[:MOST_NAMES])
    more = len(fitting) - MOST_NAMES
    if more > 0:
        sentence = ngettext(
            "What would still fit: %(names)s, and %(more)d more.",
            "What would still fit: %(names)s, and %(more)d more.",
            more,
        )
        return sentence % {"names": names, "more": more}
    return _("What would still fit: %(names)s.") % {"names": names}


def _joined(sentences: list[str]) -> str:
    """Chinese puts no space between sentences."""
    text = sentences[0]
    for sentence in sentences[1:]:
        text = _("%(first)s %(second)s") % {"first": text, "second": sentence}
    return text

"""Alerts in words: the same on the page, in an e-mail and in a webhook's call."""

from datetime import date
from decimal import Decimal

from django import template
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from chat.models import Alert, Delivery, Group, Provider
from chat.templatetags.endings import ERRORS
from chat.templatetags.money import quantity

register = template.Library()

Kind = Alert.Kind
ICONS = {Kind.SOFT: "pie", Kind.HARD: "close", Kind.FAILING: "plug", Kind.ESTIMATES: "unknown", Kind.BOOKS: "warn"}


@register.filter
def alert_icon(alert: Alert) -> str:
    return ICONS.get(alert.kind, "warn")


@register.filter
def alert_title(alert: Alert) -> str:
    match alert.kind:
        case Kind.SOFT:
            return _("The budget of %(whose)s has reached its warning") % {"whose": whose(alert)}
        case Kind.HARD:
            return _("The budget of %(whose)s refuses") % {"whose": whose(alert)}
        case Kind.FAILING:
            return _("%(provider)s fails") % {"provider": _provider(alert)}
        case Kind.ESTIMATES:
            return _("%(provider)s reports less of its usage") % {"provider": _provider(alert)}
    return _("The books do not agree")


@register.filter
def alert_sentence(alert: Alert) -> str:
    facts = alert.facts
    match alert.kind:
        case Kind.SOFT:
            return _("%(spent)s is spent %(when)s; it warns at %(limit)s.") % _figures(facts)
        case Kind.HARD:
            return _refused(facts)
        case Kind.FAILING:
            sentence = ngettext(
                "%(failed)d of its last %(of)d reply was not answered, mostly: %(reason)s.",
                "%(failed)d of its last %(of)d replies were not answered, mostly: %(reason)s.",
                facts["of"],
            )
            return sentence % {**facts, "reason": reason_words(facts["reason"])}
        case Kind.ESTIMATES:
            sentence = _(
                "%(percent)d %% of its tokens of today and yesterday are estimates; before, %(before)d %% were."
            )
            return sentence % facts
    if not facts["off"]:
        return _("The proof could not be finished; the log says why.")
    return ngettext("%(off)d thing is off.", "%(off)d things are off.", facts["off"]) % facts


@register.filter
def alert_address(alert: Alert) -> str:
    """Where more is said of it, on this site."""
    match alert.kind:
        case Kind.SOFT | Kind.HARD:
            return f"/budgets/{alert.facts['budget']}/"
        case Kind.FAILING:
            return f"/providers/{alert.key.split()[-1]}/"
        case Kind.ESTIMATES:
            return f"/usage/by/models/?provider={alert.key.split()[-1]}"
    return "/books/"


def whose(alert: Alert) -> str:
    """By today's name, as long as the budget is there."""
    if alert.account:
        return alert.account.person.username if alert.account.person else alert.account.label
    if not (name_then := alert.facts.get("group")):
        return _("everybody")
    return Group.objects.filter(budgets=alert.facts["budget"]).values_list("name", flat=True).first() or name_then


def _provider(alert: Alert) -> str:
    """As it is called now; one that is gone as it was called then."""
    now = Provider.objects.filter(pk=alert.key.split()[-1]).values_list("name", flat=True).first()
    return now or alert.facts["provider"]


def reason_words(reason: str) -> str:
    return str(ERRORS[reason][0]) if reason in ERRORS else _("broken off")


def _refused(facts: dict) -> str:
    """What arriving replies held is told, too: else a budget would seem to refuse that has spent nothing."""
    if Decimal(facts.get("held", 0)):
        sentence = _(
            "Something was refused %(when)s: of %(limit)s, %(spent)s was spent and %(held)s held by replies that were"
            " arriving; the rest was too little."
        )
    else:
        sentence = _("Something was refused %(when)s: of %(limit)s, %(spent)s is spent, and the rest is too little.")
    return sentence % _figures(facts)


def _figures(facts: dict) -> dict[str, str]:
    unit = facts["unit"]
    figures = {name: quantity(Decimal(facts[name]), unit) for name in ("spent", "held", "limit") if name in facts}
    return figures | {"when": _span(facts)}


def _span(facts: dict) -> str:
    form = pgettext("date format", "j F Y")
    first = date_format(date.fromisoformat(facts["begins"]), form)
    if not facts["ends"]:
        return _("since %(first)s") % {"first": first}
    if facts["ends"] == facts["begins"]:
        return _("on %(day)s") % {"day": first}
    return _("from %(first)s to %(last)s") % {
        "first": first,
        "last": date_format(date.fromisoformat(facts["ends"]), form),
    }


@register.filter
def delivered(delivery: Delivery) -> str:
    """How a delivery stands."""
    to = delivery.address or _("webhook")
    if delivery.done:
        return _("sent to %(to)s") % {"to": to}
    if delivery.due is None:
        return _("not sent to %(to)s, and given up: %(trouble)s") % {"to": to, "trouble": delivery.trouble}
    if delivery.trouble:
        return _("not sent to %(to)s yet, and tried again: %(trouble)s") % {"to": to, "trouble": delivery.trouble}
    return _("to be sent to %(to)s") % {"to": to}

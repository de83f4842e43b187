"""The audit in words: what was done to what, by whom, and what stood there before. People by today's names."""

import re
from datetime import date, datetime
from decimal import Decimal

from django import template
from django.apps import apps
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext, pgettext_lazy

from chat.accounting.reports import purposes
from chat.models import Account, Alert, AuditEntry, Budget, Person
from chat.models.budget import TOKENS
from chat.models.money import FREE
from chat.models.review import READ_OTHERS
from chat.templatetags.money import tokens_of
from chat.templatetags.report_words import long_day
from chat.upstream.profiles import PROFILES

register = template.Library()

MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?\+\d\d:\d\d$")
FROM = re.compile(r"(?:usage of|from) (\d{4}-\d\d-\d\d)$")
NUMBERED = re.compile(r"\b(person|account) (\d{1,18})\b")

# What an entry's key begins with, by what is chosen on the page.
KINDS = {
    "prices": (gettext_lazy("Prices"), ("price",)),
    "budgets": (gettext_lazy("Budgets"), ("budget",)),
    "groups": (gettext_lazy("Paying groups"), ("group", "account")),
    "providers": (gettext_lazy("Providers and models"), ("provider", "languagemodel")),
    "rights": (gettext_lazy("People and rights"), ("person", "role", "permission")),
    "books": (gettext_lazy("Months and sums"), ("closedmonth", "usageday")),
    "replies": (gettext_lazy("Replies stopped"), ("completion",)),
    "reviews": (gettext_lazy("Conversations read"), ("conversation", "review")),
    "alerts": (gettext_lazy("Alerts"), ("alertsettings", "alert")),
    "retention": (gettext_lazy("Retention"), ("retention",)),
}

DEEDS = {
    "price added": gettext_lazy("Price set"),
    "listed prices taken": gettext_lazy("Listed prices taken"),
    "budget added": gettext_lazy("Budget added"),
    "budget changed": gettext_lazy("Budget changed"),
    "budget removed": gettext_lazy("Budget removed"),
    "more granted": gettext_lazy("More granted"),
    "group added": gettext_lazy("Paying group added"),
    "group renamed": gettext_lazy("Paying group renamed"),
    "group removed": gettext_lazy("Paying group removed"),
    "group assigned": gettext_lazy("Paying group assigned"),
    "month closed": gettext_lazy("Month closed"),
    "day rebuilt": gettext_lazy("Day’s sums made anew"),
    "bill reconciled": gettext_lazy("Estimates corrected by a bill"),
    "provider connected": gettext_lazy("Provider connected"),
    "provider added": gettext_lazy("Provider connected"),
    "provider changed": gettext_lazy("Provider changed"),
    "provider removed": gettext_lazy("Provider removed"),
    "provider deleted": gettext_lazy("Provider removed"),
    "models added": gettext_lazy("Models added"),
    "models offered": gettext_lazy("Models offered"),
    "model changed": gettext_lazy("Model changed"),
    "languagemodel added": gettext_lazy("Model added"),
    "languagemodel changed": gettext_lazy("Model changed"),
    "languagemodel deleted": gettext_lazy("Model removed"),
    "person added": gettext_lazy("Person added"),
    "person changed": gettext_lazy("Person changed"),
    "person deleted": gettext_lazy("Person deleted"),
    "password set": gettext_lazy("Password set"),
    "rights changed": gettext_lazy("Rights changed"),
    "rights given": gettext_lazy("Rights given"),
    "rights taken": gettext_lazy("Rights taken"),
    "role added": gettext_lazy("Role added"),
    "role saved": gettext_lazy("Role saved"),
    "role removed": gettext_lazy("Role removed"),
    "retention set": gettext_lazy("Retention set"),
    "reply stopped": gettext_lazy("Reply stopped"),
    "conversation opened": gettext_lazy("Conversation opened for reading"),
    "alerts changed": gettext_lazy("Alerts changed"),
    "alert dismissed": gettext_lazy("Alert dismissed"),
}

FIELDS = {
    "whose": gettext_lazy("whose"),
    "period": gettext_lazy("period"),
    "unit": gettext_lazy("unit"),
    "soft": gettext_lazy("warns at"),
    "hard": gettext_lazy("refuses at"),
    "amount": gettext_lazy("amount"),
    "until": gettext_lazy("until"),
    "note": gettext_lazy("note"),
    "name": gettext_lazy("name"),
    "group": gettext_lazy("paying group"),
    "month": gettext_lazy("month"),
    "wrong sums": gettext_lazy("wrong sums"),
    "currency": gettext_lazy("currency"),
    "input_mtok": gettext_lazy("in, per million tokens"),
    "output_mtok": gettext_lazy("out, per million tokens"),
    "cached_mtok": gettext_lazy("cached, per million tokens"),
    "reasoning_mtok": gettext_lazy("reasoning, per million tokens"),
    "valid_from": gettext_lazy("valid from"),
    "price": gettext_lazy("price"),
    "prices": gettext_lazy("prices"),
    "models": gettext_lazy("models"),
    "offered": gettext_lazy("offered"),
    "base_url": gettext_lazy("base URL"),
    "profile": gettext_lazy("profile"),
    "key": gettext_lazy("key"),
    "local": gettext_lazy("on this machine or network"),
    "max_streams": gettext_lazy("replies at once"),
    "max_output": gettext_lazy("longest answer, tokens"),
    "context_length": gettext_lazy("context length"),
    "grace_seconds": gettext_lazy("grace"),
    "streamed": gettext_lazy("streamed"),
    "enabled": gettext_lazy("enabled"),
    "is_active": gettext_lazy("may sign in"),
    "is_staff": gettext_lazy("sees all tables"),
    "is_superuser": gettext_lazy("administrator"),
    "roles": gettext_lazy("roles"),
    "permissions": gettext_lazy("permissions"),
    "people": gettext_lazy("people"),
    "days": gettext_lazy("days"),
    "person": gettext_lazy("person"),
    "model": gettext_lazy("model"),
    "purpose": gettext_lazy("purpose"),
    "reason": gettext_lazy("reason"),
    "ends": gettext_lazy("until"),
    "reply": gettext_lazy("reply"),
    "replies": gettext_lazy("replies"),
    "file": gettext_lazy("file"),
    "captured before": gettext_lazy("captured before"),
    "key_variable": gettext_lazy("key variable"),
    "template": gettext_lazy("instruct template"),
    "addresses": gettext_lazy("e-mail addresses"),
    "webhook": gettext_lazy("webhook"),
    "webhook_local": gettext_lazy("on this machine or network"),
    "secret": gettext_lazy("the webhook’s secret"),
    "failing_count": gettext_lazy("failed replies"),
    "failing_of": gettext_lazy("of the last"),
    "estimates_percent": gettext_lazy("estimated share, percent"),
}

VALUES = {
    "True": pgettext_lazy("a setting", "yes"),
    "False": pgettext_lazy("a setting", "no"),
    FREE: pgettext_lazy("a setting", "free"),
    "": pgettext_lazy("a setting", "empty"),
    None: pgettext_lazy("a setting", "none"),
}
# What is one of a few words, by its field.
CHOICES = {
    "period": dict(Budget.Period.choices),
    "unit": {TOKENS: gettext_lazy("tokens")},
    "profile": {name: profile.label for name, profile in PROFILES.items()},
    "secret": {"made": pgettext_lazy("a secret", "made")},
}
# What a permission's code begins with.
RIGHTS = {
    "view": gettext_lazy("see: %(things)s"),
    "add": gettext_lazy("add: %(things)s"),
    "change": gettext_lazy("change: %(things)s"),
    "delete": gettext_lazy("delete: %(things)s"),
}
LIMITS = ("soft", "hard", "amount")  # what a budget counts in


def names_in(entries: list[AuditEntry]) -> dict[str, str]:
    """`person 7` and `account 9`, as they are called now; who is gone stays a number."""
    text = " ".join(f"{entry.subject} {entry.key} {entry.before} {entry.after}" for entry in entries)
    numbers: dict[str, set[int]] = {"person": set(), "account": set()}
    for kind, number in NUMBERED.findall(text):
        numbers[kind].add(int(number))
    people = Person.objects.filter(pk__in=numbers["person"], leaving=None).values_list("pk", "username")
    accounts = Account.objects.filter(pk__in=numbers["account"]).values_list("pk", "person__username", "label")
    return {f"person {pk}": name for pk, name in people} | {
        f"account {pk}": name or label for pk, name, label in accounts
    }


@register.filter
def deed_words(entry: AuditEntry) -> str:
    return str(DEEDS.get(entry.deed, entry.deed))


@register.filter
def who_did(entry: AuditEntry) -> str:
    if entry.by is None:
        return _("the site, or a command")
    return entry.by.person.username if entry.by.person else entry.by.label


@register.simple_tag
def subject_of(entry: AuditEntry, names: dict[str, str]) -> str:
    """What it was done to, from the words in which it was written; nothing where the changes say all of it."""
    text = _named(entry.subject, names)
    match entry.key.split(" ")[0], text.rsplit(", ", 2):
        case "budget", [whose, period, unit]:
            whose = _("everybody") if whose == "everybody" else whose
            return pgettext("between facts", ", ").join([whose, _choice("period", period), _choice("unit", unit)])
        case "price", [*_model, day] if FROM.match(day):
            names = {"model": text.rpartition(", ")[0], "day": _day(day)}
            return _("%(model)s, from %(day)s") % names
        case "completion", _words:
            return _("Reply %(number)s") % {"number": entry.key.split(" ")[-1]}
        case "alert", _words:
            kind = text.partition(":")[0]
            return str(dict(Alert.Kind.choices).get(kind, text))
        case "usageday", [day] if FROM.match(day):
            return _day(day)
        case (("retention" | "review" | "alertsettings"), _words):
            return ""
    return text


def _named(text: str, names: dict[str, str]) -> str:
    return NUMBERED.sub(lambda found: names.get(found[0], found[0]), text)


def _day(text: str) -> str:
    return long_day(date.fromisoformat(FROM.match(text)[1]))


def _choice(field: str, value: object) -> str:
    return str(CHOICES.get(field, {}).get(value, value))


@register.simple_tag
def changes_of(entry: AuditEntry, names: dict[str, str]) -> SafeString:
    """Field by field."""
    fields = [*entry.before, *(name for name in entry.after if name not in entry.before)]
    return format_html_join("", "<li>{}</li>", ((_change(entry, name, names),) for name in fields))


def _change(entry: AuditEntry, name: str, names: dict[str, str]) -> SafeString:
    field = FIELDS.get(name, name)
    new = format_html("<b>{}</b>", _value(entry, name, entry.after[name], names)) if name in entry.after else ""
    if name not in entry.before:
        return format_html('<span class="quiet">{}</span> {}', field, new)
    old = format_html("<s>{}</s>", _value(entry, name, entry.before[name], names))
    return format_html('<span class="quiet">{}</span> {} {}', field, old, new)


def _value(entry: AuditEntry, field: str, value: object, names: dict[str, str]) -> str:
    if value in VALUES:
        return str(VALUES[value])
    if field in CHOICES:
        return _choice(field, value)
    if field == "permissions":
        return pgettext("between facts", "; ").join(_right(code) for code in str(value).split(", "))
    if field == "purpose":
        return purposes.word_of(str(value))
    if field in LIMITS and entry.subject.endswith(f", {TOKENS}"):
        return tokens_of(Decimal(str(value)))
    if MOMENT.match(str(value)):
        local = timezone.localtime(datetime.fromisoformat(str(value)))
        return date_format(local, pgettext("date format", "j M Y, H:i"))
    return _named(str(value), names)


def _right(code: str) -> str:
    """Of `chat.add_budget`; what is none of these, as it stands."""
    app, _dot, codename = code.partition(".")
    if codename == READ_OTHERS:
        return _("read other people’s conversations, with a reason that they see")
    deed, _line, model = codename.partition("_")
    try:
        return str(RIGHTS[deed]) % {"things": apps.get_model(app, model)._meta.verbose_name_plural}
    except (KeyError, LookupError, ValueError):
        return code

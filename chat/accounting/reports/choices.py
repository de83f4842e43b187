"""What a report can be narrowed to: whatever was used in its period, by the names that people know."""

from django.utils.translation import gettext as _

from chat.accounting.reports import outcomes, people, purposes
from chat.accounting.reports.scope import NARROWINGS, NO_GROUP, Period
from chat.models import Group, LanguageModel, UsageRollup

Choice = tuple[int | str, str]


def choices(period: Period, *, of_everybody: bool) -> dict[str, list[Choice]]:
    """By name. Of whole months: it may have been used on another day of the month than those of the period."""
    found = {"model": _used(period, "models", "model"), "purpose": _used(period, "models", "purpose")}
    models = LanguageModel.objects.select_related("provider").in_bulk(found["model"])
    named = {
        "provider": sorted({(model.provider_id, model.provider.name) for model in models.values()}, key=_by_name),
        "model": sorted(((pk, model.name) for pk, model in models.items()), key=_by_name),
        "purpose": [(purpose, purposes.word_of(purpose)) for purpose in sorted(found["purpose"])],
        "outcome": [(outcome, str(word)) for outcome, word in outcomes.WORDS.items()],
    }
    if of_everybody:
        groups = _used(period, "people", "group")
        named["account"] = sorted(people.names_of(_used(period, "people", "account")).items(), key=_by_name)
        named["group"] = list(Group.objects.filter(pk__in=groups).values_list("pk", "name"))
        named["group"] += [(NO_GROUP, _("without a group"))] if NO_GROUP in groups and len(groups) > 1 else []
    return {name: named[name] for name in NARROWINGS if len(named.get(name, ())) > 1}


def _used(period: Period, by: str, column: str) -> set:
    months = UsageRollup.objects.filter(by=by, span=UsageRollup.Span.MONTH)
    within = months.filter(first__gte=period.first.replace(day=1), first__lte=period.last).order_by()
    return set(within.values_list(column, flat=True).distinct())


def _by_name(choice: Choice) -> str:
    return choice[1].casefold()

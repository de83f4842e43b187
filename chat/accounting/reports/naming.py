"""What a report is narrowed to, by the names that people know."""

from django.utils.translation import gettext as _

from chat.accounting.reports import outcomes, people, purposes
from chat.accounting.reports.scope import NO_GROUP
from chat.models import Group, LanguageModel, Provider


def name_of(narrowing: str, value: int | str) -> str | None:
    """None: there is no such thing."""
    match narrowing:
        case "account":
            return people.names_of({value}).get(value)
        case "group":
            return _("without a group") if value == NO_GROUP else _found(Group, value, "name")
        case "provider":
            return _found(Provider, value, "name")
        case "model":
            return _found(LanguageModel, value, "name")
        case "purpose":
            return purposes.word_of(value)
        case "outcome":
            return outcomes.word_of(value)
    raise LookupError(narrowing)


def _found(model, pk: int, column: str) -> str | None:
    return model.objects.filter(pk=pk).values_list(column, flat=True).first()

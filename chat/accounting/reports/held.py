"""What queued and live completions hold of budgets. It is in no sum of what was used."""

from collections import defaultdict
from decimal import Decimal

from chat.accounting.reports.scope import Scope
from chat.models import Completion, Hold
from chat.models.budget import TOKENS


def held(scope: Scope) -> tuple[dict[str, Decimal], int]:
    """By currency, and by how many completions. One that several budgets cover holds its money once."""
    found = Hold.objects.filter(completion__status__in=Completion.UNSETTLED).exclude(period__budget__unit=TOKENS)
    for name in ("account", "group", "model", "purpose"):
        if (value := getattr(scope, name)) is not None:
            found = found.filter(**{f"completion__{name}": value or None})
    if scope.provider is not None:
        found = found.filter(completion__model__provider=scope.provider)
    most: dict[tuple[int, str], Decimal] = {}
    for completion, unit, amount in found.values_list("completion", "period__budget__unit", "amount"):
        most[completion, unit] = max(amount, most.get((completion, unit), Decimal(0)))
    together: defaultdict[str, Decimal] = defaultdict(Decimal)
    for (_completion, unit), amount in most.items():
        together[unit] += amount
    return dict(together), len({completion for completion, _unit in most})

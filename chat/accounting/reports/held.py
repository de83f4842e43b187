"""What queued and live completions hold of budgets. It is in no sum of what was used."""

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal

from chat.accounting.reports.scope import Scope
from chat.models import Completion, Hold
from chat.models.budget import TOKENS


def held(scope: Scope) -> tuple[dict[str, Decimal], int]:
    """By currency, and by how many completions. One that several budgets cover holds its money once."""
    narrowed = {f"completion__{name}": value for name, value in _narrowed(scope)}
    unsettled = Hold.objects.filter(completion__status__in=Completion.UNSETTLED).exclude(period__budget__unit=TOKENS)
    most: dict[tuple[int, str], Decimal] = {}
    # Holds are few: a database that looks for a person's completions first reads all that they ever asked for.
    for completion, unit, amount, *its in unsettled.values_list(
        "completion", "period__budget__unit", "amount", *narrowed
    ):
        if its == [*narrowed.values()]:
            most[completion, unit] = max(amount, most.get((completion, unit), Decimal(0)))
    together: defaultdict[str, Decimal] = defaultdict(Decimal)
    for (_completion, unit), amount in most.items():
        together[unit] += amount
    return dict(together), len({completion for completion, _unit in most})


def _narrowed(scope: Scope) -> Iterator[tuple[str, int | str | None]]:
    """Columns of a completion, and what they have to be. How it ends is not known yet."""
    for name in ("account", "group", "model", "purpose"):
        if (value := getattr(scope, name)) is not None:
            yield name, value or None
    if scope.provider is not None:
        yield "model__provider", scope.provider

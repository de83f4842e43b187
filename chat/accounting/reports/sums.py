"""The one reader of the daily sums: adds them up over a scope, by what a report asks for."""

from collections.abc import Hashable

from django.db.models import BigIntegerField, Case, F, IntegerField, Sum, Value, When

from chat.accounting.reports.figures import PARTS, SUMMED, Figures, figures_of
from chat.accounting.reports.scope import Scope
from chat.models import LanguageModel, UsageDay

OTHERS = -1


def sums(scope: Scope, *by: str) -> dict[tuple[Hashable, ...], Figures]:
    """By the values of these columns of UsageDay, and `provider`."""
    if "provider" in by:
        return _by_provider(scope, by)
    return _added(_rows(scope), by)


def total(scope: Scope) -> Figures:
    return sums(scope).get((), Figures())


def days_of_a_few(scope: Scope, column: str, few: list[int]) -> dict[tuple[Hashable, ...], Figures]:
    """By day, and by those few accounts or models, all others together as OTHERS."""
    known = When(**{f"{column}__in": few}, then=F(column))
    rows = _rows(scope).annotate(one_of=Case(known, default=Value(OTHERS), output_field=IntegerField()))
    return _added(rows, ("day", "one_of"))


def _rows(scope: Scope):
    return UsageDay.objects.filter(scope.filters()).order_by()


def _added(rows, by: tuple[str, ...]) -> dict[tuple[Hashable, ...], Figures]:
    names = (*SUMMED, *PARTS)
    # As whole numbers: thousands of Decimals take longer than the query.
    columns = {f"sum_{name}": Sum(name, output_field=BigIntegerField()) for name in names}
    found: dict[tuple[Hashable, ...], Figures] = {}
    for row in rows.values(*by, "currency").annotate(**columns):
        key = tuple(row[name] for name in by)
        figures = figures_of({name: row[f"sum_{name}"] for name in names}, row["currency"])
        if key in found:
            found[key].add(figures)
        else:
            found[key] = figures
    return found


def _by_provider(scope: Scope, by: tuple[str, ...]) -> dict[tuple[Hashable, ...], Figures]:
    """From the sums by model: of these there are few."""
    provider_of = dict(LanguageModel.objects.values_list("pk", "provider"))
    found: dict[tuple[Hashable, ...], Figures] = {}
    place = by.index("provider")
    for key, figures in sums(scope, *(name if name != "provider" else "model" for name in by)).items():
        new = (*key[:place], provider_of[key[place]], *key[place + 1 :])
        found.setdefault(new, Figures()).add(figures)
    return found

"""The one reader of the daily sums and their rollups: adds them up over a scope, by what a report asks for."""

from collections.abc import Hashable, Iterator

from django.db.models import BigIntegerField, F, Q, QuerySet, Sum

from chat.accounting.reports.figures import PARTS, SUMMED, Figures, figures_of
from chat.accounting.reports.scope import NO_GROUP, Scope
from chat.models import LanguageModel, UsageDay, UsageRollup

By, Span = UsageRollup.By, UsageRollup.Span
Key = tuple[Hashable, ...]


def sums(scope: Scope, *by: str, whole_months: bool = False) -> dict[Key, Figures]:
    """By the values of these columns of UsageDay, and `provider`. A group of 0 is none.

    With `whole_months`, a month that lies in the period whole is one day: its first.
    """
    if "provider" in by:
        return _by_provider(scope, by)
    found: dict[Key, Figures] = {}
    for rows in sources(scope, *by, whole_months=whole_months):
        _add(found, rows, by)
    return found


def total(scope: Scope) -> Figures:
    return sums(scope).get((), Figures())


def sums_of_a_few(
    scope: Scope, column: str, few: list[int], *by: str, whole_months: bool = False
) -> dict[Key, Figures]:
    """The same of a few accounts or models alone."""
    found: dict[Key, Figures] = {}
    for rows in sources(scope, column, *by, whole_months=whole_months, few=few if column == "account" else ()):
        _add(found, rows.filter(**{f"{column}__in": few}), by)
    return found


def sources(scope: Scope, *by: str, whole_months: bool = False, few: list[int] | tuple = ()) -> Iterator[QuerySet]:
    """Rows that together are the scope, each of them once: as few as are kept by what is asked for.

    An account's days are few, and have an index.
    """
    if scope.account is not None or few:
        yield _days(scope)
        return
    columns = {*by, *scope.columns} - {"day"}
    kept = next(kept for kept, names in UsageRollup.KEPT.items() if columns <= {*names})
    months, around = scope.period.parted if whole_months or "day" not in by else (None, [scope.period])
    if months:
        yield _rolled(scope.in_period(months), kept, Span.MONTH)
    for period in around:
        days = scope.in_period(period)
        yield _days(days) if kept == By.ALL else _rolled(days, kept, Span.DAY)


def _days(scope: Scope) -> QuerySet[UsageDay]:
    return UsageDay.objects.filter(scope.filters()).order_by()


def _rolled(scope: Scope, kept: str, span: str) -> QuerySet[UsageRollup]:
    rolled = UsageRollup.objects.filter(Q(by=kept, span=span), scope.rolled_filters())
    return rolled.annotate(day=F("first")).order_by()


def _add(found: dict[Key, Figures], rows: QuerySet, by: tuple[str, ...]) -> None:
    names = (*SUMMED, *PARTS)
    # As whole numbers: thousands of Decimals take longer than the query.
    columns = {f"sum_{name}": Sum(name, output_field=BigIntegerField()) for name in names}
    for row in rows.values(*by, "currency").annotate(**columns):
        key = tuple(NO_GROUP if row[name] is None else row[name] for name in by)
        figures = figures_of({name: row[f"sum_{name}"] for name in names}, row["currency"])
        if key in found:
            found[key].add(figures)
        else:
            found[key] = figures


def _by_provider(scope: Scope, by: tuple[str, ...]) -> dict[Key, Figures]:
    """From the sums by model: of these there are few."""
    provider_of = dict(LanguageModel.objects.values_list("pk", "provider"))
    found: dict[Key, Figures] = {}
    place = by.index("provider")
    for key, figures in sums(scope, *(name if name != "provider" else "model" for name in by)).items():
        new = (*key[:place], provider_of[key[place]], *key[place + 1 :])
        found.setdefault(new, Figures()).add(figures)
    return found

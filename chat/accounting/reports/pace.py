"""How long replies let wait for their first token, and how fast they come: percentiles from counts in buckets."""

from django.utils.translation import gettext_lazy as _

from chat.accounting.pace import BUCKETS, bounds
from chat.accounting.reports.figures import Figures
from chat.accounting.reports.scope import Scope
from chat.accounting.reports.sums import Read, sources, summed
from chat.accounting.reports.table import Cell, Column, Report, Row
from chat.models import LanguageModel

KINDS = ("ttft", "speed")
SHARES = {"ttft-50": 0.5, "ttft-95": 0.95, "speed-50": 0.5, "speed-5": 0.05}


def rows(scope: Scope, _read: Read) -> list[Row]:
    counts = _counts(scope)
    known = LanguageModel.objects.in_bulk(list(counts))
    return [
        Row(known[model].name, Figures(replies=sum(buckets["ttft"])), {"model": model}, percentiles(buckets))
        for model, buckets in counts.items()
        if any(buckets["ttft"])
    ]


def percentiles(buckets: dict[str, list[int]]) -> dict[str, Cell]:
    return {name: percentile(name.split("-")[0], buckets[name.split("-")[0]], share) for name, share in SHARES.items()}


def percentile(kind: str, counts: list[int], share: float) -> float | None:
    """Within its bucket as if its replies lay evenly on the logarithmic scale. None without any."""
    wanted = share * sum(counts)
    for number, count in enumerate(counts):
        if count and wanted <= count:
            low, high = bounds(kind, number)
            if number == 0:
                return high * wanted / count
            return low * (2 ** (wanted / count / 2) if number < len(counts) - 1 else 1)
        wanted -= count
    return None


def _counts(scope: Scope) -> dict[int, dict[str, list[int]]]:
    """By model and kind, the replies in each bucket."""
    names = [f"{kind}_{number}" for kind in KINDS for number in range(BUCKETS)]
    found: dict[int, list[int]] = {}
    for (model, _currency), sign, counts in summed(list(sources(scope, "model")), ("model",), names):
        so_far = found.get(model, [0] * len(names))
        found[model] = [before + sign * more for before, more in zip(so_far, counts, strict=True)]
    return {model: {"ttft": counts[:BUCKETS], "speed": counts[BUCKETS:]} for model, counts in found.items()}


def columns(currencies: list[str]) -> list[Column]:
    def of(name: str):
        return lambda row: row.more.get(name)

    return [
        Column("replies", _("Measured"), "count", lambda row: row.figures.replies),
        Column("ttft-50", _("First token, half within"), "seconds", of("ttft-50")),
        Column("ttft-95", _("19 of 20 within"), "seconds", of("ttft-95")),
        Column("speed-50", _("Speed, half faster than"), "speed", of("speed-50")),
        Column("speed-5", _("19 of 20 faster than"), "speed", of("speed-5")),
    ]


REPORT = Report("pace", _("Speed"), _("How fast they come"), _("Model"), rows, columns, sorts_by="replies")

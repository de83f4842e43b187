"""Charts and meters as SVG without script: x in per cent, so that bars stretch, y in pixels, so that text does not."""

import math
from dataclasses import dataclass
from decimal import Decimal

from django import template
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from chat.accounting.reports.over_time import TOKENS, OverTime, Series
from chat.accounting.reports.scope import Period
from chat.models.money import PLACES
from chat.templatetags.money import sum_of_money
from chat.templatetags.report_words import many, period_words

register = template.Library()

BASE, TOP = 200.0, 12.0
ROOM = 24.0  # under the base, for its labels
STRIP_BASE, STRIP_TOP = 40.0, 2.0
BAR = 0.68  # of its slot
LABELS = 8
MONDAYS_FROM = 15  # days; fewer are all labelled as they come


@dataclass(frozen=True, slots=True)
class Rect:
    look: str
    y: str
    height: str


@dataclass(frozen=True, slots=True)
class Bar:
    title: str
    x: str
    width: str
    parts: list[Rect]


@dataclass(frozen=True, slots=True)
class Mark:
    """A line of the scale, or a label under the base."""

    place: str
    text: str
    look: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    bars: list[Bar]
    lines: list[Mark]
    labels: list[Mark]
    base: str
    height: str


@register.simple_tag
def stacked(what: OverTime) -> Chart:
    most = max([*what.values, 1])
    scale = (BASE - TOP) / most
    bars = []
    for place, step in enumerate(what.steps):
        x, width = _slot(place, len(what.steps))
        title = _title(what, step, measured(what.values[place], what.unit))
        bars.append(Bar(title, x, width, _parts(what.series, place, scale)))
    lines = [Mark(_px(BASE - tick * scale), measured(tick, what.unit)) for tick in ticks(most)]
    return Chart(bars, lines, _labels(what), _px(BASE), _px(BASE + ROOM))


@register.simple_tag
def estimated_strip(what: OverTime) -> Chart | None:
    """The estimated share of each step, hatched; None where all is exact."""
    shares = what.estimated_shares
    most = max((part for part in shares if part), default=0)
    if not most:
        return None
    scale = (STRIP_BASE - STRIP_TOP) / most
    bars = []
    for place, part in enumerate(shares):
        x, width = _slot(place, len(shares))
        height = (part or 0) * scale
        title = _title(what, what.steps[place], _percent(part or 0))
        bars.append(Bar(title, x, width, [Rect("est", _px(STRIP_BASE - height), _px(height))] if height else []))
    tick = max((step for step in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1) if step <= most), default=most)
    line = Mark(_px(STRIP_BASE - tick * scale), _percent(tick))
    return Chart(bars, [line], [], _px(STRIP_BASE), _px(STRIP_BASE + 2))


def _title(what: OverTime, step: Period, how_much: str) -> str:
    return _("%(when)s: %(how_much)s") % {"when": step_words(what, step), "how_much": how_much}


def _percent(part: float) -> str:
    digits = 0 if part >= 0.1 or part == round(part, 2) else 1
    return _("%(percent)s %%") % {"percent": f"{part * 100:.{digits}f}"}


@register.simple_tag
def chart_title(what: OverTime) -> str:
    titles = {
        "day": (_("Cost per day"), _("Tokens per day")),
        "week": (_("Cost per week"), _("Tokens per week")),
        "month": (_("Cost per month"), _("Tokens per month")),
    }
    return titles[what.step][what.unit == TOKENS]


@register.simple_tag
def step_words(what: OverTime, step: Period) -> str:
    return date_format(step.first, "YEAR_MONTH_FORMAT") if what.step == "month" else period_words(step)


@register.simple_tag
def measured(value: int, unit: str) -> str:
    return many(value) if unit == TOKENS else sum_of_money(Decimal(value).scaleb(-PLACES), unit)


def ticks(most: int) -> list[int]:
    """Round numbers up to the most: two to four of them."""
    if most < 2:
        return [most]
    raw = most / 4
    power = 10 ** math.floor(math.log10(raw)) if raw >= 1 else 1
    step = next(int(power * factor) for factor in (1, 2, 5, 10) if power * factor >= raw)
    return [step * n for n in range(1, most // step + 1)]


def _parts(all_series: list[Series], place: int, scale: float) -> list[Rect]:
    """From the base upwards, a pixel between them."""
    parts, y = [], BASE
    for series in all_series:
        if (height := max(series.values[place], 0) * scale) > 0:
            parts.append(Rect(series.look, _px(y - height), _px(max(height - (1 if parts else 0), 0.5))))
            y -= height
    return parts


def _slot(place: int, count: int) -> tuple[str, str]:
    slot = 100 / count
    return f"{slot * (place + (1 - BAR) / 2):.3f}%", f"{slot * BAR:.3f}%"


def _labels(what: OverTime) -> list[Mark]:
    count = len(what.steps)
    if what.step == "day" and count >= MONDAYS_FROM:
        places = [place for place, step in enumerate(what.steps) if step.first.weekday() == 0]
    else:
        places = list(range(count))
    places = places[:: math.ceil(len(places) / LABELS)] if places else []
    form = pgettext("date format", "M Y") if what.step == "month" else pgettext("date format", "j M")
    marks = []
    for place in places:
        middle = 100 * (place + 0.5) / count
        marks.append(Mark(f"{middle:.2f}%", date_format(what.steps[place].first, form)))
    return marks


def _px(number: float) -> str:
    return f"{number:.1f}"


# Meters


@dataclass(frozen=True, slots=True)
class Meter:
    """In per cent of the whole: exact, then estimated, then held."""

    exact: str
    estimated_from: str
    estimated: str
    held_from: str
    held: str


@register.simple_tag
def meter(exact: Decimal, estimated: Decimal, held: Decimal = Decimal(0), whole: Decimal | None = None) -> Meter:
    """Of a whole, or of themselves together."""
    together = exact + estimated + held
    whole = max(whole or together, together, Decimal("1e-9"))
    parts = [float(part / whole * 100) for part in (exact, estimated, held)]
    return Meter(
        f"{parts[0]:.2f}%", f"{parts[0]:.2f}%", f"{parts[1]:.2f}%", f"{parts[0] + parts[1]:.2f}%", f"{parts[2]:.2f}%"
    )

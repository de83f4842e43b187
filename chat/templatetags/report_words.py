"""Reports in words: cells, totals, periods, and the addresses to which a row narrows them."""

from datetime import date
from decimal import Decimal
from urllib.parse import urlencode

from django import template
from django.http import QueryDict
from django.template.context import Context
from django.utils.formats import date_format, number_format
from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from chat.accounting.reports.figures import Figures, Money
from chat.accounting.reports.scope import Period
from chat.accounting.reports.table import Column, Row, Table
from chat.templatetags.money import grouped, sum_of_money

register = template.Library()

MILLION = 10**6
CENT = Decimal("0.01")
NARROWED_AWAY = ("format", "sort", "before")  # of how a page was shown, not of what


@register.simple_tag
def cell(row: Row, column: Column) -> str:
    value = column.of(row)
    if value is None:
        return _("unpriced") if column.kind == "money" and not row.figures.money and row.figures.tokens else "–"
    match column.kind:
        case "day":
            return long_day(value)
        case "count":
            return grouped(value)
        case "tokens":
            return many(value)
        case "share":
            return share(value)
        case "money":
            return cents(value, column.currency)
        case "seconds":
            return _("%(seconds)s s") % {"seconds": number_format(value, decimal_pos=1)}
        case "speed":
            return _("%(tokens)s/s") % {"tokens": number_format(value, decimal_pos=0)}
    return str(value)


@register.filter
def many(tokens: int) -> str:
    """Millions with two places; below, each one."""
    if abs(tokens) < MILLION:
        return grouped(tokens)
    return _("%(millions)s M") % {"millions": number_format(tokens / MILLION, decimal_pos=2, force_grouping=True)}


@register.filter
def share(part: float) -> str:
    """What is nearly all is not written as all, and what is nearly nothing not as nothing."""
    percent = round(part * 100, 1)
    if part < 1 and percent >= 100:
        percent = 99.9
    if part > 0 and percent < 0.1:
        return _("< %(least)s %%") % {"least": number_format(0.1, decimal_pos=1)}
    return _("%(percent)s %%") % {"percent": number_format(percent, decimal_pos=1)}


@register.simple_tag
def cents(amount: Decimal, currency: str) -> str:
    """Of many replies: two places, and what is less than the last of them said so."""
    if 0 < amount < CENT:
        return _("< %(least)s") % {"least": sum_of_money(CENT, currency)}
    return sum_of_money(amount, currency)


@register.filter
def long_day(day: date) -> str:
    return date_format(day, pgettext("date format", "j M Y"))


@register.filter
def month_name(day: date) -> str:
    return date_format(day, "YEAR_MONTH_FORMAT")


@register.simple_tag
def period_words(period: Period) -> str:
    if period.days == 1:
        return long_day(period.first)
    if period == Period.of_month(period.first):
        return month_name(period.first)
    return _("%(first)s to %(last)s") % {"first": long_day(period.first), "last": long_day(period.last)}


@register.simple_tag
def bound_of(money: Money, currency: str) -> str:
    return _("± %(bound)s") % {"bound": cents(money.bound, currency)} if money.bound else _("all of it exact")


@register.simple_tag
def money_of(figures: Figures, currency: str) -> Money:
    return figures.in_(currency)


@register.simple_tag
def held_in(held: dict[str, Decimal], currency: str) -> Decimal:
    return held.get(currency, Decimal(0))


@register.simple_tag
def not_complete(rows: list[Row]) -> str:
    count = sum(row.figures.replies for row in rows if row.narrows.get("outcome") != "complete")
    return ngettext("%(count)s not complete", "%(count)s not complete", count) % {"count": grouped(count)}


@register.simple_tag
def of_figures(figures: Figures, what: str) -> str:
    if what == "cached":
        return _("%(share)s of them cached") % {"share": share(figures.cached_share)}
    return _("%(share)s of them reasoning") % {"share": share(figures.reasoning_share)}


@register.simple_tag(takes_context=True)
def rows_of(context: Context, table: Table, to: str = "") -> SafeString:
    """Where `to` is given, each with a link to what it is of. A template takes half a second for a thousand rows."""
    kept, columns = list(_shown(context).items()), table.shown
    looks = [' class="num"' if column.is_figure else ' class="quiet"' if to else "" for column in columns[1:]]
    found = []
    for row in table.rows:
        label, *cells = (escape(cell(row, column)) for column in columns)
        if to:
            label = f'<a href="{escape(to + _narrowing(kept, row))}">{label}</a>'
        rest = "".join(f"<td{look}>{words}</td>" for look, words in zip(looks, cells, strict=True))
        found.append(f'<tr><th scope="row">{label}</th>{rest}</tr>')
    return mark_safe("\n    ".join(found))  # noqa: S308 - each part of it is escaped


@register.simple_tag
def options_of(choices: list[tuple[int | str, str]], chosen: int | str | None) -> SafeString:
    """Of a select, without a template for the same reason."""
    named = ((value, mark_safe(" selected") if value == chosen else "", words) for value, words in choices)
    return format_html_join("", '<option value="{}"{}>{}</option>', named)


def _narrowing(kept: list[tuple[str, str]], row: Row) -> str:
    """The query that shows the same period for this row alone; a day becomes the period."""
    narrows = dict(row.narrows)
    gone = {*narrows}
    if (day := narrows.pop("day", None)) is not None:
        gone |= {"from", "to", "days", "month"}
        narrows |= {"from": day.isoformat(), "to": day.isoformat()}
    return f"?{urlencode([pair for pair in kept if pair[0] not in gone] + list(narrows.items()))}"


@register.simple_tag(takes_context=True)
def without(context: Context, name: str) -> str:
    query = _shown(context)
    query.pop(name, None)
    return f"?{query.urlencode()}"


@register.simple_tag(takes_context=True)
def sorting(context: Context, column: Column) -> str:
    """The other way round, if it is sorted by this column; figures begin with the greatest."""
    now = context["sort"]
    falling = now == column.name if now.removeprefix("-") == column.name else column.is_figure
    query = context["request"].GET.copy()
    query["sort"] = f"-{column.name}" if falling else column.name
    return f"?{query.urlencode()}"


@register.simple_tag(takes_context=True)
def sorted_how(context: Context, column: Column) -> SafeString:
    sort = context.get("sort", "")
    if sort.removeprefix("-") != column.name:
        return mark_safe("")
    way = "descending" if sort.startswith("-") else "ascending"
    return format_html(' aria-sort="{}"', way)


@register.simple_tag(takes_context=True)
def kept_query(context: Context) -> str:
    """The period and what it is narrowed to, for the way to another report."""
    query = _shown(context)
    return f"?{query.urlencode()}" if query else ""


@register.simple_tag(takes_context=True)
def kept_fields(context: Context, *without: str) -> list[tuple[str, str]]:
    """The same as hidden fields of a form, but for those that the form has itself."""
    return [(name, value) for name, value in _shown(context).items() if name not in without]


def _shown(context: Context) -> QueryDict:
    query = context["request"].GET.copy()
    for name in NARROWED_AWAY:
        query.pop(name, None)
    return query

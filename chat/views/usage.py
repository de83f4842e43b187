"""Usage: totals, a chart and tables of the daily sums. A person's own; for administrators everybody's."""

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from chat.accounting.reports import REPORTS
from chat.accounting.reports.files import as_json, cells, table_as_json, titles
from chat.accounting.reports.held import held
from chat.accounting.reports.over_time import TOKENS, over_time
from chat.accounting.reports.sums import Gathered
from chat.accounting.reports.table import Report, Table, currencies_of
from chat.accounting.standing import budgets_of
from chat.spreadsheets import csv_lines
from chat.views.scoping import Asked, account_of, asked_for
from chat.views.streamed import streamed

SHOWN = 8  # rows of a table on the overview
CSV = "text/csv; charset=utf-8"


@require_GET
@login_required
def overview(request: HttpRequest) -> HttpResponse:
    asked = asked_for(request)
    read = Gathered(asked.scope, "model", "outcome")
    tables = {report.name: report.table(asked.scope, read) for report in _on_overview(asked)}
    figures = tables["outcomes"].total.figures
    currencies = currencies_of(figures)
    chart = over_time(asked.scope, _stack(asked), _unit(asked, currencies))
    form = asked.file
    if form in ("csv", "json"):
        return _taken_along(asked, "over-time", chart.table(), form)
    held_now, by = held(asked.scope) if asked.today in asked.scope.period else ({}, 0)
    page = {
        "figures": figures,
        "currencies": currencies,
        "held": held_now,
        "held_by": by,
        "chart": chart,
        "stacks": _stacks(asked),
        "tables": [(REPORTS[name], table.first(SHOWN), len(table.rows)) for name, table in tables.items()],
        "outcomes": tables["outcomes"].rows,
        "budgets": budgets_of(asked.scope.account, asked.scope.group) if asked.today in asked.scope.period else [],
    }
    return _page(asked, "usage/overview.html", page)


@require_GET
@login_required
def mine(request: HttpRequest) -> HttpResponse:
    """An administrator's own, too."""
    return redirect(f"{reverse('usage')}?account={account_of(request.user)}" if request.user.is_superuser else "usage")


@require_GET
@login_required
def report(request: HttpRequest, name: str) -> HttpResponse:
    asked = asked_for(request)
    one = next((report for report in reports_for(asked) if report.name == name), None)
    if one is None:
        raise Http404
    sort, form = request.GET.get("sort", ""), asked.file
    table = one.table(asked.scope)
    if sort:
        table = table.sorted_by(sort.removeprefix("-"), descending=sort.startswith("-"))
    if form in ("csv", "json"):
        return _taken_along(asked, name, table, form)
    return _page(asked, "usage/report.html", {"report": one, "table": table, "sort": sort})


def reports_for(asked: Asked) -> list[Report]:
    return [report for report in REPORTS.values() if asked.is_of_everybody or not report.of_everybody]


def _page(asked: Asked, template: str, page: dict) -> HttpResponse:
    context = {"asked": asked, "reports": reports_for(asked), **page}
    return render(asked.request, template, context, status=422 if asked.complaint else 200)


def _on_overview(asked: Asked) -> list[Report]:
    names = ["models", "outcomes"]
    if asked.is_of_everybody and asked.scope.account is None:
        names.insert(0, "people")
    return [REPORTS[name] for name in names]


def _stacks(asked: Asked) -> dict[str, str]:
    named = {"model": _("by model"), "account": _("by person"), "exactness": _("exact or estimated")}
    if not asked.is_of_everybody or asked.scope.account is not None:
        del named["account"]
    return named


def _stack(asked: Asked) -> str:
    wanted = asked.request.GET.get("by", "")
    return wanted if wanted in _stacks(asked) else "model" if asked.is_of_everybody else "exactness"


def _unit(asked: Asked, currencies: list[str]) -> str:
    wanted = asked.request.GET.get("in", "")
    return wanted if wanted in (*currencies, TOKENS) else next(iter(currencies), TOKENS)


def _taken_along(asked: Asked, name: str, table: Table, form: str) -> HttpResponse:
    """What is shown, as a file."""
    period = asked.scope.period
    if form == "csv":
        file_name = f"usage-{name}-{period.first}-{period.last}.csv"
        return streamed(csv_lines(titles(table), cells(table)), CSV, file_name=file_name)
    head = {"report": name, "from": as_json(period.first), "to": as_json(period.last), "narrowed": asked.narrowed}
    return JsonResponse({**head, **table_as_json(table)}, json_dumps_params={"ensure_ascii": False})

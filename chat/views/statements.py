"""A month's statement, to print. A person's own; for administrators everybody's, and each group's."""

from dataclasses import replace

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from chat.accounting.reports.files import cells, titles
from chat.accounting.reports.scope import Period, Scope
from chat.accounting.reports.statement import Statement, statement
from chat.models import Account, Group
from chat.spreadsheets import csv_lines
from chat.views.scoping import Asked, account_of, asked_for
from chat.views.streamed import streamed
from chat.views.usage import CSV


@require_GET
@login_required
def monthly(request: HttpRequest) -> HttpResponse:
    asked = asked_for(request)
    made = statement(_scope(asked))
    if asked.file == "csv":
        return _as_csv(made)
    page = {
        "asked": asked,
        "statement": made,
        "account": Account.objects.select_related("person", "group").filter(pk=made.scope.account).first(),
        "group": Group.objects.filter(pk=made.scope.group).first(),
        "before": Period.of_month_before(made.first).first,
        "after": Period.of_month(made.scope.period.last).last if made.scope.period.last < asked.today else None,
    }
    return render(request, "usage/statement.html", page, status=422 if asked.complaint else 200)


def _scope(asked: Asked) -> Scope:
    """The month in which the period that was asked for ends, of one account or group; else one's own."""
    _chips = asked.chips  # 404 for what there is not
    account, group = asked.scope.account, asked.scope.group
    if account is None and not group:
        account = account_of(asked.request.user)
    last = min(asked.scope.period.last, asked.today)
    whole = Scope(Period.of_month(last))
    return replace(whole, account=account, group=None if account is not None else group)


def _as_csv(made: Statement) -> HttpResponse:
    head = titles(made.table)
    total = [_("All"), *(column.of(made.table.total) if column.is_figure else "" for column in made.table.columns[1:])]
    whose = f"account-{made.scope.account}" if made.scope.account is not None else f"group-{made.scope.group}"
    rows = [*cells(made.table), total]
    return streamed(csv_lines(head, rows), CSV, file_name=f"statement-{made.first:%Y-%m}-{whose}.csv")

"""The ledger's single lines: a list of them, and all that is known of one completion."""

from collections.abc import Iterator
from datetime import date

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from chat.access import charged_completion_for
from chat.accounting.reports.entries import lines, matching
from chat.accounting.reports.outcomes import word_of
from chat.accounting.reports.sums import total
from chat.models import Completion, UsageEntry, may_read_others
from chat.spreadsheets import Cell, csv_lines
from chat.views.scoping import Asked, asked_for
from chat.views.streamed import streamed
from chat.views.usage import CSV, reports_for


@require_GET
@login_required
def index(request: HttpRequest) -> HttpResponse:
    asked = asked_for(request)
    if asked.file == "csv":
        period = asked.scope.period
        return streamed(csv_lines(*_as_csv(asked)), CSV, file_name=f"usage-lines-{period.first}-{period.last}.csv")
    found = lines(asked.scope, before=_before(request))
    figures = total(asked.scope)
    page = {
        "asked": asked,
        "reports": reports_for(asked),
        "lines": found,
        "titles": _titles(found) if asked.is_mine else {},
        "count": figures.replies + figures.adjustments,
        "older": f"{found[-1].day}.{found[-1].pk}" if found else "",
    }
    return render(request, "usage/entries.html", page, status=422 if asked.complaint else 200)


@require_GET
@login_required
def one(request: HttpRequest, pk: int) -> HttpResponse:
    """One completion: who asked what for, how it went, and each line of it."""
    completion = charged_completion_for(request.user, pk)
    is_mine = completion.person_id == request.user.pk
    page = {
        "completion": completion,
        "lines": completion.usage_entries.select_related("price").order_by("pk"),
        "is_mine": is_mine,
        "is_readable": not is_mine and completion.conversation_id and may_read_others(request.user),
        "reply": completion.messages.filter(conversation__deleted=None).first() if is_mine else None,
    }
    return render(request, "usage/entry.html", page)


def _titles(found: list[UsageEntry]) -> dict[int, str]:
    """Of the conversations of one's own lines."""
    completions = Completion.objects.filter(pk__in={line.completion_id for line in found}, conversation__deleted=None)
    return dict(completions.exclude(conversation=None).values_list("pk", "conversation__title"))


def _before(request: HttpRequest) -> tuple[date, int] | None:
    """After which line the page goes on; nonsense begins anew."""
    day, _dot, pk = request.GET.get("before", "").partition(".")
    try:
        return date.fromisoformat(day), int(pk[:18])
    except ValueError:
        return None


def _as_csv(asked: Asked) -> tuple[list[str], Iterator[list[Cell]]]:
    titles = [
        _("Day"),
        _("Booked"),
        _("Line"),
        _("Completion"),
        _("Kind"),
        _("Source"),
        _("Person"),
        _("Provider"),
        _("Model"),
        _("Purpose"),
        _("Outcome"),
        _("In"),
        _("Cached"),
        _("Out"),
        _("Reasoning"),
        _("Out, at least"),
        _("Out, at most"),
        _("Currency"),
        _("Cost"),
        _("At least"),
        _("At most"),
    ]
    found = matching(asked.scope).order_by("day", "pk").iterator(chunk_size=500)
    return titles, map(_cells, found)


def _cells(line: UsageEntry) -> list[Cell]:
    completion, account = line.completion, line.account
    return [
        line.day,
        timezone.localtime(line.created).replace(tzinfo=None),
        line.pk,
        line.completion_id,
        line.get_kind_display(),
        line.get_source_display(),
        account.person.username if account.person else account.label,
        completion.model.provider.name,
        completion.model.name,
        completion.purpose,
        word_of(completion.status),
        line.input_tokens,
        line.cached_tokens,
        line.output_tokens,
        line.reasoning_tokens,
        line.output_low,
        line.output_high,
        line.currency,
        line.amount,
        line.amount_low,
        line.amount_high,
    ]

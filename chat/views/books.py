"""The books: the proof that they agree, a day's sums made anew, and the months that are closed."""

from datetime import date

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from chat import budgeting, live
from chat.accounting.reports.scope import Period, Scope
from chat.accounting.reports.sums import total
from chat.accounting.reports.table import currencies_of
from chat.calendar import day_written
from chat.models import ClosedMonth, Completion, Proof, UsageDay
from chat.templatetags.report_words import long_day, month_name
from chat.views.administration import administrators_only

MOST_MONTHS = 36
MOST_PROOFS = 6


@require_GET
@administrators_only
def index(request: HttpRequest) -> HttpResponse:
    """To htmx only how far the proof is."""
    proofs = list(Proof.objects.select_related("by__person")[:MOST_PROOFS])
    page = {"proof": proofs[0] if proofs else None, "earlier": [proof for proof in proofs[1:] if proof.ended]}
    if request.headers.get("HX-Request"):
        return render(request, "administration/_proof.html", page)
    return render(request, "administration/books.html", page | {"months": _months(), "today": timezone.localdate()})


@require_POST
@administrators_only
def prove(request: HttpRequest) -> HttpResponse:
    Proof.ask(request.user)
    live.hint_labour()
    return redirect("books")


@require_POST
@administrators_only
def rebuild(request: HttpRequest) -> HttpResponse:
    """A day's sums anew from its lines; then all is proved again."""
    try:
        day = day_written(request.POST.get("day", ""))
    except ValueError:
        messages.error(request, _("A day is written like 2026-11-30. Nothing was changed."))
        return redirect("books")
    wrong = budgeting.rebuild(request.user, day)
    if wrong:
        said = ngettext(
            "%(n)d sum of %(day)s was wrong, and is right now.",
            "%(n)d sums of %(day)s were wrong, and are right now.",
            wrong,
        )
    else:
        said = _("The sums of %(day)s were right.")
    messages.success(request, said % {"n": wrong, "day": long_day(day)})
    Proof.ask(request.user)
    live.hint_labour()
    return redirect("books")


@require_http_methods(["GET", "POST"])
@administrators_only
def month(request: HttpRequest, month: str) -> HttpResponse:
    """What would be closed; a POST closes it."""
    first = _first_of(month)
    if request.method == "POST":
        try:
            budgeting.close_month(request.user, first)
        except budgeting.MonthNotOver:
            said = _("%(month)s cannot be closed yet. Nothing was changed.")
            messages.error(request, said % {"month": month_name(first)})
            return redirect("month", month)
        said = _("%(month)s is closed. What comes late is booked later.")
        messages.success(request, said % {"month": month_name(first)})
        return redirect("books")
    figures = total(Scope(Period.of_month(first)))
    asked = Completion.objects.filter(day__gte=first, day__lte=Period.of_month(first).last)
    page = {
        "first": first,
        "closed": ClosedMonth.objects.select_related("by__person").filter(first=first).first(),
        "is_over": Period.of_month(first).last < timezone.localdate(),
        "figures": figures,
        "currencies": currencies_of(figures),
        "arriving": asked.unsettled().count(),
        "late": asked.filter(lookups_left__gt=0).count() + asked.filter(recounts_left__gt=0).count(),
        "proof": Proof.objects.exclude(ended=None).first(),
    }
    return render(request, "administration/month.html", page)


def _first_of(month: str) -> date:
    try:
        return day_written(f"{month}-01")
    except ValueError:
        raise Http404 from None


def _months() -> list[tuple[date, ClosedMonth | None]]:
    """Those that are over and in which something was used, or that are closed; the newest first."""
    closed = {month.first: month for month in ClosedMonth.objects.select_related("by__person")[:MOST_MONTHS]}
    oldest = UsageDay.objects.order_by("day").values_list("day", flat=True).first()
    first, found = Period.of_month_before(timezone.localdate()).first, []
    while oldest and first >= oldest.replace(day=1) and len(found) < MOST_MONTHS:
        found.append((first, closed.get(first)))
        first = Period.of_month_before(first).first
    return found

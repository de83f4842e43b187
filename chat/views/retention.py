"""How long conversations are kept: a rule, and what it would take before it is made."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from chat import live
from chat.archive import retention
from chat.forms.data import RetentionForm
from chat.models import Retention
from chat.views.administration import administrators_only


@require_http_methods(["GET", "POST"])
@administrators_only
def rule(request: HttpRequest) -> HttpResponse:
    """A GET with `days` shows what that rule would take; a POST makes it."""
    form = RetentionForm(request.POST if request.method == "POST" else request.GET or None)
    if request.method == "POST" and form.is_valid():
        days = form.cleaned_data["days"]
        retention.set_rule(days, request.user)
        live.hint_labour()
        messages.success(request, _sentence(days))
        return redirect("retention")
    days = form.cleaned_data.get("days") if form.is_bound and form.is_valid() else None
    in_force = Retention.in_force()
    context = {"form": form, "days": days, "in_force": in_force, "sentence": _sentence(in_force)}
    context["preview"] = retention.preview(days) if days else None
    return render(request, "administration/retention.html", context, status=422 if form.errors else 200)


def _sentence(days: int | None) -> str:
    if days is None:
        return _("Conversations are kept until their people delete them.")
    return (
        ngettext(
            "Conversations in which nothing was asked for %d day are deleted.",
            "Conversations in which nothing was asked for %d days are deleted.",
            days,
        )
        % days
    )

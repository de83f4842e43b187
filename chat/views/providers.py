"""Connecting a server that was found on this machine. Administrators only."""

from django.contrib.auth.decorators import login_required, user_passes_test
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from chat import connecting
from chat.views.messages import refusal

administrators_only = user_passes_test(lambda person: person.is_superuser)


@require_GET
@login_required
@administrators_only
def nearby(request: HttpRequest) -> HttpResponse:
    return render(request, "chat/_nearby.html", {"servers": connecting.nearby()})


@require_POST
@login_required
@administrators_only
def connect(request: HttpRequest) -> HttpResponse:
    if connecting.connect_nearby(request.POST.get("profile", "")) is None:
        return refusal(request, _("This server does not answer any more. Start it, and look again."), 409)
    if request.headers.get("HX-Request"):
        return HttpResponse(headers={"HX-Redirect": "/"})
    return redirect("new-conversation")

"""Live now: what is queued and arriving, for administrators, who may stop any of it."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from chat import stopping, underway
from chat.access import any_completion_for
from chat.templatetags.entry_words import name_of_account
from chat.views.administration import administrators_only


@require_GET
@administrators_only
def index(request: HttpRequest) -> HttpResponse:
    """The page; to htmx, which asks again and again, only what changes on it."""
    now = timezone.now()
    page = {"now": underway.look(now), "ended": underway.just_ended(now)}
    is_part = request.headers.get("HX-Request")
    return render(request, "administration/_underway.html" if is_part else "administration/live.html", page)


@require_POST
@administrators_only
def stop(request: HttpRequest, pk: int) -> HttpResponse:
    """Answers after the settlement, 2 s at most."""
    completion = any_completion_for(request.user, pk)
    names = {"person": name_of_account(completion.account)}
    if completion.is_settled:
        said = _("The reply to %(person)s had ended already.") % names
    elif stopping.stop_as_administrator(request.user, completion):
        said = _("The reply to %(person)s is stopped. What had arrived is saved.") % names
    else:
        said = _("The reply to %(person)s is being stopped.") % names
    if not request.headers.get("HX-Request"):
        messages.success(request, said)
        return redirect("live-now")
    # Said beside what is looked at anew, which would take it away again.
    response = render(request, "administration/_said.html", {"said": said})
    response["HX-Trigger"] = "look"
    return response

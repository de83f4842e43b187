"""Stopping."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from chat import live
from chat.access import completion_for
from chat.models import Completion


@require_POST
@login_required
def stop(request: HttpRequest, pk: int) -> HttpResponse:
    """Stops one, or with `all` whatever was asked for together with it.

    Answers after the settlement, 2 s at most each: 204 when the text is final, 202 while it is still stopping.
    """
    completion = completion_for(request.user, pk)
    together = Completion.objects.unsettled().filter(ask=completion.ask).select_related("model__provider")
    meant = list(together) if request.POST.get("all") else [completion]
    settled = all([live.stop(each, "person") for each in meant])
    if not request.headers.get("HX-Request"):
        return redirect("conversation", completion.conversation_id)
    return HttpResponse(status=204 if settled else 202)

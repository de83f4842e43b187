"""What is deleted and can be had back; deleting all of one's data, or oneself."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from chat import live
from chat.archive import deletion, parting
from chat.forms.data import PartingForm
from chat.models import Completion

SHOWN = 500


@require_http_methods(["GET", "POST"])
@login_required
def deleted(request: HttpRequest) -> HttpResponse:
    """A POST restores what is ticked, or deletes it for good."""
    found = deletion.recoverable(request.user)
    if request.method == "GET":
        return render(request, "yours/deleted.html", {"deleted": found[:SHOWN], "more": max(found.count() - SHOWN, 0)})
    ids = _ids(request)
    if request.POST.get("act") == "restore":
        count = deletion.restore(request.user, ids)
        messages.success(request, ngettext("%d conversation is back.", "%d conversations are back.", count) % count)
    elif request.POST.get("act") == "purge":
        count = deletion.delete_for_good(found.filter(pk__in=ids))
        live.hint_labour()
        messages.success(request, ngettext("%d conversation is gone.", "%d conversations are gone.", count) % count)
    else:
        raise Http404
    return redirect("deleted")


@require_POST
@login_required
def part(request: HttpRequest) -> HttpResponse:
    """With the password: there is no way back."""
    form = PartingForm(request.user, request.POST)
    if not form.is_valid():
        return render(request, "yours/delete.html", {"form": form}, status=422)
    person = request.user
    if form.cleaned_data["what"] == "account":
        parting.part_with(person)
    else:
        parting.forget_data(person)
    live.stop_all(Completion.objects.unsettled().filter(person=person), "deleted")
    live.hint_labour()
    if form.cleaned_data["what"] == "account":
        live.hint_revoked(person.pk)
        logout(request)
        return render(request, "yours/parted.html")
    messages.success(request, form.done)
    return redirect("your-data")


@login_required
def ask_to_part(request: HttpRequest) -> HttpResponse:
    return render(request, "yours/delete.html", {"form": PartingForm(request.user)})


def _ids(request: HttpRequest) -> list[UUID]:
    try:
        return [UUID(pk) for pk in request.POST.getlist("conversation")]
    except ValueError:
        raise Http404 from None

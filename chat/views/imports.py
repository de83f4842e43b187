"""Bringing conversations in: a file comes whole by a form, or in parts by the page's script; then one watches it."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.translation import get_language, ngettext
from django.views.decorators.http import require_GET, require_POST

from chat import live
from chat.access import import_for
from chat.archive.importing.problems import sentence_of
from chat.forms.data import ImportFileForm, ImportForm
from chat.models import Import
from chat.models.imports import CHUNK_BYTES
from chat.views.messages import refusal

Status = Import.Status


@require_POST
@login_required
def begin(request: HttpRequest) -> HttpResponse:
    """With the file itself, as a form without a script sends it; or with its name and size, and parts to follow."""
    data, files = request.POST, request.FILES
    form = ImportFileForm(request.user, data, files) if files else ImportForm(request.user, data)
    if not form.is_valid():
        return refusal(request, form.complaint, 422)
    name, size = form.cleaned_data["name"], form.cleaned_data["size"]
    brought = Import.objects.create(person=request.user, name=name, size=size, language=get_language())
    if not files:
        return JsonResponse({"address": reverse("import", args=[brought.pk]), "part": CHUNK_BYTES}, status=201)
    for offset in range(0, size, CHUNK_BYTES):
        brought.receive(form.cleaned_data["file"].read(CHUNK_BYTES), offset)
    live.hint_labour()
    return redirect("import", brought.pk)


@require_POST
@login_required
def receive(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The body is the part from `from` on. 409, with how far it has come, if that is not the next."""
    brought = import_for(request.user, pk)
    offset = request.GET.get("from", "")
    taken = offset.isdecimal() and len(offset) < 16 and brought.receive(request.body, int(offset))
    brought.refresh_from_db()
    if brought.status == Status.WAITING:
        live.hint_labour()
    return JsonResponse({"received": brought.received, "status": brought.status}, status=200 if taken else 409)


@require_GET
@login_required
def one(request: HttpRequest, pk: UUID) -> HttpResponse:
    context = told(import_for(request.user, pk))
    return render(request, "yours/_import.html" if request.headers.get("HX-Request") else "yours/import.html", context)


@require_POST
@login_required
def stop(request: HttpRequest, pk: UUID) -> HttpResponse:
    """What is here already stays."""
    brought = import_for(request.user, pk)
    brought.end(Status.STOPPED)
    live.hint_labour()
    return redirect("import", brought.pk)


def told(brought: Import) -> dict:
    problems = [
        {"position": problem.position, "title": problem.title, "sentence": sentence_of(problem.kind, problem.detail)}
        for problem in brought.problems.all()
    ]
    return {
        "import": brought,
        "counted": _counted(brought),
        "complaint": sentence_of(brought.complaint, "") if brought.complaint else "",
        "problems": problems,
        "untold": brought.bad - len(problems),
    }


def _counted(brought: Import) -> list[str]:
    """What came of it so far, the most welcome first."""
    made, messages, continued = brought.made, brought.messages, brought.continued
    counts = [
        (made, ngettext("%s new conversation", "%s new conversations", made)),
        (messages, ngettext("%s message", "%s messages", messages)),
        (continued, ngettext("%s continued with what is new", "%s continued with what is new", continued)),
        (brought.known, ngettext("%s was here already", "%s were here already", brought.known)),
        (brought.bad, ngettext("%s could not be read", "%s could not be read", brought.bad)),
    ]
    return [words % number_format(count, force_grouping=True) for count, words in counts if count]

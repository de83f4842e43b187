"""Files of messages: taken in, shown, downloaded, removed. Whatever is sent of them can do nothing in a browser."""

from collections.abc import Iterator
from pathlib import Path, PurePath
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from chat import attaching
from chat.access import file_for
from chat.models import File
from chat.models.file import remove_unattached
from chat.templatetags.file_words import why_not_taken
from chat.views.messages import refusal
from chat.views.streamed import streamed

POLICY = "sandbox; default-src 'none'; frame-ancestors 'none'"
PIECE = 64 * 1024
SUFFIXES = {"image/png": ".png", "image/jpeg": ".jpg"}


@require_POST
@login_required
def attach(request: HttpRequest) -> HttpResponse:
    """Takes one in; the answer is a chip for the composer, or a sentence why not."""
    if "file" not in request.FILES:
        return refusal(request, _("No file has arrived. Choose it again."), 422)
    upload = request.FILES["file"]
    try:
        file = attaching.take_in(request.user, upload.name, upload)
    except attaching.Refused as refused:
        context = {"name": refused.name, "sentence": why_not_taken(refused)}
        return render(request, "files/_failed.html", context, status=422)
    return render(request, "files/_waiting.html", {"files": [file]}, status=201)


@require_GET
@login_required
def waiting(request: HttpRequest) -> HttpResponse:
    """Chips of files that a draft names, as far as they still wait to be sent."""
    named = request.GET.getlist("file")[:100]
    try:
        wanted = [UUID(pk) for pk in named]
    except ValueError:
        raise Http404 from None
    found = File.objects.ready().unattached().filter(person=request.user).defer("text").in_bulk(wanted)
    return render(request, "files/_waiting.html", {"files": [found[pk] for pk in wanted if pk in found]})


@require_GET
@login_required
def shown(request: HttpRequest, pk: UUID) -> HttpResponse:
    """What is in it: in a window of the page, or on a page of its own."""
    context = {"file": file_for(request.user, pk)}
    if request.headers.get("HX-Request"):
        return render(request, "files/_shown.html", context)
    latest = context["file"].attachments.order_by("-pk").select_related("message").first()
    return render(request, "files/file.html", context | {"message": latest and latest.message})


@require_GET
@login_required
def image(request: HttpRequest, pk: UUID) -> HttpResponse:
    file = _ready(request, pk, image=True)
    return _harmless(_bytes(file.path), file.media_type)


@require_GET
@login_required
def preview(request: HttpRequest, pk: UUID) -> HttpResponse:
    file = _ready(request, pk, image=True)
    return _harmless(_bytes(file.preview_path), "image/jpeg")


@require_GET
@login_required
def text(request: HttpRequest, pk: UUID) -> HttpResponse:
    """What a model reads of it."""
    file = _ready(request, pk, image=False)
    return _harmless(file.text, "text/plain; charset=utf-8")


@require_GET
@login_required
def download(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The file as it came; an image as it was written anew. No browser opens it in the site's name."""
    file = _ready(request, pk)
    if not file.path.exists():
        raise Http404
    name = file.name
    if file.is_image and PurePath(name).suffix.lower() not in (SUFFIXES[file.media_type], ".jpeg"):
        name = PurePath(name).stem + SUFFIXES[file.media_type]
    response = streamed(_pieces(file.path), "application/octet-stream", file_name=name)
    response["Content-Security-Policy"] = POLICY
    return response


@require_POST
@login_required
def remove(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Of one that waits to be sent; in a message it stays for as long as that does."""
    remove_unattached([file_for(request.user, pk).pk])
    return HttpResponse(status=204)


def _ready(request: HttpRequest, pk: UUID, *, image: bool | None = None) -> File:
    """`image`: whether it must be one, or must be none."""
    file = file_for(request.user, pk)
    if not file.is_ready or image not in (None, file.is_image):
        raise Http404
    return file


def _harmless(content: bytes | str, content_type: str) -> HttpResponse:
    response = HttpResponse(content, content_type=content_type)
    response["Content-Security-Policy"] = POLICY
    response["Content-Disposition"] = "inline"
    return response


def _bytes(path: Path) -> bytes:
    """Few: images are bounded."""
    try:
        return path.read_bytes()
    except OSError:
        raise Http404 from None


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece

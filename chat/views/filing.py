"""Filing conversations, one or several at once; and the folders and tags themselves."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.db import IntegrityError, transaction
from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from chat import live
from chat.access import conversation_for, conversations_for, folder_for, tag_for
from chat.archive import deletion, filing
from chat.forms.conversations import FilingForm, NameForm
from chat.models import Conversation, Folder, Tag
from chat.views.messages import refusal
from chat.views.pages import conversation_groups

FILED = "filed"  # in the session: what was done, for the page that follows


@require_http_methods(["GET", "POST"])
@login_required
def one(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The folder and the tags of a conversation: a page, or what a dialog holds."""
    conversation = conversation_for(request.user, pk)
    form = FilingForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        folder = filing.folder_named(request.user, form.cleaned_data["folder"])
        filing.file(conversation, folder, filing.tags_named(request.user, form.cleaned_data["tags"]))
        live.hint_changed(request.user.pk, conversation.pk)
        return _answer(request, reverse("conversation", args=[conversation.pk]))
    shown = request.POST if form.is_bound else _filed(conversation)
    context = {"conversation": conversation, "folder": shown["folder"], "tags": shown["tags"], **names(request)}
    context["complaint"] = form.complaint if form.errors else ""
    template = "filing/_one.html" if request.headers.get("HX-Request") else "filing/one.html"
    return render(request, template, context, status=422 if form.errors else 200)


def _filed(conversation: Conversation) -> dict[str, str]:
    tags = ", ".join(tag.name for tag in conversation.tags.all())
    return {"folder": conversation.folder.name if conversation.folder else "", "tags": tags}


@require_POST
@login_required
def several(request: HttpRequest) -> HttpResponse:
    """Does one thing to all that the field `conversation` names."""
    act, ids, form = request.POST.get("act", ""), _ids(request), FilingForm(request.POST)
    if act not in SENTENCES:
        raise Http404
    if not ids:
        return refusal(request, _("Nothing is selected: tick the conversations first."), 422)
    if not form.is_valid():
        return refusal(request, form.complaint, 422)
    if act in ("tag", "untag") and not form.cleaned_data["tags"]:
        return refusal(request, _("Which tag? Write its name beside the button."), 422)
    if act == "restore":
        if not deletion.restore(request.user, ids):
            return refusal(request, _("It is too late: what was deleted is gone."), 409)
    else:
        _do(request, act, conversations_for(request.user, ids), form.cleaned_data)
    for pk in ids:
        live.hint_changed(request.user.pk, pk)
    return _answer(request, reverse("search"), act=act, ids=ids)


def _do(request: HttpRequest, act: str, found: QuerySet[Conversation], fields: dict) -> None:
    match act:
        case "pin" | "unpin":
            filing.pin(found, act == "pin")
        case "archive" | "unarchive":
            filing.archive(found, act == "archive")
        case "move":
            filing.move(found, filing.folder_named(request.user, fields["folder"]))
        case "tag":
            filing.tag(found, filing.tags_named(request.user, fields["tags"]))
        case "untag":
            filing.untag(found, filing.tags_named(request.user, fields["tags"]))
        case "delete":
            for conversation in list(found):
                deletion.hide(conversation)
                live.stop_all(conversation.completion_set.unsettled(), "deleted")


UNDONE_BY = {"archive": "unarchive", "delete": "restore"}


def _answer(request: HttpRequest, back: str, *, act: str = "", ids: list[UUID] | None = None) -> HttpResponse:
    """The list as it is now and what was done; without htmx the page that it came from, which says it."""
    filed = {"act": act, "ids": [str(pk) for pk in ids or []]}
    if not request.headers.get("HX-Request"):
        request.session[FILED] = filed
        asked = request.POST.get("next", "")
        here = url_has_allowed_host_and_scheme(asked, None, request.is_secure())
        return redirect(asked if asked.startswith("/") and here else back)
    shown = [pk for pk in ids or [] if f"/c/{pk}/" in request.headers.get("HX-Current-URL", "")]
    current = Conversation.objects.for_person(request.user).filter(pk__in=shown).first()
    context = {"groups": conversation_groups(request, current), "conversation": current, "done": done(filed)}
    return render(request, "filing/_filed.html", context)


def done(filed: dict | None) -> dict | None:
    """What was done, as a sentence, and what undoes it."""
    if not filed or filed["act"] not in SENTENCES:
        return None
    ids = filed["ids"]
    return {"sentence": SENTENCES[filed["act"]] % {"n": len(ids)}, "ids": ids, "undo": UNDONE_BY.get(filed["act"])}


SENTENCES = {
    "pin": ngettext_lazy("%(n)d conversation pinned.", "%(n)d conversations pinned.", "n"),
    "unpin": ngettext_lazy("%(n)d conversation unpinned.", "%(n)d conversations unpinned.", "n"),
    "archive": ngettext_lazy("%(n)d conversation archived.", "%(n)d conversations archived.", "n"),
    "unarchive": ngettext_lazy(
        "%(n)d conversation is in the list again.", "%(n)d conversations are in the list again.", "n"
    ),
    "move": ngettext_lazy("%(n)d conversation moved.", "%(n)d conversations moved.", "n"),
    "tag": ngettext_lazy("%(n)d conversation tagged.", "%(n)d conversations tagged.", "n"),
    "untag": ngettext_lazy("Tag taken off %(n)d conversation.", "Tag taken off %(n)d conversations.", "n"),
    "delete": ngettext_lazy("%(n)d conversation deleted.", "%(n)d conversations deleted.", "n"),
    "restore": ngettext_lazy("%(n)d conversation is back.", "%(n)d conversations are back.", "n"),
}


def _ids(request: HttpRequest) -> list[UUID]:
    try:
        return list(dict.fromkeys(UUID(pk) for pk in request.POST.getlist("conversation")))
    except ValueError:
        raise Http404 from None


# Folders and tags


def names(request: HttpRequest) -> dict:
    """What one can choose from."""
    return {"folders": Folder.objects.filter(person=request.user), "all_tags": Tag.objects.filter(person=request.user)}


@require_GET
@login_required
def folders(request: HttpRequest) -> HttpResponse:
    """All of them, with what is in them."""
    there = Count("conversations", filter=Q(conversations__deleted=None))
    found = {name: kind.annotate(there=there) for name, kind in names(request).items()}
    return render(request, "filing/folders.html", {**found, "done": done(request.session.pop(FILED, None))})


@require_POST
@login_required
def folder(request: HttpRequest, pk: int) -> HttpResponse:
    return _renamed_or_removed(request, folder_for(request.user, pk), _("You have another folder of this name."))


@require_POST
@login_required
def tag(request: HttpRequest, pk: int) -> HttpResponse:
    return _renamed_or_removed(request, tag_for(request.user, pk), _("You have another tag of this name."))


def _renamed_or_removed(request: HttpRequest, label: Folder | Tag, taken: str) -> HttpResponse:
    """Conversations stay, whatever becomes of the folder."""
    if request.POST.get("act") == "remove":
        label.delete()
        return redirect("folders")
    form = NameForm(request.POST)
    if not form.is_valid():
        return refusal(request, form.complaint, 422)
    label.name = form.cleaned_data["name"]
    try:
        with transaction.atomic():
            label.save(update_fields=["name"])
    except IntegrityError:
        return refusal(request, taken, 409)
    return redirect("folders")

"""Renaming, leaving, deleting, and undoing that."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from chat import live
from chat.access import conversation_for
from chat.archive import deletion
from chat.forms.conversations import TitleForm
from chat.models import Conversation
from chat.views.messages import refusal
from chat.views.pages import conversation_groups


@require_POST
@login_required
def rename(request: HttpRequest, pk: UUID) -> HttpResponse:
    conversation, form = conversation_for(request.user, pk), TitleForm(request.POST)
    if not form.is_valid():
        return refusal(request, form.errors["title"][0], 422)
    conversation.title, conversation.titled_by = form.cleaned_data["title"], Conversation.TitledBy.PERSON
    conversation.save(update_fields=["title", "folded_title", "titled_by"])
    live.hint_changed(request.user.pk, conversation.pk)
    if not request.headers.get("HX-Request"):
        return redirect("conversation", conversation.pk)
    context = {"conversation": conversation, "groups": conversation_groups(request, conversation)}
    return render(request, "chat/_renamed.html", context)


@require_POST
@login_required
def leave(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The page of a temporary conversation is closed. Whoever comes back within a minute finds it."""
    conversation = conversation_for(request.user, pk)
    if conversation.temporary:
        conversation.leave(timezone.now())
    return HttpResponse(status=204)


@require_POST
@login_required
def delete(request: HttpRequest, pk: UUID) -> HttpResponse:
    conversation = conversation_for(request.user, pk)
    deletion.hide(conversation)
    live.stop_all(conversation.completion_set.unsettled(), "deleted")
    live.hint_changed(request.user.pk, conversation.pk)
    next_page = f"{reverse('new-conversation')}?deleted={pk}"
    if not request.headers.get("HX-Request"):
        return redirect(next_page)
    if f"/c/{pk}/" in request.headers.get("HX-Current-URL", ""):
        return HttpResponse(headers={"HX-Redirect": next_page})
    return render(request, "chat/_deleted.html", {"groups": conversation_groups(request), "undo": conversation})


@require_POST
@login_required
def restore(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Undoes a deletion: at once, or from the list of what was deleted."""
    if not deletion.restore(request.user, [pk]):
        raise Http404
    live.hint_changed(request.user.pk, pk)
    if not request.headers.get("HX-Request"):
        return redirect("conversation", pk)
    return render(request, "chat/_deleted.html", {"groups": conversation_groups(request)})

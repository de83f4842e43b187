"""What every page needs, and the pages of the chat."""

from itertools import groupby
from uuid import UUID, uuid4

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from chat.access import conversation_for
from chat.archive.deletion import recoverable
from chat.articles import articles
from chat.models import Completion, Conversation, LanguageModel

SIDEBAR_LENGTH = 100


def site(request: HttpRequest) -> dict:
    return {"site_name": settings.SITE_NAME, "sign_up_open": settings.SIGN_UP_OPEN}


@require_GET
@login_required
def new_conversation(request: HttpRequest) -> HttpResponse:
    return render(request, "chat/page.html", {**page_of(request, None), "undo": _deleted_before(request)})


def _deleted_before(request: HttpRequest) -> Conversation | None:
    """What the page that one came from has deleted: it can be undone here."""
    try:
        pk = UUID(request.GET.get("deleted", ""))
    except ValueError:
        return None
    return recoverable(request.user).filter(pk=pk).first()


@require_GET
@login_required
def conversation(request: HttpRequest, pk: UUID) -> HttpResponse:
    return render(request, "chat/page.html", page_of(request, conversation_for(request.user, pk)))


@require_GET
@login_required
def thread(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The thread as it stands, for a page that was away."""
    return render(request, "chat/_refreshed.html", page_of(request, conversation_for(request.user, pk)))


@require_GET
@login_required
def sidebar_list(request: HttpRequest) -> HttpResponse:
    return render(request, "chat/_list.html", {"groups": conversation_groups(request)})


def page_of(request: HttpRequest, conversation: Conversation | None) -> dict:
    models = list(LanguageModel.objects.usable())
    return {
        "conversation": conversation,
        "articles": articles(conversation.thread(conversation.leaf_id)) if conversation else [],
        "groups": conversation_groups(request, conversation),
        **composer_of(request, conversation, models),
    }


def composer_of(request: HttpRequest, conversation: Conversation | None, models: list[LanguageModel] | None = None):
    """What the composer and the model picker show: the fresh key, where a message goes, and to which model."""
    models = list(LanguageModel.objects.usable()) if models is None else models
    return {
        "key": uuid4(),
        "parent": conversation.leaf_id if conversation else None,
        "models": models,
        "model": _chosen(request, conversation, models),
        "conversation": conversation,
        "arriving": _arriving(conversation),
    }


def _arriving(conversation: Conversation | None) -> int | None:
    """A completion that is not settled and was asked for with the thread's last one: what Stop stops."""
    if conversation is None or conversation.leaf is None or conversation.leaf.completion is None:
        return None
    together = Completion.objects.unsettled().filter(ask=conversation.leaf.completion.ask)
    return together.values_list("pk", flat=True).first()


def _chosen(
    request: HttpRequest, conversation: Conversation | None, models: list[LanguageModel]
) -> LanguageModel | None:
    """The conversation's model, or the one last used, or the first that is not the demo."""
    wanted = conversation.model_id if conversation else _last_used(request)
    by_id = {model.pk: model for model in models}
    return (
        by_id.get(wanted) or next((m for m in models if m.provider.profile != "demo"), None) or next(iter(models), None)
    )


def _last_used(request: HttpRequest) -> int | None:
    latest = Conversation.objects.for_person(request.user).order_by("-active")
    return latest.values_list("model_id", flat=True).first()


def conversation_groups(request: HttpRequest, current: Conversation | None = None) -> list[dict]:
    """The sidebar: conversations under Today, Yesterday, Last 7 days, and months."""
    now = timezone.localtime()
    found = Conversation.objects.for_person(request.user).order_by("-active")[:SIDEBAR_LENGTH]
    live = set(Completion.objects.unsettled().filter(person=request.user).values_list("conversation_id", flat=True))
    entries = [{"conversation": c, "live": c.pk in live, "current": c == current} for c in found]
    grouped = groupby(entries, key=lambda entry: age_of(entry["conversation"].active, now))
    return [{"name": name, "entries": list(members)} for name, members in grouped]


def age_of(moment, now) -> str:
    local = timezone.localtime(moment)
    days = (now.date() - local.date()).days
    if days <= 0:
        return _("Today")
    if days == 1:
        return _("Yesterday")
    return _("Last 7 days") if days <= 7 else date_format(local, "YEAR_MONTH_FORMAT")

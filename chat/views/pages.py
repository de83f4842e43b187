"""What every page needs, and the pages of the chat."""

from uuid import UUID, uuid4

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from chat.access import conversation_for, persona_for
from chat.archive.deletion import recoverable
from chat.articles import articles
from chat.listing import MOST, PART, Listing, listing
from chat.models import Completion, Conversation, LanguageModel, Persona
from chat.models.thread import Thread


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
    """At its end; or with `at`, a message's id, around that message, in a thread that goes through it."""
    found = _visited(request, pk)
    return render(request, "chat/page.html", page_of(request, found, at=number_in(request, "at")))


@require_GET
@login_required
def thread(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The thread as it stands, for a page that was away."""
    found = _visited(request, pk)
    return render(request, "chat/_refreshed.html", page_of(request, found, at=number_in(request, "at")))


@require_GET
@login_required
def stretch(request: HttpRequest, pk: UUID) -> HttpResponse:
    """What comes `before` a message, or `after` one on the way to `leaf`: loaded as one scrolls."""
    found = conversation_for(request.user, pk)
    before, after = number_in(request, "before"), number_in(request, "after")
    thread = Thread(found, before or shown_leaf(request, found))
    if (before or after) not in thread or not found.messages.filter(pk=before or after).exists():
        raise Http404
    more = thread.before(before) if before else thread.after(after)
    context = {"stretch": more, "articles": articles(more.messages), "conversation": found, "leaf": thread.leaf}
    return render(request, "chat/_earlier.html" if before else "chat/_later.html", context)


def _visited(request: HttpRequest, pk: UUID) -> Conversation:
    """Whoever sees a temporary conversation has not left it."""
    conversation = conversation_for(request.user, pk)
    if conversation.left:
        conversation.leave(None)
    conversation.note_read()
    return conversation


@require_GET
@login_required
def sidebar_list(request: HttpRequest) -> HttpResponse:
    """The list as it stands; or its next part, which `after` says."""
    after = request.GET.get("after", "")
    groups = listing(request.user, after=after) if after else conversation_groups(request)
    return render(request, "chat/_list.html", {"groups": groups, "after": after})


def page_of(request: HttpRequest, conversation: Conversation | None, *, at: int | None = None) -> dict:
    """The whole page; with `at`, around that message."""
    if conversation is None:
        return {
            "articles": [],
            "groups": conversation_groups(request),
            "personas": request.user.personas.named(),
            "persona": chosen_persona(request),
            **composer_of(request, None),
        }
    shown = thread_of(conversation, at=at)
    return {
        **shown,
        "groups": conversation_groups(request, conversation),
        "personas": request.user.personas.named(),
        "persona": conversation.persona,
        **composer_of(request, conversation, leaf=shown["stretch"].leaf),
    }


def thread_of(conversation: Conversation, *, at: int | None = None) -> dict:
    """What is shown of a thread: its end, or what is around a message of it."""
    thread = Thread.through(conversation, at)
    shown = thread.around(at) if at in thread else thread.end()
    return {"stretch": shown, "articles": articles(shown.messages)}


def composer_of(request: HttpRequest, conversation: Conversation | None, *, leaf: int | None = None) -> dict:
    """What the composer and the model picker show: the fresh key, where a message goes, and to which model.

    `leaf` is the end of the thread on the page, where that is not the one that is remembered.
    """
    models = list(LanguageModel.objects.usable())
    shown = leaf or (conversation.leaf_id if conversation else None)
    return {
        "key": uuid4(),
        "leaf": shown,
        "models": models,
        "model": _chosen(request, conversation, models),
        "conversation": conversation,
        "arriving": _arriving(shown),
    }


def number_in(request: HttpRequest, name: str) -> int | None:
    """A message's id in the address; what is none is as good as no number."""
    try:
        number = int(request.GET.get(name, ""))
    except ValueError:
        return None
    return number if 0 < number < 2**63 else None


def shown_leaf(request: HttpRequest, conversation: Conversation) -> int | None:
    """The end of the thread that the page shows, which may not be the one that is remembered."""
    leaf = number_in(request, "leaf")
    return leaf if leaf and conversation.messages.filter(pk=leaf).exists() else conversation.leaf_id


def _arriving(leaf: int | None) -> int | None:
    """A completion that is not settled and was asked for with the thread's last one: what Stop stops."""
    asked = Completion.objects.filter(messages=leaf).values("ask")
    return Completion.objects.unsettled().filter(ask__in=asked).values_list("pk", flat=True).first() if leaf else None


def _chosen(
    request: HttpRequest, conversation: Conversation | None, models: list[LanguageModel]
) -> LanguageModel | None:
    """The conversation's model, or the one last used, or the first that is not the demo."""
    wanted = conversation.model_id if conversation else _begun_with(request)
    by_id = {model.pk: model for model in models}
    return (
        by_id.get(wanted) or next((m for m in models if m.provider.profile != "demo"), None) or next(iter(models), None)
    )


def _begun_with(request: HttpRequest) -> int | None:
    """What a new conversation asks first: the persona's model, the person's own choice, or the one last used."""
    persona = chosen_persona(request) or Persona.nameless(request.user)
    return persona.model_id or _last_used(request)


def chosen_persona(request: HttpRequest) -> Persona | None:
    """The one that the request names. Raises 404 for one that is not theirs."""
    named = request.POST.get("persona") or request.GET.get("persona") or ""
    if not named:
        return None
    return persona_for(request.user, int(named) if named.isdecimal() and len(named) < 19 else 0)


def _last_used(request: HttpRequest) -> int | None:
    latest = Conversation.objects.for_person(request.user).order_by("-active")
    return latest.values_list("model_id", flat=True).first()


def conversation_groups(request: HttpRequest, current: Conversation | None = None) -> Listing:
    """The sidebar: as much of the list as the page has loaded."""
    loaded = request.headers.get("X-Listed", "")
    length = min(int(loaded), MOST) if loaded.isdecimal() and len(loaded) < 9 else 0
    return listing(request.user, current, length=max(length, PART))

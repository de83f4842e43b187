"""The details of a message: a panel beside the thread, or with an address of its own; and the replay of a reply."""

from uuid import uuid4

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from chat.access import message_for, reply_for
from chat.articles import article, labels
from chat.details import Details, arrivals_of
from chat.replay import replay
from chat.views.pages import page_of

REPLAY_SPEEDS = 1, 4, 16


@require_GET
@login_required
def details(request: HttpRequest, pk: int) -> HttpResponse:
    message = message_for(request.user, pk)
    context = {
        "article": article(message),
        "details": Details(message),
        "fork_key": uuid4(),
        "replay_speeds": REPLAY_SPEEDS,
    }
    if request.headers.get("HX-Request"):
        return render(request, "chat/_details.html", context)
    return render(request, "chat/page.html", page_of(request, message.conversation, at=pk) | context)


@require_GET
@login_required
def replay_of(request: HttpRequest, pk: int) -> HttpResponse:
    """Frames as the page socket sends them, each with its moment: `[ms, part, operations]`."""
    message = reply_for(request.user, pk)
    reply = message.completion
    if reply is None or not reply.is_settled:
        raise Http404
    mine = [arrival for arrival in arrivals_of(reply) if arrival.index == message.choice_index]
    moments = replay(message.text, message.reasoning, mine, kept=message.prefix_length, labels=labels())
    return JsonResponse({"frames": [[moment.ms, moment.part, moment.ops] for moment in moments]})

"""What the site keeps of a person: the page from which they take it along, bring it in, share it and delete it."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from chat.models import Conversation, Import, Retention, Share
from chat.views.exports import FORMAT_NAMES

IMPORTS_SHOWN = 20


@require_GET
@login_required
def index(request: HttpRequest) -> HttpResponse:
    context = {
        "conversations": Conversation.objects.for_person(request.user).count(),
        "formats": FORMAT_NAMES,
        "retained": Retention.in_force(),
        "shares": Share.objects.open().filter(person=request.user),
        "imports": Import.objects.filter(person=request.user).order_by("-created")[:IMPORTS_SHOWN],
    }
    return render(request, "yours/index.html", context)

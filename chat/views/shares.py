"""Sharing by link: the page where links are made and revoked, and the page that a link opens, for anybody."""

from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from chat.access import conversation_for, share_for
from chat.archive import sharing
from chat.archive.exporting import FORMATS, Words
from chat.archive.exporting.html import page
from chat.archive.exporting.style import policy
from chat.archive.exporting.words import day_and_hour
from chat.articles import labels
from chat.forms.data import ShareForm
from chat.models import Completion, Message
from chat.templatetags.imported import name_of
from chat.templatetags.quiet_line import thought_for
from chat.views.streamed import streamed


@require_http_methods(["GET", "POST"])
@login_required
def of_conversation(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Its open links; a POST makes one, which is shown in the answer and never again."""
    conversation, link, complaint = conversation_for(request.user, pk), "", ""
    form = ShareForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            _made, token = sharing.share(conversation, **form.cleaned_data)
            link = request.build_absolute_uri(reverse("shared", args=[token]))
        except sharing.NothingToShare:
            complaint = _("Nothing here is final yet. Wait until the reply has ended.")
        except sharing.TooManyShares:
            complaint = _("You have %(most)d open links. Revoke some first.") % {"most": sharing.MOST}
    context = {"conversation": conversation, "form": form, "link": link, "complaint": complaint, "days": sharing.DAYS}
    context["shares"] = conversation.shares.open()
    return render(request, "yours/share.html", context, status=409 if complaint else 422 if form.errors else 200)


@require_POST
@login_required
def revoke(request: HttpRequest, pk: int) -> HttpResponse:
    share = share_for(request.user, pk)
    share.delete()
    messages.success(request, _("The link opens nothing any more."))
    back = request.POST.get("back")
    return redirect("share", share.conversation_id) if back == "conversation" else redirect("your-data")


@require_safe
def shared(request: HttpRequest, token: str) -> HttpResponse:
    """Needs no session, and touches none. Its length is what keeps a link from being guessed: 256 bits."""
    share = sharing.opened(token)
    if share is None:
        raise Http404
    told = {"site": settings.SITE_NAME, "day": day_and_hour(share.created)}
    closing = _("Shared from %(site)s, as it stood on %(day)s.") % told
    if sharing.has_files(share):
        closing = _("Shared from %(site)s, as it stood on %(day)s. Files are named, but not shared.") % told
    parts = page(share.title, sharing.shown(share), _words(), dated=False, closing=closing)
    response = streamed(parts, FORMATS["html"].content_type)
    response["Content-Security-Policy"] = f"{policy()}; frame-ancestors 'none'"
    response["X-Robots-Tag"] = "noindex, nofollow, noarchive"
    response["Referrer-Policy"] = "no-referrer"  # a link in the text must not tell where it was followed
    return response


def _words() -> Words:
    """Nothing of when, how much and at what cost: that is the owner's."""
    told = {"name": _name, "ending": _ending, "thoughts": thought_for, "labels": labels()}
    return Words(**told, facts=lambda message: [], file_facts=lambda file: "", with_images=False)


def _name(message: Message) -> str:
    return _("Question") if message.role == Message.Role.USER else name_of(message)


def _ending(message: Message) -> str:
    completion = message.completion
    whole = completion is None or completion.status == Completion.Status.COMPLETE or message.finish_reason == "stop"
    return "" if whole else _("This reply is not complete.")

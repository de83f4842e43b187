"""Taking along: one conversation, several, all, or all that the site keeps of a person."""

from collections.abc import Iterator
from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_http_methods

from chat.access import conversation_for, conversations_for
from chat.archive.exporting import FORMATS, Format, Words
from chat.archive.exporting.everything import each, everything
from chat.archive.exporting.html import write as as_page
from chat.archive.exporting.naming import file_name
from chat.archive.exporting.style import policy
from chat.archive.exporting.zipped import Member, zipped
from chat.articles import labels
from chat.models import Conversation, Message
from chat.templatetags.endings import ending_of
from chat.templatetags.file_words import file_facts
from chat.templatetags.imported import imported_facts, name_of
from chat.templatetags.quiet_line import Fact, duration, thought_for, usage_of
from chat.views.streamed import streamed

ZIP = "application/zip"
# As they stand in menus: the most readable first.
FORMAT_NAMES = {"html": _("Web page"), "markdown": _("Markdown"), "text": _("Plain text"), "json": _("JSON, complete")}


@require_GET
@login_required
def one(request: HttpRequest, pk: UUID, form: str) -> HttpResponse:
    conversation, form_of = conversation_for(request.user, pk), _format(form)
    parts = form_of.write(conversation, words())
    return streamed(parts, form_of.content_type, file_name=file_name(conversation, form_of.suffix))


@require_http_methods(["GET", "POST"])
@login_required
def several(request: HttpRequest) -> HttpResponse:
    """Those of the field `conversation`, which may be repeated or hold several ids with commas; or `all`.

    By POST too: an address with thousands of ids is too long.
    """
    asked = request.POST if request.method == "POST" else request.GET
    form = _format(asked.get("form", "html"))
    if asked.get("all"):
        found = Conversation.objects.for_person(request.user)
    else:
        found = conversations_for(request.user, _ids(asked.getlist("conversation")))
    return streamed(zipped(_members(found, form)), ZIP, file_name=f"{_site()}-{_today()}.zip")


@require_GET
@login_required
def all_data(request: HttpRequest) -> HttpResponse:
    return streamed(zipped(everything(request.user)), ZIP, file_name=f"{_site()}-{_today()}-all.zip")


@require_GET
@login_required
def to_print(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The whole thread on a page of its own. The chat page has only what has been scrolled to."""
    response = streamed(as_page(conversation_for(request.user, pk), words()), FORMATS["html"].content_type)
    response["Content-Security-Policy"] = f"{policy()}; frame-ancestors 'none'"
    return response


def words() -> Words:
    """What exports say around the texts, as the page says it."""
    told = {"name": name_of, "facts": _facts, "ending": _ending, "thoughts": thought_for, "file_facts": file_facts}
    return Words(**told, labels=labels())


def _facts(message: Message) -> list[Fact]:
    if message.imported:
        return imported_facts(message)
    completion = message.completion
    if completion is None or not completion.is_settled:
        return []
    facts = usage_of(completion)
    return [*facts, Fact(duration(completion.duration_ms))] if completion.duration_ms else facts


def _ending(message: Message) -> str:
    ending = ending_of(message, can_continue=False)
    return " ".join(filter(None, [f"{ending.title}.", ending.sentence, ending.quote])) if ending else ""


def _members(found: QuerySet[Conversation], form: Format) -> Iterator[Member]:
    spoken = words()
    for conversation in each(found):
        yield file_name(conversation, form.suffix), form.write(conversation, spoken)


def _format(name: str) -> Format:
    if name not in FORMATS:
        raise Http404
    return FORMATS[name]


def _ids(values: list[str]) -> list[UUID]:
    try:
        return [UUID(pk) for value in values for pk in value.split(",") if pk]
    except ValueError:
        raise Http404 from None


def _site() -> str:
    return slugify(settings.SITE_NAME) or "chat"


def _today() -> str:
    return timezone.localdate().isoformat()

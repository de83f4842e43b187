"""The audit: who has changed prices, budgets, providers and rights, and read what is not theirs. Nobody edits it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import orjson
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from django.views.decorators.http import require_GET

from chat.calendar import day_written
from chat.models import Account, AuditEntry
from chat.spreadsheets import Cell, csv_lines
from chat.templatetags.audit_words import KINDS, deed_words, names_in, who_did
from chat.views.administration import administrators_only
from chat.views.pages import number_in
from chat.views.streamed import streamed
from chat.views.usage import CSV

PAGE = 50
NOBODY = "none"  # of the person who did it: the site, or a command


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address narrows it to. What is no day, person or kind narrows nothing, and is said."""

    by: str
    kind: str
    first: date | None
    last: date | None
    complaint: str = ""


@require_GET
@administrators_only
def index(request: HttpRequest) -> HttpResponse:
    asked = _asked(request)
    found = _matching(asked)
    if request.GET.get("format") == "csv" and not asked.complaint:
        return streamed(csv_lines(*as_csv(found)), CSV, file_name=f"audit-{timezone.localdate()}.csv")
    before = number_in(request, "before")
    shown = list((found.filter(pk__lt=before) if before else found)[: PAGE + 1])
    page = {
        "asked": asked,
        "entries": shown[:PAGE],
        "names": names_in(shown),
        "older": shown[PAGE - 1].pk if len(shown) > PAGE else None,
        "newest": before is None,
        "kinds": {name: words for name, (words, _prefixes) in KINDS.items()},
        "people": _people(),
    }
    return render(request, "administration/audit.html", page, status=422 if asked.complaint else 200)


def _asked(request: HttpRequest) -> Asked:
    by, kind = request.GET.get("by", ""), request.GET.get("kind", "")
    try:
        first, last = (_day(request.GET.get(name, "")) for name in ("from", "to"))
    except ValueError:
        return Asked(by, kind, None, None, _("A day is written like 2026-11-30. All days are shown."))
    if first and last and last < first:
        return Asked(by, kind, first, last, _("The period ends before it begins: there is nothing in it."))
    return Asked(by, kind if kind in KINDS else "", first, last)


def _day(text: str) -> date | None:
    return day_written(text) if text else None


def _matching(asked: Asked) -> QuerySet[AuditEntry]:
    found = AuditEntry.objects.select_related("by__person")
    if asked.by == NOBODY:
        found = found.filter(by=None)
    elif asked.by.isdecimal() and len(asked.by) < 19:
        found = found.filter(by=int(asked.by))
    if asked.kind in KINDS:
        prefixes = KINDS[asked.kind][1]
        found = found.filter(Q(key__in=prefixes) | _any_prefix(prefixes))
    if asked.first:
        found = found.filter(when__gte=_midnight(asked.first))
    if asked.last:
        found = found.filter(when__lt=_midnight(asked.last + timedelta(days=1)))
    return found.order_by("-pk")


def _any_prefix(prefixes: tuple[str, ...]) -> Q:
    found = Q()
    for prefix in prefixes:
        found |= Q(key__startswith=f"{prefix} ")
    return found


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time()))


def _people() -> list[tuple[int, str]]:
    """Who has ever done something that is written here."""
    accounts = Account.objects.filter(pk__in=AuditEntry.objects.order_by().values("by").distinct())
    names = accounts.values_list("pk", "person__username", "label")
    return sorted(((pk, name or label) for pk, name, label in names), key=lambda pair: pair[1])


def as_csv(found: QuerySet[AuditEntry]) -> tuple[list[str], Iterator[list[Cell]]]:
    titles = [_("When"), _("Who"), _("Deed"), _("What"), _("Number")]
    titles += [pgettext("a change", "Before"), pgettext("a change", "After")]
    return titles, map(_cells, found.iterator(chunk_size=500))


def _cells(entry: AuditEntry) -> list[Cell]:
    """People by number, as they stand there: the file outlives them, too."""
    return [
        timezone.localtime(entry.when).replace(tzinfo=None),
        who_did(entry),
        deed_words(entry),
        entry.subject,
        entry.key,
        orjson.dumps(entry.before).decode() if entry.before else "",
        orjson.dumps(entry.after).decode() if entry.after else "",
    ]

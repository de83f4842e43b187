"""Searching: the page with the box and what was found, and the quick switcher."""

from urllib.parse import urlencode
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from chat.access import conversation_for
from chat.archive import search as archive
from chat.archive.query import Query, WrongFilter, parse
from chat.archive.search import Found, matching_conversations
from chat.listing import arriving_in, part_of
from chat.snippets import marked
from chat.views.filing import FILED, done, names
from chat.words import term

LONGEST = 1000  # characters that are looked at
SWITCHED_TO = 12


@require_GET
@login_required
def search(request: HttpRequest) -> HttpResponse:
    """The page; for htmx what is found, as one types, or the next part of it as one scrolls."""
    text = _typed(request)
    context = {
        "q": text,
        "address": _address(request),
        "best_first": _address(request, order=""),
        "by_date": _address(request, order="new"),
        "newest_first": request.GET.get("order") == "new",
    }
    try:
        query = parse(text)
        context |= {f"asks_{state}": True for state in query.states}
        context |= _messages(request, query) if query.wants_messages else _conversations(request, query)
    except WrongFilter as wrong:
        context["complaint"] = str(wrong)
    if request.headers.get("HX-Request"):
        part = request.GET.get("skip") or request.GET.get("older") or request.GET.get("after")
        return render(request, "search/_part.html" if part else "search/_results.html", context)
    filed = done(request.session.pop(FILED, None))
    return render(request, "search/page.html", {**context, **names(request), "done": filed})


def _messages(request: HttpRequest, query: Query) -> dict:
    within = _within(request)
    older = _number(request, "older")
    results = archive.search(
        request.user,
        query,
        within=within.pk if within else None,
        newest_first=request.GET.get("order") == "new",
        skip=_number(request, "skip") or 0,
        older=older,
    )
    rest = {"skip": results.skip, "older": older} if results.skip else {"older": results.older}
    return {
        "results": results,
        "found": results.found,
        "within": within,
        "more": _address(request, **rest) if results.skip or results.older else "",
        "live": arriving_in(request.user),
    }


def _conversations(request: HttpRequest, query: Query) -> dict:
    """Those that need no words: all, or those in a folder, in the order of their last activity."""
    found = matching_conversations(request.user, query).select_related("folder")
    part, after = part_of(found, after=request.GET.get("after", ""))
    return {
        "found": [Found(each, marked(each.title, query.terms), [], 0) for each in part],
        "more": _address(request, after=after) if after else "",
        "live": arriving_in(request.user),
    }


@require_GET
@login_required
def switch(request: HttpRequest) -> HttpResponse:
    """The quick switcher: the latest conversations, or those whose titles have all that is typed."""
    text = _typed(request)
    terms = [wanted for wanted in map(term, text.split()) if wanted]
    found = matching_conversations(request.user, Query(terms=terms))
    found = (found if terms else found.filter(archived=False))[:SWITCHED_TO]
    context = {"found": [Found(each, marked(each.title, terms), [], 0) for each in found]}
    context |= {"q": text, "asked": urlencode({"q": text})}
    return render(request, "search/_switched.html", context)


def _typed(request: HttpRequest) -> str:
    return request.GET.get("q", "")[:LONGEST].replace("\0", " ")  # which PostgreSQL takes in no text


def _within(request: HttpRequest):
    try:
        return conversation_for(request.user, UUID(request.GET["in"])) if request.GET.get("in") else None
    except ValueError:
        return None


def _number(request: HttpRequest, name: str) -> int | None:
    given = request.GET.get(name, "")
    return int(given) if given.isdecimal() and len(given) < 20 else None


def _address(request: HttpRequest, **rest: object) -> str:
    """Of this page with what was asked for, and what else is given."""
    asked = {name: request.GET[name] for name in ("q", "order", "in") if request.GET.get(name)}
    given = {name: value for name, value in (asked | rest).items() if value}
    return f"{request.path}?{urlencode(given)}" if given else request.path

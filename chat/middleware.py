"""What is done around every view: headers that no library sets, and a sentence when the database is busy."""

import logging
from collections.abc import Callable
from http import HTTPStatus

from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext as _

from chat import rights
from chat.views.messages import refusal

logger = logging.getLogger(__name__)

PERMISSIONS = "camera=(), microphone=(), geolocation=(), payment=()"


def headers(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    def with_headers(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault("Permissions-Policy", PERMISSIONS)
        if not response.headers.get("Cache-Control"):
            response.headers["Cache-Control"] = "no-store"  # pages are private
        return response

    return with_headers


def acting(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Whose request it is, for the audit of rights: Django tells of a change, and not of who makes it."""

    def with_actor(request: HttpRequest) -> HttpResponse:
        token = rights.request_of.set(request)
        try:
            return get_response(request)
        finally:
            rights.request_of.reset(token)

    return with_actor


def own_language(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """The language that a person has chosen goes before their browser's."""

    def with_language(request: HttpRequest) -> HttpResponse:
        if language := _chosen_language(request):
            translation.activate(language)
            request.LANGUAGE_CODE = translation.get_language()
        return get_response(request)

    return with_language


def _chosen_language(request: HttpRequest) -> str:
    try:
        return request.user.language if request.user.is_authenticated else ""
    except OperationalError:
        return ""  # the view will meet it again, and say so


def forms_only(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Whoever opens the address of a form gets a sentence, not the browser's own error."""

    def with_page(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED and request.method == "GET":
            response.content = render_to_string("errors/405.html", request=request)
        return response

    return with_page


class BusyDatabase:
    """A database that somebody else holds for longer than we wait is no error of ours, and passes."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, OperationalError):
            return None
        logger.warning("the database is busy: %s", exception)
        return refusal(request, _("The database is busy. Your text is kept: try again in a moment."), 503)

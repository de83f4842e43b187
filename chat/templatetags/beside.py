"""The pages beside the chat, as their sidebar lists them."""

from collections.abc import Callable
from dataclasses import dataclass

from django import template
from django.http import HttpRequest
from django.template.context import Context
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from chat import underway
from chat.access import unseen_by
from chat.models import Person

register = template.Library()

GROUPS = MINE, ADMINISTRATION = _("Mine"), _("Administration")


@dataclass(frozen=True, slots=True)
class Listed:
    """One page: the name of its address, its group and title. All that lies below its address belongs to it."""

    name: str
    group: Promise
    title: Promise
    icon: str
    also: str = ""  # where else pages of it lie
    count: Callable[[Person], int] | None = None  # of what there is to look at now


PAGES = (
    Listed("settings", MINE, _("Settings"), "i-settings"),
    Listed("my-usage", MINE, _("My usage"), "i-pie"),
    Listed("your-data", MINE, _("Your data"), "i-take"),
    Listed("alerts", MINE, _("Alerts"), "i-bell", count=unseen_by),
    Listed("deleted", MINE, _("Recently deleted"), "i-trash"),
    Listed("usage", ADMINISTRATION, _("Usage"), "i-usage"),
    Listed("live-now", ADMINISTRATION, _("Live now"), "i-live", count=lambda _person: underway.count()),
    Listed("providers", ADMINISTRATION, _("Providers"), "i-plug", also="/models/"),
    Listed("prices", ADMINISTRATION, _("Models and prices"), "i-tag"),
    Listed("budgets", ADMINISTRATION, _("People and budgets"), "i-people"),
    Listed("books", ADMINISTRATION, _("Books"), "i-book"),
    Listed("audit", ADMINISTRATION, _("Audit"), "i-list"),
    Listed("retention", ADMINISTRATION, _("Retention"), "i-clock"),
    Listed("admin:index", ADMINISTRATION, _("All tables"), "i-settings"),
)


@register.simple_tag(takes_context=True)
def pages_beside(context: Context) -> list[tuple[Promise, list[dict]]]:
    """By group, those that the reader may open."""
    request = context["request"]
    shown = [page for page in PAGES if _is_open_to(page, request.user)]
    places = [page for page in shown if request.path.startswith((reverse(page.name), page.also or reverse(page.name)))]
    here = max(places, key=lambda page: len(reverse(page.name)), default=None)
    groups = {group: [_entry(page, request, here) for page in shown if page.group is group] for group in GROUPS}
    return [(group, entries) for group, entries in groups.items() if entries]


def _is_open_to(page: Listed, person: Person) -> bool:
    if page.name == "admin:index":
        return person.is_staff
    return page.group is MINE or person.is_superuser


def _entry(page: Listed, request: HttpRequest, here: Listed | None) -> dict[str, object]:
    url = reverse(page.name)
    current = "" if page is not here else "page" if request.path == url else "true"
    count = page.count(request.user) if page.count else 0
    return {"url": url, "title": page.title, "icon": page.icon, "current": current, "count": count}

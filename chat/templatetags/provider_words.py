"""What the pages of providers say about them: where they are, what their key is, what a check found."""

from urllib.parse import urlsplit

from django import template
from django.utils.translation import gettext as _

from chat.connecting import is_nearby
from chat.models import Provider
from chat.templatetags.provider_check import Step, seconds
from chat.upstream.check import Report
from chat.upstream.profiles import Profile

register = template.Library()

ICONS = {"ok": "i-check", "warn": "i-warn", "bad": "i-close", "mute": "i-unknown"}


@register.filter
def host_of(base_url: str) -> str:
    return urlsplit(base_url).netloc


@register.filter
def kind_of(profile: Profile) -> str:
    """Where such a provider is found."""
    if is_nearby(profile):
        return _("own server")
    return urlsplit(profile.base_url).netloc or _("any server")


@register.simple_tag
def key_of_provider(provider: Provider) -> str:
    """The end of the key, or the variable that holds it."""
    if provider.sealed_key:
        return f"•••{provider.key_ending}"
    return provider.key_variable or "–"


@register.filter
def icon_of(step: Step) -> str:
    return ICONS[step.state]


@register.simple_tag
def took(report: Report) -> str:
    return seconds(report.seconds)

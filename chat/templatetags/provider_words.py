"""What the pages of providers say about them: where they are, what their key is, what a check found."""

from django import template
from django.utils.translation import gettext as _

from chat.connecting import host_of, is_nearby
from chat.models import Provider
from chat.templatetags.provider_check import Step, seconds
from chat.upstream.check import Report
from chat.upstream.profiles import Profile

register = template.Library()
register.filter(host_of)

ICONS = {"ok": "i-check", "warn": "i-warn", "bad": "i-close", "mute": "i-unknown"}


@register.filter
def kind_of(profile: Profile) -> str:
    """Where such a provider is found."""
    if is_nearby(profile):
        return _("own server")
    return host_of(profile.base_url) or _("any server")


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

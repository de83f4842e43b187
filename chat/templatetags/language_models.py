"""What the page says about models: how much they hold, what they do when one leaves, how more are connected."""

from collections.abc import Iterable

from django import template
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from chat.models import LanguageModel
from chat.upstream.profiles import PROFILES

register = template.Library()


@register.simple_tag
def context_length(model: LanguageModel) -> str:
    """262144 is "256k", 1048576 is "1M", 128000 is "128k"; unknown stays unknown."""
    length = model.context_length
    if not length:
        return "–"
    thousand = 1000 if length % 1000 == 0 else 1024
    millions, rest = divmod(length, thousand**2)
    return f"{millions}M" if millions and not rest else f"{round(length / thousand)}k"


@register.simple_tag
def grace_of(model: LanguageModel) -> str:
    grace = model.grace_seconds
    if grace is None:
        return _("finishes")
    return ngettext("goes on for %(seconds)d s", "goes on for %(seconds)d s", grace) % {"seconds": grace}


@register.filter
def only_demo(models: Iterable[LanguageModel]) -> bool:
    """Whether nothing real can answer yet."""
    return all(model.provider.profile == "demo" for model in models)


@register.simple_tag
def key_variables() -> list[tuple[str, str]]:
    """The environment variables from which providers are made at the start, and whose models they open."""
    return [
        (profile.key_variable, profile.label)
        for profile in PROFILES.values()
        if profile.key_variable and profile.needs_key
    ]

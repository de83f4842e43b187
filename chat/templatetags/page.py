"""What the chat page's templates ask of Python that is no context: htmx's configuration, keys, limits, languages."""

import json
import re
from urllib.parse import urlencode
from uuid import UUID

from django import template
from django.conf import settings
from django.urls import reverse
from django.utils.crypto import salted_hmac
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

register = template.Library()

HTMX = {
    # "/c/…" is pushed by page.js, and Back loads a page: a thread restored from a cache would be an old one.
    "history": False,
    # data-hx-* has no power: sanitisers let data attributes pass (security.md 1.1).
    "prefix": "",
    "mode": "same-origin",
    "extensions": "hx-csp, growing",
    "includeIndicatorCSS": False,
    "defaultTimeout": 30000,
    # Only what the views answer on purpose is swapped: 409 and 422 carry a sentence, other errors are said by page.js.
    "noSwap": [202, 204, 304, 400, 401, 403, 404, 405, 413, 429, "5xx"],
    # What the reader has opened, wrapped or is editing stays as it is.
    "morphIgnore": ["data-htmx-powered", "open", "aria-pressed", "data-wrap"],
    "morphSkip": "[data-editing], time[data-local]",
}

_HAN = re.compile("[\u3400-\u9fff\uf900-\ufaff]")
_KANA = re.compile("[\u3040-\u30ff]")
_WORDS = re.compile(r"[^\W\d_\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")
_QUOTES = re.compile('["“”「」]')
LOOKED_AT = 2000  # characters that tell a text's language


@register.simple_tag
def htmx_config() -> str:
    return json.dumps(HTMX)


@register.simple_tag
def key_of(act: str, message: int, siblings: int) -> UUID:
    """The key of one act on one message as it stands: done twice from the same page, it is done once.

    Not a random one, so that a page that is fetched again differs only where something has changed. Secret, since keys
    are unique among all people.
    """
    return UUID(salted_hmac("key", f"{act} {message} {siblings}").hexdigest()[:32])


@register.simple_tag
def filter_address(name: str, value: str) -> str:
    """Where search shows what is filed so."""
    plain = _QUOTES.split(value)[0]  # a name with quotes is found by how it begins
    quoted = plain if plain.isalnum() else f'"{plain}"'
    return f"{reverse('search')}?{urlencode({'q': f'{name}:{quoted}'})}"


@register.simple_tag
def message_limit() -> int:
    return settings.MESSAGE_MAX_LENGTH


@register.simple_tag
def file_limits() -> SafeString:
    """For the composer's script: what it need not even send."""
    return format_html('data-most="{}" data-bytes="{}"', settings.FILES_MAX_NUMBER, settings.FILE_MAX_BYTES)


@register.simple_tag
def lang_of(text: str) -> SafeString:
    """A lang attribute for text that is mostly Chinese or Japanese: it takes other glyphs and wider lines."""
    language = language_of(text)
    return format_html(' lang="{}"', language) if language else mark_safe("")


def language_of(text: str) -> str:
    """ "zh", "ja", or "" for what needs no mark. static/chat/page.js tells it of growing text by the same rule."""
    text = text[:LOOKED_AT]
    han, kana = len(_HAN.findall(text)), len(_KANA.findall(text))
    if han + kana <= len(_WORDS.findall(text)):
        return ""
    return "ja" if kana > han / 10 else "zh"

"""Links and images, with the host that they lead to. Nothing is fetched before somebody follows one."""

import html
import re
from functools import lru_cache
from urllib.parse import unquote, urlsplit

from chat.markdown.labels import Labels

LONG_QUERY = 100  # characters after "?" that make a link worth a warning: data may leave in it

_ANY_TAG = re.compile(r"<[^>]*>")
_SCHEME = re.compile(r"^(?:https?://|mailto:)")
_OUT = 'rel="noopener noreferrer nofollow" target="_blank"'


@lru_cache(maxsize=128)  # a growing paragraph shows the same links many times
def link(href: str, title: str, text: str, labels: Labels) -> str:
    """`href` and `title` are as the cleaner wrote them: escaped. Without an address to follow only the text stays."""
    host = host_of(html.unescape(href))
    if not host:
        return text
    shown = html.unescape(_ANY_TAG.sub("", text)).strip()
    title = f' title="{title}"' if title else ""
    marked = f'<a href="{href}" {_OUT}{title}>{text if shown else html.escape(host)}</a>'
    return marked + _host_mark(href, host, shown, labels)


def _host_mark(href: str, host: str, shown: str, labels: Labels) -> str:
    """Where a link leads, unless its text already says so; and whether much may leave with it."""
    address = html.unescape(href)
    says_so = not shown or shown == host or _bare(shown) == _bare(address)
    words = [] if says_so else [host]
    query = address.partition("?")[2]
    if len(query) > LONG_QUERY:
        words.append(labels.long_query.format(count=len(query)))
    if not words:
        return ""
    return f' <span class="host{" long" if len(query) > LONG_QUERY else ""}">{html.escape(" · ".join(words))}</span>'


def _bare(address: str) -> str:
    return unquote(_SCHEME.sub("", address)).rstrip("/")


def host_of(url: str) -> str:
    """The host as a browser understands it, in ASCII ("xn--…"), or the e-mail address; empty if it cannot be told."""
    if re.search(r"[\\\s\x00-\x1f]", url):  # a browser takes "\\" for "/", and drops line breaks
        return ""
    try:
        parts = urlsplit(url)
        if parts.scheme == "mailto":
            return unquote(parts.path)
        host = unquote(parts.hostname or "").rstrip(".")
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or re.search(r"[\s\\/@<>?#]", host):
        return ""
    return host if host.isascii() else _punycode(host)


def _punycode(host: str) -> str:
    """A Cyrillic "а" must not pass for a Latin one."""
    try:
        return host.encode("idna").decode()
    except UnicodeError:
        return ""


def image(src: str, alt: str, inside_link: bool, labels: Labels) -> str:
    """Nothing is fetched until the reader opens it: an address that a model made up may carry data away (EchoLeak)."""
    host = host_of(html.unescape(src))
    if not host or src.startswith("mailto:"):
        return alt
    where = html.escape(labels.image_from.format(host=host))
    inner = (f"{alt} " if alt else "") + f'<span class="host">{where}</span>'
    if inside_link:
        return f'<span class="image">{inner}</span>'
    return f'<a class="image" href="{src}" {_OUT}>{inner}</a>'

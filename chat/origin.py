"""Lets in sockets of our own pages only, by their exact origin: scheme, host and port.

Channels' own validator ignores scheme and port, and lets in anybody where ALLOWED_HOSTS is a wildcard.
"""

from django.conf import settings
from django.http.request import split_domain_port, validate_host


class OriginGuard:
    def __init__(self, application) -> None:
        self.application = application

    async def __call__(self, scope, receive, send) -> None:
        headers = dict(scope["headers"])
        origin = headers.get(b"origin", b"").decode("latin-1")
        if is_ours(origin, headers.get(b"host", b"").decode("latin-1")):
            await self.application(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 4403})  # before accepting: an HTTP 403


def is_ours(origin: str, host: str) -> bool:
    """A named origin; or, where SITE_URL does not name one, the very host and port that the browser asked for."""
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    if settings.SITE_URL:
        return False
    return origin == f"http://{host}" and validate_host(split_domain_port(host)[0], settings.ALLOWED_HOSTS)

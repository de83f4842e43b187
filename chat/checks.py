"""What would make a site unsafe or wrong without anybody noticing: said by `manage.py check`."""

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from chat.models import sealing


@register()
def configuration(app_configs, **kwargs) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    if any(host.startswith("*") for host in settings.ALLOWED_HOSTS):
        found.append(
            Error(
                "ALLOWED_HOSTS admits every host.",
                hint="Name the hosts, or set SITE_URL: with a wildcard, any web site could open a page socket here.",
                id="chat.E001",
            )
        )
    if settings.SITE_URL and not settings.SITE_URL.startswith(("http://", "https://")):
        found.append(Error("SITE_URL must begin with http:// or https://.", id="chat.E002"))
    if not sealing.keys_are_usable():
        found.append(
            Error(
                "A key of CHAT_KEYS, or of the file keys, cannot seal anything.",
                hint="They are keys of Fernet: 32 random bytes in URL-safe base64. Fernet.generate_key() makes one.",
                id="chat.E003",
            )
        )
    if settings.FILES_DIR.resolve().is_relative_to(settings.STATIC_ROOT.resolve()):
        found.append(
            Error("CHAT_FILES is within the static files, which anybody may read.", hint="Move it.", id="chat.E004")
        )
    if settings.DEBUG:
        found.append(Warning("CHAT_DEBUG shows settings and chat text on error pages.", id="chat.W001"))
    if settings.HOST not in ("127.0.0.1", "localhost", "::1") and not settings.HTTPS:
        found.append(
            Warning(
                "The site can be reached from other machines over plain http: passwords and chats travel in the open.",
                hint="In a trusted LAN that may be meant. Else put it behind a proxy with TLS, and set SITE_URL.",
                id="chat.W002",
            )
        )
    return found

"""Settings: one file, read from the environment on top. README.md has the table of variables."""

import os
import secrets
import socket
from pathlib import Path
from urllib.parse import urlsplit

import dj_database_url
from csp.constants import NONCE, NONE, SELF
from django.utils.translation import gettext_lazy as _

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(os.environ.get("CHAT_DATA", BASE_DIR / "var"))
DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)


def flag(name: str, default: bool) -> bool:
    return os.environ.get(name, "yes" if default else "no").lower() in ("1", "yes", "true", "on", "open")


def words(name: str) -> list[str]:
    return os.environ.get(name, "").replace(",", " ").split()


def secret_key() -> str:
    """From the environment, or from a file that is made at the first start and kept."""
    if key := os.environ.get("SECRET_KEY"):
        return key
    path = Path(os.environ.get("SECRET_KEY_FILE", DATA_DIR / "secret-key"))
    if not path.exists():
        # Exclusive creation: two first starts at once must not end with two keys.
        try:
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_urlsafe(50))
        except FileExistsError:
            pass
    return path.read_text().strip()


def own_hosts(host: str) -> list[str]:
    """The names under which this machine may be called when no SITE_URL says it."""
    hosts = {"localhost", "127.0.0.1", "[::1]", host}
    if host in ("0.0.0.0", "::"):
        name = socket.gethostname()
        hosts |= {name, f"{name}.local"} | _addresses(name)
    return sorted(hosts - {"0.0.0.0", "::"})


def _addresses(name: str) -> set[str]:
    found = set()
    try:
        found = {info[4][0] for info in socket.getaddrinfo(name, None, socket.AF_INET)}
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("198.51.100.1", 9))  # sends nothing: asks which of our addresses faces outward
            found.add(probe.getsockname()[0])
    except OSError:
        pass
    return found


# Where it listens, and what it is called from outside
HOST = os.environ.get("HOST", "127.0.0.1")
PORT = int(os.environ.get("PORT", "8000"))
SITE_URL = os.environ.get("SITE_URL", "").rstrip("/")
SITE_NAME = os.environ.get("CHAT_NAME", "Chat")
PROXY_HEADER = os.environ.get("CHAT_PROXY_HEADER", "")  # such as X-Real-IP, which the proxy in front overwrites
HTTPS = SITE_URL.startswith("https://")

SECRET_KEY = secret_key()
SECRET_KEY_FALLBACKS = words("SECRET_KEY_FALLBACKS")
SEALING_KEYS = words("CHAT_KEYS")  # seal the providers' keys; the first seals, all unseal
SEALING_KEYS_FILE = DATA_DIR / "keys"  # where none are given: made at the first use, and kept
DEBUG = flag("CHAT_DEBUG", default=False)
ALLOWED_HOSTS = words("ALLOWED_HOSTS") or ([urlsplit(SITE_URL).hostname] if SITE_URL else own_hosts(HOST))
CSRF_TRUSTED_ORIGINS = words("CSRF_TRUSTED_ORIGINS") + ([SITE_URL] if SITE_URL else [])
SIGN_UP_OPEN = flag("CHAT_SIGN_UP", default=True)
DEMO = flag("CHAT_DEMO", default=True)
# Who names the conversations of people who do not choose: their first `words`, or a `model`
TITLES = "model" if os.environ.get("CHAT_TITLES", "") == "model" else "words"
TITLE_MODEL = os.environ.get("CHAT_TITLE_MODEL", "")  # its name; without it a conversation's own model does

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "csp",
    "axes",
    "chat",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "chat.middleware.headers",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "chat.middleware.own_language",
    "chat.middleware.acting",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "chat.middleware.BusyDatabase",
    "chat.middleware.forms_only",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "chatsite.urls"
ASGI_APPLICATION = "chatsite.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
                "chat.views.pages.site",
            ]
        },
    }
]

# One file and no other server, or PostgreSQL for several processes
DATABASES = {"default": dj_database_url.parse(os.environ.get("DATABASE_URL", f"sqlite:///{DATA_DIR / 'chat.sqlite3'}"))}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        # Deferred transactions that read before they write fail at once under a second writer, whatever the timeout.
        "transaction_mode": "IMMEDIATE",
        "timeout": 5,
        # FULL costs 0.15 ms a commit, and a commit then survives a loss of power.
        "init_command": (
            "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;PRAGMA secure_delete=ON;"
            "PRAGMA journal_size_limit=67108864;PRAGMA cache_size=-20000;"
        ),
    }
else:
    DATABASES["default"] |= {"CONN_MAX_AGE": 0, "CONN_HEALTH_CHECKS": True}
    DATABASES["default"].setdefault("OPTIONS", {}).update(
        pool={"min_size": 2, "max_size": 10, "timeout": 5},
        options="-c statement_timeout=15s -c lock_timeout=5s -c idle_in_transaction_session_timeout=30s",
    )
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

if redis_url := os.environ.get("REDIS_URL"):
    CHANNEL_LAYERS = {
        "default": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": [redis_url]}}
    }
else:
    CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}

# People
AUTH_USER_MODEL = "chat.Person"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
PASSWORD_HASHERS = [
    "chat.hashers.BoundedArgon2",
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "new-conversation"
LOGOUT_REDIRECT_URL = "sign-in"
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_LOCKOUT_TEMPLATE = "accounts/locked_out.html"
AXES_RESET_ON_SUCCESS = True
AXES_VERBOSE = False
AXES_ENABLE_ACCESS_FAILURE_LOG = False

# Secure and __Host- cookies only under https: over plain http in a LAN a browser would not send them back.
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_NAME = "__Host-sessionid" if HTTPS else "sessionid"
CSRF_COOKIE_NAME = "__Host-csrftoken" if HTTPS else "csrftoken"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 14 * 24 * 3600
CSRF_FAILURE_VIEW = "chat.views.errors.forbidden_csrf"

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin" if HTTPS else None  # browsers ignore it over plain http, loudly
# Not no-referrer: browsers then send "Origin: null" with a form, which CSRF protection must refuse.
SECURE_REFERRER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 31536000 if HTTPS else 0
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF],
        "img-src": [SELF, "data:", "blob:"],
        "font-src": [SELF],
        "connect-src": [SELF] + ([SITE_URL.replace("http", "ws", 1)] if SITE_URL else []),
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
        "object-src": [NONE],
        "manifest-src": [SELF],
        "report-uri": ["/csp-report"],
    }
}

# The server that takes letters of alerts; without one there are none
EMAIL_HOST = os.environ.get("EMAIL_HOST", "")
EMAIL_USE_SSL = flag("EMAIL_USE_SSL", default=False)
EMAIL_USE_TLS = flag("EMAIL_USE_TLS", default=False)
EMAIL_PORT = int(os.environ.get("EMAIL_PORT", "465" if EMAIL_USE_SSL else "587" if EMAIL_USE_TLS else "25"))
EMAIL_HOST_USER = os.environ.get("EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD = os.environ.get("EMAIL_HOST_PASSWORD", "")
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = os.environ.get("EMAIL_FROM", f"chat@{urlsplit(SITE_URL).hostname or 'localhost'}")

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("zh-hans", _("Simplified Chinese"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = ["chatsite.formats"]
TIME_ZONE = os.environ.get("TZ") or "UTC"
USE_I18N = USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = Path(os.environ.get("CHAT_STATIC", DATA_DIR / "static"))
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "chatsite.static.ModuleStorage"},
}
WHITENOISE_MAX_AGE = 300

# Seconds, where all providers of this site need others than their profiles say
TIMERS = {
    name: float(os.environ[variable])
    for name, variable in (("first_delta", "CHAT_FIRST_DELTA_SECONDS"), ("progress", "CHAT_PROGRESS_SECONDS"))
    if variable in os.environ
}

DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 10_000  # as many conversations can be selected at a time
KEEP_DELETED_DAYS = int(os.environ.get("CHAT_KEEP_DELETED_DAYS", "7"))  # then a deleted conversation is purged
MESSAGE_MAX_LENGTH = 100_000  # characters

# Files in messages. More of them, and how they are read: chat.extraction.Limits
FILES_DIR = Path(os.environ.get("CHAT_FILES", DATA_DIR / "files"))  # several machines must share it
FILE_MAX_BYTES = 20 * 2**20  # the server takes bodies of 26 MiB
FILES_MAX_BYTES = int(os.environ.get("CHAT_FILES_MIB", "500")) * 2**20  # of one person
FILES_MAX_NUMBER = 10  # in one message
FILE_MAX_CHARACTERS = 1_000_000  # that a model may be given of one
IMAGE_MAX_PIXELS = 60_000_000  # of an image as it comes
FILE_READING_SECONDS = 45  # for one file, in a child process
FILE_READING_BYTES = 1024 * 2**20  # of that process's addresses
FILES_READ_AT_ONCE = 2  # by one serving process
PROMPT_MAX_IMAGES = 20  # in one prompt: the newest
PROMPT_MAX_IMAGE_BYTES = 14 * 2**20  # of them together; in Base64 a third more

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "plain"},
        "nowhere": {"class": "logging.NullHandler"},
    },
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        # Anybody can send a foreign Host header, as often as they like.
        "django.security.DisallowedHost": {"handlers": ["nowhere"], "propagate": False},
    }
    | {
        # These would log addresses and bodies of calls that carry keys and chat text.
        name: {"level": "WARNING"}
        for name in ("httpx", "httpcore", "aiohttp", "daphne", "django.channels", "asyncio", "axes")
    },
}

"""What went wrong, out of whatever an upstream sent: one tolerant reader for the error shapes of every dialect (Q35).

An error's kind is told by its type before its status: a 429 may mean "out of money" as well as "wait" (Q32), a 402
may mean "wait" (Q33), and a bad key may come as 400 or 200 (Q34).
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from html import unescape

from chat.upstream.contract import ErrorKind, Failure
from chat.upstream.surrogates import mended

RETRYABLE: frozenset[ErrorKind] = frozenset({"rate_limited", "overloaded", "busy", "upstream"})
MAX_MESSAGE = 1000
MAX_ERROR_BODY = 64 * 1024

# Read in this order from `type`, `code`, `status` and the like. "invalid_request_error" and "unknown_error" are not
# here: DeepSeek says the one, with 402, of an empty account, FreeGPT35 the other, with 200, of its own trouble.
_TYPES: tuple[tuple[ErrorKind, re.Pattern], ...] = (
    ("context_too_long", re.compile(r"context_length|exceed_context|context_window|string_above_max_length")),
    ("content_filter", re.compile(r"content_filter|content_policy|responsibleai|moderation|safety")),
    ("rate_limited", re.compile(r"rate_?limit|slow_down|resource_exhausted|in_flight_budget|too_many_requests")),
    ("quota", re.compile(r"quota|billing|spend_limit|usage_limit|credit|insufficient_(balance|funds)")),
    (
        "auth",
        re.compile(
            r"authentication|api_key|unauth|permission_?denied|permission_error|invalid_token"
            r"|no_db_connection"  # litellm, of a key that it does not know, where it runs without a database
        ),
    ),
    ("overloaded", re.compile(r"overload|unavailable|at_capacity|engine_busy")),
    ("bad_request", re.compile(r"bad_input")),  # KoboldCpp, with 500
)
_TEXTS: tuple[tuple[ErrorKind, re.Pattern], ...] = (
    (
        "context_too_long",
        re.compile(
            r"context (length|size|window)|maximum context|model token limit|token length too long"
            r"|(prompt|input|request) is too long|too many (input |prompt )?tokens|exceeds? .{0,40}\bcontext\b"
            r"|input tokens? .{0,20}exceed"
        ),
    ),
    (
        "auth",
        re.compile(r"(invalid|incorrect|missing|no) (api[ -]?key|authenti)|api[ -]?key (is )?(not valid|invalid)"),
    ),
    (
        "quota",
        re.compile(
            r"insufficient (balance|credit|fund|quota)|credit balance is too low|exceeded your current quota"
            r"|out of credit|余额不足|欠费"
        ),
    ),
    ("content_filter", re.compile(r"high risk|content (management )?(policy|filter)|flagged")),
    ("overloaded", re.compile(r"\boverloaded\b|at capacity|no instances available")),
)
_STATUSES: dict[int, ErrorKind] = {
    400: "bad_request",
    401: "auth",
    402: "quota",
    403: "auth",
    409: "busy",
    413: "context_too_long",
    429: "rate_limited",
    503: "overloaded",
    529: "overloaded",
}
_MISSING_MODEL = re.compile(
    r"\bmodels?\b.{0,120}?(not found|not exist|n't exist)|not found the model|^model: \S+$"
    r"|(no such|unknown|invalid|not a valid) model|no endpoints found|^server is pinned to|deployment .{0,40}not exist",
    re.S,
)
_MISSING_PATH = re.compile(
    r"^(http )?404\b|^(page |file |route )?not found\W*$|^(cannot|unknown|no) (post|route|path|endpoint|handler)"
    r"|(invalid|unknown) (url|path|endpoint)|method not allowed"
)
# kimi-free-api: always HTTP 200, with a negative `code` of its own.
_KIMI_CODES: dict[int, ErrorKind] = {
    -2000: "bad_request",
    -2002: "auth",
    -2003: "bad_request",
    -2004: "bad_request",
    -2005: "busy",
    -2006: "quota",
}
_SECONDS = {"": 1, "s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "hour": 3600, "ms": 0.001, "milli": 0.001}
_SECRET = re.compile(r"\b(?:(?:sk|pk|rk|gsk)[-_]|AIza)[\w*-]{8,}|(?<=Bearer )[\w.~+/*=-]{8,}")
_SPAN = re.compile(r"(\d+(?:\.\d+)?) ?(milli|ms|min|sec|hour|[smh])?[a-z]*", re.I)
_TRY_AGAIN = re.compile(rf"(?:again|retry) (?:after|in) ((?:{_SPAN.pattern} ?)+)", re.I)


def failure_in(
    payload: object, *, status: int, headers: Mapping[str, str] | None = None, certain: bool = False
) -> Failure | None:
    """The error that a decoded payload tells, or None. `certain`: it is one, whatever its shape (`event: error`)."""
    error = _error_object(payload)
    if error is None:
        if not certain:
            return None
        error = payload if isinstance(payload, dict) else {"message": _said(payload)}
    code = _code(error)
    if isinstance(code, int) and 400 <= code < 600:
        status = code
    words = " ".join(_words(error))
    return _failure(_message(error), words, code, status=status, headers=headers or {}, details=error)


def failure_of_body(body: bytes, *, status: int, headers: Mapping[str, str]) -> Failure:
    """Of an answer whose status says that it is an error, whatever its body is."""
    if 300 <= status < 400:
        return Failure("bad_request", scrubbed(headers.get("location", "")), "redirected")
    text = body.decode("utf-8", "replace").strip()
    try:
        payload = json.loads(text)
    except (ValueError, RecursionError):
        return _failure(_plain(text) or f"HTTP {status}", "", None, status=status, headers=headers)
    failure = failure_in(payload, status=status, headers=headers, certain=True)
    assert failure
    return failure


def _failure(
    message: str,
    words: str,
    code: int | str | None,
    *,
    status: int,
    headers: Mapping[str, str],
    details: dict | None = None,
) -> Failure:
    message = message[: 4 * MAX_MESSAGE]
    kind = _kind(words.lower(), message.lower(), code, status)
    retryable = kind in RETRYABLE and headers.get("x-should-retry") != "false"
    wait = _wait(headers, message, details or {}) if retryable else None
    return Failure(kind, scrubbed(message), code, retryable, wait)


def scrubbed(message: str) -> str:
    """Upstreams repeat keys in their errors. Bounded, since a page and a row will hold it."""
    return mended(_SECRET.sub("…", message)[:MAX_MESSAGE]).replace("\0", "\ufffd")


def names_missing_model(code: str, message: str) -> bool:
    """Whether what was refused is the model's name. There is no status for it, and no two upstreams say it alike."""
    return "model_not_found" in code.lower() or bool(_MISSING_MODEL.search(message.lower()))


def names_missing_path(message: str) -> bool:
    """Whether nothing is served at the address: its path is wrong, though somebody listens."""
    return bool(_MISSING_PATH.search(message.lower()))


# What an error object is


def _error_object(payload: object) -> dict | None:
    """The innermost object that describes the error, or None if the payload does not say that it is one."""
    if isinstance(payload, list):  # Gemini's OpenAI dialect wraps it in an array
        return next(
            (error for entry in payload[:3] if isinstance(entry, dict) and (error := _error_object(entry))), None
        )
    if not isinstance(payload, dict):
        return None
    if error := payload.get("error"):
        return error if isinstance(error, dict) else {"message": _said(error)} | payload | {"error": None}
    if payload.get("choices"):
        return None
    if detail := payload.get("detail"):
        return _detail(detail)
    if payload.get("object") == "error" or payload.get("type") == "error" or payload.get("error_code"):
        return payload
    if isinstance(payload.get("code"), int) and payload["code"] < 0:
        return payload
    if errors := payload.get("errors"):
        first = errors[0] if isinstance(errors, list) else errors
        return first if isinstance(first, dict) else {"message": _said(first)}
    return None


def _detail(detail: object) -> dict:
    """FastAPI's and KoboldCpp's."""
    if not isinstance(detail, dict):
        return {"message": _said(detail)}
    return detail["error"] if isinstance(detail.get("error"), dict) else detail


def _message(error: dict) -> str:
    for name in ("message", "msg", "detail", "error", "text"):
        if error.get(name) is not None:
            return _said(error[name])
    return _said(error)


def _said(value: object) -> str:
    if isinstance(value, str):
        return value.strip()
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return ""


def _code(error: dict) -> int | str | None:
    code = error.get("code", error.get("error_code"))
    if isinstance(code, str):
        return mended(code[:100]).replace("\0", "\ufffd")
    return code if type(code) is int and abs(code) < 2**31 else None


def _plain(text: str) -> str:
    """A gateway's page is told by its title."""
    if not text.startswith("<"):
        return text
    title = re.search(r"<title[^>]*>([^<]*)", text, re.I)
    return unescape(title[1]).strip() if title else ""


def _words(error: dict) -> Iterator[str]:
    metadata = error.get("metadata")
    for source in (error, metadata if isinstance(metadata, dict) else {}):
        for name in ("type", "code", "status", "error_type", "reasons"):
            value = source.get(name)
            if isinstance(value, str):
                yield value
            elif name == "reasons" and value:  # OpenRouter: why its moderation refused
                yield "moderation"
    if "content_filter_result" in str(error.get("innererror", "")):  # Azure
        yield "content_filter"


# What kind it is


def _kind(words: str, message: str, code: int | str | None, status: int) -> ErrorKind:
    for kind, pattern in _TYPES:
        if pattern.search(words):
            return kind
    if isinstance(code, int) and code < 0:
        return _KIMI_CODES.get(code, "upstream")
    for kind, pattern in _TEXTS:
        if pattern.search(message):
            return kind
    if status in _STATUSES:
        return _STATUSES[status]
    return "bad_request" if 300 <= status < 500 and status not in (408, 425, 499) else "upstream"


# When to come back


def _wait(headers: Mapping[str, str], message: str, details: dict) -> float | None:
    """Seconds: from the headers, from Google's RetryInfo, or from the sentence."""
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return milliseconds / 1000
    if (after := headers.get("retry-after")) is not None:
        seconds = _number(after)
        return _until(after, headers.get("date")) if seconds is None else seconds
    for detail in details.get("details") or () if isinstance(details.get("details"), list) else ():
        if isinstance(detail, dict) and isinstance(detail.get("retryDelay"), str):
            return _span(detail["retryDelay"])
    found = _TRY_AGAIN.search(message)
    return _span(found[1]) if found else None


def _until(date: str, now: str | None) -> float | None:
    """An HTTP date, against the upstream's own clock: ours may differ, and is not asked here."""
    try:
        return max((parsedate_to_datetime(date) - parsedate_to_datetime(now or "")).total_seconds(), 0)
    except (ValueError, TypeError):
        return None


def _span(text: str) -> float:
    """ "7s", "1.5 seconds", "6m0s", "20ms" in seconds."""
    total = 0.0
    for figure, unit in _SPAN.findall(text):
        total += float(figure) * _SECONDS[unit.lower()]
    return total


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None

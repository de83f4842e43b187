"""How a dialect's requests are made: addresses as people type them, the key in its header, bodies that can be sent."""

import json
from urllib.parse import urlsplit, urlunsplit

import orjson

from chat.upstream import profiles
from chat.upstream.contract import Endpoint, HttpRequest, Turn

# What may stand behind the base when somebody pastes a whole address.
PASTED = ("/chat/completions", "/messages", "/api/chat", "/api/v1/generate", "/api/extra/generate/stream")


def post(endpoint: Endpoint, path: str, body: dict, query: str = "") -> HttpRequest:
    headers = _headers(endpoint) | {"Content-Type": "application/json"}
    return HttpRequest("POST", url(endpoint, path, query), headers, _encoded(body))


def get(endpoint: Endpoint, path: str, query: str = "") -> HttpRequest:
    return HttpRequest("GET", url(endpoint, path, query), _headers(endpoint))


def _headers(endpoint: Endpoint) -> dict[str, str]:
    """Identity: a compressed stream arrives in lumps, and SSE does come compressed (Q39)."""
    profile = profiles.profile(endpoint.profile)
    headers = {"Accept": "application/json, text/event-stream", "Accept-Encoding": "identity", **profile.headers}
    name = profile.key_header
    if key := endpoint.key.strip():
        headers[name] = f"Bearer {key}" if name == "Authorization" else key
    return headers


def url(endpoint: Endpoint, path: str, query: str = "") -> str:
    """`path` below the base URL; with a leading slash, below the root that its /v1 or /api hangs on.

    A bare host, as people type it, gets the path of its profile's own address. A query (Azure's api-version) stays.
    """
    profile = profiles.profile(endpoint.profile)
    try:
        base = urlsplit(endpoint.base_url.strip() or profile.base_url)
    except ValueError:
        return endpoint.base_url  # no address at all, as sending it will tell
    below = base.path.rstrip("/")
    for pasted in PASTED:
        below = below.removesuffix(pasted)
    below = below or urlsplit(profile.base_url).path
    if path.startswith("/"):
        below = below.removesuffix("/v1").removesuffix("/beta").removesuffix("/api")
    query = "&".join(filter(None, (base.query, query)))
    return urlunsplit(base._replace(path=f"{below.rstrip('/')}/{path.lstrip('/')}", query=query, fragment=""))


def _encoded(body: dict) -> bytes:
    try:
        return orjson.dumps(body)
    except TypeError:  # a lone surrogate, or a number that only Python knows
        return json.dumps(body, ensure_ascii=False, default=str).encode("utf-8", "replace")


def as_turns(prompt: str | tuple[Turn, ...]) -> tuple[Turn, ...]:
    """A text to be counted by an upstream that counts messages only."""
    return (Turn("user", prompt),) if isinstance(prompt, str) else prompt


def system_text(turns: tuple[Turn, ...]) -> str:
    """Of upstreams that take it apart from the messages."""
    return "\n\n".join(turn.text for turn in turns if turn.role == "system" and turn.text.strip())


def alternating(turns: tuple[Turn, ...]) -> list[Turn]:
    """The user's and the assistant's turns, in turn: several of one are joined, and blank ones, which are refused,
    left out."""
    joined: list[Turn] = []
    for turn in turns:
        if turn.role == "system" or not (turn.text.strip() or turn.images):
            continue
        if joined and joined[-1].role == turn.role:
            before = joined.pop()
            text = "\n\n".join(text for text in (before.text, turn.text) if text.strip())
            turn = Turn(turn.role, text, before.images + turn.images)
        joined.append(turn)
    return joined


def as_list(value: object) -> list:
    """Of stop sequences, of which the OpenAI dialect takes a single one bare."""
    return list(value) if isinstance(value, list | tuple) else [value]

"""What KoboldCpp offers beside the dialects that it speaks: counting, cancelling, the length of its context."""

from chat.upstream.contract import Call, Endpoint, HttpRequest
from chat.upstream.payloads import count, document
from chat.upstream.sending import get, post


def count_request(endpoint: Endpoint, text: str) -> HttpRequest:
    return post(endpoint, "/api/extra/tokencount", {"prompt": text})


def cancel_request(call: Call) -> HttpRequest:
    """Closing the socket is noticed at the next token only, which a long prompt puts off for minutes.

    With the tag of our own no other's answer is ended, and one that still waits in its queue is not begun.
    """
    return post(call.endpoint, "/api/extra/abort", {"genkey": call.tag})


def context_request(endpoint: Endpoint) -> HttpRequest:
    return get(endpoint, "/api/extra/true_max_context_length")


def value(body: bytes) -> int | None:
    """The figure in an answer to any of these; a failure is told as -1."""
    told = document(body)
    figure = count(told.get("value")) if isinstance(told, dict) else None
    return figure if figure is not None and figure >= 0 else None

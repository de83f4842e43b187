"""What OpenRouter says of an answer afterwards: what it was billed for, also of one whose stream was cut.

It knows a generation some seconds after its end; until then, and for ever of what it never knew, it says 404.
"""

from urllib.parse import urlencode

from chat.upstream.contract import Endpoint, HttpRequest, Usage
from chat.upstream.payloads import amount, count, document
from chat.upstream.sending import get

GENERATION = "gen-"  # what its ids begin with; a proxy's or a vendor's own cannot be looked up


def lookup_request(endpoint: Endpoint, request_id: str) -> HttpRequest | None:
    if not request_id.startswith(GENERATION):
        return None
    return get(endpoint, "generation", urlencode({"id": request_id}))


def looked_up(body: bytes) -> Usage | None:
    """By the model's own tokenizer, which is what is billed. Raises ValueError if it is no JSON."""
    told = document(body)
    figures = told.get("data") if isinstance(told, dict) else None
    if not isinstance(figures, dict):
        return None
    usage = Usage(
        input_tokens=count(figures.get("native_tokens_prompt")),
        output_tokens=count(figures.get("native_tokens_completion")),
        cached_tokens=count(figures.get("native_tokens_cached")),
        reasoning_tokens=count(figures.get("native_tokens_reasoning")),
        cost=next((cost for key in ("total_cost", "usage") if (cost := amount(figures.get(key))) is not None), None),
    )
    return None if usage.input_tokens is None or usage.output_tokens is None else usage

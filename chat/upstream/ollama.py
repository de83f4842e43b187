"""What Ollama tells of a model, whichever of its dialects is spoken: its context, and whether it sees."""

import re

from chat.upstream.contract import Endpoint, HttpRequest
from chat.upstream.payloads import count, document, text_in
from chat.upstream.sending import post

USUAL_WINDOW = 4096  # what a model is run with where nobody asks for more
_NUM_CTX = re.compile(r"^num_ctx[ \t]+(\d{1,9})[ \t]*$", re.M)


def show_request(endpoint: Endpoint, model: str) -> HttpRequest:
    return post(endpoint, "/api/show", {"model": model})


def longest_window(body: bytes) -> int | None:
    """What the model was made for. It is run with `num_ctx`, 4,096 or so unless more is asked for."""
    info = _shown(body).get("model_info")
    lengths = (count(info[name]) for name in info if name.endswith(".context_length")) if isinstance(info, dict) else ()
    return next((length for length in lengths if length), None)


def own_window(body: bytes) -> int | None:
    """What it is run with where it cannot be asked for more: what its Modelfile says; no more than it was made for.

    None: as the server was started, which it does not tell.
    """
    longest = longest_window(body)
    set_by_file = _NUM_CTX.search(text_in(_shown(body).get("parameters")))
    if set_by_file and (window := int(set_by_file[1])):
        return min(window, longest or window)
    return longest if longest and longest <= USUAL_WINDOW else None


def sees(body: bytes) -> bool | None:
    """Older servers do not tell it."""
    capabilities = _shown(body).get("capabilities")
    return "vision" in capabilities if isinstance(capabilities, list) else None


def _shown(body: bytes) -> dict:
    shown = document(body)
    return shown if isinstance(shown, dict) else {}

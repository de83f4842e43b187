"""The Anthropic Messages dialect: named events, usage in two halves, roles that must alternate (wire-formats 4.9)."""

from collections.abc import Mapping
from urllib.parse import quote

from chat.upstream import profiles
from chat.upstream.bodies import reader_of
from chat.upstream.contract import Call, Endpoint, Event, HttpRequest, ListedModel, Reader, Terminator, Turn, Usage
from chat.upstream.failures import failure_in
from chat.upstream.payloads import Payloads, count, document, name_in, text_in, within
from chat.upstream.profiles import Profile
from chat.upstream.sending import alternating, as_list, as_turns, get, post, system_text

MAX_OUTPUT = 4096  # where nobody says: the field must be sent
# In the middle of a stream the HTTP status is 200, and these words stand for it.
STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}


# What is sent


def request(call: Call) -> HttpRequest:
    profile = profiles.profile(call.endpoint.profile)
    body = {name: value for name, value in call.parameters.items() if name in profile.parameters}
    if "stop" in body:
        body["stop_sequences"] = as_list(body.pop("stop"))
    if call.continues:
        body.pop("thinking", None)  # refused together
    body |= _prompt(call.turns, continues=call.continues)
    body |= {"model": call.model, "max_tokens": call.max_output or MAX_OUTPUT, "stream": call.streamed}
    return post(call.endpoint, "/v1/messages", body)


def _prompt(turns: tuple[Turn, ...], *, continues: bool = False) -> dict:
    messages = alternating(turns)
    if messages and messages[0].role == "assistant":
        messages.insert(0, Turn("user", "…"))  # the first one must be the user's
    prompt: dict = {"messages": [{"role": turn.role, "content": _content(turn)} for turn in messages]}
    if continues and messages[-1].role == "assistant":  # not where the kept text is blank
        prompt["messages"][-1]["content"] = messages[-1].text.rstrip()  # white space at its end is refused
    if system := system_text(turns):
        prompt["system"] = system
    return prompt


def _content(turn: Turn) -> str | list[dict]:
    """Images first: so they are understood best."""
    if not turn.images:
        return turn.text
    parts: list[dict] = [
        {"type": "image", "source": {"type": "base64", "media_type": image.media_type, "data": image.base64}}
        for image in turn.images
    ]
    return [*parts, {"type": "text", "text": turn.text}] if turn.text.strip() else parts


def cancel_request(call: Call) -> HttpRequest | None:
    """Closing the connection is all that can be done."""
    return None


# What comes back


def reader(profile: Profile, *, status: int, headers: Mapping[str, str], n: int) -> Reader:
    return reader_of(_Events(profile, n), status=status, headers=headers)


class _Events(Payloads):
    """Events of a stream by their `type`, or a whole message. There is one choice, whatever was asked for."""

    def __init__(self, profile: Profile, n: int) -> None:
        super().__init__(profile, n)
        self._figures: dict[str, int] = {}

    def is_answer(self, payload: object) -> bool:
        return isinstance(payload, dict) and isinstance(payload.get("content"), list)

    def read(self, payload: object, events: list[Event], *, is_whole: bool = False) -> None:
        """Types that are not known must be ignored; new ones come without notice."""
        if type(payload) is not dict:
            self.read_odd(payload, events)
            return
        match payload.get("type"):
            case "content_block_delta":
                self._read_delta(payload.get("delta"), events)
            case "content_block_start":
                self._read_block(payload.get("content_block"), events)
            case "message_start":
                self._read_message(payload.get("message"), events)
            case "message_delta":
                self._read_end(payload.get("delta"), payload.get("usage"), events)
            case "message_stop":
                events.append(Terminator())
            case _ if is_whole:
                self._read_message(payload, events)
            case _:
                self._read_error(payload, events)

    def read_error(self, data: bytes, events: list[Event]) -> None:
        payload = self.loads(data)
        if not isinstance(payload, dict) or not self._read_error(payload, events):
            super().read_error(data, events)

    def _read_error(self, payload: dict, events: list[Event]) -> bool:
        error = payload.get("error")
        kind = error.get("type") if type(error) is dict else None
        failure = failure_in(payload, status=STATUSES.get(text_in(kind), 200))
        self.fail(failure, events)
        return failure is not None

    def _read_message(self, message: object, events: list[Event]) -> None:
        if type(message) is not dict:
            return
        self.say(0, "", "", message.get("role"), events)
        blocks = message.get("content")
        for block in blocks if type(blocks) is list else ():
            self._read_block(block, events)
        self._read_end(message, message.get("usage"), events)

    def _read_block(self, block: object, events: list[Event]) -> None:
        """A block's beginning, mostly empty, or the whole of it. What of thinking is encrypted is not for reading."""
        if type(block) is dict:
            self.say(0, text_in(block.get("text")), text_in(block.get("thinking")), None, events)

    def _read_delta(self, delta: object, events: list[Event]) -> None:
        """Signatures, citations and the input of tools are deltas, too, and no text."""
        if type(delta) is dict:
            self.say(0, text_in(delta.get("text")), text_in(delta.get("thinking")), None, events)

    def _read_end(self, delta: object, figures: object, events: list[Event]) -> None:
        if type(delta) is dict:
            self.finish(0, delta.get("stop_reason"), events)
        if type(figures) is dict:
            known = {name: figure for name, value in figures.items() if (figure := count(value)) is not None}
            self._figures |= known
            self.see_usage(_usage(self._figures), "merged", None, events)


def _usage(figures: dict[str, int]) -> Usage | None:
    """The prompt is told in three parts that add up; what is written to the answer is a running total."""
    uncached, output = figures.get("input_tokens"), figures.get("output_tokens")
    if uncached is None and output is None:
        return None
    cached = figures.get("cache_read_input_tokens")
    written = figures.get("cache_creation_input_tokens")
    return Usage(
        input_tokens=None if uncached is None else uncached + (cached or 0) + (written or 0),
        output_tokens=output,
        cached_tokens=cached,
    )


# Models


def models_requests(endpoint: Endpoint) -> list[HttpRequest]:
    return [get(endpoint, "/v1/models", "limit=1000")]


def models(profile: Profile, body: bytes) -> list[ListedModel]:
    """Raises ValueError if the body is no list of models."""
    listed = document(body)
    entries = listed.get("data") if isinstance(listed, dict) else None
    if not isinstance(entries, list):
        raise ValueError("not a list of models")
    return [
        ListedModel(
            entry["id"], count(entry.get("max_input_tokens")), count(entry.get("max_tokens")), sees=_sees(entry)
        )
        for entry in entries
        if isinstance(entry, dict) and name_in(entry.get("id"))
    ]


def _sees(entry: dict) -> bool | None:
    told = within(entry, "capabilities", "image_input", "supported")
    return told if isinstance(told, bool) else None


def next_models_request(endpoint: Endpoint, body: bytes) -> HttpRequest | None:
    listed = document(body)
    last = listed.get("last_id")
    if listed.get("has_more") is True and last and isinstance(last, str):
        return get(endpoint, "/v1/models", f"limit=1000&after_id={quote(last, safe='')}")
    return None


def context_request(endpoint: Endpoint, model: str) -> HttpRequest | None:
    """Older servers do not list it, and have no other place to say it."""
    return None


def context_length(body: bytes) -> int | None:
    return None


def sees(body: bytes) -> bool | None:
    return None


# Token counts


def count_request(endpoint: Endpoint, model: str, prompt: str | tuple[Turn, ...]) -> HttpRequest | None:
    return post(endpoint, "/v1/messages/count_tokens", {"model": model} | _prompt(as_turns(prompt)))


def token_count(profile: Profile, body: bytes) -> int | None:
    """What was counted, or None if the body does not say."""
    counted = document(body)
    return count(counted.get("input_tokens")) if isinstance(counted, dict) else None

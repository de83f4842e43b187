"""The OpenAI chat dialect: what is sent, and how its answers are read, streamed or whole.

Spoken by most upstreams, each in its own way: the facts that differ are in profiles, the rest is read tolerantly
whatever the profile, since proxies mix the ways. Q-numbers are those of wire-formats section 1.
"""

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from urllib.parse import urlsplit, urlunsplit

import orjson

from chat.upstream import profiles
from chat.upstream.contract import (
    BodyEnd,
    Call,
    Delta,
    Endpoint,
    Event,
    Failure,
    Finish,
    FinishReason,
    Garbled,
    HttpRequest,
    ListedModel,
    Opened,
    Reader,
    Terminator,
    Turn,
    Usage,
    UsagePlace,
    UsageSeen,
)
from chat.upstream.failures import MAX_ERROR_BODY, failure_in, failure_of_body, scrubbed
from chat.upstream.profiles import Profile
from chat.upstream.sse import BOM, REFUSED, EventDecoder, SentEvent
from chat.upstream.surrogates import Mender, mended
from chat.upstream.thinking import ThinkTag

STREAMED_TYPES = ("text/event-stream", "application/x-ndjson", "application/jsonl")
_FIELDS = (b"data:", b"event:", b"id:", b"retry:", b":")  # what a stream begins with, and JSON never
MAX_WHOLE = 16 * 1024 * 1024  # 2 M characters, each escaped
MAX_TOKENS = 100_000_000  # more is no count
REQUEST_IDS = ("x-generation-id", "x-request-id", "msh-request-id", "request-id", "x-trace-id")

# Any other word is a stop: some proxies put a sentence here.
FINISH_REASONS: dict[str, FinishReason] = {
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "model_context_window_exceeded": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "tool_use": "tool_calls",
    "content_filter": "content_filter",
    "refusal": "content_filter",
    "safety": "content_filter",
    "recitation": "content_filter",
    "prohibited_content": "content_filter",
    "blocklist": "content_filter",
    "spii": "content_filter",
    "sensitive": "content_filter",
    "error": "error",
    "network_error": "error",
    "insufficient_system_resource": "error",
    "abort": "error",
}


# What is sent


def request(call: Call) -> HttpRequest:
    profile = profiles.profile(call.endpoint.profile)
    body = {name: value for name, value in call.parameters.items() if name in profile.parameters}
    body |= {"model": call.model, "messages": _messages(call, profile), "stream": call.streamed}
    if call.streamed and profile.include_usage:
        body["stream_options"] = {"include_usage": True}
    if call.max_output is not None:
        body[profile.max_output_field] = call.max_output
    if call.n > 1 and profile.supports_n:
        body["n"] = call.n
    if call.continues and profile.continuation == "final_message":
        body |= {"continue_final_message": True, "add_generation_prompt": False}
    beta = call.continues and profile.continuation == "prefix"
    return _post(call.endpoint, "/beta/chat/completions" if beta else "chat/completions", body)


def _messages(call: Call, profile: Profile) -> list[dict]:
    messages = _turns(call.turns)
    if call.continues:
        assert profile.continuation and call.turns[-1].role == "assistant"
        if profile.continuation in ("partial", "prefix"):
            messages[-1][profile.continuation] = True
    return messages


def _turns(turns: tuple[Turn, ...]) -> list[dict]:
    return [{"role": turn.role, "content": turn.text} for turn in turns]


def _post(endpoint: Endpoint, path: str, body: dict) -> HttpRequest:
    headers = _headers(endpoint) | {"Content-Type": "application/json"}
    return HttpRequest("POST", url(endpoint, path), headers, _encoded(body))


def _headers(endpoint: Endpoint) -> dict[str, str]:
    """Identity: a compressed stream arrives in lumps, and SSE does come compressed (Q39)."""
    headers = {"Accept": "application/json, text/event-stream", "Accept-Encoding": "identity"}
    name = profiles.profile(endpoint.profile).key_header
    if key := endpoint.key.strip():
        headers[name] = f"Bearer {key}" if name == "Authorization" else key
    return headers


def url(endpoint: Endpoint, path: str) -> str:
    """`path` below the base URL; with a leading slash, below the root that its /v1 hangs on.

    A bare host, as people type it, gets the path of its profile's own address. A query (Azure's api-version) stays.
    """
    profile = profiles.profile(endpoint.profile)
    try:
        base = urlsplit(endpoint.base_url.strip() or profile.base_url)
    except ValueError:
        return endpoint.base_url  # no address at all, as sending it will tell
    below = base.path.rstrip("/").removesuffix("/chat/completions") or urlsplit(profile.base_url).path
    if path.startswith("/"):
        below = below.removesuffix("/v1").removesuffix("/beta")
    return urlunsplit(base._replace(path=f"{below.rstrip('/')}/{path.lstrip('/')}", fragment=""))


def _encoded(body: dict) -> bytes:
    try:
        return orjson.dumps(body)
    except TypeError:  # a lone surrogate, or a number that only Python knows
        return json.dumps(body, ensure_ascii=False, default=str).encode("utf-8", "replace")


# What comes back


def reader(profile: Profile, *, status: int, headers: Mapping[str, str], n: int) -> Reader:
    headers = {name.lower(): value for name, value in headers.items()}
    media_type = headers.get("content-type", "").split(";")[0].strip().lower()
    chunks = _Chunks(profile, n)
    if not 200 <= status < 300:
        return _ErrorReader(status, headers)
    if media_type in STREAMED_TYPES:
        return _StreamedReader(chunks, status, headers)
    return _WholeReader(chunks, status, headers, is_page=media_type in ("text/html", "application/xhtml+xml"))


def _opened(status: int, headers: Mapping[str, str], ends_by: str) -> Opened:
    request_id = next((headers[name] for name in REQUEST_IDS if headers.get(name)), "")
    return Opened(status, ends_by, request_id[:200])


class _StreamedReader:
    def __init__(self, chunks: "_Chunks", status: int, headers: Mapping[str, str]) -> None:
        self._chunks = chunks
        self._ends_by = "terminator" if chunks.profile.terminator else "body"
        self._opened = _opened(status, headers, self._ends_by)
        self._decoder = EventDecoder()

    def start(self) -> list[Event]:
        return [self._opened]

    def feed(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        for sent in self._decoder.feed(data):
            self._read(sent, events)
        return events

    def end(self) -> list[Event]:
        """An event without its end counts if it is whole (Q4); if not, the missing terminator tells already."""
        events: list[Event] = []
        for sent in self._decoder.end():
            self._read(sent, events)
        if events and isinstance(events[-1], Garbled) and self._ends_by == "terminator":
            events.pop()
        return [*events, *self._chunks.end(), BodyEnd()]

    def _read(self, sent: SentEvent, events: list[Event]) -> None:
        data = sent.data
        if sent is REFUSED:
            events.append(Garbled("too_long"))
        elif data[:1] != b"{" and data.strip() in (b"", b"[DONE]"):
            if data.strip():
                events.append(Terminator())
        elif sent.name == "error":
            self._chunks.read_error(data, events)
        elif sent.name != "ping":
            self._chunks.read(self._chunks.loads(data), events)


class _WholeReader:
    """An answer that is one document. What is a stream under another name is read as one."""

    def __init__(self, chunks: "_Chunks", status: int, headers: Mapping[str, str], *, is_page: bool) -> None:
        self._chunks = chunks
        self._status, self._headers = status, headers
        self._is_page = is_page
        self._body = bytearray()
        self._stream: _StreamedReader | None = None
        self._undecided = not is_page

    def start(self) -> list[Event]:
        return [_opened(self._status, self._headers, "whole")]

    def feed(self, data: bytes) -> list[Event]:
        if self._stream:
            return self._stream.feed(data)
        if len(self._body) <= MAX_WHOLE:
            self._body += data
        return self._decide() if self._undecided else []

    def _decide(self) -> list[Event]:
        """Opened is said again if the body begins as a stream does, with what ends that."""
        beginning = bytes(self._body[:1000]).removeprefix(BOM).lstrip()
        if beginning.startswith(_FIELDS):
            self._stream = _StreamedReader(self._chunks, self._status, self._headers)
            return [*self._stream.start(), *self._stream.feed(bytes(self._body))]
        self._undecided = len(self._body) < 1000 and any(mark.startswith(beginning) for mark in (*_FIELDS, BOM))
        return []

    def end(self) -> list[Event]:
        if self._stream:
            return self._stream.end()
        events: list[Event] = []
        if len(self._body) > MAX_WHOLE:
            events.append(Garbled("too_long"))
        elif self._is_page:
            events.append(Garbled("not_an_answer"))
        elif body := bytes(self._body).removeprefix(BOM).strip():  # blank lines come first while it waits (Q24)
            self._read(self._chunks.loads(body), events)
        return [*events, *self._chunks.end(), BodyEnd()]

    def _read(self, payload: object, events: list[Event]) -> None:
        if isinstance(payload, dict) and isinstance(payload.get("choices"), list):
            self._chunks.read(payload, events, is_whole=True)
        else:
            failure = failure_in(payload, status=self._status, headers=self._headers)
            events.append(failure or Garbled("not_an_answer"))


class _ErrorReader:
    """Of a status that is an error's: its text is not an answer, whatever it says."""

    def __init__(self, status: int, headers: Mapping[str, str]) -> None:
        self._status, self._headers = status, headers
        self._body = bytearray()

    def start(self) -> list[Event]:
        return [_opened(self._status, self._headers, "whole")]

    def feed(self, data: bytes) -> list[Event]:
        self._body += data[: max(MAX_ERROR_BODY - len(self._body), 0)]
        return []

    def end(self) -> list[Event]:
        body = bytes(self._body).removeprefix(BOM).strip()
        if body.startswith(_FIELDS):  # an error may be streamed, too
            decoder = EventDecoder()
            body = next((sent.data for sent in decoder.feed(body) + decoder.end()), body)
        return [failure_of_body(body, status=self._status, headers=self._headers), BodyEnd()]


class _Chunks:
    """Decoded payloads in, events out. Knows of each choice what the wire tells once, and what it repeats."""

    def __init__(self, profile: Profile, n: int) -> None:
        self.profile = profile
        self._n = n
        self._roles: dict[int, str] = {}  # of each choice that has begun
        self._finishes: dict[int, str] = {}
        self._filtered: set[int] = set()
        self._thinking: dict[int, ThinkTag] = {}
        self._menders: dict[tuple[int, str], Mender] = {}
        self._mending = False
        self._only_index: int | None = None
        self._failed = False

    def read(self, payload: object, events: list[Event], *, is_whole: bool = False) -> None:
        if type(payload) is not dict:
            self._read_odd(payload, events)
            return
        choices = payload.get("choices")
        if not choices or payload.get("error"):
            self._fail(failure_in(payload, status=200), events)
        if usage := payload.get("usage"):
            self._see_usage(usage, "top_level" if choices or is_whole else "final_chunk", None, events)
        if type(choices) is list:
            for choice in choices:
                if type(choice) is dict:
                    self._read_choice(choice, events)

    def read_error(self, data: bytes, events: list[Event]) -> None:
        """An event that says that it is an error, whatever it holds."""
        payload = self.loads(data)
        told = data.decode("utf-8", "replace") if payload is None else payload
        self._fail(failure_in(told, status=200, certain=True), events)

    def _read_odd(self, payload: object, events: list[Event]) -> None:
        failure = failure_in(payload, status=200)
        if failure is None:
            events.append(Garbled("json"))
        self._fail(failure, events)

    def _fail(self, failure: Failure | None, events: list[Event]) -> None:
        """The first error is the cause; what is said after it is its echo."""
        if failure and not self._failed:
            self._failed = True
            events.append(failure)

    def _read_choice(self, choice: dict, events: list[Event]) -> None:
        index = choice.get("index")
        if type(index) is not int or not 0 <= index < self._n:
            index = self._odd_index(index)
            if index is None:
                events.append(Garbled("json"))
                return
        if choice.get("error"):
            self._fail(failure_in(choice, status=200), events)
        if self._read_delta(index, choice, events):
            self._read_finish(index, choice.get("finish_reason"), events)
        if usage := choice.get("usage"):
            self._see_usage(usage, "per_choice", index, events)

    def _odd_index(self, index: object) -> int | None:
        """0 where it is missing (Q28); where one answer was asked for, the first that comes is it."""
        if type(index) is not int:
            return 0
        if self._n == 1 and (index == self._only_index or not self._roles):
            self._only_index = index
            return 0
        return None

    def _read_delta(self, index: int, choice: dict, events: list[Event]) -> bool:
        """False if the delta was an error told as text, which then is no text, and its finish_reason none."""
        delta = choice.get("delta")
        if type(delta) is not dict:
            delta = choice.get("message")
            if type(delta) is not dict:
                delta = {"content": choice.get("text")}  # of completions, which some send for chats
        text = delta.get("content")
        reasoning = _reasoning(delta) if len(delta) > 1 or type(text) is not str else ""
        if type(text) is not str:
            text, thoughts = _blocks(text)
            reasoning = reasoning or thoughts
        refusal = delta.get("refusal")
        if refusal and type(refusal) is str:
            text += refusal
        if self._mending or self.profile.thinks_in_text:
            text, reasoning = self._sorted(index, text, reasoning)
        if self.profile.failing_prefix and text.startswith(self.profile.failing_prefix):
            self._fail(Failure("upstream", scrubbed(text), retryable=True), events)
            return False
        if text and text == self.profile.filter_sentence:
            self._filtered.add(index)
        self._tell(index, text, reasoning, delta.get("role"), events)
        return True

    def _tell(self, index: int, text: str, reasoning: str, role: object, events: list[Event]) -> None:
        """Also an empty delta, if it is the first of its choice or says its role (which may come late, Q29)."""
        known = self._roles.get(index)
        if known or type(role) is not str or not role.isascii():
            role = ""
        if text or reasoning or known is None or role:
            self._roles[index] = known or role
            events.append(Delta(index, text, reasoning, role[:20]))

    def _read_finish(self, index: int, raw: object, events: list[Event]) -> None:
        """Nothing, "" and "null" are not yet (Q5), and never undo a real one (Q6). The last real one counts."""
        if type(raw) is not str or raw in ("", "null") or raw == self._finishes.get(index):
            return
        self._finishes[index] = raw
        reason = FINISH_REASONS.get(raw.lower(), "stop")
        if index in self._filtered and reason == "stop":
            reason = "content_filter"
        events.append(Finish(index, reason, mended(raw)[:100]))
        if reason == "error":
            kind = "overloaded" if raw == "insufficient_system_resource" else "upstream"
            self._fail(Failure(kind, f"The answer was ended by an error: {scrubbed(raw)}", retryable=True), events)

    def _see_usage(self, figures: object, place: UsagePlace, index: int | None, events: list[Event]) -> None:
        usage = _usage(figures)
        if usage:
            events.append(UsageSeen(usage, place, index))

    # The rare ways of text

    def _sorted(self, index: int, text: str, reasoning: str) -> tuple[str, str]:
        if self._mending:
            text = self._menders.setdefault((index, "text"), Mender()).feed(text)
            reasoning = self._menders.setdefault((index, "reasoning"), Mender()).feed(reasoning)
        if self.profile.thinks_in_text:
            text, thoughts = self._thinking.setdefault(index, ThinkTag()).feed(text)
            reasoning += thoughts
        return text, reasoning

    def loads(self, data: bytes) -> object:
        """None if it cannot be read. orjson refuses lone surrogates, NaN and bad UTF-8; Python's reader does not."""
        try:
            return orjson.loads(data)
        except ValueError:
            self._mending = True
        try:
            return json.loads(data.decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            return None

    def end(self) -> list[Event]:
        """What was held back, in case more came."""
        held: dict[int, Delta] = {}
        for (index, part), mender in self._menders.items():
            delta = held.setdefault(index, Delta(index))
            setattr(delta, part, mender.end())
        for index, tag in self._thinking.items():
            delta = held.setdefault(index, Delta(index))
            text, thoughts = tag.feed(delta.text)
            text_at_end, thoughts_at_end = tag.end()
            delta.text, delta.reasoning = text + text_at_end, delta.reasoning + thoughts + thoughts_at_end
        return [delta for delta in held.values() if delta.text or delta.reasoning]


def _reasoning(delta: dict) -> str:
    """From one field only: OpenRouter says the same in two (Q30)."""
    for name in ("reasoning_content", "reasoning"):
        if (reasoning := delta.get(name)) and type(reasoning) is str:
            return reasoning
    details = delta.get("reasoning_details")
    if type(details) is not list:
        return ""
    told = (detail.get("text") or detail.get("summary") for detail in details if type(detail) is dict)
    return "".join(part for part in told if type(part) is str)


def _blocks(content: object) -> tuple[str, str]:
    """Text and reasoning of a content that is a list of blocks (Mistral, Q27), or null."""
    if type(content) is str:
        return content, ""
    text = reasoning = ""
    for block in content if type(content) is list else ():
        if type(block) is str:
            text += block
        elif type(block) is dict:
            text += _blocks(block.get("text"))[0]
            reasoning += "".join(_blocks(block.get("thinking")))
    return text, reasoning


# Usage


def trusted(profile: Profile, usage: Usage | None) -> bool:
    """Whether the figures can be counts: not a constant of that upstream, nor nothing, negative or absurd."""
    if usage is None or (usage.input_tokens, usage.output_tokens) in profile.fake_usages:
        return False
    counts = (usage.input_tokens, usage.output_tokens, usage.cached_tokens, usage.reasoning_tokens)
    known = [count for count in counts if count is not None]
    return any(known) and all(0 <= count <= MAX_TOKENS for count in known)


def _usage(figures: object) -> Usage | None:
    if type(figures) is not dict:
        return None
    usage = Usage(
        input_tokens=_count(figures.get("prompt_tokens", figures.get("input_tokens"))),
        output_tokens=_count(figures.get("completion_tokens", figures.get("output_tokens"))),
        cached_tokens=_first_count(
            _within(figures, "prompt_tokens_details", "cached_tokens"),
            figures.get("cached_tokens"),  # Moonshot
            figures.get("prompt_cache_hit_tokens"),  # DeepSeek
        ),
        reasoning_tokens=_first_count(
            _within(figures, "completion_tokens_details", "reasoning_tokens"), figures.get("reasoning_tokens")
        ),
        cost=_amount(figures.get("cost")),
    )
    return None if usage.input_tokens is None and usage.output_tokens is None else usage


def _within(figures: dict, group: str, name: str) -> object:
    details = figures.get(group)
    return details.get(name) if type(details) is dict else None


def _first_count(*values: object) -> int | None:
    return next((count for value in values if (count := _count(value)) is not None), None)


def _count(value: object) -> int | None:
    if type(value) is float and value.is_integer():
        value = int(value)
    return value if type(value) is int and abs(value) < 2**53 else None


def _amount(value: object) -> Decimal | None:
    """Money as it is written, in a number or a string. Negative is OpenRouter's way to say unknown (Q41)."""
    if type(value) not in (int, float, str):
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and amount >= 0 else None


# Models


def models_requests(endpoint: Endpoint) -> list[HttpRequest]:
    """Where the models may be listed: to be tried in turn."""
    paths = profiles.profile(endpoint.profile).model_paths
    return [HttpRequest("GET", url(endpoint, path), _headers(endpoint)) for path in paths]


def models(profile: Profile, body: bytes) -> list[ListedModel]:
    """Raises ValueError if the body is no list of models. The lists of Ollama and LM Studio can be read, too."""
    listed = json.loads(body)
    if isinstance(listed, dict):
        listed = listed["data"] if isinstance(listed.get("data"), list) else listed.get("models")
    if not isinstance(listed, list):
        raise ValueError("not a list of models")
    return [model for entry in listed if isinstance(entry, dict) and (model := _listed(entry))]


def _listed(entry: dict) -> ListedModel | None:
    name = next((entry[key] for key in ("id", "key", "model", "name") if isinstance(entry.get(key), str)), "")
    if not name or entry.get("type") == "embedding":
        return None
    provider = entry.get("top_provider") if isinstance(entry.get("top_provider"), dict) else {}
    pricing = entry.get("pricing") if isinstance(entry.get("pricing"), dict) else {}
    prices = [_per_million(pricing.get(key)) for key in ("prompt", "completion", "input_cache_read")]
    return ListedModel(
        id=name.removeprefix("models/"),
        context_length=_context_length(entry, provider),
        max_output=_first_count(provider.get("max_completion_tokens"), entry.get("max_completion_tokens")),
        input_mtok=prices[0],
        output_mtok=prices[1],
        cached_mtok=prices[2],
        currency=None if prices == [None] * 3 else "USD",
    )


def _context_length(entry: dict, provider: dict) -> int | None:
    """The smallest that is told: of what runs, not of what the model was trained for."""
    loaded = entry.get("loaded_instances")
    config = _within(loaded[0], "config", "context_length") if loaded and isinstance(loaded[0], dict) else None
    told = (
        entry.get("context_length"),
        provider.get("context_length"),
        entry.get("max_model_len"),
        _within(entry, "meta", "n_ctx"),
        config,
    )
    return min((count for value in told if (count := _count(value))), default=None)


def _per_million(price: object) -> Decimal | None:
    amount = _amount(price)
    return None if amount is None else amount * 1_000_000


# Token counts


def count_request(endpoint: Endpoint, model: str, prompt: str | tuple[Turn, ...]) -> HttpRequest | None:
    """Asks the upstream's own tokenizer, or None if it has none.

    llama.cpp and KoboldCpp count text only, so turns lack what their template adds. Moonshot counts messages only.
    """
    turns = (Turn("user", prompt),) if isinstance(prompt, str) else prompt
    text = "\n".join(turn.text for turn in turns)
    match profiles.profile(endpoint.profile).counting:
        case "moonshot":
            body = {"model": model, "messages": _turns(turns)}
            return _post(endpoint, "tokenizers/estimate-token-count", body)
        case "llamacpp":
            return _post(endpoint, "/tokenize", {"content": text, "add_special": True})
        case "koboldcpp":
            return _post(endpoint, "/api/extra/tokencount", {"prompt": text})
        case "vllm":
            what = {"prompt": prompt} if isinstance(prompt, str) else {"messages": _turns(turns)}
            return _post(endpoint, "/tokenize", {"model": model} | what)
    return None


def token_count(profile: Profile, body: bytes) -> int | None:
    """What was counted, or None if the body does not say."""
    counted = json.loads(body)
    if not isinstance(counted, dict):
        return None
    tokens = counted.get("tokens")
    told = {
        "moonshot": _within(counted, "data", "total_tokens"),
        "llamacpp": len(tokens) if isinstance(tokens, list) else None,
        "koboldcpp": counted.get("value"),
        "vllm": counted.get("count"),
    }
    count = _count(told.get(profile.counting))
    return count if count is not None and count >= 0 else None

"""The Gemini dialect: candidates of parts, usage on every chunk, and no end but the body's (wire-formats 4.10)."""

import re
from collections.abc import Mapping
from urllib.parse import quote

from chat.upstream import profiles
from chat.upstream.bodies import reader_of
from chat.upstream.contract import Call, Endpoint, Event, HttpRequest, ListedModel, Reader, Turn, Usage
from chat.upstream.failures import failure_in
from chat.upstream.payloads import Decoder, Payloads, count, document, name_in, text_in
from chat.upstream.profiles import Profile
from chat.upstream.sending import alternating, as_list, as_turns, get, post, system_text
from chat.upstream.sse import MAX_EVENT, REFUSED, SentEvent

ROLES = {"user": "user", "assistant": "model"}
OUR_ROLES = {theirs: ours for ours, theirs in ROLES.items()}

# Our names of what hangs in generationConfig, and theirs.
CONFIG = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "seed": "seed",
    "stop": "stopSequences",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
    "thinking_config": "thinkingConfig",
}


# What is sent


def request(call: Call) -> HttpRequest:
    body = _prompt(call.turns)
    if config := _config(call):
        body["generationConfig"] = config
    if "safety_settings" in call.parameters:
        body["safetySettings"] = call.parameters["safety_settings"]
    if call.streamed:
        return post(call.endpoint, _path(call.model, "streamGenerateContent"), body, "alt=sse")
    return post(call.endpoint, _path(call.model, "generateContent"), body)


def _config(call: Call) -> dict:
    config = {CONFIG[name]: value for name, value in call.parameters.items() if name in CONFIG}
    if "stopSequences" in config:
        config["stopSequences"] = as_list(config["stopSequences"])
    if call.max_output is not None:
        config["maxOutputTokens"] = call.max_output
    if call.n > 1 and profiles.profile(call.endpoint.profile).supports_n:
        config["candidateCount"] = call.n
    return config


def _prompt(turns: tuple[Turn, ...]) -> dict:
    """A last turn of the model's is gone on with."""
    contents = [{"role": ROLES[turn.role], "parts": _sent_parts(turn)} for turn in alternating(turns)]
    if system := system_text(turns):
        return {"contents": contents, "systemInstruction": {"parts": [{"text": system}]}}
    return {"contents": contents}


def _sent_parts(turn: Turn) -> list[dict]:
    parts: list[dict] = [{"inlineData": {"mimeType": image.media_type, "data": image.base64}} for image in turn.images]
    return [*parts, {"text": turn.text}] if turn.text.strip() or not parts else parts


def _path(model: str, deed: str) -> str:
    """Models that were tuned have names that begin with `tunedModels/`."""
    below = model if "/" in model else f"models/{model}"
    return f"{quote(below)}:{deed}"


def cancel_request(call: Call) -> HttpRequest | None:
    """Closing the connection is all that can be done."""
    return None


# What comes back


def reader(profile: Profile, *, status: int, headers: Mapping[str, str], n: int) -> Reader:
    return reader_of(_Chunks(profile, n), status=status, headers=headers)


class _Chunks(Payloads):
    """Chunks of a stream, or one whole answer, which are of the same shape."""

    def is_answer(self, payload: object) -> bool:
        return isinstance(payload, dict) and bool({"candidates", "promptFeedback", "usageMetadata"} & payload.keys())

    def decoder_of(self, beginning: bytes) -> Decoder | None:
        """Without `alt=sse` a stream is one array, sent element by element: a document, that proves its own end."""
        if beginning.startswith(b"["):
            self.ends_by = "whole"
            return ArrayDecoder()
        return super().decoder_of(beginning)

    def read(self, payload: object, events: list[Event], *, is_whole: bool = False) -> None:
        if type(payload) is not dict:
            self.read_odd(payload, events)
            return
        candidates = payload.get("candidates")
        if not candidates or payload.get("error"):
            self.fail(failure_in(payload, status=200), events)
            self._read_refusal(payload.get("promptFeedback"), events)
        for candidate in candidates if type(candidates) is list else ():
            if type(candidate) is dict:
                self._read_candidate(candidate, events)
        self.see_usage(_usage(payload.get("usageMetadata")), "last", None, events)

    def _read_refusal(self, feedback: object, events: list[Event]) -> None:
        """A prompt that is not answered has no candidates; the first choice says why."""
        blocked = feedback.get("blockReason") if type(feedback) is dict else None
        if blocked and type(blocked) is str:
            self.finish(0, blocked, events, reason="content_filter")

    def _read_candidate(self, candidate: dict, events: list[Event]) -> None:
        index = self.index_of(candidate.get("index"), events)
        if index is None:
            return
        content = candidate.get("content")
        content = content if type(content) is dict else {}
        text, reasoning = _parts(content.get("parts"))
        self.say(index, text, reasoning, OUR_ROLES.get(text_in(content.get("role"))), events)
        self.finish(index, candidate.get("finishReason"), events)


def _parts(parts: object) -> tuple[str, str]:
    """Text and reasoning; what is not text (calls, code, images) is not read."""
    text = reasoning = ""
    for part in parts if type(parts) is list else ():
        if type(part) is dict:
            if part.get("thought") is True:
                reasoning += text_in(part.get("text"))
            else:
                text += text_in(part.get("text"))
    return text, reasoning


def _usage(figures: object) -> Usage | None:
    """So far; may even fall. Thoughts are not among the candidates' tokens, and what was not yet said is missing."""
    if type(figures) is not dict:
        return None
    prompt, said = count(figures.get("promptTokenCount")), count(figures.get("candidatesTokenCount"))
    thoughts = count(figures.get("thoughtsTokenCount"))
    if prompt is None and said is None and thoughts is None:
        return None
    return Usage(
        input_tokens=prompt,
        output_tokens=(said or 0) + (thoughts or 0),
        cached_tokens=count(figures.get("cachedContentTokenCount")),
        reasoning_tokens=thoughts,
    )


# A backslash takes the next byte with it, which may be in the next piece.
_MARKS = re.compile(rb'\\.?|["\[\]{}]', re.S)


class ArrayDecoder:
    """The elements of one JSON array, each handed out when it is closed.

    An array that is not closed ends with what nobody can read, so that it is not taken for a whole one.
    """

    def __init__(self, max_element: int = MAX_EVENT) -> None:
        self._max = max_element
        self._element = bytearray()  # as far as it has come
        self._depth = 0  # of open brackets: the array's own is 1
        self._in_string = self._escaping = self._refused = False
        self._sent: list[SentEvent] = []

    def feed(self, data: bytes) -> list[SentEvent]:
        start = 0  # of what belongs to the open element
        for mark in _MARKS.finditer(data, self._escaping and 1):
            self._escaping = mark[0] == b"\\"
            if mark[0] == b'"':
                self._in_string = not self._in_string
            elif mark[0] in b"[{" and not self._in_string:
                self._depth += 1
                start = mark.start() if self._depth == 2 else start
            elif mark[0] in b"]}" and not self._in_string:
                self._depth -= 1
                if self._depth == 1:
                    self._keep(data[start : mark.end()])
                    self._hand_out()
        if self._depth > 1:
            self._keep(data[start:])
        sent, self._sent = self._sent, []
        return sent

    def _keep(self, piece: bytes) -> None:
        if not self._refused:
            self._element += piece
        if len(self._element) > self._max:
            self._element.clear()
            self._refused = True
            self._sent.append(REFUSED)

    def _hand_out(self) -> None:
        if not self._refused:
            self._sent.append(SentEvent(bytes(self._element)))
        self._element.clear()
        self._refused = False

    def end(self) -> list[SentEvent]:
        return [SentEvent(bytes(self._element) or b"[")] if self._depth else []


# Models


def models_requests(endpoint: Endpoint) -> list[HttpRequest]:
    return [get(endpoint, "models", "pageSize=1000")]


def models(profile: Profile, body: bytes) -> list[ListedModel]:
    """Those that answer prompts. Raises ValueError if the body is no list of models."""
    listed = document(body)
    entries = listed.get("models") if isinstance(listed, dict) else None
    if not isinstance(entries, list):
        raise ValueError("not a list of models")
    return [
        ListedModel(
            name_in(entry["name"]),
            count(entry.get("inputTokenLimit")),
            count(entry.get("outputTokenLimit")),
        )
        for entry in entries
        if isinstance(entry, dict) and name_in(entry.get("name")) and _answers(entry)
    ]


def _answers(entry: dict) -> bool:
    methods = entry.get("supportedGenerationMethods")
    return isinstance(methods, list) and "generateContent" in methods


def next_models_request(endpoint: Endpoint, body: bytes) -> HttpRequest | None:
    token = document(body).get("nextPageToken")
    if token and isinstance(token, str):
        return get(endpoint, "models", f"pageSize=1000&pageToken={quote(token, safe='')}")
    return None


def context_request(endpoint: Endpoint, model: str) -> HttpRequest | None:
    """It is in the list."""
    return None


def context_length(body: bytes) -> int | None:
    return None


def sees(body: bytes) -> bool | None:
    return None


# Token counts


def count_request(endpoint: Endpoint, model: str, prompt: str | tuple[Turn, ...]) -> HttpRequest | None:
    """Of contents alone: the system's text is counted as the user's."""
    turns = tuple(Turn("user", turn.text) if turn.role == "system" else turn for turn in as_turns(prompt))
    return post(endpoint, _path(model, "countTokens"), _prompt(turns))


def token_count(profile: Profile, body: bytes) -> int | None:
    """What was counted, or None if the body does not say."""
    counted = document(body)
    return count(counted.get("totalTokens")) if isinstance(counted, dict) else None

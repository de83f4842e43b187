"""Ollama's own chat dialect: one JSON object on each line, the last with `done` (wire-formats 4.12).

Better than its OpenAI dialect, which swallows an error in the middle of an answer (Q12) and knows no context length.
"""

from collections.abc import Mapping

from chat.upstream import ollama, profiles
from chat.upstream.bodies import reader_of
from chat.upstream.contract import Call, Endpoint, Event, HttpRequest, ListedModel, Reader, Terminator, Turn, Usage
from chat.upstream.failures import failure_in
from chat.upstream.lines import LineDecoder
from chat.upstream.payloads import Decoder, Payloads, count, document, name_in, text_in
from chat.upstream.profiles import Profile
from chat.upstream.sending import as_list, get, post

OUTSIDE_OPTIONS = {"think", "keep_alive", "format"}
NO_ANSWER = {"load", "unload"}  # the model was only put into memory, or out of it


# What is sent


def request(call: Call) -> HttpRequest:
    """A last turn of the assistant's is gone on with. `stream` is said always: the default is true here."""
    profile = profiles.profile(call.endpoint.profile)
    asked = {name: value for name, value in call.parameters.items() if name in profile.parameters}
    body = {name: asked.pop(name) for name in OUTSIDE_OPTIONS & asked.keys()}
    if "stop" in asked:
        asked["stop"] = as_list(asked["stop"])
    if call.max_output is not None:
        asked["num_predict"] = call.max_output
    if call.window is not None:
        asked.setdefault("num_ctx", call.window)
    messages = [_message(turn) for turn in call.turns]
    body |= {"model": call.model, "messages": messages, "stream": call.streamed}
    return post(call.endpoint, "/api/chat", body | {"options": asked} if asked else body)


def _message(turn: Turn) -> dict:
    message: dict = {"role": turn.role, "content": turn.text}
    return message | {"images": [image.base64 for image in turn.images]} if turn.images else message


def cancel_request(call: Call) -> HttpRequest | None:
    """Closing the connection is all that can be done."""
    return None


# What comes back


def reader(profile: Profile, *, status: int, headers: Mapping[str, str], n: int) -> Reader:
    return reader_of(_Lines(profile, n), status=status, headers=headers)


class _Lines(Payloads):
    """Lines of a stream, or one whole answer, which is such a line. There is one choice, whatever was asked for."""

    def decoder(self) -> Decoder:
        return LineDecoder()

    def decoder_of(self, beginning: bytes) -> Decoder | None:
        """Two objects on two lines are a stream; a whole answer is one, however a proxy has laid it out."""
        first, ended, rest = beginning.partition(b"\n")
        if ended and rest.startswith(b"{") and self.loads(first) is not None:
            return LineDecoder()
        return None

    def is_answer(self, payload: object) -> bool:
        return isinstance(payload, dict) and isinstance(payload.get("message"), dict)

    def read(self, payload: object, events: list[Event], *, is_whole: bool = False) -> None:
        if type(payload) is not dict:
            self.read_odd(payload, events)
            return
        if "error" in payload:
            self.fail(failure_in(payload, status=200), events)
        message = payload.get("message")
        if type(message) is dict:
            text, thoughts = text_in(message.get("content")), text_in(message.get("thinking"))
            self.say(0, text, thoughts, message.get("role"), events)
        if payload.get("done") is True:
            self._read_end(payload, events, is_whole=is_whole)

    def _read_end(self, payload: dict, events: list[Event], *, is_whole: bool) -> None:
        reason = payload.get("done_reason")
        if reason not in NO_ANSWER:
            self.finish(0, reason, events)
        self.see_usage(_usage(payload), "last", None, events)
        if not is_whole:
            events.append(Terminator())


def _usage(figures: dict) -> Usage | None:
    """A count of zero is left out, and the prompt's is zero when it was cached: so what is missing is unknown."""
    prompt, answer = count(figures.get("prompt_eval_count")), count(figures.get("eval_count"))
    return None if prompt is None and answer is None else Usage(prompt, answer)


# Models


def models_requests(endpoint: Endpoint) -> list[HttpRequest]:
    return [get(endpoint, "/api/tags")]


def models(profile: Profile, body: bytes) -> list[ListedModel]:
    """Raises ValueError if the body is no list of models."""
    listed = document(body)
    entries = listed["models"] if isinstance(listed, dict) and "models" in listed else ""
    if entries is None:  # Go's way to say that there are none yet
        return []
    if not isinstance(entries, list):
        raise ValueError("not a list of models")
    names = [name_in(entry.get("model")) or name_in(entry.get("name")) for entry in entries if isinstance(entry, dict)]
    return [ListedModel(name) for name in names if name]


def next_models_request(endpoint: Endpoint, body: bytes) -> HttpRequest | None:
    return None


def context_request(endpoint: Endpoint, model: str) -> HttpRequest | None:
    return ollama.show_request(endpoint, model)


def context_length(body: bytes) -> int | None:
    """The longest: what is needed of it is asked for with each answer."""
    return ollama.longest_window(body)


def sees(body: bytes) -> bool | None:
    return ollama.sees(body)


# Token counts


def count_request(endpoint: Endpoint, model: str, prompt: str | tuple[Turn, ...]) -> HttpRequest | None:
    """It has no tokenizer to ask."""
    return None


def token_count(profile: Profile, body: bytes) -> int | None:
    return None

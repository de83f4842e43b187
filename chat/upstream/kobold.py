"""Kobold's own dialect: a text goes in, and the text that follows it comes out (wire-formats 4.4).

KoboldCpp streams it as events named `message`, and can be told to stop; KoboldAI United answers whole, several times
if asked, and never says why it ended. Who sends a thread must render it as text first: see templates.
"""

from collections.abc import Mapping

from chat.upstream import koboldcpp, profiles, templates
from chat.upstream.bodies import reader_of
from chat.upstream.contract import Call, Endpoint, Event, HttpRequest, ListedModel, Reader, Turn, Usage
from chat.upstream.failures import failure_in
from chat.upstream.payloads import Payloads, count, document, name_in, text_in
from chat.upstream.profiles import Profile
from chat.upstream.sending import as_list, as_turns, get, post

# Our names of what has another one here.
NAMES = {"repeat_penalty": "rep_pen", "repetition_penalty": "rep_pen", "typical_p": "typical", "seed": "sampler_seed"}


NOT_LOADED = {"ReadOnly", "inactive"}
MAX_STOPS = 10  # United refuses more


# What is sent


def request(call: Call) -> HttpRequest:
    """`quiet`: otherwise the server prints the prompt and the answer where it runs."""
    profile = profiles.profile(call.endpoint.profile)
    template = templates.of(call)
    asked = {name: value for name, value in call.parameters.items() if name in profile.parameters}
    stops = [*template.stops, *as_list(asked.pop("stop", []))]
    body = {NAMES.get(name, name): value for name, value in asked.items()}
    body |= {"prompt": template.render(call.turns, continues=call.continues), "quiet": True}
    body["stop_sequence"] = stops[:MAX_STOPS]
    if call.max_output is not None:
        body["max_length"] = min(call.max_output, profile.output_cap or call.max_output)
    if call.n > 1 and profile.supports_n:
        body["n"] = call.n
    if profile.cancelling == "koboldcpp":  # United refuses fields that it does not know
        body |= {"genkey": call.tag, "trim_stop": True}
        if images := [image.base64 for turn in call.turns for image in turn.images]:
            body["images"] = images
    streamed = call.streamed and profile.streams
    return post(call.endpoint, "/api/extra/generate/stream" if streamed else "/api/v1/generate", body)


def cancel_request(call: Call) -> HttpRequest | None:
    can = profiles.profile(call.endpoint.profile).cancelling == "koboldcpp"
    return koboldcpp.cancel_request(call) if can else None


# What comes back


def reader(profile: Profile, *, status: int, headers: Mapping[str, str], n: int) -> Reader:
    return reader_of(_Tokens(profile, n), status=status, headers=headers)


class _Tokens(Payloads):
    """Tokens of a stream, which has one choice, or the results of a whole answer, one for each."""

    def is_answer(self, payload: object) -> bool:
        return isinstance(payload, dict) and isinstance(payload.get("results"), list)

    def read(self, payload: object, events: list[Event], *, is_whole: bool = False) -> None:
        if type(payload) is not dict:
            self.read_odd(payload, events)
        elif is_whole:
            for index, result in enumerate(payload["results"]):
                self._read_result(index, result, events)
        elif "token" in payload:
            self.say(0, text_in(payload["token"]), "", None, events)
            self.finish(0, payload.get("finish_reason"), events)
        else:
            self.fail(failure_in(payload, status=200), events)

    def _read_result(self, index: object, result: object, events: list[Event]) -> None:
        index = self.index_of(index, events)
        if index is None or type(result) is not dict:
            return
        self.say(index, templates.without_stop(text_in(result.get("text"))), "", None, events)
        self.finish(index, result.get("finish_reason"), events)
        prompt, answer = count(result.get("prompt_tokens")), count(result.get("completion_tokens"))
        if prompt is not None or answer is not None:  # KoboldCpp since 1.8x
            self.see_usage(Usage(prompt, answer), "per_choice", index, events)


# Models


def models_requests(endpoint: Endpoint) -> list[HttpRequest]:
    return [get(endpoint, "/api/v1/model")]


def models(profile: Profile, body: bytes) -> list[ListedModel]:
    """The one that is loaded, if any. Raises ValueError if the body does not say."""
    told = document(body)
    told = told if isinstance(told, dict) else {}
    entries = told.get("data")  # of its OpenAI dialect
    if isinstance(entries, list):
        names = [name_in(entry.get("id")) for entry in entries if isinstance(entry, dict)]
    elif "result" in told:
        names = [name_in(told["result"])]
    else:
        raise ValueError("not a list of models")
    return [ListedModel(name) for name in names if name and name not in NOT_LOADED]


def next_models_request(endpoint: Endpoint, body: bytes) -> HttpRequest | None:
    return None


def context_request(endpoint: Endpoint, model: str) -> HttpRequest | None:
    """KoboldCpp may have loaded the model with more than what it lets be chosen."""
    if profiles.profile(endpoint.profile).cancelling == "koboldcpp":
        return koboldcpp.context_request(endpoint)
    return get(endpoint, "/api/v1/config/max_context_length")


def context_length(body: bytes) -> int | None:
    return koboldcpp.value(body)


def sees(body: bytes) -> bool | None:
    return None


# Token counts


def count_request(endpoint: Endpoint, model: str, prompt: str | tuple[Turn, ...]) -> HttpRequest | None:
    """Turns are counted with the template around them."""
    if profiles.profile(endpoint.profile).counting != "koboldcpp":
        return None
    if any(turn.images for turn in as_turns(prompt)):
        return None  # only the text would be counted
    text = prompt if isinstance(prompt, str) else templates.of_model(model).render(prompt)
    return koboldcpp.count_request(endpoint, text)


def token_count(profile: Profile, body: bytes) -> int | None:
    """What was counted, or None if the body does not say."""
    return koboldcpp.value(body)

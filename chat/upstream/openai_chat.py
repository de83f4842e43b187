"""The OpenAI chat dialect: what is sent, and how its answers are read, streamed or whole.

Spoken by most upstreams, each in its own way: the facts that differ are in profiles, the rest is read tolerantly
whatever the profile, since proxies mix the ways. Q-numbers are those of wire-formats section 1.
"""

from collections.abc import Mapping
from decimal import Decimal
from urllib.parse import quote, urlsplit

from chat.upstream import koboldcpp, ollama, profiles
from chat.upstream.bodies import reader_of
from chat.upstream.contract import (
    Call,
    Endpoint,
    Event,
    Failure,
    FinishReason,
    HttpRequest,
    ListedModel,
    Reader,
    Turn,
    Usage,
)
from chat.upstream.failures import failure_in, scrubbed
from chat.upstream.payloads import Payloads, amount, count, document, first_count, name_in, within
from chat.upstream.profiles import Profile
from chat.upstream.sending import as_turns, get, post

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
    if profile.cancelling == "koboldcpp":
        body["genkey"] = call.tag
    if call.continues and profile.continuation == "final_message":
        body |= {"continue_final_message": True, "add_generation_prompt": False}
    if call.continues and profile.continuation == "partial":
        body.pop("response_format", None)  # refused together
    return post(call.endpoint, _path(call, profile), body)


def _path(call: Call, profile: Profile) -> str:
    if call.continues and profile.continuation == "prefix":
        return "/beta/chat/completions"
    return (_below_resource(call) if profile.deploys_models else "") + "chat/completions"


def _below_resource(call: Call) -> str:
    """Azure's addresses name the deployment; where one ends before, the model is it."""
    try:
        base = urlsplit(call.endpoint.base_url.strip())
    except ValueError:
        return ""
    if (path := base.path.strip("/")) not in ("", "openai"):
        return ""
    below = f"deployments/{quote(call.model, safe='')}/" if "api-version=" in base.query else "v1/"
    return below if path else f"openai/{below}"


def _messages(call: Call, profile: Profile) -> list[dict]:
    messages = _turns(call.turns)
    if call.continues:
        assert profile.continuation and call.turns[-1].role == "assistant"
        if profile.continuation in ("partial", "prefix"):
            messages[-1][profile.continuation] = True
    return messages


def _turns(turns: tuple[Turn, ...]) -> list[dict]:
    return [{"role": turn.role, "content": _content(turn)} for turn in turns]


def _content(turn: Turn) -> str | list[dict]:
    """Text alone is sent as a string: many upstreams take nothing else."""
    if not turn.images:
        return turn.text
    parts: list[dict] = [{"type": "image_url", "image_url": {"url": image.data_uri}} for image in turn.images]
    return [*parts, {"type": "text", "text": turn.text}] if turn.text.strip() else parts


def cancel_request(call: Call) -> HttpRequest | None:
    """Closing the connection is all that can be done, but for KoboldCpp."""
    can = profiles.profile(call.endpoint.profile).cancelling == "koboldcpp"
    return koboldcpp.cancel_request(call) if can else None


# What comes back


def reader(profile: Profile, *, status: int, headers: Mapping[str, str], n: int) -> Reader:
    cost = amount(headers.get(profile.cost_header)) if profile.cost_header else None
    return reader_of(_Chunks(profile, n, cost), status=status, headers=headers)


class _Chunks(Payloads):
    """Chunks of a stream, or a whole answer, which differ only in where a choice holds its text."""

    done_ends = True

    def __init__(self, profile: Profile, n: int, cost: Decimal | None = None) -> None:
        """`cost`: what a whole answer cost, told beside it."""
        super().__init__(profile, n)
        self._filtered: set[int] = set()
        self._cost = cost

    def is_answer(self, payload: object) -> bool:
        return isinstance(payload, dict) and isinstance(payload.get("choices"), list)

    def read(self, payload: object, events: list[Event], *, is_whole: bool = False) -> None:
        if type(payload) is not dict:
            self.read_odd(payload, events)
            return
        choices = payload.get("choices")
        if not choices or payload.get("error"):
            self.fail(failure_in(payload, status=200), events)
        if usage := payload.get("usage"):
            usage = _usage(usage)
            if usage and is_whole and usage.cost is None:
                usage.cost = self._cost
            self.see_usage(usage, "top_level" if choices or is_whole else "final_chunk", None, events)
        if type(choices) is list:
            for choice in choices:
                if type(choice) is dict:
                    self._read_choice(choice, events, is_whole=is_whole)

    def _read_choice(self, choice: dict, events: list[Event], *, is_whole: bool) -> None:
        index = choice.get("index")
        if type(index) is not int or not 0 <= index < self.n:
            index = self.index_of(index, events)
            if index is None:
                return
        if choice.get("error"):
            self.fail(failure_in(choice, status=200), events)
        if self._read_delta(index, choice, events, is_whole=is_whole):
            self.finish(index, choice.get("finish_reason"), events)
        if usage := choice.get("usage"):
            self.see_usage(_usage(usage), "per_choice", index, events)

    def _read_delta(self, index: int, choice: dict, events: list[Event], *, is_whole: bool) -> bool:
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
            text, reasoning = self.sort_out(index, text, reasoning)
        if self.profile.failing_prefix and text.startswith(self.profile.failing_prefix):
            self.fail(Failure("upstream", scrubbed(text), retryable=True), events)
            return False
        sentence = self.profile.filter_sentence
        if sentence and (sentence in text if is_whole else text == sentence):  # whole, links may follow it
            self._filtered.add(index)
        self.tell(index, text, reasoning, delta.get("role"), events)
        return True

    def reason(self, index: int, raw: str) -> FinishReason:
        reason = super().reason(index, raw)
        return "content_filter" if reason in ("stop", "length") and index in self._filtered else reason


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


def _usage(figures: object) -> Usage | None:
    if type(figures) is not dict:
        return None
    usage = Usage(
        input_tokens=count(figures.get("prompt_tokens", figures.get("input_tokens"))),
        output_tokens=count(figures.get("completion_tokens", figures.get("output_tokens"))),
        cached_tokens=first_count(
            within(figures, "prompt_tokens_details", "cached_tokens"),
            figures.get("cached_tokens"),  # Moonshot
            figures.get("prompt_cache_hit_tokens"),  # DeepSeek
        ),
        reasoning_tokens=first_count(
            within(figures, "completion_tokens_details", "reasoning_tokens"), figures.get("reasoning_tokens")
        ),
        cost=amount(figures.get("cost")),
    )
    return None if usage.input_tokens is None and usage.output_tokens is None else usage


# Models


def models_requests(endpoint: Endpoint) -> list[HttpRequest]:
    """Where the models may be listed: to be tried in turn."""
    paths = profiles.profile(endpoint.profile).model_paths
    return [get(endpoint, path) for path in paths]


def models(profile: Profile, body: bytes) -> list[ListedModel]:
    """Raises ValueError if the body is no list of models. The lists of Ollama and LM Studio can be read, too."""
    listed = document(body)
    if isinstance(listed, dict):
        if listed.get("object") == "list" and listed.get("data", "") is None:  # Go's way to say that there are none
            return []
        listed = listed["data"] if isinstance(listed.get("data"), list) else listed.get("models")
    if not isinstance(listed, list):
        raise ValueError("not a list of models")
    return [model for entry in listed if isinstance(entry, dict) and (model := _listed(entry))]


def _listed(entry: dict) -> ListedModel | None:
    name = name_in(next((entry[key] for key in ("id", "key", "model", "name") if key in entry), ""))
    if not name or entry.get("type") in ("embedding", "embeddings"):
        return None
    provider = entry.get("top_provider") if isinstance(entry.get("top_provider"), dict) else {}
    pricing = entry.get("pricing") if isinstance(entry.get("pricing"), dict) else {}
    prices = [_per_million(pricing.get(key)) for key in ("prompt", "completion", "input_cache_read")]
    return ListedModel(
        id=name,
        context_length=_context_length(entry, provider),
        max_output=first_count(
            provider.get("max_completion_tokens"), entry.get("max_completion_tokens"), entry.get("max_output_tokens")
        ),
        input_mtok=prices[0],
        output_mtok=prices[1],
        cached_mtok=prices[2],
        currency=None if prices == [None] * 3 else "USD",
        sees=_sees(entry),
    )


def _sees(entry: dict) -> bool | None:
    """As OpenRouter, Moonshot, Mistral, LM Studio, llama.cpp and Anthropic's own list say it, each in its own way."""
    modalities = within(entry, "architecture", "input_modalities")
    capabilities = entry.get("capabilities")
    if isinstance(modalities, list):
        return "image" in modalities
    for told in (entry.get("supports_image_in"), within(entry, "capabilities", "vision")):
        if isinstance(told, bool):
            return told
    if isinstance(capabilities, list) and capabilities:
        return bool({"vision", "multimodal", "image"} & {name for name in capabilities if isinstance(name, str)})
    return True if entry.get("type") == "vlm" else None


def _context_length(entry: dict, provider: dict) -> int | None:
    """The smallest that is told: of what runs, not of what the model was trained for."""
    loaded = entry.get("loaded_instances")
    running = [within(one, "config", "context_length") for one in loaded] if isinstance(loaded, list) else []
    told = (
        entry.get("context_length"),
        provider.get("context_length"),
        entry.get("max_model_len"),
        entry.get("max_input_tokens"),
        within(entry, "meta", "n_ctx"),
        entry.get("loaded_context_length"),  # LM Studio, before 0.4
        *running,
    )
    return min((length for value in told if (length := count(value)) and length > 0), default=None)


def _per_million(price: object) -> Decimal | None:
    money = amount(price)
    return None if money is None else money * 1_000_000


def next_models_request(endpoint: Endpoint, body: bytes) -> HttpRequest | None:
    return None


def context_request(endpoint: Endpoint, model: str) -> HttpRequest | None:
    """Of those that do not say it in their list."""
    profile = profiles.profile(endpoint.profile)
    if profile.shows_models:
        return ollama.show_request(endpoint, model)
    return koboldcpp.context_request(endpoint) if profile.counting == "koboldcpp" else None


def context_length(body: bytes) -> int | None:
    """In either's words."""
    told = koboldcpp.value(body)
    return ollama.own_window(body) if told is None else told


def sees(body: bytes) -> bool | None:
    return ollama.sees(body)


# Token counts


def count_request(endpoint: Endpoint, model: str, prompt: str | tuple[Turn, ...]) -> HttpRequest | None:
    """Asks the upstream's own tokenizer, or None if it has none.

    llama.cpp and KoboldCpp count text only, so turns lack what their template adds. Moonshot counts messages only.
    """
    turns = as_turns(prompt)
    text = "\n".join(turn.text for turn in turns)
    if any(turn.images for turn in turns) and profiles.profile(endpoint.profile).counting != "moonshot":
        return None  # only the text would be counted
    match profiles.profile(endpoint.profile).counting:
        case "moonshot":
            body = {"model": model, "messages": _turns(turns)}
            return post(endpoint, "tokenizers/estimate-token-count", body)
        case "llamacpp":
            return post(endpoint, "/tokenize", {"content": text, "add_special": True})
        case "koboldcpp":
            return koboldcpp.count_request(endpoint, text)
        case "vllm":
            what = {"prompt": prompt} if isinstance(prompt, str) else {"messages": _turns(turns)}
            return post(endpoint, "/tokenize", {"model": model} | what)
    return None


def token_count(profile: Profile, body: bytes) -> int | None:
    """What was counted, in whichever of the places where it may stand; None if the body does not say."""
    counted = document(body)
    if not isinstance(counted, dict):
        return None
    listed = counted.get("tokens")
    told = (
        within(counted, "data", "total_tokens"),  # Moonshot
        counted.get("count"),  # vLLM, which may list them, too
        counted.get("value"),  # KoboldCpp; -1 is a failure
        len(listed) if isinstance(listed, list) else None,  # llama.cpp
        counted.get("input_tokens"),  # llama.cpp's way to count messages
    )
    return next((tokens for figure in told if (tokens := count(figure)) is not None and tokens >= 0), None)

"""What each upstream does differently within its dialect: facts, each with its source in wire-formats.

A new upstream of a known dialect is one more row here; `default` is for one that nobody knows, and claims nothing.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from chat.upstream.contract import UsagePlace

# How a cut answer is gone on with; "" where the upstream would begin anew.
Continuation = Literal["", "trailing", "partial", "prefix", "final_message"]
Counting = Literal["", "moonshot", "llamacpp", "koboldcpp", "vllm", "anthropic", "gemini"]
LookingUp = Literal["", "openrouter"]
# What ends an answer's work besides closing its connection; "" where there is nothing, or nothing is needed.
Cancelling = Literal["", "koboldcpp"]
# How an upstream says that something went wrong (Q7 to Q12, Q35): `{"error": …}`, the same without the wrapping,
# `{"detail": …}`, an array of them, plain text; with HTTP 200; within a stream; as text of the answer; not at all.
ErrorShape = Literal["nested", "flat", "detail", "array", "text", "in_200", "in_stream", "in_answer", "hidden"]

COMMON = frozenset({"temperature", "top_p", "stop"})
OPENAI = COMMON | {
    "presence_penalty",
    "frequency_penalty",
    "seed",
    "response_format",
    "reasoning_effort",
    "logit_bias",
    "user",
}
OLLAMA = COMMON | {
    "top_k",
    "min_p",
    "typical_p",
    "seed",
    "repeat_penalty",
    "repeat_last_n",
    "presence_penalty",
    "frequency_penalty",
    "num_ctx",
    "think",
    "keep_alive",
    "format",
}
GEMINI = COMMON | {"top_k", "seed", "presence_penalty", "frequency_penalty", "thinking_config", "safety_settings"}
KOBOLD = COMMON | {"top_k", "top_a", "tfs", "typical_p", "repeat_penalty", "seed", "max_context_length"}
SAMPLERS = OPENAI | {"top_k", "min_p", "typical_p", "repeat_penalty", "repetition_penalty", "chat_template_kwargs"}


@dataclass(frozen=True, slots=True)
class Timers:
    """Seconds. They run in whoever reads the answer; only `connect` is known to the client.

    Until the first delta only `first_delta` runs: queues, reasoning and prompts read by a slow machine are silent for
    minutes. From then on `progress` does, between payloads that carry something: comments and pings do not count.
    """

    connect: float = 10
    first_delta: float = 600
    progress: float = 60
    total: float = 3600


HOSTED = Timers()
LOCAL = Timers(connect=5, first_delta=1800, total=7200)


@dataclass(frozen=True, slots=True)
class Profile:
    label: str
    dialect: str = "openai_chat"
    base_url: str = ""
    key_variable: str = ""  # environment variables from which a provider is made at the first start
    url_variable: str = ""
    needs_key: bool = True
    key_header: str = "Authorization"
    headers: Mapping[str, str] = field(default_factory=dict)  # beside the key
    local_port: int | None = None  # where it listens on one's own machine, if it can be found there

    parameters: frozenset[str] = COMMON  # sent if asked for; others would be refused or misread (Q42)
    max_output_field: str = "max_tokens"
    output_cap: int | None = None  # more is refused
    heeds_max_output: bool = True  # False: it is never told, or does not listen
    include_usage: bool = False  # `stream_options` may be sent
    supports_n: bool = False
    streams: bool = True
    streams_best: bool = False  # a whole answer cannot be ended, or proved: better stream what is shown at once
    streams_several: bool = False  # the same of several whole answers: their usage is the first one's
    streams_at_once: int | None = None  # what a provider of this kind is set to at first; None: any number

    continuation: Continuation = ""
    continues_model: Callable[[str], bool] | None = None  # where it depends on the model; None: any
    cuts_prompts: bool = False  # of one that is too long it reads the end, and does not say so (Q14)
    told_window: str = ""  # the field that says how long a context to run with; otherwise it is as it was started
    usual_window: int | None = None  # what it runs with where nobody has set another; None: it says so itself
    may_repeat: bool = False  # a continuation may begin with what was kept
    trims_kept: bool = False  # the kept text is sent without the white space at its end, which is refused

    terminator: str = "[DONE]"  # or what stands for it; "": the body's end is the answer's (Q2)
    says_finish: bool = True  # otherwise no answer can be proved whole
    usage_place: UsagePlace | None = None  # in a stream; None: nowhere
    cost_header: str = ""  # that tells what a whole answer cost
    reasoning: tuple[str, ...] = ()  # where thoughts stand (Q31)
    errors: tuple[ErrorShape, ...] = ("nested",)
    fake_usages: frozenset[tuple[int, int]] = frozenset()  # constants that are no counts (Q20)
    failing_prefix: str = ""  # a delta that begins so is an error told as text (Q9)
    filter_sentence: str = ""  # this very delta says that the answer was filtered (Q9)
    takes_images: bool = True  # with models that see
    thinks_in_text: bool = False  # an answer may begin with <think> (Q31)

    counting: Counting = ""
    looking_up: LookingUp = ""  # what an answer has used can be asked for later, by its request id
    counts_messages: bool = False  # not texts: what is counted holds what a message adds
    cancelling: Cancelling = ""  # beside closing
    deploys_models: bool = False  # each has an address of its own
    shows_models: bool = False  # Ollama's /api/show stands beside the dialect, and tells each model's context
    model_paths: tuple[str, ...] = ("models",)  # tried in turn; a leading slash: from the server's root
    close_stops: bool | None = None  # whether closing ends the work and its cost; None is unknown (Q36)
    timers: Timers = field(default=HOSTED)


# What may be continued


_CLAUDE = re.compile(r"claude(?:-[a-z]+)*-?v?(\d+)(?:[-.](\d{1,2}))?(?!\d)", re.I)
_BEGINS_ANEW = frozenset({"openai", "openrouter"})  # vendors; the latter's are routers to anybody


def _claude_goes_on(model: str) -> bool:
    """Up to 4.5; from 4.6 on a last turn of the assistant's is refused. A date is no minor version."""
    version = _CLAUDE.search(model)
    return version is not None and (int(version[1]), int(version[2] or 0)) <= (4, 5)


def _routed_goes_on(model: str) -> bool:
    """By the vendor, which the name begins with."""
    vendor = model.lower().removeprefix("~").partition("/")[0]
    return _claude_goes_on(model) if vendor == "anthropic" else vendor not in _BEGINS_ANEW


def can_continue(profile: Profile, model: str) -> bool:
    """Whether a cut answer of that model can be gone on with."""
    return bool(profile.continuation) and (profile.continues_model is None or profile.continues_model(model))


PROFILES: dict[str, Profile] = {
    "default": Profile(label="OpenAI-compatible", needs_key=False),
    "openai": Profile(
        label="OpenAI",
        base_url="https://api.openai.com/v1",
        key_variable="OPENAI_API_KEY",
        url_variable="OPENAI_BASE_URL",
        parameters=OPENAI,
        max_output_field="max_completion_tokens",
        include_usage=True,
        supports_n=True,
        usage_place="final_chunk",
        close_stops=True,
    ),
    "azure": Profile(
        label="Azure OpenAI",
        key_variable="AZURE_OPENAI_API_KEY",
        url_variable="AZURE_OPENAI_BASE_URL",
        key_header="api-key",
        deploys_models=True,
        parameters=OPENAI,
        max_output_field="max_completion_tokens",
        include_usage=True,
        supports_n=True,
        usage_place="final_chunk",
        close_stops=True,
    ),
    "moonshot": Profile(
        label="Moonshot",
        base_url="https://api.moonshot.cn/v1",  # keys of the international api.moonshot.ai do not work here
        key_variable="MOONSHOT_API_KEY",
        url_variable="MOONSHOT_BASE_URL",
        parameters=COMMON
        | {"presence_penalty", "frequency_penalty", "response_format", "thinking", "prompt_cache_key"},
        max_output_field="max_completion_tokens",
        include_usage=True,
        supports_n=True,
        continuation="partial",
        usage_place="final_chunk",  # in each choice, if not asked for
        reasoning=("reasoning_content",),
        counting="moonshot",
        counts_messages=True,
    ),
    "openrouter": Profile(
        label="OpenRouter",
        base_url="https://openrouter.ai/api/v1",
        key_variable="OPENROUTER_API_KEY",
        url_variable="OPENROUTER_BASE_URL",
        parameters=OPENAI | {"top_k", "min_p", "reasoning", "provider", "models", "plugins"},
        continuation="trailing",
        continues_model=_routed_goes_on,
        may_repeat=True,  # some of its providers do
        streams_best=True,
        usage_place="top_level",
        reasoning=("reasoning", "reasoning_details"),
        errors=("nested", "in_200", "in_stream"),
        looking_up="openrouter",
    ),
    "deepseek": Profile(
        label="DeepSeek",
        base_url="https://api.deepseek.com",
        key_variable="DEEPSEEK_API_KEY",
        url_variable="DEEPSEEK_BASE_URL",
        parameters=COMMON | {"presence_penalty", "frequency_penalty", "response_format", "thinking"},
        include_usage=True,
        continuation="prefix",
        usage_place="top_level",
        reasoning=("reasoning_content",),
        close_stops=True,
    ),
    "gemini": Profile(
        label="Gemini",
        dialect="gemini",
        base_url="https://generativelanguage.googleapis.com/v1beta",
        key_variable="GEMINI_API_KEY",
        url_variable="GEMINI_BASE_URL",
        key_header="x-goog-api-key",
        parameters=GEMINI,
        supports_n=True,
        continuation="trailing",
        may_repeat=True,
        terminator="",
        usage_place="last",
        reasoning=("parts[].thought",),
        errors=("nested", "array", "in_stream"),
        counting="gemini",
        counts_messages=True,
        close_stops=False,
    ),
    "gemini_compat": Profile(
        label="Gemini (OpenAI-compatible)",
        base_url="https://generativelanguage.googleapis.com/v1beta/openai",
        parameters=COMMON | {"reasoning_effort"},
        usage_place="top_level",
        errors=("array",),
        close_stops=False,
    ),
    "anthropic": Profile(
        label="Anthropic",
        dialect="anthropic_messages",
        base_url="https://api.anthropic.com/v1",
        key_variable="ANTHROPIC_API_KEY",
        url_variable="ANTHROPIC_BASE_URL",
        key_header="x-api-key",
        headers={"anthropic-version": "2023-06-01"},
        parameters=COMMON | {"top_k", "thinking", "metadata", "service_tier"},
        continuation="trailing",
        continues_model=_claude_goes_on,
        trims_kept=True,
        terminator="message_stop",
        usage_place="merged",
        reasoning=("thinking_delta",),
        errors=("nested", "in_stream"),
        counting="anthropic",
        counts_messages=True,
        close_stops=True,
    ),
    "ollama": Profile(
        label="Ollama",
        dialect="ollama_chat",
        base_url="http://127.0.0.1:11434",
        key_variable="OLLAMA_API_KEY",
        url_variable="OLLAMA_BASE_URL",
        needs_key=False,
        local_port=11434,
        parameters=OLLAMA,
        cuts_prompts=True,
        told_window="num_ctx",
        continuation="trailing",
        may_repeat=True,
        terminator="done",
        thinks_in_text=True,
        usage_place="last",
        reasoning=("thinking", "<think>"),
        errors=("flat", "in_stream"),
        close_stops=True,
        timers=LOCAL,
    ),
    "kobold_native": Profile(
        label="KoboldCpp (text)",
        dialect="kobold",
        base_url="http://127.0.0.1:5001",
        key_variable="KOBOLD_API_KEY",
        url_variable="KOBOLD_BASE_URL",
        needs_key=False,
        parameters=KOBOLD | {"min_p"},
        cuts_prompts=True,
        continuation="trailing",
        terminator="",
        thinks_in_text=True,
        reasoning=("<think>",),
        errors=("detail",),
        counting="koboldcpp",
        cancelling="koboldcpp",
        close_stops=True,
        timers=LOCAL,
    ),
    "koboldai_united": Profile(
        label="KoboldAI United",
        takes_images=False,
        dialect="kobold",
        base_url="http://127.0.0.1:5000",
        url_variable="KOBOLDAI_BASE_URL",
        needs_key=False,
        parameters=KOBOLD,
        cuts_prompts=True,
        output_cap=512,
        supports_n=True,
        streams=False,
        streams_at_once=1,
        continuation="trailing",
        terminator="",
        thinks_in_text=True,
        says_finish=False,
        reasoning=("<think>",),
        errors=("detail",),
        close_stops=False,
        timers=LOCAL,
    ),
    "kimi_free": Profile(
        label="kimi-free-api",
        base_url="http://127.0.0.1:8000/v1",
        key_variable="KIMI_FREE_API_KEY",
        url_variable="KIMI_FREE_BASE_URL",
        parameters=frozenset({"use_search", "conversation_id"}),
        fake_usages=frozenset({(1, 1)}),
        heeds_max_output=False,
        filter_sentence="\n[内容由于不合规被停止生成，我们换个话题吧]",
        streams_best=True,
        usage_place="top_level",
        errors=("flat", "in_200", "in_answer", "hidden"),
        close_stops=False,
    ),
    "freegpt35": Profile(
        label="FreeGPT35",
        takes_images=False,
        base_url="http://127.0.0.1:3040/v1",
        url_variable="FREEGPT35_BASE_URL",
        needs_key=False,
        parameters=frozenset(),
        terminator="",
        heeds_max_output=False,
        failing_prefix="Error message from OpenAI: ",
        errors=("nested", "in_200", "in_stream", "in_answer"),
        model_paths=(),
        close_stops=False,
    ),
    "ollama_v1": Profile(
        label="Ollama (OpenAI-compatible)",
        base_url="http://127.0.0.1:11434/v1",
        needs_key=False,
        parameters=OPENAI,
        cuts_prompts=True,
        usual_window=4096,
        shows_models=True,
        include_usage=True,
        thinks_in_text=True,
        usage_place="final_chunk",
        reasoning=("reasoning", "<think>"),
        errors=("nested", "hidden"),
        close_stops=True,
        timers=LOCAL,
    ),
    "lmstudio": Profile(
        label="LM Studio",
        base_url="http://127.0.0.1:1234/v1",
        key_variable="LMSTUDIO_API_KEY",
        url_variable="LMSTUDIO_BASE_URL",
        needs_key=False,
        local_port=1234,
        parameters=SAMPLERS,
        include_usage=True,
        thinks_in_text=True,
        usage_place="final_chunk",
        reasoning=("reasoning", "reasoning_content", "<think>"),
        errors=("nested", "in_stream", "hidden"),
        model_paths=("/api/v1/models", "/api/v0/models", "models"),
        close_stops=True,
        timers=LOCAL,
    ),
    "llamacpp": Profile(
        label="llama.cpp",
        base_url="http://127.0.0.1:8080/v1",
        key_variable="LLAMACPP_API_KEY",
        url_variable="LLAMACPP_BASE_URL",
        needs_key=False,
        headers={"Connection": "close"},  # it closes after each stream, though it promises to keep the connection
        local_port=8080,
        parameters=SAMPLERS,
        include_usage=True,
        supports_n=True,
        streams_several=True,
        continuation="trailing",
        may_repeat=True,  # the newer do
        thinks_in_text=True,
        usage_place="final_chunk",
        reasoning=("reasoning_content", "<think>"),
        errors=("nested", "in_stream"),
        counting="llamacpp",
        close_stops=True,
        timers=LOCAL,
    ),
    "llamacpp_python": Profile(
        label="llama-cpp-python",
        base_url="http://127.0.0.1:8000/v1",
        key_variable="LLAMACPP_PYTHON_API_KEY",
        url_variable="LLAMACPP_PYTHON_BASE_URL",
        needs_key=False,
        parameters=SAMPLERS,
        streams_best=True,  # a whole answer is written to its end, though nobody waits for it
        streams_at_once=1,  # any other request ends what streams: it is not asked to count, either
        thinks_in_text=True,
        reasoning=("<think>",),
        errors=("nested", "detail", "hidden"),
        close_stops=True,
        timers=LOCAL,
    ),
    "transformers": Profile(
        label="transformers serve",
        base_url="http://127.0.0.1:8000/v1",
        url_variable="TRANSFORMERS_BASE_URL",
        needs_key=False,
        parameters=COMMON | {"frequency_penalty", "seed", "logit_bias", "chat_template_kwargs"},
        streams_best=True,  # a whole answer is written to its end, and all others wait for it
        terminator="",
        thinks_in_text=True,
        usage_place="top_level",
        reasoning=("reasoning_content", "<think>"),
        errors=("detail", "in_stream"),
        close_stops=True,
        timers=LOCAL,
    ),
    "litellm": Profile(
        label="litellm",
        base_url="http://127.0.0.1:4000/v1",
        key_variable="LITELLM_API_KEY",
        url_variable="LITELLM_BASE_URL",
        parameters=OPENAI | {"top_k", "thinking", "metadata"},
        include_usage=True,
        usage_place="top_level",
        cost_header="x-litellm-response-cost",
        streams_best=True,
        reasoning=("reasoning_content",),
    ),
    "vllm": Profile(
        label="vLLM",
        base_url="http://127.0.0.1:8000/v1",
        key_variable="VLLM_API_KEY",
        url_variable="VLLM_BASE_URL",
        needs_key=False,
        local_port=8000,
        parameters=SAMPLERS,
        include_usage=True,
        supports_n=True,
        continuation="final_message",
        thinks_in_text=True,
        usage_place="final_chunk",
        reasoning=("reasoning", "reasoning_content", "<think>"),
        errors=("nested", "flat", "in_stream"),
        counting="vllm",
        close_stops=True,
        timers=LOCAL,
    ),
    "koboldcpp": Profile(
        label="KoboldCpp",
        base_url="http://127.0.0.1:5001/v1",
        key_variable="KOBOLDCPP_API_KEY",
        url_variable="KOBOLDCPP_BASE_URL",
        needs_key=False,
        local_port=5001,
        parameters=SAMPLERS,
        cuts_prompts=True,
        include_usage=True,
        continuation="trailing",  # up to 1.76 it opens a new turn instead, and says it all again
        may_repeat=True,
        fake_usages=frozenset({(100, 100)}),
        thinks_in_text=True,
        usage_place="final_chunk",  # of the newest
        reasoning=("reasoning_content", "<think>"),
        errors=("detail", "hidden"),
        counting="koboldcpp",
        cancelling="koboldcpp",
        close_stops=True,
        timers=LOCAL,
    ),
    "openllm": Profile(
        label="api-for-open-llm",
        base_url="http://127.0.0.1:8000/v1",
        key_variable="OPENLLM_API_KEY",
        url_variable="OPENLLM_BASE_URL",
        needs_key=False,
        parameters=SAMPLERS,
        cuts_prompts=True,
        thinks_in_text=True,
        reasoning=("<think>",),
        errors=("nested", "flat", "detail", "text", "in_stream"),
        timers=LOCAL,
    ),
    "demo": Profile(
        label="Demo",
        include_usage=True,
        supports_n=True,
        continuation="trailing",
        usage_place="final_chunk",
        close_stops=True,
    ),
}


def profile(name: str) -> Profile:
    return PROFILES.get(name) or PROFILES["default"]

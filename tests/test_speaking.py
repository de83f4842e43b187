"""A person is answered by upstreams of every dialect: the whole way, from the environment to the ledger."""

import json

import pytest

from tests.scripted import Answer, ScriptedUpstream, SeenRequest, Send, whole
from tests.site import Site, Visitor

ANTHROPIC = [
    {"type": "message_start", "message": {"role": "assistant", "usage": {"input_tokens": 9, "output_tokens": 1}}},
    {"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": "hm"}},
    {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "I am Claude."}},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}},
    {"type": "message_stop"},
]
GEMINI = {
    "candidates": [{"content": {"parts": [{"text": "I am Gemini."}], "role": "model"}, "finishReason": "STOP"}],
    "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 7},
}
OLLAMA = {"message": {"role": "assistant", "content": "I am a llama."}, "done": True, "done_reason": "stop"}
KOBOLD = [{"token": "I am ", "finish_reason": None}, {"token": "a kobold.", "finish_reason": "stop"}]
VARIABLES = ("ANTHROPIC_BASE_URL", "GEMINI_BASE_URL", "OLLAMA_BASE_URL", "KOBOLD_BASE_URL", "KOBOLDAI_BASE_URL")


def streamed(*payloads: dict, before: str = "data: ", after: str = "\n\n", kind: str = "text/event-stream") -> Answer:
    return Answer([Send(f"{before}{json.dumps(payload)}{after}".encode()) for payload in payloads], content_type=kind)


def models(request: SeenRequest) -> Answer:
    name = "claude-sonnet-4-5" if "anthropic-version" in request.headers else "gpt"
    return whole({"data": [{"id": name}]})


@pytest.fixture
def site(make_site, upstream: ScriptedUpstream) -> Site:
    upstream.script("/v1/models", models)
    upstream.script("/v1/messages", streamed(*ANTHROPIC))
    listed = {"name": "models/gemini-flash", "supportedGenerationMethods": ["generateContent"]}
    upstream.script("/v1beta/models", whole({"models": [listed]}))
    upstream.script("/v1beta/models/gemini-flash:streamGenerateContent", streamed(GEMINI, after="\r\n\r\n"))
    upstream.script("/api/tags", whole({"models": [{"name": "llama"}]}))
    upstream.script("/api/show", whole({"model_info": {"llama.context_length": 8192}}))
    counted = OLLAMA | {"prompt_eval_count": 9, "eval_count": 7}
    upstream.script("/api/chat", streamed(counted, before="", after="\n", kind="application/x-ndjson"))
    upstream.script("/api/v1/model", whole({"result": "kobold"}), whole({"result": "united"}))
    upstream.script("/api/extra/generate/stream", streamed(*KOBOLD, before="event: message\ndata: "))
    upstream.script("/api/v1/generate", whole({"results": [{"text": "I am united."}]}))
    root = upstream.base_url.removesuffix("/v1")
    return make_site("claude-sonnet-4-5", "gemini-flash", "llama", "kobold", "united", **dict.fromkeys(VARIABLES, root))


def test_a_person_is_answered_in_every_dialect(site: Site, alice: Visitor) -> None:
    answers = [
        ("claude-sonnet-4-5", "I am Claude.", "complete", "reported"),
        ("gemini-flash", "I am Gemini.", "complete", "reported"),
        ("llama", "I am a llama.", "complete", "reported"),
        ("kobold", "I am a kobold.", "complete", "estimated"),
        ("united", "I am united.", "cut", "estimated"),  # it never says why it ended
    ]
    for model, text, status, source in answers:
        sent = alice.send("Who are you?", model=model)
        row = site.settled(sent.completion)
        assert (row["status"], row["usage_source"]) == (status, source), model
        assert site.message(sent.reply)["text"] == text
        if source == "reported":
            assert (row["input_tokens"], row["output_tokens"]) == (9, 7)

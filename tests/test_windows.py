"""Upstreams that cut a prompt without a word get none that does not fit, and are told how much has to."""

import pytest

from chat.models import LanguageModel, Provider
from chat.prompts import _asked_window, fitted, room
from chat.tokens import prompt_estimate
from chat.upstream.contract import Turn
from tests.scripted import Answer, Send, chat_stream, whole

LONG = "many short words " * 2000  # ≈ 8,000 tokens by any tokenizer


def of(profile: str, context_length: int | None = None, max_output: int = 1000) -> LanguageModel:
    provider = Provider(profile=profile)
    return LanguageModel(provider=provider, name="tiny", context_length=context_length, max_output=max_output)


def ndjson(text: str) -> Answer:
    line = b'{"message":{"role":"assistant","content":"%s"},"done":true,"done_reason":"stop"}\n' % text.encode()
    return Answer([Send(line)], content_type="application/x-ndjson")


@pytest.mark.parametrize(
    "model, text, window",
    [
        (of("ollama", 131_072), "Hi", 4096),
        (of("ollama", 131_072, max_output=4096), "Hi", 8192),
        (of("ollama", 131_072), LONG, 16_384),
        (of("ollama", 8000), LONG, 8000),
        (of("ollama"), LONG, 16_384),
        (of("ollama_v1"), LONG, None),
        (of("openai", 8000), LONG, None),
    ],
)
def test_a_model_is_run_with_as_much_context_as_is_needed(model, text, window):
    assert _asked_window([Turn("user", text)], model) == window


def test_an_upstream_that_does_not_say_its_window_has_its_usual_one():
    assert room(of("ollama_v1")) == 4096 - 1000
    assert room(of("ollama_v1", 32_768)) == 32_768 - 1000
    assert room(of("default")) is None


def test_of_what_is_cut_silently_only_what_surely_fits_is_sent():
    turns = [Turn("user", "中文" * 100), Turn("assistant", "中文" * 100), Turn("user", "why")]
    enough = prompt_estimate(turns).tokens + 10
    assert fitted(turns, enough) == turns
    assert fitted(turns, enough, is_cautious=True) == turns[-1:]


def test_a_message_that_ollama_would_cut_is_not_sent_and_kept(make_site, upstream):
    upstream.script("/api/tags", whole({"models": [{"model": "llama3.2"}]}))
    upstream.script("/api/show", whole({"model_info": {"llama.context_length": 5000}}))
    upstream.script("llama3.2", ndjson("Hello."))
    site = make_site("llama3.2", OLLAMA_BASE_URL=upstream.base_url.removesuffix("/v1"), OPENAI_BASE_URL="")
    alice = site.visitor("alice")
    row = site.settled(alice.send("Hi", model="llama3.2").completion)
    assert row["status"] == "complete"
    sent = alice.send(LONG, model="llama3.2")
    row = site.settled(sent.completion)
    assert (row["status"], row["reason"], row["usage_source"]) == ("failed", "context_too_long", "not sent")
    chats = [request for request in upstream.requests if request.path == "/api/chat"]
    assert [request.body["options"]["num_ctx"] for request in chats] == [5000]
    page = alice.http.get(f"/c/{sent.conversation}/").text
    assert "would leave out the beginning" in page and "conversation too long" in page and LONG[:40] in page


def test_where_our_bounds_do_not_tell_koboldcpp_is_asked_to_count(make_site, upstream):
    upstream.script("/api/extra/true_max_context_length", whole({"value": 8000}))
    upstream.script("/api/extra/tokencount", whole({"value": 7000}), whole({"value": 9000}))
    upstream.script("tiny", chat_stream(["Hello"], usage=(7000, 1)))
    site = make_site("tiny", KOBOLDCPP_BASE_URL=upstream.base_url, OPENAI_BASE_URL="")
    alice = site.visitor("alice")
    statuses = [site.settled(alice.send(LONG, model="tiny").completion)["status"] for _ in range(2)]
    assert statuses == ["complete", "failed"]
    assert sum(request.path.endswith("completions") for request in upstream.requests) == 1

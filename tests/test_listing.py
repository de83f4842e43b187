"""The models of an upstream: page by page, with the context lengths that other places tell, and all of it in time."""

import json

import pytest

from chat.management.commands.readstream import told_model
from chat.upstream import client
from chat.upstream.contract import Endpoint, ListedModel
from chat.upstream.profiles import PROFILES
from tests.samples import Sample, all_samples, load
from tests.scripted import Answer, ScriptedUpstream, SeenRequest, Send, Stall, error, whole


def endpoint(upstream: ScriptedUpstream, name: str) -> Endpoint:
    return Endpoint(upstream.base_url.removesuffix("/v1"), name, "secret", local=True)


@pytest.mark.parametrize("sample", all_samples("models"), ids=lambda sample: sample.name)
def test_a_list_is_read_as_expected(sample: Sample) -> None:
    profile = PROFILES[sample.profile]
    listed = client.DIALECTS[profile.dialect].models(profile, sample.body)
    assert [told_model(model) for model in listed] == sample.expected


@pytest.mark.parametrize("sample", all_samples("token_count"), ids=lambda sample: sample.name)
def test_a_count_is_read_as_expected(sample: Sample) -> None:
    profile = PROFILES[sample.profile]
    assert client.DIALECTS[profile.dialect].token_count(profile, sample.body) == sample.expected


def gemini_page(name: str, **more: str) -> Answer:
    entry = {"name": f"models/{name}", "inputTokenLimit": 9, "supportedGenerationMethods": ["generateContent"]}
    return whole({"models": [entry], **more})


def test_pages_follow_each_other(upstream: ScriptedUpstream) -> None:
    upstream.script("/v1beta/models", gemini_page("a", nextPageToken="x"), gemini_page("b"))
    listed = client.list_models(endpoint(upstream, "gemini"))
    assert listed == [ListedModel("a", 9), ListedModel("b", 9)]
    assert {request.headers["x-goog-api-key"] for request in upstream.requests} == {"secret"}


def test_pages_without_end_have_one(upstream: ScriptedUpstream) -> None:
    upstream.script("/v1beta/models", gemini_page("a", nextPageToken="x"))
    assert len(client.list_models(endpoint(upstream, "gemini"))) == client.MAX_PAGES


@pytest.mark.parametrize("page", [error(500), Answer([Stall()])], ids=["refused", "stalled"])
def test_a_page_that_does_not_come_costs_only_itself(
    page: Answer, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "SYNC_SECONDS", 0.5)
    upstream.script("/v1beta/models", gemini_page("a", nextPageToken="x"), page)
    assert client.list_models(endpoint(upstream, "gemini")) == [ListedModel("a", 9)]


def tags(*names: str) -> Answer:
    return whole({"models": [{"name": name} for name in names]})


def test_ollama_tells_each_models_context_apart(upstream: ScriptedUpstream) -> None:
    def shown(request: SeenRequest) -> Answer:
        if request.body["model"] == "odd":
            return error(404, "model not found")
        return whole({"model_info": {"qwen3.context_length": {"a": 4096, "b": 8192}[request.body["model"]]}})

    upstream.script("/api/tags", tags("a", "b", "odd"))
    upstream.script("/api/show", shown)
    listed = client.list_models(endpoint(upstream, "ollama"))
    assert listed == [ListedModel("a", 4096), ListedModel("b", 8192), ListedModel("odd")]


def test_a_context_that_is_not_told_in_time_stays_unknown(
    upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "SYNC_SECONDS", 0.3)
    upstream.script("/api/tags", tags("a", "b"))
    upstream.script("/api/show", Answer([Stall()]))
    assert client.list_models(endpoint(upstream, "ollama")) == [ListedModel("a"), ListedModel("b")]


@pytest.mark.parametrize("name, path", [("koboldcpp", "/v1/models"), ("kobold_native", "/api/v1/model")])
def test_koboldcpp_tells_the_context_that_runs(name: str, path: str, upstream: ScriptedUpstream) -> None:
    body = {"result": "koboldcpp/tiny"} if name == "kobold_native" else json.loads(load("models_koboldcpp").body)
    upstream.script(path, whole(body))
    upstream.script("/api/extra/true_max_context_length", whole({"value": 8192}))
    assert client.list_models(endpoint(upstream, name)) == [ListedModel("koboldcpp/tiny", 8192)]


def test_a_context_said_as_nothing_that_can_be_read_stays_unknown(upstream: ScriptedUpstream) -> None:
    upstream.script("/api/tags", tags("a"))
    upstream.script("/api/show", Answer([Send(b"<html>")], content_type="text/html"))
    assert client.list_models(endpoint(upstream, "ollama")) == [ListedModel("a")]


@pytest.mark.parametrize(
    "name, path, body",
    [
        ("anthropic", "/v1/messages/count_tokens", {"input_tokens": 14}),
        ("gemini", "/v1beta/models/tiny:countTokens", {"totalTokens": 14}),
        ("kobold_native", "/api/extra/tokencount", {"value": 14}),
    ],
)
def test_tokens_are_counted_by_the_upstream(name: str, path: str, body: dict, upstream: ScriptedUpstream) -> None:
    upstream.script(path, whole(body))
    assert client.count_tokens(endpoint(upstream, name), "tiny", "some text") == 14

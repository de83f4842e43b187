"""The models of an upstream: page by page, with the context lengths that other places tell, and all of it in time."""

import json
from contextlib import suppress
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.management.commands.readstream import told_model
from chat.upstream import client, openai_chat
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


def test_ollamas_other_dialect_tells_the_context_that_a_model_is_run_with(upstream: ScriptedUpstream) -> None:
    """Not what it was made for: nothing more can be asked for there, and what is longer is cut silently."""
    made_for = {"llama.context_length": 131_072}
    shown = {
        "as-usual": {"model_info": made_for, "parameters": 'stop    "num_ctx 9"\ntemperature 0.7', "capabilities": []},
        "wide": {"model_info": made_for, "parameters": "temperature 1\nnum_ctx                        16384\n"},
        "wider": {"model_info": made_for, "parameters": "num_ctx 999999", "capabilities": ["completion", "vision"]},
        "small": {"model_info": {"bert.context_length": 2048}},
        "odd": {"model_info": [], "parameters": {"num_ctx": 1}},
    }
    upstream.script("/v1/models", whole({"object": "list", "data": [{"id": name} for name in shown]}))
    upstream.script("/api/show", lambda request: whole(shown[request.body["model"]]))
    listed = client.list_models(endpoint(upstream, "ollama_v1"))
    assert {model.id: (model.context_length, model.sees) for model in listed} == {
        "as-usual": (None, False),
        "wide": (16_384, None),
        "wider": (131_072, True),
        "small": (2048, None),
        "odd": (None, None),
    }


def test_a_server_that_speaks_ollamas_other_dialect_alone_tells_no_context(upstream: ScriptedUpstream) -> None:
    upstream.script("/v1/models", whole({"object": "list", "data": [{"id": "a"}]}))
    upstream.script("/api/show", error(404, "page not found"))
    assert client.list_models(endpoint(upstream, "ollama_v1")) == [ListedModel("a")]


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


# Lists that are not as they should be

NO_NAMES = [None, 7, 7.5, True, ["a"], {"id": "a"}, "", "  ", "a\nb", "a\0", "\ud800", "\u202e", "models/", "a" * 201]


def odd(name_key: str) -> list:
    """One good entry among those that name nothing."""
    named = [{name_key: name, "supportedGenerationMethods": ["generateContent"]} for name in [*NO_NAMES, "good"]]
    return [None, 7, "text", [], [named], {}, {"name of": "nothing"}, *named]


@pytest.mark.parametrize("name", [name for name in PROFILES if name != "koboldai_united"])
def test_entries_that_name_nothing_cost_only_themselves(name: str) -> None:
    profile = PROFILES[name]
    body = json.dumps({"data": odd("id"), "models": odd("name")}).encode()
    assert client.DIALECTS[profile.dialect].models(profile, body) == [ListedModel("good")]


@pytest.mark.parametrize(
    "facts",
    [
        {"context_length": "long", "pricing": [], "meta": 1, "top_provider": "x", "loaded_instances": 7},
        {"context_length": -5, "pricing": {"prompt": "NaN", "completion": {}}, "loaded_instances": {"a": 1}},
        {"context_length": 1e300, "pricing": {"prompt": "-1"}, "loaded_instances": [7], "meta": {"n_ctx": [1]}},
        {"context_length": True, "pricing": {"prompt": "free", "input_cache_read": None}, "loaded_instances": [{}]},
    ],
)
def test_what_is_said_oddly_of_a_model_stays_unknown(facts: dict) -> None:
    body = json.dumps({"data": [{"id": "a"} | facts]}).encode()
    assert openai_chat.models(PROFILES["default"], body) == [ListedModel("a")]


KEYS = (
    "id name model key data models type context_length top_provider pricing prompt completion input_cache_read "
    "loaded_instances config meta n_ctx max_model_len max_input_tokens max_completion_tokens inputTokenLimit "
    "supportedGenerationMethods value result model_info x.context_length tokens count input_tokens totalTokens"
).split()
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["a", "generateContent"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=12,
)


@given(VALUES | st.lists(VALUES, max_size=4).map(lambda entries: {"data": entries, "models": entries}))
@settings(max_examples=300, deadline=None)
def test_any_document_is_a_list_or_none(document: object) -> None:
    body = json.dumps(document).encode()
    for profile in PROFILES.values():
        dialect = client.DIALECTS[profile.dialect]
        for read in (partial(dialect.models, profile), dialect.context_length, partial(dialect.token_count, profile)):
            with suppress(ValueError):
                read(body)

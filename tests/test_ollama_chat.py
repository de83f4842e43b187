"""Ollama's own chat dialect: the rules that the recorded samples only touch."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.upstream import ollama_chat
from chat.upstream.contract import (
    BodyEnd,
    Call,
    Delta,
    Endpoint,
    Event,
    Failure,
    Garbled,
    HttpRequest,
    ListedModel,
    Opened,
    Terminator,
    Turn,
    Usage,
)
from chat.upstream.lines import LineDecoder
from chat.upstream.profiles import profile
from tests.samples import cut, folded, read

OLLAMA = profile("ollama")
NDJSON = {"content-type": "application/x-ndjson"}
JSON = {"content-type": "application/json; charset=utf-8"}


def stream(*payloads: dict | bytes, headers: dict = NDJSON) -> list[Event]:
    reader = ollama_chat.reader(OLLAMA, status=200, headers=headers, n=1)
    return read(reader, [payload if isinstance(payload, bytes) else line(payload) for payload in payloads])


def line(payload: dict) -> bytes:
    return json.dumps(payload).encode() + b"\n"


def said(text: object = "", **more: object) -> dict:
    return {"model": "tiny", "message": {"role": "assistant", "content": text, **more}, "done": False}


def end(reason: object = "stop", **counts: object) -> dict:
    told = {"model": "tiny", "message": {"role": "assistant", "content": ""}, "done": True, **counts}
    return told if reason is None else told | {"done_reason": reason}


# Streams


@pytest.mark.parametrize(
    "payload, text, reasoning",
    [
        (said("a"), "a", ""),
        (said(thinking="hm"), "", "hm"),
        (said("a", thinking="hm"), "a", "hm"),
        (said("<think>hm</think>a"), "a", "hm"),
        (said("", tool_calls=[{"function": {"name": "f"}}]), "", ""),
        (said(None, thinking=7), "", ""),
        ({"message": None}, "", ""),
        ({"done": False}, "", ""),
        ({"of": "tomorrow"}, "", ""),
    ],
)
def test_what_is_text_what_is_thought_and_what_is_neither(payload: dict, text: str, reasoning: str) -> None:
    transcript = folded(stream(payload, end()))
    assert (transcript.choice(0).text, transcript.choice(0).reasoning) == (text, reasoning)
    assert transcript.incomplete_reason() is None


def test_the_last_line_says_that_it_is_done() -> None:
    assert folded(stream(said("a"), end())).incomplete_reason() is None
    assert folded(stream(said("a"), line(end()).rstrip())).incomplete_reason() is None
    assert folded(stream(said("a"))).incomplete_reason() == "cut"
    assert folded(stream(said("a"), line(end())[:-10])).incomplete_reason() == "cut"
    assert Terminator() not in stream(said("a"), {"done": "true"}, {"done": 1})


@pytest.mark.parametrize("reason, ours", [("stop", "stop"), ("length", "length"), ("of_tomorrow", "stop")])
def test_done_reasons(reason: str, ours: str) -> None:
    assert folded(stream(said("a"), end(reason))).choice(0).finish_reason == ours


@pytest.mark.parametrize("reason", ["load", "unload", None, ""])
def test_a_model_that_was_only_loaded_has_not_answered(reason: str | None) -> None:
    assert folded(stream(end(reason))).incomplete_reason() == "ended_without_reason"


@pytest.mark.parametrize(
    "counts, usage",
    [
        ({"prompt_eval_count": 11, "eval_count": 5}, Usage(11, 5)),
        ({"eval_count": 5}, Usage(None, 5)),
        ({"prompt_eval_count": 11}, Usage(11, None)),
        ({"prompt_eval_count": "11.5", "eval_count": True}, None),
        ({}, None),
    ],
)
def test_a_missing_count_is_unknown_and_not_zero(counts: dict, usage: Usage | None) -> None:
    assert folded(stream(said("a"), end(**counts))).usage() == (usage and (usage, "last"))


# Lines


@given(st.lists(st.integers(0, 200), max_size=20), st.sampled_from([b"\n", b"\r\n", b"\n\n"]))
def test_lines_end_at_lf_and_nowhere_else(places: list[int], ending: bytes) -> None:
    texts = ["a", "\u2028", "\x85\r", "好😀"]
    lines = [json.dumps(said(text), ensure_ascii=False).encode() + ending for text in texts]
    body = b"\xef\xbb\xbf" + b"".join(lines) + line(end())
    reader = ollama_chat.reader(OLLAMA, status=200, headers=NDJSON, n=1)
    transcript = folded(read(reader, cut(body, [place for place in places if place < len(body)])))
    assert transcript.choice(0).text == "".join(texts)
    assert transcript.incomplete_reason() is None


@pytest.mark.parametrize("bad", [b"{oops\n", b'{"message":{"content":"\n', b"null\n", b"7\n", b"<html>\n"])
def test_a_bad_line_spoils_only_itself(bad: bytes) -> None:
    transcript = folded(stream(said("a"), bad, said("b"), end()))
    assert transcript.choice(0).text == "ab"
    assert transcript.incomplete_reason() == "cut"


def test_a_line_over_the_cap_is_refused_when_it_passes_the_cap() -> None:
    decoder = LineDecoder(max_line=10)
    assert [sent.name or sent.data for sent in decoder.feed(b"x" * 11)] == ["refused"]
    assert decoder.feed(b"x" * 100) == []
    assert [sent.data for sent in decoder.feed(b"x\nshort\nlast")] == [b"short"]
    assert [sent.data for sent in decoder.end()] == [b"last"]
    assert [sent.name for sent in LineDecoder(max_line=10).feed(b"x" * 11 + b"\n")] == ["refused"]


# Errors


def test_an_error_in_the_stream_is_a_line() -> None:
    events = stream(said("kept"), {"error": "an error was encountered while running the model"})
    (failure,) = (event for event in events if isinstance(event, Failure))
    assert (failure.kind, failure.message) == ("upstream", "an error was encountered while running the model")
    assert failure.retryable
    assert folded(events).choice(0).text == "kept"
    assert folded(events).incomplete_reason() == "error"


@pytest.mark.parametrize(
    "status, error, kind",
    [
        (400, "invalid options: n", "bad_request"),
        (404, 'model "nope" not found', "bad_request"),
        (401, "unauthorized", "auth"),
        (429, "too many requests", "rate_limited"),
        (500, "llama runner process has terminated", "upstream"),
        (502, "bad gateway", "upstream"),
        (503, "server busy, please try again.  maximum pending requests exceeded", "overloaded"),
    ],
)
def test_errors_before_the_stream(status: int, error: str, kind: str) -> None:
    reader = ollama_chat.reader(OLLAMA, status=status, headers=JSON, n=1)
    events = read(reader, [json.dumps({"error": error}).encode()])
    (failure,) = (event for event in events if isinstance(event, Failure))
    assert (failure.kind, failure.message) == (kind, error)


# Whole answers


@pytest.mark.parametrize("indent", [None, 1])
def test_a_whole_answer_is_one_object(indent: int | None) -> None:
    body = end(prompt_eval_count=11, eval_count=5) | {
        "message": {"role": "assistant", "content": "a", "thinking": "hm"}
    }
    reader = ollama_chat.reader(OLLAMA, status=200, headers=JSON, n=1)
    events = read(reader, cut(json.dumps(body, indent=indent).encode() + b"\n", [1, 20, 50]))
    transcript = folded(events)
    assert events[0] == Opened(200, "whole")
    assert (transcript.choice(0).text, transcript.choice(0).reasoning) == ("a", "hm")
    assert transcript.usage() == (Usage(11, 5), "last")
    assert transcript.incomplete_reason() is None


def test_a_stream_under_another_name_is_read_as_it_comes() -> None:
    reader = ollama_chat.reader(OLLAMA, status=200, headers=JSON, n=1)
    assert reader.start() == [Opened(200, "whole")]
    assert reader.feed(line(said("a"))) == []
    assert reader.feed(line(said("b")))[1:] == [Delta(0, "a", role="assistant"), Delta(0, "b")]
    assert Terminator() in reader.feed(line(end()))
    assert reader.end() == [BodyEnd()]


def test_a_whole_body_may_be_an_error_or_nothing() -> None:
    assert folded(stream(b'{"error":"m"}', headers=JSON)).failure
    assert stream(b'{"models":[]}', headers=JSON)[1:] == [Garbled("not_an_answer"), BodyEnd()]


# What is sent


def sent(base_url: str = "", **more: object) -> tuple[HttpRequest, dict]:
    turns = (Turn("system", "Be brief."), Turn("user", "Hello"))
    if more.get("continues"):
        turns += (Turn("assistant", "Hel "),)
    request = ollama_chat.request(Call(Endpoint(base_url, "ollama"), "tiny", turns, **more))
    return request, json.loads(request.body or b"")


def test_a_request_says_always_whether_it_is_streamed() -> None:
    request, body = sent()
    assert (request.method, request.url) == ("POST", "http://127.0.0.1:11434/api/chat")
    assert "Authorization" not in request.headers
    assert body == {
        "model": "tiny",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}],
        "stream": True,
    }
    assert sent(streamed=False)[1]["stream"] is False


def test_options_stand_apart() -> None:
    parameters = {"temperature": 0.5, "num_ctx": 8192, "stop": "END", "think": True, "keep_alive": "5m", "user": "no"}
    body = sent(n=2, max_output=7, parameters=parameters)[1]
    assert body["options"] == {"temperature": 0.5, "num_ctx": 8192, "stop": ["END"], "num_predict": 7}
    assert (body["think"], body["keep_alive"]) == (True, "5m")
    assert not {"n", "user"} & set(body)


def test_a_last_turn_of_the_assistant_is_gone_on_with() -> None:
    assert sent(continues=True)[1]["messages"][-1] == {"role": "assistant", "content": "Hel "}


@pytest.mark.parametrize("base_url", ["http://host:1", "http://host:1/", "http://host:1/v1", "http://host:1/api/chat"])
def test_addresses_as_people_type_them(base_url: str) -> None:
    assert sent(base_url)[0].url == "http://host:1/api/chat"


# Lists


def test_the_list_of_models_and_what_each_was_made_for() -> None:
    endpoint = Endpoint("http://host:1/v1", "ollama")
    (request,) = ollama_chat.models_requests(endpoint)
    assert request.url == "http://host:1/api/tags"
    tags = {"models": [{"name": "a:8b", "model": "a:8b"}, {"name": "b"}, {"name": 7}, None]}
    assert ollama_chat.models(OLLAMA, json.dumps(tags).encode()) == [ListedModel("a:8b"), ListedModel("b")]
    shown = ollama_chat.context_request(endpoint, "a:8b")
    assert shown
    assert (shown.url, json.loads(shown.body or b"")) == ("http://host:1/api/show", {"model": "a:8b"})


@pytest.mark.parametrize(
    "shown, length",
    [
        ({"model_info": {"general.architecture": "qwen3", "qwen3.context_length": 40960}}, 40960),
        ({"model_info": {"qwen3.context_length": "long", "qwen3.rope.context_length": 8}}, 8),
        ({"model_info": {"general.architecture": "qwen3"}}, None),
        ({"model_info": None}, None),
        ({}, None),
        ([], None),
    ],
)
def test_the_context_length_is_the_architectures(shown: object, length: int | None) -> None:
    assert ollama_chat.context_length(json.dumps(shown).encode()) == length


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"models":7}', b'{"error":"no"}'])
def test_what_is_no_list_of_models(body: bytes) -> None:
    with pytest.raises(ValueError):
        ollama_chat.models(OLLAMA, body)


def test_it_cannot_count() -> None:
    assert ollama_chat.count_request(Endpoint("", "ollama"), "tiny", "text") is None

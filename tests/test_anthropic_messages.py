"""The Anthropic Messages dialect: the rules that the recorded samples only touch."""

import json

import pytest

from chat.upstream import anthropic_messages
from chat.upstream.contract import (
    BodyEnd,
    Call,
    Endpoint,
    Event,
    Failure,
    Finish,
    Garbled,
    HttpRequest,
    ListedModel,
    Opened,
    Terminator,
    Turn,
    Usage,
    UsageSeen,
)
from chat.upstream.profiles import can_continue, profile
from tests.samples import folded, read

ANTHROPIC = profile("anthropic")
SSE = {"content-type": "text/event-stream; charset=utf-8"}
STOP = {"type": "message_stop"}


def stream(*payloads: dict | bytes) -> list[Event]:
    """As they come: each named by its type."""
    reader = anthropic_messages.reader(ANTHROPIC, status=200, headers=SSE, n=1)
    return read(reader, [payload if isinstance(payload, bytes) else named(payload) for payload in payloads])


def named(payload: dict) -> bytes:
    return f"event: {payload['type']}\ndata: {json.dumps(payload)}\n\n".encode()


def start(**usage: object) -> dict:
    return {"type": "message_start", "message": {"role": "assistant", "content": [], "usage": usage}}


def delta(**delta: object) -> dict:
    return {"type": "content_block_delta", "index": 0, "delta": delta}


def said(text: str) -> dict:
    return delta(type="text_delta", text=text)


def end(reason: str | None = "end_turn", **usage: object) -> dict:
    return {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage}


# Streams


@pytest.mark.parametrize(
    "payload, text, reasoning",
    [
        (said("a"), "a", ""),
        (delta(type="thinking_delta", thinking="hm"), "", "hm"),
        (delta(type="signature_delta", signature="EqQB"), "", ""),
        (delta(type="input_json_delta", partial_json='{"a"'), "", ""),
        (delta(type="citations_delta", citation={"cited_text": "no"}), "", ""),
        (delta(type="new_delta", news="no"), "", ""),
        (delta(text=None, thinking=7), "", ""),
        ({"type": "content_block_delta", "delta": None}, "", ""),
        ({"type": "content_block_start", "content_block": {"type": "text", "text": "a"}}, "a", ""),
        ({"type": "content_block_start", "content_block": {"type": "thinking", "thinking": "hm"}}, "", "hm"),
        ({"type": "content_block_start", "content_block": {"type": "redacted_thinking", "data": "EuYB"}}, "", ""),
        ({"type": "content_block_start", "content_block": {"type": "tool_use", "input": {}}}, "", ""),
        ({"type": "content_block_stop", "index": 0}, "", ""),
        ({"type": "content_block_start"}, "", ""),
        ({"type": "message_start", "message": None}, "", ""),
        ({"type": "ping"}, "", ""),
        ({"type": "of tomorrow", "text": "no"}, "", ""),
        ({"type": "message_delta"}, "", ""),
    ],
)
def test_what_is_text_what_is_thought_and_what_is_neither(payload: dict, text: str, reasoning: str) -> None:
    transcript = folded(stream(start(), payload, end(), STOP))
    assert (transcript.choice(0).text, transcript.choice(0).reasoning) == (text, reasoning)
    assert transcript.incomplete_reason() is None


def test_the_type_in_the_data_counts_whatever_the_event_is_named() -> None:
    unnamed = [b"data: " + json.dumps(payload).encode() + b"\n\n" for payload in (start(), said("a"), end(), STOP)]
    transcript = folded(stream(*unnamed))
    assert transcript.choice(0).text == "a"
    assert transcript.incomplete_reason() is None


@pytest.mark.parametrize(
    "raw, reason",
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("pause_turn", "length"),
        ("refusal", "content_filter"),
        ("tool_use", "tool_calls"),
        ("of_tomorrow", "stop"),
    ],
)
def test_stop_reasons(raw: str, reason: str) -> None:
    assert Finish(0, reason, raw) in stream(start(), said("a"), end(raw), STOP)


def test_an_end_without_a_reason_is_none() -> None:
    assert folded(stream(start(), said("a"), end(None), STOP)).incomplete_reason() == "ended_without_reason"


def test_only_message_stop_ends_a_stream() -> None:
    assert folded(stream(start(), said("a"), end())).incomplete_reason() == "no_terminator"
    assert folded(stream(start(), said("a"), end(), b"data: [DONE]\n\n")).incomplete_reason() == "no_terminator"
    events = stream(start(), said("a"), end(), STOP, b"data: [DONE]\n\n")
    assert events[-2:] == [Terminator(), BodyEnd()]


# Usage


@pytest.mark.parametrize(
    "first, last, usage",
    [
        ({"input_tokens": 9, "output_tokens": 1}, {"output_tokens": 7}, Usage(9, 7)),
        ({"input_tokens": 9, "output_tokens": 1}, {}, Usage(9, 1)),
        ({"input_tokens": 9, "output_tokens": 1}, {"input_tokens": 12, "output_tokens": 7}, Usage(12, 7)),
        ({"input_tokens": 9, "output_tokens": 8}, {"output_tokens": None}, Usage(9, 8)),
        (
            {"input_tokens": 1, "cache_creation_input_tokens": 20, "cache_read_input_tokens": 300, "output_tokens": 1},
            {"output_tokens": 7},
            Usage(321, 7, cached_tokens=300),
        ),
        ({"input_tokens": 1, "cache_read_input_tokens": 0}, {"output_tokens": 7}, Usage(1, 7, cached_tokens=0)),
        ({}, {"output_tokens": 7}, Usage(None, 7)),
        ({"input_tokens": "many", "service_tier": "standard"}, {"output_tokens": True}, None),
    ],
)
def test_usage_comes_in_two_halves_of_which_the_last_figures_count(
    first: dict, last: dict, usage: Usage | None
) -> None:
    seen = folded(stream(start(**first), said("a"), end(**last), STOP)).usage()
    assert seen == (usage and (usage, "merged"))


def test_usage_stands_from_the_first_event_on() -> None:
    assert UsageSeen(Usage(9, 1), "merged") in stream(start(input_tokens=9, output_tokens=1))


# Errors


def failure_of(events: list[Event]) -> Failure:
    (failure,) = (event for event in events if isinstance(event, Failure))
    return failure


@pytest.mark.parametrize(
    "kind, ours",
    [
        ("overloaded_error", "overloaded"),
        ("rate_limit_error", "rate_limited"),
        ("api_error", "upstream"),
        ("timeout_error", "upstream"),
        ("authentication_error", "auth"),
        ("permission_error", "auth"),
        ("billing_error", "quota"),
        ("invalid_request_error", "bad_request"),
        ("request_too_large", "context_too_long"),
        ("not_found_error", "bad_request"),
        ("error_of_tomorrow", "upstream"),
    ],
)
def test_an_error_in_the_stream_is_told_by_its_type(kind: str, ours: str) -> None:
    error = {"type": "error", "error": {"type": kind, "message": "m"}}
    for payload in (error, b"data: " + json.dumps(error).encode() + b"\n\n"):
        events = stream(start(), said("kept"), payload)
        assert (failure_of(events).kind, failure_of(events).message) == (ours, "m")
        assert folded(events).choice(0).text == "kept"
        assert folded(events).incomplete_reason() == "error"


@pytest.mark.parametrize("data", [b"{}", b"m", b"[]", b'{"error":"m"}'])
def test_an_event_named_error_is_one_in_any_shape(data: bytes) -> None:
    assert failure_of(stream(start(), b"event: error\ndata: " + data + b"\n\n")).kind == "upstream"


@pytest.mark.parametrize(
    "status, kind, message, ours",
    [
        (400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum", "context_too_long"),
        (400, "invalid_request_error", "max_tokens: Field required", "bad_request"),
        (401, "authentication_error", "invalid x-api-key", "auth"),
        (402, "billing_error", "m", "quota"),
        (403, "permission_error", "m", "auth"),
        (413, "request_too_large", "m", "context_too_long"),
        (429, "rate_limit_error", "m", "rate_limited"),
        (500, "api_error", "m", "upstream"),
        (529, "overloaded_error", "m", "overloaded"),
    ],
)
def test_errors_before_the_stream(status: int, kind: str, message: str, ours: str) -> None:
    body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}
    headers = {"content-type": "application/json", "request-id": "req_1", "retry-after": "5"}
    reader = anthropic_messages.reader(ANTHROPIC, status=status, headers=headers, n=1)
    events = read(reader, [json.dumps(body).encode()])
    assert events[0] == Opened(status, "whole", "req_1")
    assert (failure_of(events).kind, failure_of(events).message) == (ours, message)
    assert failure_of(events).retry_after == (5 if failure_of(events).retryable else None)


# Whole answers


def whole(body: dict) -> list[Event]:
    reader = anthropic_messages.reader(ANTHROPIC, status=200, headers={"content-type": "application/json"}, n=1)
    return read(reader, [json.dumps(body).encode()])


def test_a_whole_answer_is_a_message() -> None:
    blocks = [
        {"type": "thinking", "thinking": "hm", "signature": "EqQB"},
        {"type": "redacted_thinking", "data": "EuYB"},
        {"type": "text", "text": "a"},
        {"type": "text", "text": "b"},
    ]
    usage = {"input_tokens": 9, "output_tokens": 7}
    transcript = folded(
        whole({"type": "message", "role": "assistant", "content": blocks, "stop_reason": "end_turn", "usage": usage})
    )
    assert (transcript.choice(0).text, transcript.choice(0).reasoning) == ("ab", "hm")
    assert transcript.choice(0).role == "assistant"
    assert transcript.usage() == (Usage(9, 7), "merged")
    assert transcript.incomplete_reason() is None


def test_a_whole_body_may_be_an_error_or_nothing() -> None:
    assert failure_of(whole({"type": "error", "error": {"type": "api_error", "message": "m"}})).kind == "upstream"
    assert whole({"ok": True})[1:] == [Garbled("not_an_answer"), BodyEnd()]


# What is sent


def sent(*turns: Turn, base_url: str = "", **more: object) -> tuple[HttpRequest, dict]:
    turns = turns or (Turn("system", "Be brief."), Turn("user", "Hello"))
    request = anthropic_messages.request(Call(Endpoint(base_url, "anthropic", "sk-1"), "claude", turns, **more))
    return request, json.loads(request.body or b"")


def test_a_request() -> None:
    request, body = sent()
    assert (request.method, request.url) == ("POST", "https://api.anthropic.com/v1/messages")
    assert request.headers["x-api-key"] == "sk-1"
    assert request.headers["anthropic-version"] == "2023-06-01"
    assert "Authorization" not in request.headers
    assert body == {
        "model": "claude",
        "max_tokens": 4096,
        "system": "Be brief.",
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": True,
    }
    assert sent(streamed=False)[1]["stream"] is False


def test_fields_are_sent_under_their_names_here() -> None:
    parameters = {"temperature": 0.5, "stop": "END", "top_k": 3, "seed": 1, "thinking": {"type": "enabled"}}
    body = sent(n=2, max_output=7, parameters=parameters)[1]
    assert body["max_tokens"] == 7
    assert body["stop_sequences"] == ["END"]
    assert body["thinking"] == {"type": "enabled"}
    assert not {"n", "stop", "seed"} & set(body)


@pytest.mark.parametrize(
    "turns, messages, system",
    [
        ("user a, user b", "user a\n\nb", None),
        ("user a, assistant b, assistant c, user d", "user a, assistant b\n\nc, user d", None),
        ("assistant a, user b", "user …, assistant a, user b", None),
        ("system s, user a, system t", "user a", "s\n\nt"),
        ("user a, assistant  , user b", "user a\n\nb", None),
        ("system  , user a", "user a", None),
    ],
)
def test_roles_alternate_and_the_system_stands_apart(turns: str, messages: str, system: str | None) -> None:
    def split(told: str) -> list[tuple[str, ...]]:
        return [tuple(turn.split(" ", 1)) for turn in told.split(", ")]

    body = sent(*(Turn(role, text) for role, text in split(turns)))[1]
    assert [(message["role"], message["content"]) for message in body["messages"]] == split(messages)
    assert body.get("system") == system


def test_a_cut_answer_is_gone_on_with_without_white_space_and_thinking() -> None:
    body = sent(
        Turn("user", "a"), Turn("assistant", "Hel \n"), continues=True, parameters={"thinking": {"type": "enabled"}}
    )[1]
    assert body["messages"][-1] == {"role": "assistant", "content": "Hel"}
    assert "thinking" not in body
    assert sent(Turn("user", "a"), Turn("assistant", " \n"), continues=True)[1]["messages"][-1]["content"] == "a"


@pytest.mark.parametrize(
    "model, can",
    [
        ("claude-2.1", True),
        ("claude-instant-1.2", True),
        ("claude-3-opus-20240229", True),
        ("claude-3-5-sonnet-20241022", True),
        ("claude-3-7-sonnet-latest", True),
        ("claude-opus-4-20250514", True),
        ("claude-opus-4-1-20250805", True),
        ("claude-sonnet-4-5", True),
        ("claude-haiku-4-5@20251001", True),
        ("anthropic.claude-3-5-sonnet-20240620-v1:0", True),
        ("claude-opus-4-6", False),
        ("claude-sonnet-4-6-20260101", False),
        ("claude-opus-5", False),
        ("claude-opus-5-20270101", False),
        ("claude-latest", False),
        ("ours", False),
    ],
)
def test_only_models_up_to_4_5_go_on(model: str, can: bool) -> None:
    assert can_continue(ANTHROPIC, model) is can
    assert can_continue(profile("openrouter"), f"anthropic/{model}") is can


@pytest.mark.parametrize(
    "base_url, url",
    [
        ("https://api.anthropic.com", "https://api.anthropic.com/v1/messages"),
        ("https://api.anthropic.com/v1/", "https://api.anthropic.com/v1/messages"),
        ("https://api.anthropic.com/v1/messages", "https://api.anthropic.com/v1/messages"),
        ("https://api.moonshot.cn/anthropic", "https://api.moonshot.cn/anthropic/v1/messages"),
    ],
)
def test_addresses_as_people_type_them(base_url: str, url: str) -> None:
    assert sent(base_url=base_url)[0].url == url


# Lists and counts


def test_the_list_of_models_is_read_page_by_page() -> None:
    endpoint = Endpoint("", "anthropic", "sk-1")
    (first,) = anthropic_messages.models_requests(endpoint)
    assert first.url == "https://api.anthropic.com/v1/models?limit=1000"
    page = {
        "data": [{"id": "claude", "max_input_tokens": 200_000}, {"id": 7}, None],
        "has_more": True,
        "last_id": "a/b",
    }
    assert anthropic_messages.models(ANTHROPIC, json.dumps(page).encode()) == [ListedModel("claude", 200_000)]
    following = anthropic_messages.next_models_request(endpoint, json.dumps(page).encode())
    assert following
    assert following.url == "https://api.anthropic.com/v1/models?limit=1000&after_id=a%2Fb"
    assert anthropic_messages.next_models_request(endpoint, b'{"has_more":false,"last_id":"a"}') is None
    assert anthropic_messages.next_models_request(endpoint, b'{"has_more":true,"last_id":null}') is None


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"data":7}', b'{"error":"no"}'])
def test_what_is_no_list_of_models(body: bytes) -> None:
    with pytest.raises(ValueError):
        anthropic_messages.models(ANTHROPIC, body)


def test_a_count_is_asked_for_as_a_prompt_is_sent() -> None:
    turns = (Turn("system", "Be brief."), Turn("user", "Hello"))
    request = anthropic_messages.count_request(Endpoint("", "anthropic", "sk-1"), "claude", turns)
    assert request
    assert request.url == "https://api.anthropic.com/v1/messages/count_tokens"
    assert json.loads(request.body or b"") == {
        "model": "claude",
        "system": "Be brief.",
        "messages": [{"role": "user", "content": "Hello"}],
    }
    assert anthropic_messages.token_count(ANTHROPIC, b'{"input_tokens":14}') == 14
    assert anthropic_messages.token_count(ANTHROPIC, b'{"input_tokens":"many"}') is None
    assert anthropic_messages.token_count(ANTHROPIC, b"[]") is None

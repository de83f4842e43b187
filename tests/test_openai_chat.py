"""The OpenAI chat dialect: the rules that the recorded samples only touch."""

import json
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat.upstream import openai_chat, payloads
from chat.upstream.contract import (
    BodyEnd,
    Call,
    Delta,
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
from chat.upstream.profiles import PROFILES, profile
from tests.samples import Sample, all_samples, folded, load, read

# Streams


def stream(*payloads: object, n: int = 1, name: str = "default", done: bool = True) -> list[Event]:
    lines = [b"data: " + json.dumps(payload).encode() + b"\n\n" for payload in payloads]
    reader = openai_chat.reader(profile(name), status=200, headers={"content-type": "text/event-stream"}, n=n)
    return read(reader, [*lines, b"data: [DONE]\n\n"] if done else lines)


def choice(delta: object = None, *, finish: object = None, index: object = 0, **more: object) -> dict:
    return {"choices": [{"index": index, "delta": delta, "finish_reason": finish, **more}]}


def said(text: object, **more: object) -> dict:
    return choice({"content": text}, **more)


def texts(events: list[Event]) -> tuple[str, str]:
    seen = folded(events).choice(0)
    return seen.text, seen.reasoning


@pytest.mark.parametrize(
    "delta, text, reasoning",
    [
        ({"content": "a"}, "a", ""),
        ({"content": None}, "", ""),
        ({}, "", ""),
        (None, "", ""),
        ({"content": ["a", {"type": "text", "text": "b"}, {"type": "image"}, 7]}, "ab", ""),
        ({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]}, "", "hm"),
        ({"content": None, "refusal": "I will not"}, "I will not", ""),
        ({"reasoning_content": "hm"}, "", "hm"),
        ({"reasoning": "hm"}, "", "hm"),
        ({"reasoning_content": None, "reasoning": "hm"}, "", "hm"),
        ({"reasoning_content": "hm", "reasoning": "hm"}, "", "hm"),
        ({"reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]}, "", "hm"),
        (
            {"reasoning_details": [{"text": "h"}, {"summary": "m"}, {"type": "reasoning.encrypted", "data": "x"}]},
            "",
            "hm",
        ),
        ({"content": 7, "reasoning": {"a": 1}, "refusal": []}, "", ""),
        ({"content": "a", "reasoning_content": "hm"}, "a", "hm"),
    ],
)
def test_text_and_reasoning_in_all_their_fields(delta: object, text: str, reasoning: str) -> None:
    assert texts(stream(choice(delta))) == (text, reasoning)


def test_a_message_where_a_delta_should_be_and_text_of_completions_are_read() -> None:
    assert texts(stream({"choices": [{"message": {"content": "a"}}]}, {"choices": [{"text": "b"}]})) == ("ab", "")


@pytest.mark.parametrize(
    "finishes, reason, raw",
    [
        (["stop", None, "", "null"], "stop", "stop"),
        (["length", "length", "stop"], "stop", "stop"),
        (["stop", "content_filter"], "content_filter", "content_filter"),
        (["MAX_TOKENS"], "length", "MAX_TOKENS"),
        (["tool_use"], "tool_calls", "tool_use"),
        (["SAFETY"], "content_filter", "SAFETY"),
        (["eos_token"], "stop", "eos_token"),
        ([None, "null", "", 7, True, {}], "", ""),
    ],
)
def test_finish_reasons(finishes: list, reason: str, raw: str) -> None:
    seen = folded(stream(*(said("a", finish=finish) for finish in finishes))).choice(0)
    assert (seen.finish_reason, seen.finish_reason_raw) == (reason, raw)


def test_an_answer_ended_by_an_error_is_not_complete_though_nothing_explains_it() -> None:
    transcript = folded(stream(said("a"), choice({}, finish="insufficient_system_resource")))
    assert transcript.incomplete_reason() == "error"
    assert transcript.failure
    assert transcript.failure.kind == "overloaded"


@pytest.mark.parametrize(
    "index, n, seen",
    [(None, 1, "a"), ("0", 1, "a"), (1, 1, "a"), (-1, 1, "a"), (None, 2, "a"), (1, 2, ""), (2, 2, ""), (True, 2, "a")],
)
def test_a_choice_without_a_right_index(index: object, n: int, seen: str) -> None:
    assert folded(stream(said("a", index=index), n=n), n).choice(0).text == seen


def test_a_choice_that_was_not_asked_for_is_not_mixed_with_the_one_that_was() -> None:
    events = stream(said("a"), said("b", index=1))
    assert texts(events)[0] == "a"
    assert Garbled("json") in events


def test_every_index_is_one_that_was_asked_for() -> None:
    events = stream(*(said("a", index=index) for index in (0, 5, 10**30, 1, 2)), n=2)
    assert {event.index for event in events if isinstance(event, Delta)} == {0, 1}


@pytest.mark.parametrize(
    "payload",
    [
        {"choices": None},
        {"choices": []},
        {"choices": "no"},
        {"choices": [None, 7, []]},
        {"type": "keepalive"},
        {},
        choice("no delta"),
        {"choices": [{}]},
        {"usage": None},
        {"usage": {}},
        {"usage": "no"},
        {"usage": {"prompt_tokens": "many", "completion_tokens": None}},
        {"error": None, "choices": []},
    ],
)
def test_what_says_nothing_disturbs_nothing(payload: dict) -> None:
    transcript = folded(stream(said("a"), payload, choice({}, finish="stop")))
    assert transcript.choice(0).text == "a"
    assert transcript.incomplete_reason() is None
    assert transcript.usage() is None


@pytest.mark.parametrize("data", [b"{oops", b"null", b"7", b'"text"', b"[]", b"[1]", b"OK", b"[" * 100_000])
def test_what_cannot_be_understood_leaves_the_answer_unproved(data: bytes) -> None:
    reader = openai_chat.reader(profile("default"), status=200, headers={"content-type": "text/event-stream"}, n=1)
    whole = b'data: {"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}\n\n'
    transcript = folded(read(reader, [whole + b"data: " + data + b"\n\ndata: [DONE]\n\n"]))
    assert transcript.choice(0).text == "a"
    assert transcript.incomplete_reason() == "cut"


def test_pings_and_comments_are_nothing() -> None:
    reader = openai_chat.reader(profile("default"), status=200, headers={"content-type": "text/event-stream"}, n=1)
    assert reader.feed(b": ping\n\nevent: ping\ndata: {}\n\ndata: \n\ndata:\n\n") == []


def test_a_media_type_with_parameters_in_any_case_is_a_stream() -> None:
    for content_type in ("Text/Event-Stream; charset=utf-8", "application/x-ndjson"):
        reader = openai_chat.reader(profile("default"), status=200, headers={"Content-Type": content_type}, n=1)
        assert reader.start() == [Opened(200, "terminator")]
        assert reader.feed(b'{"choices":[{"delta":{"content":"a"}}]}\n') == [Delta(0, "a")]


def test_a_terminator_among_spaces_is_one() -> None:
    reader = openai_chat.reader(profile("default"), status=200, headers={"content-type": "text/event-stream"}, n=1)
    assert reader.feed(b"data:  [DONE] \t\n\n") == [Terminator()]


def test_the_end_is_the_terminator_or_the_body_by_profile() -> None:
    assert folded(stream(said("a", finish="stop"), done=False)).incomplete_reason() == "no_terminator"
    assert folded(stream(said("a", finish="stop"), done=False, name="freegpt35")).incomplete_reason() is None


def test_the_request_id_is_the_upstreams_own() -> None:
    headers = {"Content-Type": "text/event-stream", "X-Request-Id": "req-1", "X-Generation-Id": "gen-1"}
    (opened,) = openai_chat.reader(profile("openrouter"), status=200, headers=headers, n=1).start()
    assert opened == Opened(200, "terminator", "gen-1")


# Text that is not quite text


def raw_stream(*contents: str, name: str = "default") -> tuple[str, str]:
    lines = [f'data: {{"choices":[{{"delta":{{"content":"{content}"}}}}]}}\n\n'.encode() for content in contents]
    reader = openai_chat.reader(profile(name), status=200, headers={"content-type": "text/event-stream"}, n=1)
    return texts(read(reader, lines))


def test_an_emoji_whose_halves_come_apart_is_joined() -> None:
    assert raw_stream("a\\ud83d", "\\ude00b")[0] == "a😀b"
    assert raw_stream("\\ud83d\\ude00")[0] == "😀"


def test_a_half_that_stays_alone_is_replaced() -> None:
    assert raw_stream("a\\ud83d", "b")[0] == "a\ufffdb"
    assert raw_stream("a\\ude00b\\ud83d")[0] == "a\ufffdb\ufffd"


@pytest.mark.parametrize("size", [1, 2, 3, 100])
@pytest.mark.parametrize(
    "content, text, reasoning",
    [
        ("<think>hm</think>\n\nanswer", "answer", "hm"),
        ("\n <think>a < b</thin </think>x</think>", "x</think>", "a < b</thin "),
        ("no <think>tag</think>", "no <think>tag</think>", ""),
        ("<thinking", "<thinking", ""),
        ("<think>never closed </th", "", "never closed </th"),
        ("<think></think>", "", ""),
        ("  plain", "  plain", ""),
        ("<th", "<th", ""),
    ],
)
def test_thoughts_in_the_text_of_older_servers(content: str, text: str, reasoning: str, size: int) -> None:
    deltas = [said(content[start : start + size]) for start in range(0, len(content), size)]
    assert texts(stream(*deltas, name="vllm")) == (text, reasoning)
    assert texts(stream(*deltas, name="openai")) == (content, "")


def test_halves_of_emoji_within_thoughts() -> None:
    assert raw_stream("<think>\\ud83d", "\\ude00</think>\\ud83d", "\\ude00", name="vllm") == ("😀", "😀")


# Usage


@pytest.mark.parametrize(
    "figures, usage",
    [
        ({"prompt_tokens": 1, "completion_tokens": 2}, Usage(1, 2)),
        ({"input_tokens": 1, "output_tokens": 2}, Usage(1, 2)),
        ({"prompt_tokens": 1}, Usage(1, None)),
        ({"prompt_tokens": 1.0, "completion_tokens": 2.5}, Usage(1, None)),
        ({"prompt_tokens": True, "completion_tokens": 2}, Usage(None, 2)),
        ({"prompt_tokens": 9, "completion_tokens": 2, "cached_tokens": 8}, Usage(9, 2, cached_tokens=8)),
        ({"prompt_tokens": 9, "completion_tokens": 2, "prompt_cache_hit_tokens": 8}, Usage(9, 2, cached_tokens=8)),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 2,
                "prompt_tokens_details": {"cached_tokens": 0},
                "cached_tokens": 8,
            },
            Usage(9, 2, cached_tokens=0),
        ),
        (
            {"prompt_tokens": 9, "completion_tokens": 2, "completion_tokens_details": {"reasoning_tokens": 1}},
            Usage(9, 2, reasoning_tokens=1),
        ),
        ({"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": None}, Usage(9, 2)),
        ({"prompt_tokens": 9, "completion_tokens": 2, "cost": 1e-07}, Usage(9, 2, cost=Decimal("1e-7"))),
        ({"prompt_tokens": 9, "completion_tokens": 2, "cost": "0.1"}, Usage(9, 2, cost=Decimal("0.1"))),
        ({"prompt_tokens": 9, "completion_tokens": 2, "cost": -1}, Usage(9, 2)),
        ({"prompt_tokens": 9, "completion_tokens": 2, "cost": "NaN"}, Usage(9, 2)),
        ({"prompt_tokens": 9, "completion_tokens": 10**30}, Usage(9, None)),
    ],
)
def test_usage_in_all_its_spellings(figures: dict, usage: Usage) -> None:
    assert UsageSeen(usage, "final_chunk") in stream({"choices": [], "usage": figures})


def test_usage_is_told_with_its_place() -> None:
    figures = {"prompt_tokens": 1, "completion_tokens": 2}
    events = stream(said("a") | {"usage": figures}, choice({}, usage=figures), {"choices": [], "usage": figures})
    assert [(event.place, event.index) for event in events if isinstance(event, UsageSeen)] == [
        ("top_level", None),
        ("per_choice", 0),
        ("final_chunk", None),
    ]


@pytest.mark.parametrize(
    "name, usage, is_trusted",
    [
        ("openai", Usage(1, 1), True),
        ("kimi_free", Usage(1, 1), False),
        ("kimi_free", Usage(1, 2), True),
        ("koboldcpp", Usage(100, 100), False),
        ("openai", Usage(100, 100), True),
        ("openai", Usage(0, 0), False),
        ("openai", Usage(5, 0), True),
        ("openai", Usage(None, 7), True),
        ("openai", Usage(-1, 7), False),
        ("openai", Usage(5, 7, cached_tokens=-1), False),
        ("openai", Usage(10**12, 7), False),
        ("openai", None, False),
    ],
)
def test_which_usage_is_trusted(name: str, usage: Usage | None, is_trusted: bool) -> None:
    assert payloads.trusted(profile(name), usage) is is_trusted


# Errors


def failing(body: object, status: int = 200, headers: dict | None = None, name: str = "default") -> Failure:
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"content-type": "application/json"} | (headers or {})
    events = read(openai_chat.reader(profile(name), status=status, headers=headers, n=1), [body])
    (failure,) = (event for event in events if isinstance(event, Failure))
    assert isinstance(events[-1], BodyEnd)
    return failure


@pytest.mark.parametrize(
    "status, body, kind, message",
    [
        (400, {"error": {"message": "m", "type": "invalid_request_error"}}, "bad_request", "m"),
        (401, {"error": "no key"}, "auth", "no key"),
        (402, {"error": {"message": "m", "code": "in_flight_budget_exhausted"}}, "rate_limited", "m"),
        (403, {"error": {"message": "m", "metadata": {"reasons": ["violence"]}}}, "content_filter", "m"),
        (400, {"error": {"message": "m", "innererror": {"content_filter_result": {}}}}, "content_filter", "m"),
        (404, {"status": False, "error": {"message": "m", "type": "invalid_request_error"}}, "bad_request", "m"),
        (408, {"error": {"message": "m"}}, "upstream", "m"),
        (422, {"detail": "m"}, "bad_request", "m"),
        (400, {"detail": "Invalid request"}, "bad_request", "Invalid request"),
        (401, {"detail": {"error": "Unauthorized", "msg": "m", "type": "unauthorized"}}, "auth", "m"),
        (500, {"detail": {"msg": "m", "type": "bad_input"}}, "bad_request", "m"),
        (500, {"object": "error", "message": "m", "code": 50001}, "upstream", "m"),
        (429, {"error": {"type": "exceeded_current_quota_error", "message": "m"}}, "quota", "m"),
        (429, {"error": {"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED"}}, "rate_limited", "m"),
        (429, {"error": {"message": "m", "code": "slow_down"}}, "rate_limited", "m"),
        (529, {"type": "error", "error": {"type": "overloaded_error", "message": "m"}}, "overloaded", "m"),
        (400, {"message": "m"}, "bad_request", "m"),
        (400, {"errors": [{"message": "m", "code": 7}]}, "bad_request", "m"),
        (500, b"Internal Server Error", "upstream", "Internal Server Error"),
        (504, b"<html><head><title>504 Gateway Time-out</title></head>", "upstream", "504 Gateway Time-out"),
        (502, b"<html>", "upstream", "HTTP 502"),
        (503, b"", "overloaded", "HTTP 503"),
        (500, b"null", "upstream", "null"),
        (500, b"[]", "upstream", "[]"),
        (400, b'data: {"error":{"message":"m","code":"context_length_exceeded"}}\n\n', "context_too_long", "m"),
        (200, {"code": -2002, "message": "m", "data": None}, "auth", "m"),
        (200, [{"error": {"message": "m"}}], "upstream", "m"),
    ],
)  # fmt: skip
def test_errors_of_every_shape(status: int, body: object, kind: str, message: str) -> None:
    failure = failing(body, status)
    assert (failure.kind, failure.message) == (kind, message)
    assert failure.retryable is (kind in ("rate_limited", "overloaded", "busy", "upstream"))


@pytest.mark.parametrize(
    "payload, kind, message",
    [
        ({"error": {"message": "m", "code": 500}}, "upstream", "m"),
        ({"error": {"message": "m", "code": 429}}, "rate_limited", "m"),
        ({"error": {"message": "m", "code": 503}, "choices": [{"delta": {}}]}, "overloaded", "m"),
        ({"error": "m"}, "upstream", "m"),
        ({"error": {}, "object": "error", "message": "m"}, "upstream", "m"),
        ({"text": "**NETWORK ERROR**", "error_code": 50001}, "upstream", "**NETWORK ERROR**"),
        ([{"error": {"message": "m"}}], "upstream", "m"),
        (choice({}, error={"message": "m", "code": 502}), "upstream", "m"),
    ],
)
def test_errors_inside_a_stream(payload: object, kind: str, message: str) -> None:
    events = stream(said("kept"), payload)
    assert folded(events).choice(0).text == "kept"
    assert folded(events).incomplete_reason() == "error"
    (failure,) = (event for event in events if isinstance(event, Failure))
    assert (failure.kind, failure.message) == (kind, message)


@pytest.mark.parametrize("data", [b'{"message":"m"}', b"m", b'"m"'])
def test_an_event_named_error_is_one_in_any_shape(data: bytes) -> None:
    for named in (b"event: error\ndata: ", b"error: "):
        reader = openai_chat.reader(profile("default"), status=200, headers={"content-type": "text/event-stream"}, n=1)
        (failure,) = reader.feed(named + data + b"\n\n")
        assert isinstance(failure, Failure)
        assert failure.message == "m"


def test_the_first_error_is_the_one_that_is_told() -> None:
    events = stream({"error": {"message": "cause"}}, {"error": {"message": "echo"}})
    assert [event.message for event in events if isinstance(event, Failure)] == ["cause"]


def test_a_whole_answer_may_say_its_error_beside_choices() -> None:
    failure = failing({"choices": [], "error": {"message": "m", "code": 503}})
    assert failure.kind == "overloaded"


@pytest.mark.parametrize(
    "headers, message, seconds",
    [
        ({"Retry-After": "7"}, "", 7),
        ({"Retry-After": "1.5"}, "", 1.5),
        ({"retry-after-ms": "250", "Retry-After": "7"}, "", 0.25),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:30 GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}, "", 30),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT", "Date": "Wed, 21 Oct 2026 07:28:30 GMT"}, "", 0),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, "", None),
        ({"Retry-After": "-5"}, "", None),
        ({"Retry-After": "nan"}, "", None),
        ({"Retry-After": "soon"}, "", None),
        ({}, "please try again after 1 seconds", 1),
        ({}, "Please try again in 1.2s.", 1.2),
        ({}, "Please try again in 20ms. Visit us", 0.02),
        ({}, "Please try again in 6m0s", 360),
        ({}, "retry in 2 minutes", 120),
        ({}, "please try again later", None),
    ],
)
def test_when_to_come_back(headers: dict, message: str, seconds: float | None) -> None:
    failure = failing({"error": {"message": message}}, 429, headers)
    assert failure.retry_after == (seconds if seconds is None else pytest.approx(seconds))


def test_googles_retry_info_is_read() -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"}]
    assert failing([{"error": {"code": 429, "message": "m", "details": details}}], 429).retry_after == 7


def test_an_upstream_may_forbid_to_retry() -> None:
    assert failing({"error": {"message": "m"}}, 500).retryable
    assert not failing({"error": {"message": "m"}}, 500, {"x-should-retry": "false"}).retryable


@pytest.mark.parametrize("inner", ['{"error":%s}', "[%s]", '{"choices":[{"delta":{"content":%s}}]}', '{"detail":%s}'])
@pytest.mark.parametrize("pair", [("[", "]"), ('{"text":[', "]}"), ('{"error":', "}"), ('[{"thinking":', "}]")])
def test_a_payload_nested_as_deep_as_can_be_read_does_not_raise(inner: str, pair: tuple[str, str]) -> None:
    depth = 900 // (pair[0].count("[") + pair[0].count("{"))
    payload = (inner % (pair[0] * depth + "1" + pair[1] * depth)).encode()
    for content_type in ("text/event-stream", "application/json"):
        headers = {"content-type": content_type}
        for status in (200, 500):
            reader = openai_chat.reader(profile("default"), status=status, headers=headers, n=1)
            assert read(reader, [payload])[-1] == BodyEnd()


def test_keys_in_errors_are_struck_out() -> None:
    message = "Incorrect API key provided: sk-proj-abc***********xyz. Sent Bearer eyJhbGciOi.J9"
    assert failing({"error": {"message": message}}, 401).message == "Incorrect API key provided: …. Sent Bearer …"


def test_an_error_is_storable_and_short() -> None:
    message = failing(b'{"error":"\\u0000 \\ud83d ' + b"x" * 50_000 + b'"}', 500).message
    assert message.startswith("\ufffd \ufffd x")
    assert len(message) == 1000


# Whole answers, and what is none


def test_a_stream_under_another_name_is_read_as_it_comes() -> None:
    for content_type in ({}, {"content-type": "text/plain"}, {"content-type": "application/json"}):
        reader = openai_chat.reader(profile("default"), status=200, headers=content_type, n=1)
        assert reader.start() == [Opened(200, "whole")]
        assert reader.feed(b"\n\nda") == []
        assert reader.feed(b'ta: {"choices":[{"delta":{"content":"a"}}]}\n\n') == [
            Opened(200, "terminator"),
            Delta(0, "a"),
        ]
        assert reader.feed(b"data: [DONE]\n\n") == [Terminator()]
        assert reader.end() == [BodyEnd()]


@pytest.mark.parametrize("body", [b"{}", b"[]", b"null", b"pong", b'{"ok":true}', b'{"choices":null}', b"<html>"])
def test_what_is_no_answer(body: bytes) -> None:
    reader = openai_chat.reader(profile("default"), status=200, headers={"content-type": "application/json"}, n=1)
    assert read(reader, [body])[1:] == [Garbled("not_an_answer"), BodyEnd()]


def test_a_page_is_never_an_answer() -> None:
    body = b'{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}]}'
    reader = openai_chat.reader(profile("default"), status=200, headers={"content-type": "text/html"}, n=1)
    assert read(reader, [body])[1:] == [Garbled("not_an_answer"), BodyEnd()]


def test_a_whole_answer_with_several_choices_and_thoughts() -> None:
    message = {"role": "assistant", "content": "<think>hm</think>a", "refusal": None}
    choices = [{"index": index, "message": message, "finish_reason": "stop"} for index in range(2)]
    body = {"choices": choices, "usage": {"prompt_tokens": 1, "completion_tokens": 2}}
    reader = openai_chat.reader(profile("vllm"), status=200, headers={"content-type": "application/json"}, n=2)
    transcript = folded(read(reader, [json.dumps(body).encode()]), 2)
    assert [(seen.text, seen.reasoning) for seen in transcript.choices] == [("a", "hm")] * 2
    assert transcript.usage() == (Usage(1, 2), "top_level")
    assert transcript.incomplete_reason() is None


# Anything at all


KEYS = ["choices", "index", "delta", "message", "content", "text", "finish_reason", "error", "code", "usage", "detail"]
KEYS += ["prompt_tokens", "completion_tokens", "cost", "reasoning", "reasoning_details", "metadata", "type", "details"]
VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.sampled_from(["stop", "0"])
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)),
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(VALUES, max_size=4), st.sampled_from(sorted(PROFILES)), st.integers(1, 3))
def test_no_payload_whatever_raises(payloads: list, name: str, n: int) -> None:
    events = stream(*payloads, name=name, n=n)
    assert events[-1] == BodyEnd()
    for event in events:
        if isinstance(event, Delta | Finish):
            assert 0 <= event.index < n
    folded(events, n)


@given(
    st.binary(max_size=200),
    st.sampled_from([200, 204, 301, 400, 500]),
    st.sampled_from(["text/event-stream", "", "a/b"]),
)
def test_no_body_whatever_raises(body: bytes, status: int, content_type: str) -> None:
    for prefix in (b"", b"data: ", b'{"error":', b"event: error\ndata:"):
        headers = {"content-type": content_type}
        events = read(openai_chat.reader(profile("default"), status=status, headers=headers, n=1), [prefix + body])
        assert isinstance(events[0], Opened)
        assert events[-1] == BodyEnd()


# What is sent


def sent(name: str, base_url: str = "", **more: object) -> tuple[HttpRequest, dict]:
    turns = (Turn("system", "Be brief."), Turn("user", "Hello"))
    if more.get("continues"):
        turns += (Turn("assistant", "Hel"),)
    request = openai_chat.request(Call(Endpoint(base_url, name, "sk-1"), "tiny", turns, **more))
    return request, json.loads(request.body or b"")


def test_a_request_says_always_whether_it_is_streamed() -> None:
    request, body = sent("default", "http://host/v1")
    assert (request.method, request.url) == ("POST", "http://host/v1/chat/completions")
    assert request.headers["Authorization"] == "Bearer sk-1"
    assert request.headers["Accept-Encoding"] == "identity"
    assert body == {
        "model": "tiny",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}],
        "stream": True,
    }
    assert sent("default", streamed=False)[1]["stream"] is False


def test_fields_are_sent_only_where_they_are_known() -> None:
    asked = {"n": 2, "max_output": 7, "parameters": {"temperature": 0.5, "top_k": 3, "stream": "no", "model": "other"}}
    full = {"model": "tiny", "n": 2, "max_completion_tokens": 7, "temperature": 0.5}
    assert sent("openai", **asked)[1].items() >= (full | {"stream_options": {"include_usage": True}}).items()
    plain = sent("default", **asked)[1]
    assert plain["max_tokens"] == 7
    assert plain["stream"] is True
    assert not {"n", "top_k", "stream_options"} & set(plain)
    assert "stream_options" not in sent("openai", streamed=False)[1]


@pytest.mark.parametrize(
    "name, url, last, more",
    [
        ("moonshot", "https://api.moonshot.cn/v1/chat/completions", {"partial": True}, {}),
        ("deepseek", "https://api.deepseek.com/beta/chat/completions", {"prefix": True}, {}),
        ("vllm", "http://127.0.0.1:8000/v1/chat/completions", {}, {"continue_final_message": True}),
        ("llamacpp", "http://127.0.0.1:8080/v1/chat/completions", {}, {}),
    ],
)
def test_a_cut_answer_is_gone_on_with_in_each_ones_way(name: str, url: str, last: dict, more: dict) -> None:
    request, body = sent(name, continues=True)
    assert request.url == url
    assert body["messages"][-1] == {"role": "assistant", "content": "Hel", **last}
    assert body.items() >= more.items()


def test_moonshot_goes_on_without_the_json_that_it_refuses_to_go_on_with() -> None:
    as_json = {"response_format": {"type": "json_object"}, "temperature": 0.5}
    assert sent("moonshot", parameters=as_json)[1].items() >= as_json.items()
    continuing = sent("moonshot", parameters=as_json, continues=True)[1]
    assert "response_format" not in continuing and continuing["temperature"] == 0.5


@pytest.mark.parametrize(
    "name, base_url, url",
    [
        ("openai", "", "https://api.openai.com/v1/chat/completions"),
        ("openai", "https://host/v1/", "https://host/v1/chat/completions"),
        ("openai", "https://host/v1/chat/completions", "https://host/v1/chat/completions"),
        ("ollama_v1", "http://host:11434", "http://host:11434/v1/chat/completions"),
        ("default", "http://host", "http://host/chat/completions"),
        ("deepseek", "https://api.deepseek.com/v1", "https://api.deepseek.com/v1/chat/completions"),
        (
            "azure",
            "https://r.openai.azure.com/openai/deployments/d?api-version=2024-10-21",
            "https://r.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-10-21",
        ),
        (
            "azure",
            "https://r.openai.azure.com/?api-version=2024-10-21",
            "https://r.openai.azure.com/openai/deployments/tiny/chat/completions?api-version=2024-10-21",
        ),
        (
            "azure",
            "https://r.openai.azure.com/openai?api-version=2024-10-21",
            "https://r.openai.azure.com/openai/deployments/tiny/chat/completions?api-version=2024-10-21",
        ),
        ("azure", "https://r.openai.azure.com", "https://r.openai.azure.com/openai/v1/chat/completions"),
        ("azure", "https://r.openai.azure.com/openai/v1/", "https://r.openai.azure.com/openai/v1/chat/completions"),
    ],
)
def test_addresses_as_people_type_them(name: str, base_url: str, url: str) -> None:
    assert sent(name, base_url)[0].url == url


def test_azure_has_a_header_of_its_own_and_a_keyless_server_none() -> None:
    assert sent("azure", "https://r.openai.azure.com/openai/v1")[0].headers["api-key"] == "sk-1"
    keyless = openai_chat.request(Call(Endpoint("http://host/v1", "default"), "tiny", ()))
    assert "Authorization" not in keyless.headers


def test_neither_key_nor_text_is_in_a_repr() -> None:
    request, _ = sent("openai")
    assert "sk-1" not in repr(request)
    assert "Hello" not in repr(request)
    assert "sk-1" not in repr(Endpoint("", "openai", "sk-1"))


def test_text_that_utf8_cannot_say_is_sent_all_the_same() -> None:
    turns = (Turn("user", "a\ud83d"),)
    request = openai_chat.request(Call(Endpoint("", "openai", ""), "tiny", turns))
    assert json.loads(request.body or b"")["messages"][0]["content"] == "a?"


# Lists and counts


LISTS = {
    "models_kimi_free": "kimi_free",
    "models_koboldcpp": "koboldcpp",
    "models_llamacpp": "llamacpp",
    "models_lmstudio_v1": "lmstudio",
    "models_moonshot": "moonshot",
    "models_ollama_tags": "ollama_v1",
    "models_openai": "openai",
    "models_openllm": "openllm",
    "models_openrouter": "openrouter",
    "models_vllm": "vllm",
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_of_models_is_read_as_expected(name: str) -> None:
    sample = load(name)
    expected = [
        ListedModel(
            id=model["id"],
            context_length=model["context_length"],
            max_output=model["max_output"],
            input_mtok=model["price_in_per_mtok"] and Decimal(model["price_in_per_mtok"]),
            output_mtok=model["price_out_per_mtok"] and Decimal(model["price_out_per_mtok"]),
            cached_mtok=Decimal("0.08") if model["price_in_per_mtok"] else None,
            currency=model["currency"],
        )
        for model in sample.facts["expected"]
    ]
    listed = openai_chat.models(profile(LISTS[name]), sample.body)
    assert [replace(model, sees=None) for model in listed] == expected


@pytest.mark.parametrize(
    "entry, sees",
    [
        ({"architecture": {"input_modalities": ["text", "image"]}}, True),  # OpenRouter
        ({"architecture": {"input_modalities": ["text"]}}, False),
        ({"supports_image_in": True, "supports_video_in": False}, True),  # Moonshot
        ({"supports_image_in": False}, False),
        ({"capabilities": {"vision": True, "completion_chat": True}}, True),  # Mistral
        ({"capabilities": {"vision": False}}, False),
        ({"type": "vlm"}, True),  # LM Studio
        ({"capabilities": ["completion", "multimodal"]}, True),  # llama.cpp
        ({"capabilities": ["completion"]}, False),
        ({"type": "llm", "architecture": "qwen3", "capabilities": []}, None),
        ({"architecture": {"modality": 3}, "capabilities": {"vision": "yes"}, "supports_image_in": 1}, None),
        ({}, None),
    ],
)
def test_whether_a_model_sees_is_read_from_where_a_list_says_it(entry: dict, sees: bool | None) -> None:
    body = json.dumps({"data": [{"id": "m", **entry}]}).encode()
    assert [model.sees for model in openai_chat.models(profile("default"), body)] == [sees]


@pytest.mark.parametrize("body", [b"", b"no", b"null", b"7", b'{"data":7}', b'{"error":"no"}'])
def test_what_is_no_list_of_models(body: bytes) -> None:
    with pytest.raises(ValueError):
        openai_chat.models(profile("default"), body)


@pytest.mark.parametrize("sample", all_samples("token_count"), ids=lambda sample: sample.name)
def test_a_token_count_is_read_as_expected(sample: Sample) -> None:
    known = {"Moonshot": "moonshot", "llama.cpp": "llamacpp", "KoboldCpp": "koboldcpp"}
    if sample.facts["upstream"] in known:
        counted = openai_chat.token_count(profile(known[sample.facts["upstream"]]), sample.body)
        assert counted == sample.facts["expected"]


def test_a_count_that_failed_is_no_count() -> None:
    assert openai_chat.token_count(profile("koboldcpp"), b'{"value":-1}') is None
    assert openai_chat.token_count(profile("moonshot"), b'{"data":null}') is None
    assert openai_chat.token_count(profile("vllm"), b"[]") is None


def test_counting_asks_for_text_or_turns_as_the_upstream_can() -> None:
    turns = (Turn("user", "a"), Turn("assistant", "b"))
    vllm, kobold = Endpoint("", "vllm"), Endpoint("http://host:5001/v1", "koboldcpp")
    assert openai_chat.count_request(Endpoint("", "openai"), "tiny", "a") is None
    assert json.loads(openai_chat.count_request(vllm, "tiny", "a").body) == {"model": "tiny", "prompt": "a"}
    assert len(json.loads(openai_chat.count_request(vllm, "tiny", turns).body)["messages"]) == 2
    request = openai_chat.count_request(kobold, "tiny", turns)
    assert (request.url, json.loads(request.body)) == ("http://host:5001/api/extra/tokencount", {"prompt": "a\nb"})

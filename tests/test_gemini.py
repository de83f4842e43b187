"""The Gemini dialect: the rules that the recorded samples only touch."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.upstream import gemini
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
    Turn,
    Usage,
    UsageSeen,
)
from chat.upstream.profiles import profile
from tests.samples import cut, folded, read

GEMINI = profile("gemini")
SSE = {"content-type": "text/event-stream"}
JSON = {"content-type": "application/json; charset=UTF-8"}


def stream(*payloads: dict | bytes, n: int = 1) -> list[Event]:
    reader = gemini.reader(GEMINI, status=200, headers=SSE, n=n)
    return read(reader, [payload if isinstance(payload, bytes) else sse(payload) for payload in payloads])


def sse(payload: dict) -> bytes:
    return b"data: " + json.dumps(payload).encode() + b"\r\n\r\n"


def whole(body: object, n: int = 1) -> list[Event]:
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read(gemini.reader(GEMINI, status=200, headers=JSON, n=n), [body])


def candidate(*parts: dict, finish: object = None, **more: object) -> dict:
    told = {"content": {"parts": list(parts), "role": "model"}, **more}
    return told if finish is None else told | {"finishReason": finish}


def said(text: str, **more: object) -> dict:
    return {"candidates": [candidate({"text": text}, **more)]}


# Streams


@pytest.mark.parametrize(
    "told, text, reasoning",
    [
        (candidate({"text": "a"}, {"text": "b"}), "ab", ""),
        (candidate({"text": "hm", "thought": True}, {"text": "a"}), "a", "hm"),
        (candidate({"text": "a", "thought": False}), "a", ""),
        (candidate({"text": "a", "thoughtSignature": "EqQB"}), "a", ""),
        (candidate({"functionCall": {"name": "f"}}), "", ""),
        (candidate({"inlineData": {"data": "aGk="}}), "", ""),
        (candidate(), "", ""),
        ({"content": {"role": "model"}}, "", ""),
        ({"content": None}, "", ""),
        ({"content": {"parts": "no"}}, "", ""),
        ({"content": {"parts": [None, {"text": None}, {"text": 7}]}}, "", ""),
        ({}, "", ""),
    ],
)
def test_what_is_text_what_is_thought_and_what_is_neither(told: dict, text: str, reasoning: str) -> None:
    transcript = folded(stream({"candidates": [told]}, said("", finish="STOP")))
    assert (transcript.choice(0).text, transcript.choice(0).reasoning) == (text, reasoning)
    assert transcript.incomplete_reason() is None


@pytest.mark.parametrize(
    "raw, reason",
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("BLOCKLIST", "content_filter"),
        ("SPII", "content_filter"),
        ("LANGUAGE", "content_filter"),
        ("The model had nothing more to say, and said so.", "stop"),
    ],
)
def test_finish_reasons(raw: str, reason: str) -> None:
    transcript = folded(stream(said("a", finish=raw)))
    assert (transcript.choice(0).finish_reason, transcript.choice(0).finish_reason_raw) == (reason, raw)
    assert transcript.incomplete_reason() is None


@pytest.mark.parametrize("raw", [None, "", "FINISH_REASON_UNSPECIFIED", 1])
def test_what_is_no_finish_reason(raw: object) -> None:
    assert folded(stream(said("a", finish=raw))).incomplete_reason() == "cut"


@pytest.mark.parametrize("raw", ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "OTHER"])
def test_an_answer_that_no_good_reason_ended_is_an_error(raw: str) -> None:
    transcript = folded(stream(said("kept", finish=raw)))
    assert transcript.choice(0).text == "kept"
    assert transcript.incomplete_reason() == "error"


def test_only_thoughts_may_come_before_the_limit() -> None:
    """What a model with too small a limit says: nothing."""
    usage = {"promptTokenCount": 7, "thoughtsTokenCount": 20, "totalTokenCount": 27}
    transcript = folded(stream({"candidates": [{"finishReason": "MAX_TOKENS", "index": 0}], "usageMetadata": usage}))
    assert transcript.choice(0).text == ""
    assert transcript.choice(0).finish_reason == "length"
    assert transcript.usage() == (Usage(7, 20, reasoning_tokens=20), "last")
    assert transcript.incomplete_reason() is None


@pytest.mark.parametrize(
    "reason", ["SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY", "OF_TOMORROW"]
)
def test_a_prompt_that_is_not_answered_was_filtered(reason: str) -> None:
    events = stream({"promptFeedback": {"blockReason": reason}, "usageMetadata": {"promptTokenCount": 7}})
    assert Finish(0, "content_filter", reason) in events
    assert folded(events).incomplete_reason() is None
    assert folded(whole({"promptFeedback": {"blockReason": reason}})).incomplete_reason() is None


def test_feedback_that_blocks_nothing_says_nothing() -> None:
    rated = {"promptFeedback": {"safetyRatings": [{"blocked": False}]}}
    assert folded(stream(rated | said("a", finish="STOP"))).choice(0).finish_reason == "stop"
    assert folded(stream(rated)).incomplete_reason() is not None


def test_several_candidates_are_several_choices() -> None:
    both = {"candidates": [candidate({"text": "a"}, index=0), candidate({"text": "b"}, index=1)]}
    ends = {"candidates": [candidate(finish="STOP", index=1), candidate(finish="STOP", index=0)]}
    transcript = folded(stream(both, ends, n=2), 2)
    assert [choice.text for choice in transcript.choices] == ["a", "b"]
    assert transcript.incomplete_reason() is None


def test_the_bodys_end_is_the_end() -> None:
    events = stream(said("a", finish="STOP"), b"data: [DONE]\r\n\r\n")
    assert events[0] == Opened(200, "body")
    assert folded(events).incomplete_reason() is None
    assert not folded(events).terminated
    assert folded(stream(said("a", finish="STOP"), sse(said("b"))[:-20])).incomplete_reason() == "cut"


# Usage


@pytest.mark.parametrize(
    "figures, usage",
    [
        ({"promptTokenCount": 7}, Usage(7, 0)),
        ({"promptTokenCount": 7, "candidatesTokenCount": 5}, Usage(7, 5)),
        (
            {"promptTokenCount": 7, "candidatesTokenCount": 5, "thoughtsTokenCount": 3, "totalTokenCount": 15},
            Usage(7, 8, reasoning_tokens=3),
        ),
        ({"promptTokenCount": 7, "cachedContentTokenCount": 6}, Usage(7, 0, cached_tokens=6)),
        ({"promptTokenCount": "7", "candidatesTokenCount": "-5"}, Usage(7, 0)),
        ({"totalTokenCount": 7}, None),
        ({}, None),
        (None, None),
    ],
)
def test_thoughts_are_counted_with_the_answer(figures: object, usage: Usage | None) -> None:
    seen = [event.usage for event in stream({"usageMetadata": figures}) if isinstance(event, UsageSeen)]
    assert seen == ([usage] if usage else [])


def test_the_last_usage_counts_though_it_falls() -> None:
    figures = ({"promptTokenCount": prompt, "candidatesTokenCount": 5} for prompt in (15, 13))
    events = stream(*(said("a") | {"usageMetadata": usage} for usage in figures))
    assert folded(events).usage() == (Usage(13, 5), "last")


# Errors

ERROR = {
    "error": {
        "code": 503,
        "message": "The model is overloaded.",
        "status": "UNAVAILABLE",
        "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"}],
    }
}


@pytest.mark.parametrize("error", [sse(ERROR), json.dumps(ERROR, indent=2).encode(), json.dumps([ERROR]).encode()])
def test_an_error_in_the_stream_may_be_bare_json_on_many_lines(error: bytes) -> None:
    events = stream(said("kept"), error)
    (failure,) = (event for event in events if isinstance(event, Failure))
    assert (failure.kind, failure.message, failure.code) == ("overloaded", "The model is overloaded.", 503)
    assert failure.retry_after == 7
    assert folded(events).choice(0).text == "kept"
    assert folded(events).incomplete_reason() == "error"


@pytest.mark.parametrize(
    "status, error, kind",
    [
        (400, {"status": "INVALID_ARGUMENT", "message": "API key not valid. Please pass a valid API key."}, "auth"),
        (400, {"status": "INVALID_ARGUMENT", "message": "Unknown name \"n\""}, "bad_request"),
        (
            400,
            {"status": "INVALID_ARGUMENT", "message": "The input token count (9) exceeds the maximum number of tokens"},
            "context_too_long",
        ),
        (403, {"status": "PERMISSION_DENIED", "message": "m"}, "auth"),
        (404, {"status": "NOT_FOUND", "message": "models/x is not found"}, "bad_request"),
        (429, {"status": "RESOURCE_EXHAUSTED", "message": "You exceeded your current quota"}, "rate_limited"),
        (500, {"status": "INTERNAL", "message": "m"}, "upstream"),
        (503, {"status": "UNAVAILABLE", "message": "m"}, "overloaded"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("wrap", [lambda body: body, lambda body: [body]], ids=["object", "array"])
def test_errors_before_the_stream(status: int, error: dict, kind: str, wrap: object) -> None:
    body = json.dumps(wrap({"error": {"code": status, **error}})).encode()
    events = read(gemini.reader(GEMINI, status=status, headers=JSON, n=1), [body])
    (failure,) = (event for event in events if isinstance(event, Failure))
    assert (failure.kind, failure.code) == (kind, status)


# Whole answers, and arrays


def test_a_whole_answer_is_one_chunk() -> None:
    usage = {"promptTokenCount": 7, "candidatesTokenCount": 5}
    transcript = folded(whole(said("a", finish="STOP") | {"usageMetadata": usage}))
    assert transcript.choice(0).text == "a"
    assert transcript.choice(0).role == "assistant"
    assert transcript.usage() == (Usage(7, 5), "last")
    assert transcript.incomplete_reason() is None
    assert whole({"models": []})[1:] == [Garbled("not_an_answer"), BodyEnd()]


TRICKY = '}],[{" \\ 好😀\u2028'
ARRAY = json.dumps(
    [said("a"), said(TRICKY), said("b", finish="STOP") | {"usageMetadata": {"promptTokenCount": 7}}],
    indent=2,
    ensure_ascii=False,
).encode()


@given(st.lists(st.integers(0, len(ARRAY)), max_size=30))
def test_an_array_is_read_element_by_element(places: list[int]) -> None:
    reader = gemini.reader(GEMINI, status=200, headers=JSON, n=1)
    transcript = folded(read(reader, cut(ARRAY, places)))
    assert transcript.choice(0).text == f"a{TRICKY}b"
    assert transcript.usage() == (Usage(7, 0), "last")
    assert transcript.incomplete_reason() is None


def test_an_element_is_handed_on_when_it_is_closed() -> None:
    reader = gemini.reader(GEMINI, status=200, headers=JSON, n=1)
    first, second = json.dumps([said("a"), said("b")]).encode().split(b', {"candidates"')
    assert Delta(0, "a", role="assistant") in reader.feed(first)
    assert reader.feed(b', {"candidates"') == []
    assert reader.feed(second) == [Delta(0, "b")]


@given(st.integers(0, len(ARRAY) - 1))
def test_an_array_that_is_not_closed_is_cut(end: int) -> None:
    reader = gemini.reader(GEMINI, status=200, headers=JSON, n=1)
    assert folded(read(reader, [ARRAY[:end]])).incomplete_reason() in ("cut", "ended_without_reason")
    transcript = folded(read(gemini.reader(GEMINI, status=200, headers=JSON, n=1), [b"[", ARRAY[1:end]]))
    assert transcript.incomplete_reason() == "cut"


def test_an_array_is_a_document_that_proves_its_own_end() -> None:
    events = whole([said("a"), said("b")])
    assert {event.ends_by for event in events if isinstance(event, Opened)} == {"whole"}
    assert folded(events).incomplete_reason() == "ended_without_reason"


def test_an_element_over_the_cap_is_refused_and_the_next_is_read() -> None:
    decoder = gemini.ArrayDecoder(max_element=50)
    sent = decoder.feed(b'[{"a":"' + b"x" * 30) + decoder.feed(b"x" * 30) + decoder.feed(b'"},{"b":1}]')
    assert [element.name or element.data for element in sent] == ["refused", b'{"b":1}']
    assert decoder.end() == []


def test_an_error_may_end_an_array() -> None:
    events = whole([said("kept"), ERROR])
    assert folded(events).choice(0).text == "kept"
    assert folded(events).incomplete_reason() == "error"


# What is sent


def sent(*turns: Turn, model: str = "gemini-2.5-flash", base_url: str = "", **more: object) -> tuple[HttpRequest, dict]:
    turns = turns or (Turn("system", "Be brief."), Turn("user", "Hello"))
    request = gemini.request(Call(Endpoint(base_url, "gemini", "AIza-1"), model, turns, **more))
    return request, json.loads(request.body or b"")


def test_a_request() -> None:
    request, body = sent()
    base = "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash"
    assert (request.method, request.url) == ("POST", f"{base}:streamGenerateContent?alt=sse")
    assert request.headers["x-goog-api-key"] == "AIza-1"
    assert body == {
        "contents": [{"role": "user", "parts": [{"text": "Hello"}]}],
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
    }
    assert sent(streamed=False)[0].url == f"{base}:generateContent"
    assert "AIza-1" not in request.url


def test_fields_are_sent_under_their_names_here() -> None:
    parameters = {"temperature": 0.5, "top_p": 1, "stop": "END", "reasoning_effort": "low", "safety_settings": [1]}
    body = sent(n=2, max_output=7, parameters=parameters | {"thinking_config": {"includeThoughts": True}})[1]
    assert body["generationConfig"] == {
        "temperature": 0.5,
        "topP": 1,
        "stopSequences": ["END"],
        "maxOutputTokens": 7,
        "candidateCount": 2,
        "thinkingConfig": {"includeThoughts": True},
    }
    assert body["safetySettings"] == [1]


def test_a_last_turn_of_the_model_is_gone_on_with() -> None:
    contents = sent(Turn("user", "a"), Turn("user", "b"), Turn("assistant", "Hel "), continues=True)[1]["contents"]
    assert [(content["role"], content["parts"][0]["text"]) for content in contents] == [
        ("user", "a\n\nb"),
        ("model", "Hel "),
    ]


@pytest.mark.parametrize(
    "base_url, model, url",
    [
        ("https://host", "tiny", "https://host/v1beta/models/tiny:streamGenerateContent?alt=sse"),
        ("https://host/v1", "tiny", "https://host/v1/models/tiny:streamGenerateContent?alt=sse"),
        ("https://host?a=b", "tiny", "https://host/v1beta/models/tiny:streamGenerateContent?a=b&alt=sse"),
        ("https://host", "tunedModels/t", "https://host/v1beta/tunedModels/t:streamGenerateContent?alt=sse"),
        ("https://host", "a b?c#d", "https://host/v1beta/models/a%20b%3Fc%23d:streamGenerateContent?alt=sse"),
    ],
)
def test_addresses(base_url: str, model: str, url: str) -> None:
    assert sent(model=model, base_url=base_url)[0].url == url


# Lists and counts


def test_the_list_of_models_is_read_page_by_page() -> None:
    endpoint = Endpoint("", "gemini", "AIza-1")
    (first,) = gemini.models_requests(endpoint)
    assert first.url == "https://generativelanguage.googleapis.com/v1beta/models?pageSize=1000"
    answers = {"supportedGenerationMethods": ["generateContent", "countTokens"]}
    entries = [
        {"name": "models/a", "inputTokenLimit": 9, "outputTokenLimit": 7, **answers},
        {"name": "models/b", "supportedGenerationMethods": ["embedContent"]},
        {"name": "models/c"},
        {"name": 7, **answers},
        None,
    ]
    page = json.dumps({"models": entries, "nextPageToken": "x/y="}).encode()
    assert gemini.models(GEMINI, page) == [ListedModel("a", 9, 7)]
    following = gemini.next_models_request(endpoint, page)
    assert following
    assert following.url.endswith("/models?pageSize=1000&pageToken=x%2Fy%3D")
    assert gemini.next_models_request(endpoint, b'{"models":[]}') is None


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"models":7}', b'{"error":{}}'])
def test_what_is_no_list_of_models(body: bytes) -> None:
    with pytest.raises(ValueError):
        gemini.models(GEMINI, body)


def test_a_count_is_of_contents_alone() -> None:
    turns = (Turn("system", "Be brief."), Turn("user", "Hello"), Turn("assistant", "Hi"))
    request = gemini.count_request(Endpoint("", "gemini", "AIza-1"), "tiny", turns)
    assert request
    assert request.url.endswith("/v1beta/models/tiny:countTokens")
    contents = json.loads(request.body or b"")["contents"]
    assert [content["parts"][0]["text"] for content in contents] == ["Be brief.\n\nHello", "Hi"]
    assert gemini.token_count(GEMINI, b'{"totalTokens":10}') == 10
    assert gemini.token_count(GEMINI, b"[]") is None

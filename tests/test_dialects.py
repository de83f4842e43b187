"""What holds of every dialect, whatever comes."""

import json
from inspect import signature
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat.upstream.bodies import MAX_WHOLE
from chat.upstream.client import DIALECTS
from chat.upstream.contract import BodyEnd, Call, Delta, Endpoint, Event, Failure, Finish, Garbled, Opened, Turn
from chat.upstream.profiles import PROFILES, can_continue, profile
from tests.samples import cut, folded, read

# One profile of each.
NAMES = ["default", "anthropic", "gemini", "ollama", "kobold_native", "koboldai_united"]
every_dialect = pytest.mark.parametrize("name", NAMES)
every_profile = pytest.mark.parametrize("name", sorted(PROFILES))

TYPES = {
    "stream": "text/event-stream",
    "lines": "application/x-ndjson",
    "document": "application/json",
    "page": "text/html",
    "nothing": "",
}
KEYS = ["choices", "index", "delta", "message", "content", "text", "finish_reason", "error", "code", "usage", "detail"]
KEYS += ["type", "content_block", "thinking", "stop_reason", "input_tokens", "output_tokens"]
KEYS += ["candidates", "parts", "thought", "finishReason", "promptFeedback", "blockReason", "usageMetadata"]
KEYS += ["promptTokenCount", "done", "done_reason", "eval_count", "token", "results", "completion_tokens", "details"]
WORDS = ["stop", "0", "error", "message_start", "message_delta", "content_block_delta", "content_block_start", "load"]
VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.sampled_from(WORDS)
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=5)),
    max_leaves=12,
)  # fmt: skip


SSE = {"Content-Type": TYPES["stream"]}


def events_of(name: str, pieces: list[bytes], kind: str = "stream", status: int = 200, n: int = 1) -> list[Event]:
    headers = {"Content-Type": TYPES[kind]}
    reader = DIALECTS[profile(name).dialect].reader(profile(name), status=status, headers=headers, n=n)
    return read(reader, pieces)


def assert_in_order(events: list[Event], n: int) -> None:
    assert isinstance(events[0], Opened)
    assert events[-1] == BodyEnd()
    for event in events:
        if isinstance(event, Delta | Finish):
            assert 0 <= event.index < n
        if isinstance(event, Delta):
            (event.text + event.reasoning + event.role).encode()
    folded(events, n).usage()


# What comes


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(VALUES, max_size=4), st.sampled_from(NAMES), st.integers(1, 3), st.sampled_from(list(TYPES)))
def test_no_payload_whatever_raises(payloads: list, name: str, n: int, kind: str) -> None:
    start, end = ("data: ", "\n\n") if kind == "stream" else ("", "\n")
    pieces = [f"{start}{json.dumps(payload)}{end}".encode() for payload in payloads]
    assert_in_order(events_of(name, pieces, kind, n=n), n)
    assert_in_order(events_of(name, [json.dumps(payloads).encode()], kind, n=n), n)


@given(st.binary(max_size=200), st.sampled_from(NAMES), st.sampled_from([200, 204, 301, 500]), st.data())
def test_no_body_whatever_raises(body: bytes, name: str, status: int, draw: st.DataObject) -> None:
    kind = draw.draw(st.sampled_from(list(TYPES)))
    begin = draw.draw(
        st.sampled_from([b"", b"data: ", b'{"error":', b"event: error\ndata:", b"[{", b'{"done":true}\n{'])
    )
    assert_in_order(events_of(name, [begin + body], kind, status), 1)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(VALUES, max_size=3), st.sampled_from(NAMES), st.data())
def test_no_cutting_changes_what_is_read(payloads: list, name: str, draw: st.DataObject) -> None:
    kind = draw.draw(st.sampled_from(["stream", "lines", "document"]))
    lines = "".join(f"data: {json.dumps(payload, ensure_ascii=False)}\r\n\r\n" for payload in payloads)
    documents = st.sampled_from([lines, lines.replace("data: ", ""), json.dumps(payloads)])
    body = draw.draw(documents).encode("utf-8", "replace")
    places = draw.draw(st.lists(st.integers(0, len(body)), max_size=9))
    whole, pieces = (folded(events_of(name, parts, kind)) for parts in ([body], cut(body, places)))
    assert pieces.choices == whole.choices
    assert pieces.usage() == whole.usage()
    assert pieces.incomplete_reason() == whole.incomplete_reason()


@every_dialect
@pytest.mark.parametrize("pair", [("[", "]"), ('{"content":', "}"), ('{"error":', "}"), ('[{"candidates":', "}]")])
def test_no_depth_raises(name: str, pair: tuple[str, str]) -> None:
    for depth in (900, 100_000):
        document = pair[0] * depth + "1" + pair[1] * depth
        for kind in TYPES:
            assert_in_order(events_of(name, [document.encode()], kind), 1)
            assert_in_order(events_of(name, [b"data: " + document.encode() + b"\n\n"], kind), 1)


@every_dialect
def test_a_whole_body_without_end_is_bounded(name: str) -> None:
    events = events_of(name, [b'{"a":"', *[b"x" * 1_000_000] * (MAX_WHOLE // 1_000_000 + 2), b'"}'], "document")
    assert Garbled("too_long") in events


@every_dialect
def test_a_line_without_end_is_refused(name: str) -> None:
    for kind in ("stream", "lines"):
        assert Garbled("too_long") in events_of(name, [b'data: {"a":"', *[b"x" * 500_000] * 4], kind)


@every_dialect
def test_an_error_has_a_kind_whatever_its_shape(name: str) -> None:
    for body in (b"", b"<title>502 Bad Gateway</title>", b'{"detail":"m"}', b'[{"error":{"message":"m"}}]', b"\xff"):
        failures = [event for event in events_of(name, [body], "document", 502) if isinstance(event, Failure)]
        assert [(failure.kind, failure.retryable) for failure in failures] == [("upstream", True)]


@every_dialect
def test_a_ping_is_nothing_whatever_it_holds(name: str) -> None:
    for data in (b"{}", b'{"type": "ping"}', b"2026-11-20", b""):
        reader = DIALECTS[profile(name).dialect].reader(profile(name), status=200, headers=SSE, n=1)
        if profile(name).dialect != "ollama_chat":  # has lines, and no names
            assert reader.feed(b": ping\n\nevent: ping\ndata: " + data + b"\n\n") == []


@every_dialect
def test_a_page_is_never_an_answer(name: str) -> None:
    assert Garbled("not_an_answer") in events_of(name, [b"<!doctype html><p>Sign in"], "page")


@every_dialect
def test_nothing_at_all_is_not_complete(name: str) -> None:
    for kind in TYPES:
        assert folded(events_of(name, [], kind)).incomplete_reason() is not None


# What is sent


FUNCTIONS = ["request", "cancel_request", "reader", "models_requests", "next_models_request", "models"]
FUNCTIONS += ["context_request", "context_length", "sees", "count_request", "token_count"]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_all_dialects_are_asked_in_the_same_words(dialect: str) -> None:
    for name in FUNCTIONS:
        ours, first = (signature(getattr(module, name)) for module in (DIALECTS[dialect], DIALECTS["openai_chat"]))
        assert ours == first, name


def call(name: str, **more: object) -> Call:
    turns = (Turn("system", "s"), Turn("user", "Hello"), Turn("assistant", "Hel"))
    return Call(Endpoint("http://host:1", name, "a-secret-key"), "tiny", turns, **more)


EVERYTHING = {"temperature": 0.5, "stop": ["a"], "top_k": 1, "of_tomorrow": 1, "stream": "no", "model": "other"}


@every_profile
def test_a_request_can_be_made_of_everything_that_may_be_asked(name: str) -> None:
    dialect = DIALECTS[profile(name).dialect]
    continues = can_continue(profile(name), "tiny")
    for streamed in (True, False):
        request = dialect.request(
            call(name, n=3, streamed=streamed, max_output=7, parameters=EVERYTHING, continues=continues)
        )
        body = json.loads(request.body or b"")
        assert body.get("stream", streamed) is streamed
        assert body.get("model", "tiny") == "tiny"
        assert "of_tomorrow" not in request.body.decode()
        assert request.headers["Accept-Encoding"] == "identity"


@every_profile
def test_the_key_is_in_its_header_and_nowhere_else(name: str) -> None:
    dialect, endpoint = DIALECTS[profile(name).dialect], call(name).endpoint
    listing = dialect.models_requests(endpoint)
    others = [dialect.count_request(endpoint, "tiny", "text"), dialect.context_request(endpoint, "tiny")]
    others.append(dialect.cancel_request(call(name)))
    for request in filter(None, [dialect.request(call(name)), *listing, *others]):
        assert "a-secret-key" in request.headers[profile(name).key_header]
        assert "a-secret-key" not in request.url
        assert b"a-secret-key" not in (request.body or b"")
        assert "a-secret-key" not in repr(request)
        assert urlsplit(request.url).netloc == "host:1"


@every_profile
def test_what_a_profile_says_fits_together(name: str) -> None:
    facts = profile(name)
    assert facts.dialect in DIALECTS
    assert facts.continuation or not (facts.may_repeat or facts.trims_kept or facts.continues_model)
    assert facts.usage_place or not facts.include_usage
    assert facts.thinks_in_text == ("<think>" in facts.reasoning)
    assert not facts.base_url or urlsplit(facts.base_url).scheme in ("http", "https")
    assert not (facts.local_port and f":{facts.local_port}" not in facts.base_url)


def test_no_variable_and_no_port_makes_two_providers() -> None:
    for field in ("key_variable", "url_variable", "local_port"):
        told = [value for facts in PROFILES.values() if (value := getattr(facts, field)) and value != 8000]
        assert len(told) == len(set(told)), field

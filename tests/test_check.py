"""The check of a provider, against upstreams that behave in one of the documented ways."""

import time
from collections.abc import Callable

import pytest

from chat.upstream import check
from chat.upstream.check import Report
from chat.upstream.contract import Endpoint, Usage
from tests.scripted import (
    DONE,
    Answer,
    Close,
    Forever,
    ScriptedUpstream,
    SeenRequest,
    Send,
    Stall,
    Wait,
    chat_stream,
    error,
    event,
    sse,
    whole,
)

WORDS = ["The ", "sea ", "is ", "wide."]


def behaving(
    *,
    n: bool = True,
    continues: str = " five, six",
    usage: tuple[int, int] | None = (27, 4),
    **stream: object,
) -> Callable[[SeenRequest], Answer]:
    """An upstream as documented: `n` is heeded, and what it goes on with."""

    def answer(request: SeenRequest) -> Answer:
        turns = request.body["messages"]
        if turns[-1]["role"] == "assistant":
            return chat_stream([continues], usage=usage)
        if "two hundred" in turns[-1]["content"]:
            return Answer([Send(event(role="assistant", text="one")), Forever(event(text=", two"), every=0.05)])
        return chat_stream(WORDS, usage=usage, n=request.body.get("n", 1) if n else 1, **stream)

    return answer


def checked(upstream: ScriptedUpstream, script: object, profile: str = "llamacpp", seconds: float = 10) -> Report:
    upstream.script("tiny", script)
    return check.check(Endpoint(upstream.base_url, profile, "sk-1", local=True), "tiny", seconds)


def test_a_server_that_does_all_it_should(upstream: ScriptedUpstream) -> None:
    report = checked(upstream, behaving(first=0.2))
    assert report.failure is None and not report.late
    assert report.seen.end == "whole" and report.seen.texts == {0: "The sea is wide."}
    assert 0.2 <= report.seen.first_after < 2 and report.seen.opened_after < report.seen.first_after
    assert (report.usage, report.usage_place, report.usage_is_trusted) == (Usage(27, 4), "final_chunk", True)
    assert (report.several, report.sends_n, report.continuation) == ("works", True, "works")
    assert report.closed_after < 1 and report.close_stops is True


def test_it_costs_little_and_closes_early(upstream: ScriptedUpstream) -> None:
    checked(upstream, behaving())
    assert [request.body.get("n") for request in upstream.requests] == [None, 2, None, None]
    assert max(request.body["max_tokens"] for request in upstream.requests) <= 100
    upstream.requests[-1].wait_closed(10)
    assert upstream.requests[-1].closed


def test_a_server_that_nobody_knows_is_asked_for_two_all_the_same(upstream: ScriptedUpstream) -> None:
    report = checked(upstream, behaving(), "default")
    assert (report.several, report.sends_n) == ("works", False)
    assert (report.continuation, report.close_stops) == ("not_offered", None)


@pytest.mark.parametrize(
    ("profile", "several"), [("default", "ignored"), ("vllm", "ignored"), ("ollama_v1", "not_offered")]
)
def test_a_server_that_ignores_n_is_noticed(profile: str, several: str, upstream: ScriptedUpstream) -> None:
    assert checked(upstream, behaving(n=False), profile).several == several


def test_a_server_that_refuses_n_is_told_from_one_that_ignores_it(upstream: ScriptedUpstream) -> None:
    def answer(request: SeenRequest) -> Answer:
        return error(400, "n must be 1") if request.body.get("n") else behaving()(request)

    report = checked(upstream, answer)
    assert (report.several, report.continuation) == ("refused", "works")


def test_a_continuation_that_begins_anew_is_noticed(upstream: ScriptedUpstream) -> None:
    assert checked(upstream, behaving(continues="One, two, three")).continuation == "ignored"


def test_a_continuation_that_is_all_thoughts_is_unclear(upstream: ScriptedUpstream) -> None:
    def answer(request: SeenRequest) -> Answer:
        last = request.body["messages"][-1]
        return chat_stream([], reasoning=["hm"]) if last["role"] == "assistant" else behaving()(request)

    assert checked(upstream, answer).continuation == "unclear"


ENDS = [
    ("whole", chat_stream(WORDS)),
    ("unended", chat_stream(WORDS, done=False)),
    ("unfinished", chat_stream(WORDS, finish=None)),
    ("cut", chat_stream(WORDS, finish=None, done=False)),
    ("cut", chat_stream(WORDS, then=[Close()])),
    ("garbled", Answer([Send(event(text="a")), Send(b"data: {nonsense\n\n"), Send(DONE)])),
    ("garbled", Answer([Send(b"<html>Hello</html>")], content_type="text/html")),
]


@pytest.mark.parametrize(("end", "answer"), ENDS)
def test_how_the_stream_ends_is_told(end: str, answer: Answer, upstream: ScriptedUpstream) -> None:
    assert checked(upstream, answer, "ollama_v1").seen.end == end


def test_no_usage_is_unknown(upstream: ScriptedUpstream) -> None:
    report = checked(upstream, behaving(usage=None))
    assert (report.usage, report.usage_place, report.usage_is_trusted) == (None, None, False)


def test_a_constant_usage_is_not_trusted(upstream: ScriptedUpstream) -> None:
    report = checked(upstream, behaving(usage=(1, 1)), "kimi_free")
    assert (report.usage, report.usage_is_trusted) == (Usage(1, 1), False)


def test_usage_within_a_choice_is_found_there(upstream: ScriptedUpstream) -> None:
    figures = {"prompt_tokens": 3, "completion_tokens": 2}
    last = sse({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": figures}]})
    report = checked(upstream, Answer([Send(event(text="Hi")), Send(last), Send(DONE)]), "moonshot")
    assert (report.usage_place, report.usage) == ("per_choice", Usage(3, 2))


def test_thoughts_are_noticed(upstream: ScriptedUpstream) -> None:
    report = checked(upstream, behaving(reasoning=["Hm"]))
    assert report.seen.thinks


def test_an_answer_in_one_piece_is_told(upstream: ScriptedUpstream) -> None:
    assert checked(upstream, chat_stream(["All at once"]), "ollama_v1").seen.pieces == 1


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (error(401, "Incorrect API key provided: sk-1"), "auth"),
        (error(402, "Insufficient Balance"), "quota"),
        (error(404, "model tiny not found"), "bad_request"),
        (whole({"error": {"message": "no", "code": 500}}), "upstream"),
        (error(429, "slow down", kind="rate_limit_exceeded"), "rate_limited"),
        (Answer([Send(b"<html>Sign in</html>")], content_type="text/html"), "upstream"),
    ],
)
def test_trouble_is_told_and_nothing_more_is_tried(answer: Answer, kind: str, upstream: ScriptedUpstream) -> None:
    report = checked(upstream, answer)
    assert report.failure.kind == kind
    assert len(upstream.requests) == 1
    assert report.several == report.continuation == "untried"


def test_an_address_that_is_not_allowed_is_trouble_too(upstream: ScriptedUpstream) -> None:
    report = check.check(Endpoint(upstream.base_url, "default", "sk-1"), "tiny")
    assert report.failure.code == "local_address"
    assert upstream.all_connections == 0


@pytest.mark.parametrize("answer", [Answer([Stall()]), Answer([Forever(b": ping\n\n", every=0.05)])])
def test_it_ends_in_time_though_the_upstream_does_not(answer: Answer, upstream: ScriptedUpstream) -> None:
    began = time.monotonic()
    report = checked(upstream, answer, seconds=0.5)
    assert time.monotonic() - began < 3
    assert report.late and report.several == "untried"
    upstream.requests[0].wait_closed(10)


def test_what_was_found_before_it_was_late_is_kept(upstream: ScriptedUpstream) -> None:
    def answer(request: SeenRequest) -> Answer:
        return Answer([Wait(30)]) if request.body.get("n") else behaving()(request)

    report = checked(upstream, answer, seconds=1)
    assert report.late and report.seen.end == "whole"
    assert (report.several, report.continuation) == ("untried", "untried")


def test_the_key_is_in_no_report(upstream: ScriptedUpstream) -> None:
    endpoint = Endpoint(upstream.base_url, "openai", "sk-canary-0123456789", local=True)
    upstream.script("tiny", error(401, "Wrong key: sk-canary-0123456789"))
    assert "canary" not in repr(check.check(endpoint, "tiny"))

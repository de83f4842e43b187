"""What a misbehaving upstream does to a reply: a status, a reason, a sentence, and nothing lost."""

import pytest

from tests.scripted import DONE, Answer, Close, Forever, Reset, Send, Stall, Wait, chat_stream, error, event, sse, whole
from tests.test_stopping import asked

HALF = ["Half ", "an ", "answer"]
PARTIAL = "Half an answer"


def stream(*steps, **more) -> Answer:
    return chat_stream(HALF, finish=None, done=False, then=steps, every=0.01, **more)


CASES = {
    "resets in the middle": (stream(Reset()), ("cut", "reset"), PARTIAL),
    "resets in the middle of a chunk": (
        Answer([Send(b"ff\r\n" + event(text="Half")[:20]), Wait(0.1), Reset()], framing="raw"),
        ("failed", "unreachable"),
        "",
    ),
    "ends without its end": (stream(), ("cut", "ended_early"), PARTIAL),
    "closes before the body's end": (stream(Close()), ("cut", "reset"), PARTIAL),
    "finishes but sends no terminator": (
        chat_stream(HALF, done=False, every=0.01),
        ("cut", "no_terminator"),
        PARTIAL,
    ),
    "sends its terminator but no finish_reason": (
        chat_stream(HALF, finish=None, every=0.01),
        ("cut", "ended_without_reason"),
        PARTIAL,
    ),
    "sends an error inside the stream": (
        stream(Send(sse({"error": {"message": "Overheated", "code": 500}})), Send(DONE)),
        ("failed", "upstream"),
        PARTIAL,
    ),
    "sends an error with status 200": (
        whole({"error": {"message": "No instances", "code": 400, "type": "invalid_request_error"}}),
        ("failed", "bad_request"),
        "",
    ),
    "refuses the key": (error(401, "Incorrect API key"), ("failed", "auth"), ""),
    "is out of money": (error(429, "Pay first", kind="insufficient_quota"), ("failed", "quota"), ""),
    "answers with a web page": (
        Answer([Send(b"<!doctype html><p>Sign in")], content_type="text/html", framing="content-length"),
        ("cut", "garbled"),
        "",
    ),
    "sends a line of 10 MB": (
        Answer([Send(event(text="Half")), Send(b"data: " + b"x" * 10_000_000), Send(b"\n\n")]),
        ("cut", "too_long"),
        "Half",
    ),
    "sends broken UTF-8": (
        Answer([Send(event(text="Half")), Send(b'data: {"choices":[{"index":0,"delta":{"content":"\xff\xe4"}}]}\n\n')]),
        ("cut", "ended_early"),
        "Half\ufffd\ufffd",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_an_upstream_that(name, site, alice, upstream):
    answer, (status, reason), text = CASES[name]
    upstream.script("tiny", answer)
    sent = alice.send("Go", model="tiny")
    row = site.settled(sent.completion, 20)
    assert (row["status"], row["reason"]) == (status, reason)
    assert site.message(sent.reply)["text"] == text
    (charge,) = site.charges()
    assert charge["output_tokens"] > 0 if text else charge["output_tokens"] == 0
    assert "sk-canary" not in alice.http.get(f"/c/{sent.conversation}/").text + site.log.read_text()


def test_a_web_page_instead_of_an_answer_is_told_as_one(site, alice, upstream):
    page = Answer([Send(b"<!doctype html><p>Sign in")], content_type="text/html", framing="content-length")
    upstream.script("tiny", page)
    sent = alice.send("What I typed", model="tiny")
    site.settled(sent.completion)
    told = alice.http.get(f"/c/{sent.conversation}/").text
    assert "is no answer: a web page, perhaps." in told and "What I typed" in told


def test_an_upstream_that_refuses_connections_is_tried_again_and_costs_nothing(make_site, upstream):
    upstream.script("tiny", chat_stream(["x"]))
    site = make_site("tiny")
    alice = site.visitor("alice")
    site.change("UPDATE chat_provider SET base_url = 'http://127.0.0.1:9/v1' WHERE profile != 'demo'")
    sent = alice.send("Go", model="tiny")
    row = site.settled(sent.completion, 20)
    assert (row["status"], row["reason"], row["attempts"]) == ("failed", "unreachable", 3)
    (charge,) = site.charges()
    assert (charge["source"], charge["input_tokens"], charge["output_tokens"]) == ("not sent", 0, 0)
    assert "127.0.0.1:9" in alice.http.get(f"/c/{sent.conversation}/").text


def test_a_busy_upstream_is_asked_again_when_it_says(site, alice, upstream):
    upstream.script("tiny", error(429, "slow down", headers={"Retry-After": "1"}), chat_stream(["Now"], usage=(5, 1)))
    with alice.socket() as page:
        sent = alice.send("Go", model="tiny")
        page.watch(sent.completion)
        lines = []
        while not any("waiting for the provider" in line for line in lines):
            lines.append(page.next("line")["html"])
        row = site.settled(sent.completion)
    assert (row["status"], row["attempts"]) == ("complete", 2)
    first, second = asked(upstream)
    assert second.arrived_at - first.arrived_at >= 1
    assert len(site.charges()) == 1


DATES = {"Date": "Fri, 20 Nov 2026 22:00:00 GMT", "Retry-After": "Fri, 20 Nov 2026 23:05:00 GMT"}
GOOGLES = {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "details": [{"retryDelay": "90s"}], "message": "no"}}


@pytest.mark.parametrize(
    "refusal, said",
    [
        (error(429, "slow down", headers={"Retry-After": "600"}), "asks to wait for 10 min"),
        (error(503, "full", headers=DATES), "asks to wait for 1 h 5 min"),
        (error(429, "slow down", headers={"retry-after-ms": "61500"}), "asks to wait for 1 min 2 s"),
        (whole(GOOGLES, status=429), "asks to wait for 1 min 30 s"),
        (error(429, "Wait.", headers={"Retry-After": "1e300"}), "asks to wait for 720 h"),
        (error(429, "Please try again in 2m5s."), "asks to wait for 2 min 5 s"),
    ],
)
def test_an_upstream_that_asks_for_a_long_wait_is_not_asked_again_and_says_how_long(
    refusal, said, site, alice, upstream
):
    upstream.script("tiny", refusal)
    sent = alice.send("Go", model="tiny")
    row = site.settled(sent.completion)
    assert (row["status"], row["attempts"], len(asked(upstream))) == ("failed", 1, 1)
    assert said in alice.http.get(f"/c/{sent.conversation}/").text


def test_an_internal_error_is_not_repeated_since_it_may_have_been_paid(site, alice, upstream):
    upstream.script("tiny", error(500, "boom"), chat_stream(["again"]))
    sent = alice.send("Go", model="tiny")
    row = site.settled(sent.completion)
    assert (row["status"], row["reason"], row["attempts"]) == ("failed", "upstream", 1)


@pytest.mark.parametrize("usage", [(5, 99_999_999), (5, -3), (10**30, 5), (0, 0)])
def test_absurd_usage_is_not_believed(site, alice, upstream, usage):
    upstream.script("tiny", chat_stream(["Some words of an answer"], usage=usage))
    sent = alice.send("Go", model="tiny")
    row = site.settled(sent.completion)
    assert (row["status"], row["usage_source"]) == ("complete", "estimated")
    assert 0 < row["output_tokens"] < 50 and 0 < row["input_tokens"] < 50


ROLE = {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]}
COUNTED = {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 0}}


@pytest.mark.parametrize("begun", [ROLE, COUNTED], ids=["its role", "its usage"])
def test_nothing_is_repeated_once_an_answer_has_begun_if_only_with(begun, site, alice, upstream):
    busy = sse({"error": {"message": "busy", "code": 503}})
    upstream.script("tiny", Answer([Send(sse(begun)), Send(busy)]), chat_stream(["again"]))
    sent = alice.send("Go", model="tiny")
    row = site.settled(sent.completion)
    assert (row["status"], row["reason"], row["attempts"]) == ("failed", "overloaded", 1)
    assert row["usage_source"] == "estimated" and row["input_tokens"] > 0


def test_nothing_is_repeated_after_the_first_delta(site, alice, upstream):
    failing = stream(Send(sse({"error": {"message": "busy", "code": 503}})))
    upstream.script("tiny", failing, chat_stream(["again"]))
    sent = alice.send("Go", model="tiny")
    row = site.settled(sent.completion)
    assert (row["status"], row["attempts"]) == ("failed", 1)
    assert site.message(sent.reply)["text"] == PARTIAL


@pytest.fixture
def impatient(make_site, upstream):
    upstream.script("tiny", chat_stream(["x"]))
    return make_site("tiny", CHAT_FIRST_DELTA_SECONDS="1", CHAT_PROGRESS_SECONDS="1")


STALLS = {
    "stalls before the first delta": (Answer([Stall()]), ""),
    "stalls in the middle": (stream(Stall()), PARTIAL),
    "sends only comments": (stream(Forever(b": still here\n\n", every=0.1)), PARTIAL),
    "never answers": (Answer([Stall()], framing="raw"), ""),
}


@pytest.mark.parametrize("name", STALLS)
def test_a_stalling_upstream_that(name, impatient, upstream):
    answer, text = STALLS[name]
    upstream.script("tiny", answer)
    sent = impatient.visitor().send("Go", model="tiny")
    row = impatient.settled(sent.completion, 10)
    assert (row["status"], row["reason"]) == ("cut", "stalled")
    assert impatient.message(sent.reply)["text"] == text
    asked(upstream)[0].wait_closed(10)


def test_an_upstream_that_never_stops_is_stopped_at_the_cap(site, alice, upstream):
    upstream.script("tiny", Answer([Forever(event(text="x" * 10_000), every=0.001)]))
    sent = alice.send("Go", model="tiny")
    row = site.settled(sent.completion, 60)
    assert (row["status"], row["reason"]) == ("stopped", "cap"), "its longest answer has 4,096 tokens"
    assert len(site.message(sent.reply)["text"]) < 200_000
    site.change("UPDATE chat_languagemodel SET max_output = 10000000")
    sent = alice.send("Go", model="tiny")
    row = site.settled(sent.completion, 60)
    assert (row["status"], row["reason"]) == ("cut", "too_long")
    assert 2_000_000 <= len(site.message(sent.reply)["text"]) <= 2_100_000

"""Leaving saves the partial and its estimate at once; coming back within the grace loses and repeats nothing."""

import time

from tests.scripted import chat_stream
from tests.site import wait_for
from tests.test_stopping import asked

WORDS = [f"word{n} " for n in range(1000)]


def test_leaving_saves_the_partial_and_its_estimated_tokens_at_once(site, alice, upstream):
    upstream.script("tiny", chat_stream(WORDS))
    with alice.socket() as page:
        sent = alice.send("Go", model="tiny")
        page.watch(sent.completion)
        page.next("frame")
        wait_for(lambda: len(asked(upstream)[0].sent) > 20)
    wait_for(lambda: site.completion(sent.completion)["output_tokens"], 3)
    row = site.completion(sent.completion)
    assert row["status"] == "live"
    assert row["output_low"] <= row["output_tokens"] <= row["output_high"]
    assert "word9 " in saved_text(site, sent.completion)


def test_the_grace_ends_the_reply_and_it_is_charged(site, alice, upstream):
    upstream.script("tiny", chat_stream(WORDS))
    site.change("UPDATE chat_languagemodel SET grace_seconds = 0")
    with alice.socket() as page:
        sent = alice.send("Go", model="tiny")
        page.watch(sent.completion)
        page.next("frame")
    left = time.monotonic()
    closed = asked(upstream)[0].wait_closed(11)
    assert 4.5 <= closed - left <= 10, "at least 5 s, since a reload is not leaving"
    row = site.settled(sent.completion)
    assert (row["status"], row["reason"]) == ("abandoned", "left")
    assert row["usage_source"] == "estimated" and len(site.charges()) == 1
    assert "".join(WORDS).startswith(site.message(sent.reply)["text"])


def test_coming_back_within_the_grace_goes_on(site, alice, upstream):
    upstream.script("tiny", chat_stream(WORDS[:300], every=0.03))
    site.change("UPDATE chat_languagemodel SET grace_seconds = 5")
    with alice.socket() as page:
        sent = alice.send("Go", model="tiny")
        page.watch(sent.completion)
        page.next("frame")
    time.sleep(2)
    with alice.socket() as page:
        page.watch(sent.completion)
        page.next("settled", 15)
    assert site.settled(sent.completion)["status"] == "complete"
    assert site.message(sent.reply)["text"] == "".join(WORDS[:300])
    assert len(asked(upstream)) == 1


def test_another_tab_counts_as_being_there(site, alice, upstream):
    upstream.script("tiny", chat_stream(WORDS[:300], every=0.03))
    site.change("UPDATE chat_languagemodel SET grace_seconds = 0")
    with alice.socket():
        with alice.socket() as page:
            sent = alice.send("Go", model="tiny")
            page.watch(sent.completion)
            page.next("frame")
        assert site.settled(sent.completion, 15)["status"] == "complete"


def test_with_no_grace_it_finishes_however_long_it_takes(site, alice, upstream):
    upstream.script("tiny", chat_stream(WORDS[:300], every=0.03, usage=(5, 600)))
    site.change("UPDATE chat_languagemodel SET grace_seconds = NULL")
    sent = alice.send("Go", model="tiny")
    assert site.settled(sent.completion, 15)["status"] == "complete"


def test_a_tab_closed_before_the_first_token_still_gets_its_reply(site, alice, upstream):
    upstream.script("tiny", chat_stream(["late"], first=1.5, usage=(5, 1)))
    with alice.socket() as page:
        sent = alice.send("Go", model="tiny")
        page.watch(sent.completion)
    assert site.settled(sent.completion)["status"] == "complete"
    assert site.message(sent.reply)["text"] == "late"


def test_a_line_that_goes_dead_is_leaving_too(site, alice, upstream):
    upstream.script("tiny", chat_stream(WORDS))
    page = alice.socket()
    sent = alice.send("Go", model="tiny")
    page.watch(sent.completion)
    page.next("frame")
    page.drop()
    wait_for(lambda: site.completion(sent.completion)["output_tokens"], 3)


def saved_text(site, completion: int) -> str:
    import json

    segments = site.rows("SELECT content FROM chat_segment WHERE completion_id = ? ORDER BY number", completion)
    return "".join(delta[1] for row in segments for delta in json.loads(row["content"]).get("deltas", ()))

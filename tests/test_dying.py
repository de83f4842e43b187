"""kill -9 and SIGTERM in the middle of twenty replies: nothing is lost, everything is counted, nothing stays live."""

import signal
import time

import pytest

from tests.scripted import chat_stream
from tests.site import Site, wait_for
from tests.test_leaving import saved_text
from tests.test_stopping import asked

COUNT = 20
LONG = [f"word{n} " for n in range(2000)]


@pytest.fixture
def twenty(site: Site, upstream):
    """Twenty people, each watching a reply that arrives."""
    upstream.script("tiny", chat_stream(LONG, stamped=True, every=0.02))
    people = [site.visitor() for _ in range(COUNT)]
    pages = [person.socket() for person in people]
    sent = [person.send("Go", model="tiny") for person in people]
    for page, one in zip(pages, sent, strict=True):
        page.watch(one.completion)
    wait_for(lambda: len(asked(upstream)) == COUNT)
    wait_for(lambda: all(len(request.sent) > 30 for request in asked(upstream)), 20)
    return list(zip(people, pages, sent, strict=True))


def test_kill_9_loses_nothing_older_than_half_a_second(site, upstream, twenty):
    killed = time.monotonic()
    site.kill()
    for _person, _page, sent in twenty:
        assert last_stamp(saved_text(site, sent.completion)) > killed - 0.5
    site.start()
    for _person, _page, sent in twenty:
        row = site.settled(sent.completion, 15)
        assert (row["status"], row["reason"]) == ("lost", "killed")
        assert row["usage_source"] == "estimated"
        assert last_stamp(site.message(sent.reply)["text"]) > killed - 0.5
    assert len(site.charges()) == COUNT
    assert not site.rows("SELECT 1 FROM chat_segment")
    assert not site.rows("SELECT 1 FROM chat_completion WHERE status IN ('live', 'queued')")


def last_stamp(text: str) -> float:
    """The time at which the upstream sent the last delta: each is "<time> word<n> "."""
    return float(text.split()[-2])


def test_sigterm_saves_all_tells_the_pages_and_exits_in_time(site, upstream, twenty):
    began = time.monotonic()
    site.process.send_signal(signal.SIGTERM)
    assert {page.closed() for _person, page, _sent in twenty} == {4012}
    assert site.process.wait(12) == 0
    assert time.monotonic() - began < 10
    for _person, _page, sent in twenty:
        row = site.completion(sent.completion)
        assert (row["status"], row["reason"]) == ("lost", "restart")
        assert row["usage_source"] == "estimated"
        request = next(r for r in asked(upstream) if r.closed_at)
        assert site.message(sent.reply)["text"]
        assert request.closed_at - began < 9
    assert len(site.charges()) == COUNT


def test_sigterm_lets_end_what_ends_by_itself(site, alice, upstream):
    upstream.script("tiny", chat_stream(["a "] * 50, every=0.04, usage=(5, 50)))
    with alice.socket():
        sent = alice.send("Go", model="tiny")
        wait_for(lambda: asked(upstream) and len(asked(upstream)[0].sent) > 5)
        assert site.terminate() == 0
    row = site.completion(sent.completion)
    assert (row["status"], row["usage_source"]) == ("complete", "reported")
    assert site.message(sent.reply)["text"] == "a " * 50


def test_a_process_that_has_said_goodbye_does_not_rise_again(site):
    for _ in range(3):  # it saves four times a second
        assert site.terminate() == 0
        assert not site.rows("SELECT 1 FROM chat_process WHERE dead = 0")
        site.start()
    assert "ERROR" not in site.log.read_text()


def test_what_is_queued_when_the_process_stops_is_answered_by_the_next(site, alice, upstream):
    sent = alice.send("Go", model="tiny")
    site.settled(sent.completion)
    site.terminate()
    site.change("UPDATE chat_completion SET status='queued', process_id=NULL, attempts=0, settled=NULL")
    site.change("DELETE FROM chat_usageentry")
    site.change("UPDATE chat_message SET text='' WHERE role='assistant'")
    site.start()
    assert site.settled(sent.completion)["status"] == "complete"
    assert site.message(sent.reply)["text"] == "Hello there."


def test_a_proved_end_whose_settlement_died_is_complete(site, alice, upstream):
    """The segments say that all came; only the settlement is missing."""
    sent = alice.send("Go", model="tiny")
    site.settled(sent.completion)
    site.kill()
    (process,) = site.rows("SELECT id FROM chat_process WHERE dead = 0")
    segment = (
        '{"deltas": [[0, "Hello there.", "", "assistant"]], "arrivals": "AAAM", "proofs": [["Opened", {"status": 200,'
        ' "ends_by": "terminator", "request_id": ""}], ["Finish", {"index": 0, "reason": "stop", "raw": "stop"}],'
        ' ["Terminator", {}]]}'
    )
    site.change("DELETE FROM chat_usageentry")
    site.change("UPDATE chat_message SET text='' WHERE role='assistant'")
    site.change("UPDATE chat_completion SET status='live', process_id=?, settled=NULL", process["id"])
    site.change(
        "INSERT INTO chat_segment (completion_id, number, content, output_tokens, is_thinking, saved)"
        " VALUES (?, 1, ?, 3, 0, CURRENT_TIMESTAMP)",
        sent.completion,
        segment,
    )
    site.start()
    assert site.settled(sent.completion)["status"] == "complete"
    assert site.message(sent.reply)["text"] == "Hello there."
    assert len(site.charges()) == 1


def test_a_second_process_on_the_same_database_is_refused(site):
    second = Site(site.folder, site.environment)
    with pytest.raises(AssertionError, match="Another process serves this database"):
        second.start()
    assert site.answers()

"""Several processes on PostgreSQL and Redis keep what one on SQLite does: all is rows and conditional updates."""

import time

from tests.scripted import chat_stream
from tests.site import PASSWORD, PATIENCE, Visitor, wait_for
from tests.test_dying import last_stamp
from tests.test_sockets import shown
from tests.test_stopping import WORDS, asked


def elsewhere(visitor: Visitor, site) -> Visitor:
    """The same person, signed in at another process."""
    other = object.__new__(Visitor)
    other.site, other.name = site, visitor.name
    other.http = type(visitor.http)(base_url=site.url, timeout=PATIENCE)
    other.http.get("/sign-in/")
    answer = other.post("/sign-in/", htmx=False, username=visitor.name, password=PASSWORD)
    assert answer.status_code == 302
    return other


def test_a_reply_lives_where_its_reader_is_and_a_page_elsewhere_follows_it(two_processes, upstream):
    first, second = two_processes
    upstream.script("tiny", chat_stream(WORDS[:150], every=0.02, usage=(5, 300)))
    alice = first.visitor("alice")
    there = elsewhere(alice, second)
    with there.socket() as far:
        sent = alice.send("Go", model="tiny")
        wait_for(lambda: asked(upstream))
        with alice.socket() as near:
            near.watch(sent.completion)
            far.watch(sent.completion)
            assert shown(far) == shown(near)
    row = first.settled(sent.completion)
    assert (row["status"], row["output_tokens"]) == ("complete", 300)
    assert len(asked(upstream)) == 1 and len(first.charges()) == 1


def test_stop_reaches_another_process_within_two_seconds(two_processes, upstream):
    first, second = two_processes
    upstream.script("tiny", chat_stream(WORDS))
    alice = first.visitor("alice")
    there = elsewhere(alice, second)
    with alice.socket():
        sent = alice.send("Go", model="tiny")
        wait_for(lambda: asked(upstream) and len(asked(upstream)[0].sent) > 20)
        at = time.monotonic()
        assert there.post(f"/completions/{sent.completion}/stop/").status_code == 204
        assert asked(upstream)[0].wait_closed(2) - at < 2
    assert first.completion(sent.completion)["status"] == "stopped"


def test_what_a_dead_process_left_is_settled_by_another(two_processes, upstream):
    first, second = two_processes
    upstream.script("tiny", chat_stream(WORDS, stamped=True))
    alice = first.visitor("alice")
    with alice.socket() as page:
        sent = alice.send("Go", model="tiny")
        page.watch(sent.completion)
        wait_for(lambda: asked(upstream) and len(asked(upstream)[0].sent) > 50)
        killed = time.monotonic()
        first.kill()
    row = second.settled(sent.completion, 15)
    assert (row["status"], row["reason"]) == ("lost", "killed")
    assert last_stamp(second.message(sent.reply)["text"]) > killed - 0.5
    assert len(second.charges()) == 1


def test_a_person_who_is_at_another_process_has_not_left(two_processes, upstream):
    first, second = two_processes
    upstream.script("tiny", chat_stream(WORDS[:400], every=0.02, usage=(5, 800)))
    first.change("UPDATE chat_languagemodel SET grace_seconds = 0")
    alice = first.visitor("alice")
    with elsewhere(alice, second).socket():
        with alice.socket() as page:
            sent = alice.send("Go", model="tiny")
            page.watch(sent.completion)
            page.next("frame")
        assert first.settled(sent.completion, 20)["status"] == "complete"

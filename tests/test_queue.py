"""A provider that allows few streams at once: others wait, oldest first, fair between people, and see their place."""

import time

from tests.scripted import Stall, chat_stream
from tests.site import wait_for
from tests.test_stopping import asked


def limited(site, streams: int) -> None:
    site.change("UPDATE chat_provider SET max_streams = ? WHERE profile != 'demo'", streams)


def test_never_more_streams_than_the_provider_allows(site, upstream):
    limited(site, 2)
    upstream.script("tiny", chat_stream(["a "] * 20, every=0.03, usage=(1, 20)))
    people = [site.visitor() for _ in range(4)]
    sent = [person.send("Go", model="tiny") for person in people for _ in range(2)]
    for one in sent:
        assert site.settled(one.completion, 30)["status"] == "complete"
    intervals = [(request.arrived_at, request.wait_closed(5)) for request in asked(upstream)]
    most = max(sum(start <= moment < end for start, end in intervals) for moment, _end in intervals)
    assert most == 2


def test_who_has_a_stream_comes_after_who_has_none(site, upstream):
    limited(site, 2)
    long, short = chat_stream(["a "] * 150, every=0.03), chat_stream(["a "] * 30, every=0.03)
    upstream.script("tiny", lambda request: long if said(request) == "one" else short)
    alice, bob, carol = site.visitor("alice"), site.visitor("bob"), site.visitor("carol")
    alice.send("one", model="tiny")
    carol.send("short", model="tiny")
    wait_for(lambda: len(asked(upstream)) == 2)
    older, newer = alice.send("two", model="tiny"), bob.send("three", model="tiny")
    for sent in (older, newer):
        site.settled(sent.completion, 20)
    assert [said(request) for request in asked(upstream)] == ["one", "short", "three", "two"]


def said(request) -> str:
    return request.body["messages"][0]["content"]


def test_the_page_shows_the_place_and_stop_ends_the_waiting(site, upstream):
    limited(site, 1)
    upstream.script("tiny", chat_stream(["a"], then=[Stall()]))
    alice, bob = site.visitor("alice"), site.visitor("bob")
    alice.send("Go", model="tiny")
    wait_for(lambda: asked(upstream))
    with bob.socket() as page:
        sent = bob.send("Go too", model="tiny")
        page.watch(sent.completion)
        assert "place 1" in page.next("line")["html"]
        assert bob.post(f"/completions/{sent.completion}/stop/").status_code == 204
        page.next("settled")
    row = site.completion(sent.completion)
    assert (row["status"], row["usage_source"]) == ("stopped", "not sent")
    assert len(asked(upstream)) == 1


def test_who_leaves_while_waiting_is_not_answered_after_the_grace(site, upstream):
    limited(site, 1)
    site.change("UPDATE chat_languagemodel SET grace_seconds = 5")
    upstream.script("tiny", chat_stream(["a"], then=[Stall()]))
    alice, bob = site.visitor("alice"), site.visitor("bob")
    with alice.socket():
        alice.send("Go", model="tiny")
        wait_for(lambda: asked(upstream))
        began = time.monotonic()
        sent = bob.send("Go too", model="tiny")
        row = site.settled(sent.completion, 15)
    assert (row["status"], row["usage_source"]) == ("abandoned", "not sent")
    assert time.monotonic() - began > 4.5

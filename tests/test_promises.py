"""I14, I15, I16: nobody waits for another's slow query, no secret gets into a log, no wall clock matters."""

import os
import threading
import time
from pathlib import Path

import pytest

from tests.scripted import Send, chat_stream, error, sse
from tests.site import wait_for
from tests.test_stopping import WORDS, asked


def test_one_persons_slow_query_does_not_hold_up_anothers_stream(make_site, upstream):
    upstream.script("tiny", chat_stream(WORDS[:900], stamped=True, every=0.02))
    site = make_site("tiny", DJANGO_SETTINGS_MODULE="tests.slow_site.settings")
    alice, bob = site.visitor("alice"), site.visitor("bob")
    with alice.socket() as page:
        sent = alice.send("Go", model="tiny")
        page.watch(sent.completion)
        page.next("frame")
        slow = threading.Thread(target=lambda: bob.http.get("/slow/"))
        slow.start()
        gaps, last = [], time.monotonic()
        while slow.is_alive():
            page.next("frame")
            gaps.append(time.monotonic() - last)
            last = time.monotonic()
        slow.join()
    assert len(gaps) > 20, "the query lasts while frames come"
    # A frame comes each 20 ms. One thread for all would make one gap of the whole query, some seconds.
    assert max(gaps) < 1.0


def test_no_secret_and_no_chat_text_gets_into_the_log(site, alice, upstream):
    canary = "canary-in-the-message"
    answers = [
        chat_stream(["canary-in-the-reply"], usage=(1, 1)),
        error(401, "bad key sk-canary-0123456789 canary-in-the-error"),
        chat_stream(["canary-in-the-reply"], then=[Send(sse({"error": {"message": "canary-in-the-error"}}))]),
        chat_stream([f"canary-{'x' * 2_000_000}"]),
    ]
    for answer in answers:
        upstream.script("tiny", answer)
        sent = alice.send(canary, model="tiny")
        site.settled(sent.completion, 30)
        alice.http.get(f"/c/{sent.conversation}/")
    alice.post(f"/c/{sent.conversation}/rename/", title="canary-in-the-title")
    alice.http.get("/c/00000000-0000-0000-0000-000000000000/?q=canary-in-the-query")
    alice.post("/sign-in/", htmx=False, username="alice", password="canary-in-the-password")
    with alice.socket() as page:
        page.socket.send("canary-in-a-frame")
        page.closed()
    assert "canary" not in site.log.read_text()


@pytest.mark.parametrize("jump", [3600, -3600])
def test_a_wall_clock_that_jumps_changes_nothing_but_time_stamps(make_site, upstream, tmp_path, jump):
    """The clock of the serving process jumps by an hour in the middle of a reply; its people stay."""
    upstream.script("tiny", chat_stream(WORDS[:200], every=0.02, usage=(5, 400)))
    switch = tmp_path / "jump"
    path = os.pathsep.join([str(Path(__file__).parent / "clock"), os.environ.get("PYTHONPATH", "")])
    site = make_site("tiny", PYTHONPATH=path, CLOCK_SWITCH=str(switch))
    alice = site.visitor("alice")
    with alice.socket() as page:
        sent = alice.send("Go", model="tiny")
        page.watch(sent.completion)
        wait_for(lambda: asked(upstream) and len(asked(upstream)[0].sent) > 20)
        switch.write_text(str(jump))
        page.next("settled", 15)
        row = site.settled(sent.completion)
        assert (row["status"], row["output_tokens"]) == ("complete", 400)
        assert site.message(sent.reply)["text"] == "".join(WORDS[:200])
        again = alice.send("And again", model="tiny", conversation=sent.conversation, parent=sent.reply)
        assert site.settled(again.completion, 15)["status"] == "complete"
        page.watch(again.completion)
        page.next("settled")
    assert len(site.charges()) == 2

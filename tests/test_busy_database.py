"""A database that is locked by somebody else for a while loses nothing and stops no stream."""

import sqlite3
import threading
import time
import uuid
from contextlib import contextmanager

import pytest

from tests.scripted import chat_stream
from tests.site import wait_for
from tests.test_dying import last_stamp
from tests.test_leaving import saved_text
from tests.test_stopping import WORDS, asked


@contextmanager
def locked(site, seconds: float):
    """The write lock is held from now on, and let go after `seconds`."""
    connection = sqlite3.connect(site.database, timeout=10, check_same_thread=False, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    release = threading.Timer(seconds, lambda: connection.execute("ROLLBACK"))
    release.start()
    yield
    release.join()
    connection.close()


@pytest.mark.parametrize("seconds", [3, 7])
def test_a_lock_of_some_seconds_loses_nothing(site, alice, upstream, seconds):
    """Writers wait 5 s for the lock: after 7 s the save has failed, and is made up for."""
    upstream.script("tiny", chat_stream(WORDS[:600], stamped=True, every=0.02, usage=(5, 900)))
    with alice.socket() as page:
        sent = alice.send("Go", model="tiny")
        page.watch(sent.completion)
        wait_for(lambda: asked(upstream) and len(asked(upstream)[0].sent) > 20)
        with locked(site, seconds):
            until = time.monotonic() + seconds - 0.5
            while time.monotonic() < until:
                page.next("frame", 1)  # the stream goes on
        released = time.monotonic()
        wait_for(lambda: last_stamp(saved_text(site, sent.completion)) > released - 0.5, 7)
        row = site.settled(sent.completion, 20)
    assert (row["status"], row["output_tokens"]) == ("complete", 900)
    assert site.message(sent.reply)["text"].split()[1::2] == "".join(WORDS[:600]).split()


def test_a_settlement_waits_for_the_lock(site, alice, upstream):
    upstream.script("tiny", chat_stream(["Hello"], first=0.5, usage=(5, 1)))
    sent = alice.send("Go", model="tiny")
    wait_for(lambda: asked(upstream))
    with locked(site, 7):
        pass
    assert site.settled(sent.completion, 10)["status"] == "complete"
    assert len(site.charges()) == 1


def test_a_send_while_the_database_is_locked_gets_a_sentence_and_can_be_repeated(site, alice):
    key = str(uuid.uuid4())
    with locked(site, 8):
        refused = alice.send("Hello", model="tiny", key=key).response
    assert refused.status_code == 503 and "Your text is kept" in refused.text
    sent = alice.send("Hello", model="tiny", key=key)
    assert site.settled(sent.completion)["status"] == "complete"
    assert "Traceback" not in site.log.read_text()

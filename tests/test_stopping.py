"""Stop closes the upstream within a second, and what had arrived is what stays."""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor

from tests.scripted import Stall, chat_stream
from tests.site import wait_for

WORDS = [f"word{n} " for n in range(1000)]


def asked(upstream):
    """The chat requests that the upstream has seen."""
    return [request for request in upstream.requests if request.path.endswith("/chat/completions")]


def test_stop_closes_the_upstream_within_a_second_and_the_text_stays(site, alice, upstream):
    upstream.script("tiny", chat_stream(WORDS))
    sent = alice.send("Go", model="tiny")
    wait_for(lambda: len(asked(upstream)) == 1 and len(asked(upstream)[0].sent) > 20)
    at = time.monotonic()
    assert alice.post(f"/completions/{sent.completion}/stop/").status_code == 204
    assert asked(upstream)[0].wait_closed(1) - at < 1
    row = site.completion(sent.completion)
    assert (row["status"], row["reason"]) == ("stopped", "person")
    text = site.message(sent.reply)["text"]
    assert text.startswith("word0 word1 ") and "".join(WORDS).startswith(text)
    time.sleep(0.6)
    assert site.message(sent.reply)["text"] == text


def test_a_stopped_reply_is_charged_with_an_estimate_between_bounds(site, alice, upstream):
    upstream.script("tiny", chat_stream(WORDS))
    sent = alice.send("Go", model="tiny")
    wait_for(lambda: asked(upstream) and len(asked(upstream)[0].sent) > 20)
    alice.post(f"/completions/{sent.completion}/stop/")
    (charge,) = site.charges()
    assert charge["source"] == "estimated"
    assert 0 < charge["output_low"] <= charge["output_tokens"] <= charge["output_high"]
    assert charge["input_tokens"] > 0


def test_stop_works_while_the_upstream_says_nothing(site, alice, upstream):
    upstream.script("tiny", chat_stream([], then=[Stall()]))
    sent = alice.send("Go", model="tiny")
    wait_for(lambda: asked(upstream))
    assert alice.post(f"/completions/{sent.completion}/stop/").status_code == 204
    assked = asked(upstream)[0]
    assked.wait_closed(10)
    assert site.message(sent.reply)["text"] == ""


def test_stopping_twice_or_after_the_end_changes_nothing(site, alice, upstream):
    sent = alice.send("Go", model="tiny")
    site.settled(sent.completion)
    assert alice.post(f"/completions/{sent.completion}/stop/").status_code == 204
    assert site.completion(sent.completion)["status"] == "complete"
    assert len(site.charges()) == 1


def test_deleting_stops_what_arrives_and_keeps_the_charge(site, alice, upstream):
    upstream.script("tiny", chat_stream(WORDS))
    sent = alice.send("Go", model="tiny")
    wait_for(lambda: asked(upstream) and len(asked(upstream)[0].sent) > 5)
    alice.post(f"/c/{sent.conversation}/delete/")
    asked(upstream)[0].wait_closed(10)
    row = site.completion(sent.completion)
    assert (row["status"], row["reason"]) == ("stopped", "deleted")
    assert len(site.charges()) == 1
    assert alice.http.get(f"/c/{sent.conversation}/").status_code == 404
    assert alice.http.get(f"/messages/{sent.reply}/").status_code == 404


def test_nothing_is_asked_in_a_conversation_that_is_being_deleted(site, alice, upstream):
    """Another tab sends while this one deletes: whatever comes first, nothing goes on in what is gone."""
    upstream.script("tiny", chat_stream(WORDS))
    sent = alice.send("Go", model="tiny")
    question = sent.messages[0]

    def edit(n: int) -> None:
        alice.post(f"/messages/{question}/edit/", key=str(uuid.uuid4()), text=f"edit {n}")

    with ThreadPoolExecutor(4) as pool:
        tries = [pool.submit(edit, 0), pool.submit(alice.post, f"/c/{sent.conversation}/delete/")]
        tries += [pool.submit(edit, n) for n in (1, 2)]
        for each in tries:
            each.result()
    wait_for(lambda: not site.rows("SELECT 1 FROM chat_completion WHERE status IN ('queued', 'live')"), 5)
    assert len(site.charges()) == len(site.rows("SELECT 1 FROM chat_completion"))


def test_a_stopped_reply_can_be_continued_where_the_provider_can(make_site, upstream):
    upstream.script("kimi", chat_stream(WORDS), chat_stream(["the ", "end"], usage=(40, 2)))
    site = make_site("kimi", MOONSHOT_BASE_URL=upstream.base_url, MOONSHOT_API_KEY="sk-moon", OPENAI_BASE_URL="")
    alice = site.visitor("alice")
    sent = alice.send("Go", model="kimi")
    wait_for(lambda: asked(upstream) and len(asked(upstream)[0].sent) > 20)
    alice.post(f"/completions/{sent.completion}/stop/")
    kept = site.message(sent.reply)["text"]
    alice.post(f"/messages/{sent.reply}/continue/", key=str(uuid.uuid4()))
    row = site.settled()
    assert row["status"] == "complete"
    last = asked(upstream)[-1].body["messages"][-1]
    assert last == {"role": "assistant", "content": kept, "partial": True}
    (reply,) = site.rows("SELECT * FROM chat_message WHERE completion_id = ?", row["id"])
    assert reply["text"] == kept + "the end"
    assert reply["prefix_length"] == len(kept)
    assert row["output_tokens"] == 2

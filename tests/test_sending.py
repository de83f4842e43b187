"""One click, one message; bad input gets a sentence and loses nothing."""

import uuid
from concurrent.futures import ThreadPoolExecutor

from tests.scripted import Stall, chat_stream


def test_a_message_is_answered_and_everything_is_stored(site, alice):
    sent = alice.send("Hi", model="tiny")
    row = site.settled(sent.completion)
    assert (row["status"], row["usage_source"]) == ("complete", "reported")
    assert (row["input_tokens"], row["output_tokens"]) == (9, 3)
    assert site.message(sent.reply)["text"] == "Hello there."
    assert site.message(sent.reply)["finish_reason"] == "stop"
    page = alice.http.get(f"/c/{sent.conversation}/").text
    assert "Hello there." in page and 'data-status="complete"' in page


def test_the_prompt_is_the_thread(site, alice, upstream):
    first = alice.send("Hi", model="tiny")
    site.settled(first.completion)
    second = alice.send("And now?", model="tiny", conversation=first.conversation, parent=first.reply)
    site.settled(second.completion)
    asked = upstream.requests[-1].body
    assert asked["stream"] is True
    assert [(m["role"], m["content"]) for m in asked["messages"]] == [
        ("user", "Hi"),
        ("assistant", "Hello there."),
        ("user", "And now?"),
    ]


def test_the_same_key_twenty_times_at_once_makes_one_message(site, alice, upstream):
    key = str(uuid.uuid4())
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: alice.send("Only once", model="tiny", key=key), range(20)))
    assert {sent.completion for sent in answers} == {answers[0].completion}
    site.settled(answers[0].completion)
    assert site.rows("SELECT count(*) AS n FROM chat_message WHERE role = 'user'")[0]["n"] == 1
    assert sum(request.path.endswith("completions") for request in upstream.requests) == 1


def test_the_same_key_with_another_text_is_refused_and_shows_the_first(site, alice):
    key = str(uuid.uuid4())
    first = alice.send("First", model="tiny", key=key)
    site.settled(first.completion)
    again = alice.send("Second", model="tiny", key=key)
    assert again.response.status_code == 409
    assert "First" in again.response.text and key not in again.response.text
    assert len(site.rows("SELECT 1 FROM chat_message WHERE role = 'user'")) == 1


def test_an_empty_message_gets_a_sentence(alice):
    for text in ("", "   \n "):
        refused = alice.send(text, model="tiny").response
        assert refused.status_code == 422
        assert "nothing to send" in refused.text


def test_a_message_of_200_kb_gets_a_sentence_with_its_length(site, alice):
    refused = alice.send("x" * 200_000, model="tiny").response
    assert refused.status_code == 422
    assert "200,000" in refused.text.replace("200000", "200,000")
    assert not site.rows("SELECT 1 FROM chat_message")


def test_a_message_under_a_reply_that_still_arrives_is_refused(site, alice, upstream):
    upstream.script("tiny", chat_stream(["Wait"], then=[Stall()]))
    first = alice.send("Hi", model="tiny")
    refused = alice.send("Too soon", model="tiny", conversation=first.conversation, parent=first.reply).response
    assert refused.status_code == 409
    assert "still arriving" in refused.text
    assert not site.rows("SELECT 1 FROM chat_message WHERE text = 'Too soon'")


def test_regenerating_makes_a_sibling_and_keeps_the_first(site, alice):
    first = alice.send("Hi", model="tiny")
    site.settled(first.completion)
    answer = alice.post(f"/messages/{first.reply}/regenerate/", key=str(uuid.uuid4()))
    assert answer.status_code == 200
    newest = site.settled()
    assert newest["id"] != first.completion
    replies = site.rows("SELECT * FROM chat_message WHERE role = 'assistant'")
    assert [reply["text"] for reply in replies] == ["Hello there.", "Hello there."]
    assert len({reply["parent_id"] for reply in replies}) == 1


def test_editing_makes_a_sibling_of_the_message(site, alice, upstream):
    first = alice.send("Hi", model="tiny")
    site.settled(first.completion)
    alice.post(f"/messages/{first.messages[0]}/edit/", key=str(uuid.uuid4()), text="Hi again")
    site.settled()
    assert upstream.requests[-1].body["messages"] == [{"role": "user", "content": "Hi again"}]
    page = alice.http.get(f"/c/{first.conversation}/").text
    assert "Hi again" in page and "2/2" in page


def test_a_thread_that_does_not_fit_the_window_loses_its_oldest_turns_and_says_so(site, alice, upstream):
    first = alice.send("The oldest words. " * 40, model="tiny")
    site.settled(first.completion)
    site.change("UPDATE chat_languagemodel SET context_length = 120")
    second = alice.send("And now?", model="tiny", conversation=first.conversation, parent=first.reply)
    row = site.settled(second.completion)
    assert upstream.requests[-1].body["messages"] == [{"role": "user", "content": "And now?"}]
    assert row["left_out"] == 2

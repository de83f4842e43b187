"""One click, one message; bad input gets a sentence and loses nothing."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

from tests.scripted import Answer, Stall, Until, Wait, chat_stream, chat_whole
from tests.site import wait_for
from tests.test_stopping import asked


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


def test_several_answers_of_one_model_are_one_call_where_the_provider_can(make_site, upstream):
    upstream.script("kimi", chat_stream(["Hello"], usage=(7, 9), n=3))
    site = make_site("kimi", MOONSHOT_BASE_URL=upstream.base_url, MOONSHOT_API_KEY="sk-moon", OPENAI_BASE_URL="")
    alice = site.visitor("alice")
    sent = alice.send("Hi", model="kimi", n=3)
    row = site.settled(sent.completion)
    assert (row["status"], row["input_tokens"], row["output_tokens"]) == ("complete", 7, 9)
    replies = site.rows("SELECT * FROM chat_message WHERE role = 'assistant' ORDER BY id")
    assert [(reply["choice_index"], reply["text"]) for reply in replies] == [(0, "Hello"), (1, "Hello"), (2, "Hello")]
    assert len(asked(upstream)) == 1 and asked(upstream)[0].body["n"] == 3
    page = alice.http.get(f"/c/{sent.conversation}/").text
    assert page.count('data-role="assistant"') == 3


def test_a_provider_that_ignores_n_is_noticed(make_site, upstream):
    upstream.script("kimi", chat_stream(["Only one"], usage=(7, 2)))
    site = make_site("kimi", MOONSHOT_BASE_URL=upstream.base_url, MOONSHOT_API_KEY="sk-moon", OPENAI_BASE_URL="")
    sent = site.visitor("alice").send("Hi", model="kimi", n=3)
    row = site.settled(sent.completion)
    assert (row["status"], row["reason"]) == ("cut", "missing_choice")
    assert [reply["text"] for reply in site.rows("SELECT * FROM chat_message WHERE role = 'assistant'")] == ["Only one"]


def test_several_models_answer_the_same_message_side_by_side(make_site, upstream):
    upstream.script("tiny", chat_stream(["I am tiny"], usage=(1, 3)))
    upstream.script("other", chat_stream(["I am other"], usage=(1, 3)))
    site = make_site("tiny", "other")
    alice = site.visitor("alice")
    sent = alice.send("Hi", model="tiny other", n=2)
    wait_for(lambda: len(site.charges()) == 4)
    texts = sorted(reply["text"] for reply in site.rows("SELECT * FROM chat_message WHERE role = 'assistant'"))
    assert texts == ["I am other", "I am other", "I am tiny", "I am tiny"]
    chosen = site.rows("SELECT max(id) AS id FROM chat_message")[0]["id"]
    alice.post(f"/messages/{chosen}/show/")
    further = alice.send("Go on", model="tiny", conversation=sent.conversation, parent=chosen)
    site.settled(further.completion)
    assert asked(upstream)[-1].body["messages"][1]["content"] == site.message(chosen)["text"]
    refused = alice.send("Too many", model="tiny other", n=5).response
    assert refused.status_code == 422 and "eight" in refused.text


def test_line_ends_count_once_and_a_line_end_around_the_text_is_none(site, alice):
    sent = alice.send("\r\n" + "x\r\n" * 49_999 + "x\r\n", model="tiny")
    assert site.message(sent.messages[0])["text"] == "x\n" * 49_999 + "x"


def test_a_whole_answer_is_asked_for_whole_and_shown_at_once(site, alice, upstream):
    slow = [Wait(1), *chat_whole("All at once", usage=(5, 3)).steps]
    upstream.script("tiny", Answer(slow, content_type="application/json"))
    site.change("UPDATE chat_languagemodel SET streamed = ?", False)
    with alice.socket() as page:
        sent = alice.send("Hi", model="tiny")
        page.watch(sent.completion)
        frame = page.next("frame")
        page.next("settled")
    assert asked(upstream)[0].body["stream"] is False
    assert frame["ops"] == [{"whole": ["<p>All at once"]}]
    row = site.settled(sent.completion)
    assert (row["status"], row["usage_source"], row["output_tokens"]) == ("complete", "reported", 3)


def test_one_send_and_one_regeneration_choose_how_the_reply_comes(site, alice, upstream):
    def answer(request):
        return chat_stream(["Hi"]) if request.body["stream"] else chat_whole("Hi")

    def regenerated(**fields) -> bool:
        alice.post(f"/messages/{sent.reply}/regenerate/", key=str(uuid.uuid4()), model=alice.model_id("tiny"), **fields)
        site.settled()
        return upstream.requests[-1].body["stream"]

    upstream.script("tiny", answer)
    sent = alice.send("Hi", model="tiny", streamed="no")
    site.settled(sent.completion)
    assert upstream.requests[-1].body["stream"] is False
    assert regenerated() is True  # as the model says
    assert regenerated(streamed="no") is False
    site.change("UPDATE chat_languagemodel SET streamed = ?", False)
    assert regenerated() is False
    assert regenerated(streamed="yes") is True
    assert "streamed or whole" in alice.send("Hi", model="tiny", streamed="perhaps").response.text


def test_a_reply_is_continued_in_the_way_it_came(make_site, upstream):
    def answer(request):
        return chat_stream(["Once"], finish="length") if request.body["stream"] else chat_whole("Once", finish="length")

    upstream.script("tiny", answer)
    site = make_site("tiny", OPENAI_BASE_URL="", LLAMACPP_BASE_URL=upstream.base_url)
    alice = site.visitor("alice")
    sent = alice.send("Hi", model="tiny", streamed="no")
    site.settled(sent.completion)
    alice.post(f"/messages/{sent.reply}/continue/", key=str(uuid.uuid4()))
    wait_for(lambda: len(asked(upstream)) == 2)
    assert [request.body["stream"] for request in asked(upstream)] == [False, False]


def test_a_whole_answer_is_streamed_inside_where_it_could_not_be_ended_otherwise(make_site, upstream):
    watched = threading.Event()
    upstream.script("kimi", Answer([Until(watched), *chat_stream(["Bit ", "by ", "bit"], every=0.1).steps]))
    site = make_site("kimi", KIMI_FREE_BASE_URL=upstream.base_url, KIMI_FREE_API_KEY="token", OPENAI_BASE_URL="")
    site.change("UPDATE chat_languagemodel SET streamed = ?", False)
    alice = site.visitor("alice")
    with alice.socket() as page:
        sent = alice.send("Hi", model="kimi")
        page.watch(sent.completion)
        page.next("line")
        watched.set()
        assert page.next("frame")["ops"] == [{"whole": ["<p>Bit by bit"]}]
    assert asked(upstream)[0].body["stream"] is True

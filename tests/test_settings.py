"""What people set for themselves, their personas and their conversations, and what becomes of it on the wire."""

import re
import uuid
from datetime import timedelta

import httpx
import pytest
from django.utils import timezone
from playwright.sync_api import Locator, Page, expect

from chat.archive import deletion
from chat.models import Conversation, Message, Person
from tests.scripted import ScriptedUpstream, SeenRequest
from tests.site import PASSWORD, Site, Visitor
from tests.test_deletion import asked, run, settled  # noqa: F401 - asked is a fixture

BEGINNING = "/settings/beginning/"


def asks(upstream: ScriptedUpstream) -> list[SeenRequest]:
    return [request for request in upstream.requests if request.path.endswith("/chat/completions")]


def body_of(upstream: ScriptedUpstream, number: int = -1) -> dict:
    return asks(upstream)[number].body


def send(visitor: Visitor, text: str = "Hello", conversation: str = "", parent: int | None = None, **fields) -> str:
    """The conversation, once the reply is settled."""
    path = f"/c/{conversation}/send/" if conversation else "/c/"
    sent = visitor.post(path, text=text, key=str(uuid.uuid4()), parent=parent, **fields)
    assert sent.status_code == 200, sent.text
    visitor.site.settled()
    return sent.headers["HX-Push-Url"].strip("/").removeprefix("c/") or conversation


def leaf_of(site: Site, conversation: str) -> int:
    return site.rows("SELECT leaf_id FROM chat_conversation WHERE id = ?", uuid.UUID(conversation).hex)[0]["leaf_id"]


def persona(visitor: Visitor, name: str = "Reviewer", **fields) -> int:
    answer = visitor.post("/settings/personas/new/", htmx=False, name=name, **fields)
    assert answer.status_code == 302, answer.text
    return visitor.site.rows("SELECT max(id) AS id FROM chat_persona")[0]["id"]


# What reaches the model


def test_what_a_person_sets_begins_each_of_their_conversations(site, alice, upstream):
    alice.post(
        BEGINNING, htmx=False, system_prompt="Be brief.", temperature="0.3", top_k="5", max_output="77", stop="END\n"
    )
    send(alice)
    body = body_of(upstream)
    assert [m["content"] for m in body["messages"]] == ["Be brief.", "Hello"]
    assert body["messages"][0]["role"] == "system"
    assert (body["temperature"], body["stop"], body["max_tokens"]) == (0.3, ["END"], 77)
    assert "top_k" not in body, "the profile does not allow it"


def test_nobody_elses_settings_reach_anybody(site, alice, upstream):
    alice.post(BEGINNING, htmx=False, system_prompt="canary")
    persona(alice, system_prompt="canary")
    send(site.visitor("bob"))
    assert "canary" not in str(body_of(upstream))


def test_the_longest_answer_is_never_more_than_the_models_own(site, alice, upstream):
    alice.post(BEGINNING, htmx=False, max_output="9999999")
    send(alice)
    assert body_of(upstream)["max_tokens"] == 4096


def test_a_conversation_keeps_what_its_persona_had_when_it_began(site, alice, upstream):
    reviewer = persona(alice, system_prompt="Find faults.", temperature="1", model=alice.model_id("tiny"))
    conversation = send(alice, persona=reviewer)
    alice.post(f"/settings/personas/{reviewer}/", htmx=False, name="Reviewer", system_prompt="Praise.")
    send(alice, conversation=conversation, parent=leaf_of(site, conversation))
    assert [body["messages"][0]["content"] for body in (body_of(upstream, 0), body_of(upstream))] == [
        "Find faults."
    ] * 2
    assert body_of(upstream)["temperature"] == 1


def test_a_conversations_own_setup_holds_from_the_next_message_on(site, alice, upstream):
    conversation = send(alice)
    saved = alice.post(f"/c/{conversation}/setup/", system_prompt="Answer in French.", top_p="0.5", top_k="")
    assert saved.status_code == 204
    send(alice, conversation=conversation, parent=leaf_of(site, conversation))
    assert body_of(upstream)["messages"][0] == {"role": "system", "content": "Answer in French."}
    assert body_of(upstream)["top_p"] == 0.5
    assert "Answer in French." in alice.http.get(f"/c/{conversation}/setup/").text


def test_a_persona_can_be_taken_in_the_middle(site, alice, upstream):
    conversation, reviewer = send(alice), persona(alice, system_prompt="Find faults.")
    assert alice.post(f"/c/{conversation}/persona/", persona=reviewer).status_code == 204
    send(alice, conversation=conversation, parent=leaf_of(site, conversation))
    assert body_of(upstream)["messages"][0]["content"] == "Find faults."


def test_what_is_set_before_a_conversation_begins_goes_with_its_first_message(site, alice, upstream):
    alice.post(BEGINNING, htmx=False, system_prompt="Be brief.", temperature="0.3")
    conversation = send(alice, system_prompt="Be long.", temperature="")
    assert body_of(upstream)["messages"][0]["content"] == "Be long."
    assert "temperature" not in body_of(upstream)
    assert "Be long." in alice.http.get(f"/c/{conversation}/setup/").text


def test_a_persona_without_a_chosen_model_asks_its_own(make_site, upstream):
    from tests.scripted import chat_stream

    upstream.script("one", chat_stream(["1"]))
    upstream.script("two", chat_stream(["2"]))
    site = make_site("one", "two")
    alice = site.visitor("alice")
    reviewer = persona(alice, model=alice.model_id("two"))
    page = alice.http.get(f"/?persona={reviewer}").text
    assert re.search(r'id="model-name">two<', page)
    send(alice, persona=reviewer)
    assert body_of(upstream)["model"] == "two"


# What does not fit is said, and nothing is lost


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"temperature": "3"}, "Temperature: a number from 0 to 2."),
        ({"temperature": "nan"}, "Temperature: a number from 0 to 2."),
        ({"seed": "1.5"}, "Seed: a whole number from 0 to"),
        ({"stop": "a\nb\nc\nd\ne"}, "At most 4 lines"),
        ({"system_prompt": "x" * 20_001}, "This system prompt has 20001 characters; 20000 are the most."),
        ({"model": "999"}, "This model is not available any more."),
    ],
)
def test_what_does_not_fit_gets_a_sentence_beside_what_was_typed(shared_site, somebody, fields, sentence):
    answer = somebody.post(BEGINNING, htmx=False, **{"system_prompt": "kept", **fields})
    assert answer.status_code == 422 and sentence in answer.text
    assert fields.get("system_prompt", "kept") in answer.text
    assert not shared_site.rows("SELECT 1 FROM chat_persona")


def test_a_message_with_a_setup_that_does_not_fit_is_refused_before_anything_is_made(site, alice):
    refused = alice.post("/c/", text="Hello", key=str(uuid.uuid4()), system_prompt="", temperature="9")
    assert refused.status_code == 422 and "Temperature" in refused.text
    assert not site.rows("SELECT 1 FROM chat_conversation")


def test_two_personas_of_one_person_have_two_names(site, alice):
    persona(alice, "Reviewer")
    assert "Another of your personas has this name." in alice.post("/settings/personas/new/", name="REVIEWER").text
    persona(site.visitor("bob"), "Reviewer")


def test_there_are_at_most_forty(site, alice):
    persona(alice)
    site.change(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 39) INSERT INTO chat_persona"
        " (person_id, name, folded_name, system_prompt, parameters) SELECT person_id, i, i, '', '{}'"
        " FROM chat_persona, n"
    )
    assert alice.post("/settings/personas/new/", htmx=False, name="One more").status_code == 302
    assert "which is all there can be" in alice.http.get("/settings/").text
    assert len(site.rows("SELECT 1 FROM chat_persona")) == 40


def test_nobody_reaches_anothers_persona(site, alice):
    mine, bob = persona(alice, system_prompt="canary"), site.visitor("bob")
    his = send(bob)
    answers = [
        bob.http.get(f"/settings/personas/{mine}/"),
        bob.post(f"/settings/personas/{mine}/", name="His"),
        bob.post(f"/settings/personas/{mine}/delete/"),
        bob.post("/c/", text="x", key=str(uuid.uuid4()), persona=mine),
        bob.post(f"/c/{his}/persona/", persona=mine),
        bob.http.get(f"/setup/?persona={mine}", headers={"HX-Request": "true"}),
        bob.http.get(f"/?persona={mine}"),
    ]
    assert [answer.status_code for answer in answers] == [404] * len(answers)
    assert not any("canary" in answer.text for answer in answers)
    assert site.rows("SELECT name FROM chat_persona WHERE name <> ''")[0]["name"] == "Reviewer"


# The account, and how it looks


def test_the_language_goes_with_the_person_not_with_the_browser(site, alice):
    alice.post("/i18n/setlang/", language="zh-hans", next="/", htmx=False)
    with httpx.Client(base_url=site.url, headers={"Accept-Language": "en"}) as elsewhere:
        elsewhere.get("/sign-in/")
        token = {"X-CSRFToken": elsewhere.cookies["csrftoken"], "Origin": site.url}
        elsewhere.post("/sign-in/", data={"username": "alice", "password": PASSWORD}, headers=token)
        assert '<html lang="zh-hans"' in elsewhere.get("/").text
    assert '<html lang="zh-hans"' not in site.visitor("bob").http.get("/").text


def test_the_theme_goes_with_the_person(site, alice):
    assert "data-theme" not in alice.http.get("/").text.partition(">")[2].partition(">")[0]
    assert alice.post("/settings/theme/", theme="dark").status_code == 204
    alice.post("/settings/theme/", theme="javascript:")
    for path in ("/", "/settings/", "/your-data/"):
        assert 'data-theme="dark"' in alice.http.get(path).text


def test_ways_and_email_are_kept_and_nothing_else_of_the_form_is(site, alice):
    fields = {"theme": "light", "language": "", "send_key": "control-enter"}
    alice.post("/settings/ways/", htmx=False, is_superuser="1", **fields)
    alice.post("/settings/email/", htmx=False, email="alice@example.org", username="root")
    (row,) = site.rows("SELECT * FROM chat_person")
    assert {name: row[name] for name in fields} == fields
    assert (row["email"], row["username"], row["is_superuser"]) == ("alice@example.org", "alice", 0)
    assert "This is not an e-mail address." in alice.post("/settings/email/", htmx=False, email="alice").text


def test_a_new_password_ends_all_other_sessions(site, alice):
    with httpx.Client(base_url=site.url) as elsewhere:
        elsewhere.get("/sign-in/")
        token = {"X-CSRFToken": elsewhere.cookies["csrftoken"], "Origin": site.url}
        elsewhere.post("/sign-in/", data={"username": "alice", "password": PASSWORD}, headers=token)
        assert elsewhere.get("/settings/").status_code == 200
        new = {"new_password1": "another-horse-battery", "new_password2": "another-horse-battery"}
        wrong = alice.post("/settings/password/", htmx=False, old_password="wrong", **new)
        assert wrong.status_code == 200 and "Your old password was entered incorrectly" in wrong.text
        assert alice.post("/settings/password/", htmx=False, old_password=PASSWORD, **new).status_code == 302
        assert elsewhere.get("/settings/").status_code == 302
    assert alice.http.get("/settings/").status_code == 200


# Temporary conversations


def test_a_temporary_conversation_is_neither_listed_nor_found_and_is_counted(site, alice):
    conversation = send(alice, text="canary in the coal mine", temporary="on")
    assert alice.http.get(f"/c/{conversation}/").status_code == 200
    assert "canary" not in alice.http.get("/list/").text
    assert not site.rows("SELECT 1 FROM chat_words_docsize")
    assert len(site.charges()) == 1


def left(conversation: Conversation, **ago: int) -> None:
    Conversation.objects.filter(pk=conversation.pk).update(
        temporary=True, **{name: timezone.now() - timedelta(minutes=minutes) for name, minutes in ago.items()}
    )
    deletion.hide_temporary()
    run(deletion.purge())


def test_a_temporary_conversation_goes_a_minute_after_it_was_left(asked):  # noqa: F811
    settled(asked)
    left(asked.conversation, left=0)
    assert Message.objects.exists(), "loading a page again is not leaving"
    left(asked.conversation, left=2)
    assert not Conversation.objects.exists() and not Message.objects.exists()


def test_a_temporary_conversation_goes_after_an_hour_without_a_message(asked):  # noqa: F811
    settled(asked)
    left(asked.conversation, active=59)
    assert Conversation.objects.exists()
    left(asked.conversation, active=61)
    assert not Conversation.objects.exists()


def test_what_is_queued_in_a_temporary_conversation_that_was_left_is_stopped(asked):  # noqa: F811
    left(asked.conversation, left=2)
    completion = asked.completions[0]
    completion.refresh_from_db()
    assert (completion.status, completion.reason) == ("stopped", "deleted")


def test_who_comes_back_to_a_temporary_conversation_has_not_left_it(site, alice):
    conversation = send(alice, temporary="on")
    assert alice.post(f"/c/{conversation}/leave/").status_code == 204
    assert site.rows("SELECT 1 FROM chat_conversation WHERE NOT left IS NULL")
    alice.http.get(f"/c/{conversation}/")
    assert not site.rows("SELECT 1 FROM chat_conversation WHERE NOT left IS NULL")


def test_a_conversation_that_is_kept_cannot_be_left(site, alice):
    conversation = send(alice)
    alice.post(f"/c/{conversation}/leave/")
    assert not site.rows("SELECT 1 FROM chat_conversation WHERE NOT left IS NULL")


def test_a_person_keeps_columns_without_bringing_back_old_rights(db):
    stale = Person.objects.create_user("alice")
    Person.objects.update(is_active=False)
    stale.keep(theme="dark")
    assert not Person.objects.get().is_active


# In a browser


def open_setup(page: Page) -> Locator:
    page.locator("#menu").get_by_role("link", name="System prompt and parameters").click()
    return page.get_by_role("dialog", name="System prompt and parameters")


def test_what_is_set_before_the_first_message_goes_with_it_even_after_a_reload(sit_down, alice, upstream):
    reader = sit_down(alice).connected()
    window = open_setup(reader.page)
    window.get_by_label("System prompt").fill("Answer in French.")
    reader.button("Use it").click()
    expect(window).to_be_hidden()
    reader.open("/").connected()
    expect(open_setup(reader.page).get_by_label("System prompt")).to_have_value("Answer in French.")
    reader.button("Cancel").click()
    reader.send().settled()
    assert body_of(upstream)["messages"][0] == {"role": "system", "content": "Answer in French."}
    reader.open("/").connected()
    expect(open_setup(reader.page).get_by_label("System prompt")).to_have_value("")


def test_a_setup_that_does_not_fit_keeps_the_message_and_says_why(sit_down, alice):
    reader = sit_down(alice).connected()
    window = open_setup(reader.page)
    window.get_by_text("Parameters", exact=True).click()
    window.get_by_label("Stop at").fill("\n".join("abcdefghijk"))
    reader.button("Use it").click()
    reader.send("Not lost")
    expect(reader.page.get_by_role("alert")).to_contain_text("At most")
    expect(reader.box).to_have_value("Not lost")


def test_a_persona_is_picked_and_its_model_with_it(sit_down, alice, upstream):
    persona(alice, system_prompt="Find faults.")
    reader = sit_down(alice).connected()
    reader.page.locator(".picker").click()
    reader.page.get_by_role("radio", name="Reviewer").check()
    reader.page.keyboard.press("Escape")
    expect(reader.page.locator("#persona-name")).to_have_text("Reviewer ·")
    expect(open_setup(reader.page).get_by_label("System prompt")).to_have_value("Find faults.")
    reader.button("Cancel").click()
    reader.send().settled()
    assert body_of(upstream)["messages"][0]["content"] == "Find faults."

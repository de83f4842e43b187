"""The tree in a browser: long threads, links to a message, siblings; what is shown stays in its place."""

import re
import uuid

import pytest
from playwright.sync_api import Locator, expect

from chat.models.thread import MOST_MESSAGES as MOST
from tests.browser import Reader, at_a_page
from tests.scripted import Stall, chat_stream
from tests.site import wait_for
from tests.threads import lengthen


def message(reader: Reader, pk: int) -> Locator:
    return reader.page.locator(f"#message-{pk}")


def top_of(reader: Reader, pk: int) -> float:
    return message(reader, pk).evaluate("article => article.getBoundingClientRect().top")


def shown(reader: Reader) -> list[int]:
    ids = reader.page.locator("#thread article").evaluate_all("all => all.map(article => article.id)")
    return [int(id.removeprefix("message-")) for id in ids]


def say(reader: Reader, text: str) -> None:
    """Sends, and waits for the end of its reply."""
    reader.send(text)
    expect(reader.page.locator("article[data-role=user]").last).to_contain_text(text)
    reader.settled()


# A long thread


def test_a_long_conversation_opens_at_its_end_and_loads_upwards_in_place(sit_down, site, alice):
    sent = alice.send("Hello")
    ids = lengthen(site, sent, 200)
    reader = sit_down(alice, f"/c/{sent.conversation}/").connected()
    assert shown(reader) == list(ids[-MOST:])
    expect(message(reader, ids[-1])).to_be_in_viewport()
    reader.page.evaluate("scrollTo(0, 900)")
    expect(message(reader, ids[-2 * MOST])).to_be_attached()
    middle = reader.page.evaluate("document.elementFromPoint(700, 400).closest('article').id")
    before = top_of(reader, int(middle.removeprefix("message-")))
    reader.page.evaluate("document.querySelector('#earlier a').click()")
    expect(message(reader, ids[-3 * MOST])).to_be_attached()
    assert abs(top_of(reader, int(middle.removeprefix("message-"))) - before) < 1
    while reader.page.locator("#earlier").count():
        reader.page.evaluate("scrollTo(0, 0)")
        reader.page.wait_for_timeout(50)
    assert shown(reader) == [*sent.messages, *ids]


def test_what_was_loaded_above_stays_when_the_thread_is_fetched_again(sit_down, site, alice):
    sent = alice.send("Hello")
    ids = lengthen(site, sent, 120)
    reader = sit_down(alice, f"/c/{sent.conversation}/").connected()
    reader.page.evaluate("document.querySelector('#earlier a').click()")
    expect(message(reader, ids[-2 * MOST])).to_be_attached()
    message(reader, ids[-2 * MOST + 10]).evaluate("article => { article.mark = 'the same' }")
    before = top_of(reader, ids[-2 * MOST + 10])
    alice.send("From elsewhere", conversation=sent.conversation, parent=ids[-1])
    expect(reader.page.locator("article", has_text="From elsewhere")).to_be_attached()
    assert shown(reader)[: 2 * MOST] == list(ids[-2 * MOST :])
    assert message(reader, ids[-2 * MOST + 10]).evaluate("article => article.mark") == "the same"
    assert reader.page.locator("#earlier").count() == 1
    assert top_of(reader, ids[-2 * MOST + 10]) <= before  # it is followed to the end, and never thrown elsewhere


# Links to a message


@pytest.mark.parametrize("address", ["?at={pk}#message-{pk}", "#message-{pk}"])
def test_a_link_to_a_message_opens_the_thread_around_it(sit_down, site, alice, address):
    sent = alice.send("Hello")
    ids = lengthen(site, sent, 200)
    reader = sit_down(alice, f"/c/{sent.conversation}/" + address.format(pk=ids[100]))
    expect(message(reader, ids[100])).to_be_in_viewport()
    reader.connected()
    expect(message(reader, ids[100 - MOST // 2])).to_be_attached()
    reader.page.evaluate("document.querySelector('#later a').click()")
    expect(message(reader, ids[100 + MOST])).to_be_attached()
    there = shown(reader)
    assert there == list(range(there[0], there[-1] + 1))


def test_a_link_to_no_message_of_the_conversation_opens_its_end(sit_down, site, alice):
    foreign = site.visitor("bob").send("Bob's own")
    sent = alice.send("Hello")
    for stranger in (foreign.messages[0], 10**30, "x"):
        page = alice.http.get(f"/c/{sent.conversation}/?at={stranger}")
        assert page.status_code == 200 and f'id="message-{sent.reply}"' in page.text
        assert "Bob" not in page.text
    for query in (f"before={foreign.reply}", f"after={foreign.messages[0]}&leaf={foreign.reply}", "before=x", ""):
        assert alice.http.get(f"/c/{sent.conversation}/stretch/?{query}").status_code == 404
    site.settled(sent.completion)
    reader = sit_down(alice, f"/c/{sent.conversation}/#message-{foreign.messages[0]}")
    expect(reader.replies.last).to_be_in_viewport()


def test_without_javascript_links_lead_up_and_down(sit_down, site, alice):
    sent = alice.send("Hello")
    ids = lengthen(site, sent, 100)
    reader = sit_down(alice, f"/c/{sent.conversation}/", java_script_enabled=False)
    assert shown(reader) == list(ids[-MOST:])
    reader.page.get_by_role("link", name="Earlier messages").click()
    assert shown(reader)[0] == ids[-MOST - MOST // 2]
    expect(message(reader, ids[-MOST])).to_be_in_viewport()
    reader.page.get_by_role("link", name="Earlier messages").click()
    reader.page.get_by_role("link", name="Later messages").click()
    reader.page.get_by_role("link", name="To the end").click()
    assert shown(reader) == list(ids[-MOST:])


def test_what_is_sent_from_the_middle_stands_at_the_end(sit_down, site, alice):
    sent = alice.send("Hello")
    ids = lengthen(site, sent, 120)
    reader = sit_down(alice, f"/c/{sent.conversation}/?at={ids[20]}#message-{ids[20]}").connected()
    say(reader, "One more")
    expect(reader.page.locator("article", has_text="One more")).to_have_count(1)
    expect(reader.replies.last).to_be_in_viewport()
    assert site.message(shown(reader)[-2])["parent_id"] == ids[-1]
    expect(message(reader, ids[2 - MOST])).to_be_attached()
    assert shown(reader)[:-2] == list(ids[2 - MOST :])
    expect(reader.page).to_have_url(f"{reader.url}/c/{sent.conversation}/")


# Siblings


def edited(alice, site, sent) -> tuple[int, int]:
    """The question's sibling and its reply."""
    answer = alice.post(f"/messages/{sent.messages[0]}/edit/", key=str(uuid.uuid4()), text="Hello again")
    question, reply = (int(pk) for pk in re.findall(r'<article[^>]* id="message-(\d+)"', answer.text))
    site.settled()
    return question, reply


def test_looking_at_another_thread_does_not_change_which_is_remembered(sit_down, site, alice):
    sent = alice.send("Hello")
    site.settled(sent.completion)
    question, reply = edited(alice, site, sent)
    reader = sit_down(alice, f"/c/{sent.conversation}/?at={sent.reply}#message-{sent.reply}").connected()
    assert shown(reader) == sent.messages
    alice.post(f"/c/{sent.conversation}/rename/", title="Renamed elsewhere")
    expect(reader.page.locator("h1")).to_have_text("Renamed elsewhere")
    assert shown(reader) == sent.messages
    reader.open(f"/c/{sent.conversation}/")
    assert shown(reader) == [question, reply]


def test_what_is_sent_in_another_thread_goes_on_from_there(sit_down, site, alice):
    sent = alice.send("Hello")
    site.settled(sent.completion)
    edited(alice, site, sent)
    reader = sit_down(alice, f"/c/{sent.conversation}/?at={sent.reply}").connected()
    say(reader, "On this way")
    assert site.message(shown(reader)[-2])["parent_id"] == sent.reply
    reader.page.reload()
    assert shown(reader)[:2] == sent.messages


def test_siblings_are_walked_by_keyboard_and_stay_in_place(sit_down, site, alice):
    sent = alice.send("Hello")
    ids = lengthen(site, sent, 60)
    answer = alice.post(f"/messages/{ids[-20]}/edit/", key=str(uuid.uuid4()), text="Another turn")
    sibling = int(re.findall(r'<article[^>]* id="message-(\d+)" data-role="user"', answer.text)[-1])
    site.settled()
    reader = sit_down(alice, f"/c/{sent.conversation}/").connected()
    back = message(reader, sibling).get_by_role("button", name="Previous version")
    before = top_of(reader, sibling)
    back.focus()
    reader.page.keyboard.press("Enter")
    expect(message(reader, ids[-20])).to_contain_text("1/2")
    assert abs(top_of(reader, ids[-20]) - before) < 1
    expect(message(reader, ids[-20]).get_by_role("button", name="Next version")).to_be_focused()
    expect(message(reader, ids[-10])).to_be_attached()
    reader.page.keyboard.press("Enter")
    expect(message(reader, sibling)).to_contain_text("2/2")
    expect(message(reader, sibling).get_by_role("button", name="Previous version")).to_be_focused()


# Another answer, another conversation


def test_regenerate_asks_the_same_model_and_its_menu_another(make_site, browser, upstream):
    for name in ("tiny", "small"):
        upstream.script(name, chat_stream([f"I am {name}."]), chat_stream([f"I am still {name}."]))
    site = make_site("tiny", "small")
    alice = site.visitor("alice")
    sent = alice.send("Who?", model="small")
    site.settled(sent.completion)
    with at_a_page(browser, alice, site.url) as reader:
        reader.open(f"/c/{sent.conversation}/").connected()
        reader.page.get_by_role("combobox", name="Model", exact=True).click()
        reader.page.get_by_role("radio", name="tiny").click()
        reader.page.keyboard.press("Escape")
        reader.button("Regenerate").click()
        expect(reader.settled().locator(".prose")).to_have_text("I am still small.")
        reader.page.get_by_role("link", name="Regenerate with another model").click()
        menu = reader.page.get_by_role("dialog", name="Regenerate with another model")
        expect(menu.get_by_role("button", name="small the same")).to_be_visible()
        assert reader.axe() == []
        menu.get_by_role("button", name="tiny").click()
        expect(reader.settled().locator(".prose")).to_have_text("I am tiny.")
        expect(menu).to_be_hidden()
        expect(reader.replies.last).to_contain_text("3/3")
        assert reader.complaints == []


def test_without_javascript_another_model_is_chosen_on_a_page(sit_down, site, alice):
    sent = alice.send("Hello")
    site.settled(sent.completion)
    reader = sit_down(alice, f"/c/{sent.conversation}/", java_script_enabled=False)
    reader.page.get_by_role("link", name="Regenerate with another model").click()
    reader.page.get_by_role("button", name="tiny").click()
    expect(reader.replies.last).to_contain_text("2/2")


def test_a_conversation_forks_from_any_message_and_both_go_on(sit_down, site, alice, upstream):
    sent = alice.send("Hello")
    ids = lengthen(site, sent, 6)
    reader = sit_down(alice, f"/c/{sent.conversation}/").connected()
    message(reader, ids[1]).hover()
    message(reader, ids[1]).get_by_role("link", name="More").click()
    reader.button("Fork from here into a new conversation").click()
    expect(reader.page.locator("h1")).to_have_text("Fork of Hello")
    texts = reader.page.locator("#thread .prose").all_inner_texts()
    assert texts == ["Hello", "Hello there.", "turn 1", "turn 2"]
    expect(reader.replies.last.locator(".facts")).to_contain_text("3 out, exact")
    say(reader, "Another way")
    assert len(site.charges()) == 2
    reader.open(f"/c/{sent.conversation}/")
    assert shown(reader) == [*sent.messages, *ids]


def test_a_fork_is_made_once_for_each_key_and_never_of_what_arrives(site, alice, upstream):
    sent = alice.send("Hello")
    site.settled(sent.completion)
    key = str(uuid.uuid4())
    places = {alice.post(f"/messages/{sent.reply}/fork/", key=key).headers["HX-Redirect"] for _ in range(2)}
    assert len(places) == 1
    bob = site.visitor("bob")
    mine = bob.send("Mine")
    site.settled(mine.completion)
    assert bob.post(f"/messages/{mine.reply}/fork/", key=key).status_code == 409
    upstream.script("tiny", chat_stream(["Wait"], then=[Stall()]))
    live = alice.send("Go", conversation=sent.conversation, parent=sent.reply)
    refused = alice.post(f"/messages/{live.reply}/fork/", key=str(uuid.uuid4()))
    assert refused.status_code == 409 and "still arriving" in refused.text
    assert len(site.rows("SELECT 1 FROM chat_conversation WHERE deleted IS NULL")) == 3


def test_what_was_forked_outlives_its_origin(site, alice):
    sent = alice.send("Hello")
    site.settled(sent.completion)
    place = alice.post(f"/messages/{sent.reply}/fork/", key=str(uuid.uuid4())).headers["HX-Redirect"]
    alice.post(f"/c/{sent.conversation}/delete/")
    assert "Hello there." in alice.http.get(place).text


# Taking a message


def test_a_message_is_copied_without_its_markup_and_linked_to(sit_down, site, alice, upstream):
    upstream.script("tiny", chat_stream(["Some **bold** text\n\n- one\n- [two](https://example.org/)"]))
    sent = alice.send("Go")
    site.settled(sent.completion)
    reader = sit_down(alice, f"/c/{sent.conversation}/").connected()
    reader.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    clipboard = "navigator.clipboard.readText()"
    more = message(reader, sent.reply).get_by_role("link", name="More")
    more.click()
    reader.button("Copy as plain text").click()
    wait_for(lambda: reader.page.evaluate(clipboard) == "Some bold text\n\n- one\n- two (https://example.org/)")
    more.focus()
    reader.page.keyboard.press("Enter")
    reader.page.keyboard.press("Tab")
    reader.page.keyboard.press("Enter")
    link = f"{reader.url}/c/{sent.conversation}/?at={sent.reply}#message-{sent.reply}"
    wait_for(lambda: reader.page.evaluate(clipboard) == link)

"""The chat page in a browser: what people see, and what must survive what happens while they look."""

import gzip
import re

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser import PHONE, WIDE, Reader, at_a_page
from tests.scripted import Stall, chat_stream, chat_whole, error
from tests.site import wait_for
from tests.test_stopping import asked

WORDS = [f"word{n} " for n in range(40)]
MARKDOWN = """# Head

- [x] a
- b

| a | b |
|---|--:|
| 1 | 2 |

```python
x = 1
```

> q $x^2$[^1]

[^1]: n
"""


@pytest.fixture
def reader(sit_down, alice) -> Reader:
    return sit_down(alice).connected()


# Sending


def test_a_message_is_sent_and_its_reply_arrives(reader):
    reader.send("Hello")
    reply = reader.settled()
    expect(reply.locator(".prose")).to_have_text("Hello there.")
    expect(reply.locator(".facts")).to_contain_text("3 out, exact")
    expect(reader.page).to_have_url(re.compile(r"/c/[0-9a-f-]{36}/$"))
    expect(reader.page).to_have_title(re.compile("^Hello"))
    expect(reader.box).to_have_value("")
    expect(reader.button("Send")).to_be_visible()


def test_a_send_costs_one_request_before_its_first_word_and_its_end_two(reader):
    """Not the whole thread: a hint of our own send finds its articles on the page."""
    reader.requests.clear()
    reader.send("Hello").settled()
    reader.page.wait_for_timeout(500)
    fetched = [request.split("/")[1] for request in reader.requests if "/static/" not in request]
    assert fetched[0] == "c" and fetched.count("messages") == 1, reader.requests
    assert set(fetched) == {"c", "list", "messages"} and fetched.count("list") <= 2, reader.requests


def test_a_second_message_goes_below_the_first(reader):
    reader.send("One").settled()
    reader.send("Two")
    expect(reader.replies).to_have_count(2)
    reader.settled()
    said = reader.page.locator("article[data-role=user]").all_inner_texts()
    assert [text.splitlines()[-1] if "\n" in text else text for text in said] and "One" in said[0] and "Two" in said[1]


def test_two_clicks_send_once(reader, site):
    reader.box.fill("Once")
    reader.button("Send").dblclick()
    reader.settled()
    assert len(site.rows("SELECT 1 FROM chat_message WHERE role = 'user'")) == 1


def test_shift_enter_breaks_the_line(reader, site):
    reader.box.fill("one")
    reader.box.press("Shift+Enter")
    reader.box.press_sequentially("two")
    reader.box.press("Enter")
    reader.settled()
    assert site.rows("SELECT text FROM chat_message WHERE role = 'user'")[0]["text"] == "one\ntwo"


@pytest.mark.parametrize("event", [{"isComposing": True}, {"keyCode": 229}])
def test_enter_that_chooses_a_candidate_does_not_send(reader, site, event):
    reader.box.fill("你好")
    press = "(box, event) => box.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', bubbles: true, ...event}))"
    reader.box.evaluate(press, event)
    reader.page.wait_for_timeout(200)
    assert site.rows("SELECT 1 FROM chat_message") == []
    expect(reader.box).to_have_value("你好")


def test_the_box_grows_to_ten_lines(reader):
    heights = []
    for lines in (1, 5, 10, 30):
        reader.box.fill("\n".join("line" for _ in range(lines)))
        heights.append(reader.box.evaluate("box => box.clientHeight"))
    assert heights[0] < heights[1] < heights[2] == heights[3] or heights[3] - heights[2] < 10


def test_what_is_typed_while_a_send_is_under_way_stays(reader):
    def slowly(route):
        reader.box.press_sequentially(" and more")
        route.continue_()

    reader.page.route("**/c/", slowly)
    reader.send("First")
    reader.settled()
    expect(reader.box).to_have_value(" and more")


# What was typed is never lost


def test_a_draft_survives_a_reload(reader):
    reader.box.fill("half a thought")
    reader.page.reload()
    expect(reader.box).to_have_value("half a thought")


def test_each_conversation_has_its_own_draft(reader, alice):
    sent = alice.send("Elsewhere")
    reader.box.fill("for the new one")
    reader.open(f"/c/{sent.conversation}/")
    expect(reader.box).to_have_value("")
    reader.box.fill("for the old one")
    reader.open("/")
    expect(reader.box).to_have_value("for the new one")
    reader.open(f"/c/{sent.conversation}/")
    expect(reader.box).to_have_value("for the old one")


def test_a_draft_belongs_to_a_person(reader, site, sit_down):
    reader.box.fill("mine")
    reader.page.reload()
    bob = site.visitor("bob")
    context = reader.page.context
    context.clear_cookies()
    context.add_cookies([{"name": n, "value": v, "url": site.url} for n, v in bob.http.cookies.items()])
    reader.open("/")
    expect(reader.box).to_have_value("")


def test_an_unreachable_server_leaves_the_text_and_a_second_try_sends_once(reader, site):
    reader.page.route("**/c/", lambda route: (route.fetch(), route.abort()))  # it arrives; the answer does not
    reader.send("Only once")
    expect(reader.page.get_by_role("alert")).to_contain_text("cannot be reached")
    expect(reader.box).to_have_value("Only once")
    reader.page.unroute_all()
    reader.box.press("Enter")
    reader.settled()
    expect(reader.box).to_have_value("")
    expect(reader.page.get_by_role("alert")).to_have_count(0)
    expect(reader.page.locator("article[data-role=user]")).to_have_count(1)
    assert len(site.rows("SELECT 1 FROM chat_message WHERE role = 'user'")) == 1
    reader.complaints.clear()  # Chromium and htmx say that the fetch failed


def test_a_message_under_a_reply_that_arrives_is_refused_and_kept(reader, upstream):
    upstream.script("tiny", chat_stream(["Wait"], then=[Stall()]))
    reader.send("First")
    expect(reader.replies.last).to_contain_text("Wait")
    reader.send("Too early")
    expect(reader.page.get_by_role("alert")).to_contain_text("still arriving")
    expect(reader.box).to_have_value("Too early")


def test_an_ended_session_keeps_the_text_and_offers_to_sign_in(reader, alice, site):
    reader.send("Before").settled()
    reader.box.fill("typed with care")
    site.change("DELETE FROM django_session")
    reader.box.press("Enter")
    expect(reader.page.get_by_role("alert")).to_contain_text("Your session has ended")
    expect(reader.box).to_have_value("typed with care")
    address = reader.page.url
    reader.page.get_by_role("alert").get_by_role("link", name="Sign in").click()
    reader.page.get_by_label("Username").fill("alice")
    reader.page.get_by_label("Password").fill("correct-horse-battery")
    reader.button("Sign in").click()
    expect(reader.page).to_have_url(address)
    expect(reader.box).to_have_value("typed with care")


def test_the_limit_is_told_before_it_is_met(reader, site):
    room = reader.page.locator("#room")
    reader.box.fill("a" * 95_000)
    expect(room).to_have_text("95,000 of 100,000 characters")
    reader.box.fill("好" * 100_012)
    expect(room).to_contain_text("12 characters too many")
    reader.box.press("Enter")
    reader.page.wait_for_timeout(200)
    assert site.rows("SELECT 1 FROM chat_message") == []


# While a reply arrives


def test_stop_takes_the_place_of_send_and_ends_the_reply(reader, upstream, site):
    upstream.script("tiny", chat_stream(["Some ", "text"], then=[Stall()]))
    reader.send("Go")
    expect(reader.replies.last.locator(".prose")).to_have_text("Some text")
    expect(reader.button("Send")).to_have_count(0)
    reader.button("Stop").click()
    reply = reader.settled("stopped")
    expect(reply.locator(".prose")).to_have_text("Some text")
    expect(reply).to_contain_text("What you saw is what is saved.")
    expect(reader.button("Send")).to_be_visible()


def test_a_second_click_on_stop_does_not_send_the_draft(reader, upstream, site):
    upstream.script("tiny", chat_stream(["Some text"], then=[Stall()]))
    reader.send("Go")
    expect(reader.replies.last).to_contain_text("Some text")
    reader.box.fill("a draft")
    place = reader.button("Stop").bounding_box()
    reader.button("Stop").click()
    reader.settled("stopped")
    reader.page.mouse.click(place["x"] + place["width"] - 18, place["y"] + place["height"] / 2)
    reader.page.wait_for_timeout(300)
    expect(reader.box).to_have_value("a draft")
    assert len(site.rows("SELECT 1 FROM chat_message WHERE role = 'user'")) == 1


def test_the_status_of_a_reply_is_on_its_article(reader, upstream):
    upstream.script("tiny", chat_stream(["Some text"], first=0.3, then=[Stall()]))
    reader.page.evaluate(
        """() => new MutationObserver(() => {
             const { status } = document.querySelector("article[data-role=assistant]")?.dataset ?? {};
             if (status && status !== window.statuses?.at(-1)) (window.statuses ??= []).push(status);
           }).observe(document.body, { subtree: true, childList: true, attributeFilter: ["data-status"] })"""
    )
    reader.send("Go")
    expect(reader.replies.last).to_contain_text("Some text")
    assert reader.page.evaluate("window.statuses") == ["queued", "live"]


def test_escape_stops(reader, upstream):
    upstream.script("tiny", chat_stream(["Some text"], then=[Stall()]))
    reader.send("Go")
    expect(reader.replies.last).to_contain_text("Some text")
    reader.box.press("Escape")
    reader.settled("stopped")


def selection_over(reader: Reader, text: str) -> None:
    reader.page.evaluate(
        """text => {
            const found = document.evaluate(`//article//text()[contains(., "${text}")]`, document, null, 9);
            const node = found.singleNodeValue;
            const at = node.data.indexOf(text);
            getSelection().setBaseAndExtent(node, at, node, at + text.length);
        }""",
        text,
    )


def selected(reader: Reader) -> str:
    return reader.page.evaluate("String(getSelection())")


def test_a_selection_survives_every_frame_and_the_end(reader, upstream):
    upstream.script("tiny", chat_stream(["Keep *this* part. \n\nNew ", *WORDS], every=0.03, usage=(9, 40)))
    reader.send("Go")
    expect(reader.replies.last).to_contain_text("word3 ")
    selection_over(reader, "part.")
    expect(reader.replies.last).to_contain_text("word20")
    assert selected(reader) == "part."
    reader.settled()
    assert selected(reader) == "part."
    expect(reader.replies.last.locator(".facts")).to_contain_text("40 out, exact")


def test_open_reasoning_and_focus_survive_the_end(reader, upstream):
    upstream.script("tiny", chat_stream(WORDS[:20], reasoning=["I think ", "hard. "], every=0.05))
    reader.send("Go")
    summary = reader.replies.last.locator("summary")
    summary.click()
    expect(reader.replies.last.locator(".reasoning")).to_have_text(re.compile(r"I think hard\."))
    expect(summary).to_be_focused()
    reader.settled()
    expect(summary).to_have_text(re.compile("Thought for 1 s"))
    expect(reader.replies.last.locator("details")).to_have_attribute("open", "")
    expect(summary).to_be_focused()
    assert reader.replies.last.locator(".reasoning").is_visible()


def test_wrapped_code_stays_wrapped(reader, upstream):
    upstream.script("tiny", chat_stream(["```python\nx = 1\n```\n\n", *WORDS], every=0.03))
    reader.send("Go")
    reader.button("Wrap").click()
    reader.settled()
    expect(reader.button("Wrap")).to_have_attribute("aria-pressed", "true")
    expect(reader.page.locator("figure[data-wrap]")).to_have_count(1)


def bottom_gap(reader: Reader) -> float:
    """As a reader sees it: after the page has followed what this frame brought."""
    return reader.page.evaluate(
        """() => new Promise(tell => requestAnimationFrame(() => setTimeout(() =>
            tell(document.documentElement.scrollHeight - innerHeight - scrollY))))"""
    )


def test_the_end_is_followed_only_while_the_reader_is_there(reader, upstream):
    upstream.script("tiny", chat_stream([f"line {n}\n\n" for n in range(120)], every=0.03))
    reader.send("Go")
    expect(reader.replies.last).to_contain_text("line 40")
    wait_for(lambda: bottom_gap(reader) < 30)
    reader.page.mouse.move(700, 400)
    reader.page.mouse.wheel(0, -600)
    expect(reader.page.get_by_role("button", name="new text")).to_be_visible()
    before = reader.page.evaluate("scrollY")
    expect(reader.replies.last).to_contain_text("line 90")
    assert abs(reader.page.evaluate("scrollY") - before) < 200
    assert bottom_gap(reader) > 300
    reader.page.get_by_role("button", name="new text").click()
    reader.settled()
    wait_for(lambda: bottom_gap(reader) < 30)
    expect(reader.page.get_by_role("button", name="new text")).to_be_hidden()


def test_typing_does_not_scroll_what_is_being_read(reader, upstream):
    upstream.script("tiny", chat_stream(["line\n\n" * 100]))
    reader.send("Go").settled()
    reader.page.evaluate("scrollTo(0, 300)")
    place = reader.box.bounding_box()
    reader.page.mouse.click(place["x"] + 40, place["y"] + 10)
    reader.page.keyboard.type("While I read")
    assert reader.page.evaluate("scrollY") == 300
    reader.page.locator(".title").hover()
    reader.button("Rename").click()
    reader.page.keyboard.type("Another title")
    assert reader.page.evaluate("scrollY") == 300


def test_focus_does_not_hide_behind_the_composer(reader, upstream):
    upstream.script("tiny", chat_stream(["```\nx\n```\n\n" * 30]))
    reader.send("Go").settled()
    reader.page.evaluate("scrollTo(0, 0)")
    reader.button("Copy code").first.focus()
    for _ in range(40):
        reader.page.keyboard.press("Tab")
        bottom = reader.page.evaluate("document.activeElement.getBoundingClientRect().bottom")
        top = reader.page.evaluate("document.activeElement.getBoundingClientRect().top")
        assert 56 <= top and bottom <= reader.page.locator(".compose").bounding_box()["y"]


def test_the_end_is_said_once_not_word_by_word(reader, upstream):
    upstream.script("tiny", chat_stream(WORDS, every=0.02))
    reader.send("Go")
    announcement = reader.page.locator("#announcement")
    expect(announcement).to_have_text("Reply from tiny is arriving.")
    expect(reader.page.get_by_role("log", name="Conversation")).to_have_attribute("aria-live", "off")
    reader.settled()
    expect(announcement).to_have_text("Reply from tiny is complete.")


# Staying up to date


def test_a_second_window_sees_the_message_and_the_reply_arrive(reader, sit_down, alice, upstream):
    reader.send("One").settled()
    other = sit_down(alice, reader.page.url.removeprefix(reader.url)).connected()
    upstream.script("tiny", chat_stream(WORDS, every=0.02))
    reader.send("Two")
    expect(other.replies).to_have_count(2)
    expect(other.replies.last).to_contain_text("word30")
    other.settled()
    assert other.replies.last.locator(".prose").inner_html() == reader.settled().locator(".prose").inner_html()


def test_a_reload_in_the_middle_goes_on(reader, upstream):
    upstream.script("tiny", chat_stream(WORDS, every=0.04))
    reader.send("Go")
    expect(reader.replies.last).to_contain_text("word5 ")
    reader.page.reload()
    expect(reader.replies.last).to_contain_text("word5 ")
    expect(reader.settled().locator(".prose")).to_have_text("".join(WORDS).strip())


def test_a_lost_line_is_mentioned_and_what_was_missed_is_fetched(reader, alice, site, upstream):
    reader.send("One").settled()
    conversation = reader.page.url.rstrip("/").rsplit("/", 1)[-1]
    site.kill()
    expect(reader.page.locator("html")).to_have_attribute("data-connection", "away")
    expect(reader.page.get_by_text("Reconnecting… nothing is lost")).to_be_visible()
    site.start()
    sent = alice.send(
        "From elsewhere", conversation=conversation, parent=site.rows("SELECT max(id) AS id FROM chat_message")[0]["id"]
    )
    assert sent.messages
    expect(reader.page.locator("html")).to_have_attribute("data-connection", "open", timeout=20_000)
    expect(reader.page.get_by_text("Reconnecting… nothing is lost")).to_be_hidden()
    expect(reader.page.get_by_text("From elsewhere").first).to_be_visible()
    reader.settled()
    site.kill()
    expect(reader.page.get_by_text("Reconnecting… nothing is lost")).to_be_visible()
    reader.complaints.clear()  # Chromium says that the socket could not be opened


def test_a_restart_in_the_middle_keeps_the_text_and_offers_to_regenerate(reader, site, upstream):
    upstream.script("tiny", chat_stream(["Kept ", "text"], then=[Stall()]))
    reader.send("Go")
    expect(reader.replies.last.locator(".prose")).to_have_text("Kept text")
    site.terminate()
    site.start()
    reply = reader.settled("lost")
    expect(reply.locator(".prose")).to_have_text("Kept text")
    expect(reply).to_contain_text("Interrupted by a restart")
    expect(reply.get_by_role("button", name="Regenerate")).to_be_visible()
    reader.complaints.clear()


# Editing, regenerating, walking


def test_an_edit_makes_a_sibling_and_arrows_walk_back(reader, upstream):
    reader.send("Question one").settled()
    reader.page.locator("article[data-role=user]").get_by_role("button", name="Edit").click()
    rewrite = reader.page.get_by_role("textbox", name="New text")
    expect(rewrite).to_have_value("Question one")
    rewrite.fill("Question two")
    reader.button("Ask again").click()
    expect(reader.page.locator("article[data-role=user] .prose")).to_have_text("Question two")
    reader.settled()
    question = reader.page.locator("article[data-role=user]")
    expect(question).to_contain_text("2/2")
    question.get_by_role("button", name="Previous version").click()
    expect(reader.page.locator("article[data-role=user] .prose")).to_have_text("Question one")
    expect(reader.page.locator("article[data-role=user]")).to_contain_text("1/2")


def test_the_up_key_edits_the_last_message_and_escape_leaves_it(reader):
    reader.send("Question").settled()
    reader.box.press("ArrowUp")
    rewrite = reader.page.get_by_role("textbox", name="New text")
    expect(rewrite).to_be_focused()
    rewrite.press("Escape")
    expect(rewrite).to_have_count(0)
    expect(reader.page.locator("article[data-role=user] .prose")).to_be_visible()


def test_an_edit_under_way_survives_a_refresh_of_the_thread(reader, alice, site):
    reader.send("Question").settled()
    reader.page.locator("article[data-role=user]").get_by_role("button", name="Edit").click()
    rewrite = reader.page.get_by_role("textbox", name="New text")
    rewrite.fill("half an edit")
    conversation = reader.page.url.rstrip("/").rsplit("/", 1)[-1]
    alice.post(f"/c/{conversation}/rename/", title="Renamed elsewhere")
    expect(reader.page.locator("h1")).to_have_text("Renamed elsewhere")
    expect(rewrite).to_have_value("half an edit")


def test_a_double_click_on_edit_opens_one_form(reader):
    reader.send("Question").settled()
    button = reader.page.locator("article[data-role=user]").get_by_role("button", name="Edit")
    button.evaluate("button => { button.click(); button.click() }")
    expect(reader.page.get_by_role("textbox", name="New text")).to_have_value("Question")
    expect(reader.page.locator(".rewrite")).to_have_count(1)


def test_a_text_that_cannot_be_fetched_is_not_edited_as_an_empty_one(reader):
    reader.send("Question").settled()
    reader.page.route("**/source/", lambda route: route.abort())
    reader.page.locator("article[data-role=user]").get_by_role("button", name="Edit").click()
    expect(reader.page.locator("#notice")).to_contain_text("The server cannot be reached")
    expect(reader.page.locator(".rewrite")).to_have_count(0)
    reader.complaints.clear()


def test_regenerate_shows_another_answer(reader, upstream):
    reader.send("Question").settled()
    upstream.script("tiny", chat_stream(["Another answer."]))
    reader.replies.last.hover()
    reader.button("Regenerate").click()
    expect(reader.replies.last.locator(".prose")).to_have_text("Another answer.")
    expect(reader.settled()).to_contain_text("2/2")


def test_an_error_of_the_provider_is_said_plainly(reader, upstream):
    upstream.script("tiny", error(401, "Invalid Authentication"))
    reader.send("Question")
    reply = reader.settled("failed")
    expect(reply).to_contain_text("Provider error: the key is refused")
    expect(reply).to_contain_text("Invalid Authentication")
    upstream.script("tiny", chat_stream(["Better."]))
    reply.get_by_role("button", name="Regenerate").click()
    expect(reader.settled().locator(".prose")).to_have_text("Better.")


# Several answers


def ask_for(reader: Reader, n: int) -> None:
    reader.page.get_by_role("combobox", name="Model", exact=True).click()
    reader.page.locator(".answers label", has_text=str(n)).click()
    reader.page.keyboard.press("Escape")


def test_two_answers_stand_side_by_side_until_one_is_gone_on_with(reader, upstream):
    upstream.script("tiny", chat_stream(["First answer."]), chat_stream(["Second answer."]))
    ask_for(reader, 2)
    reader.send("Go")
    lineup = reader.page.get_by_role("region", name="2 answers of tiny")
    expect(lineup.get_by_role("article")).to_have_count(2)
    for reply in lineup.get_by_role("article").all():
        expect(reply).to_have_attribute("data-status", "complete")
    second = reader.page.locator(".plate").nth(1)
    chosen = second.locator(".prose").inner_text()
    assert {chosen} < {"First answer.", "Second answer."}
    second.get_by_role("button", name="Use this one").click()
    expect(second).to_contain_text("In use")
    ask_for(reader, 1)
    reader.send("Go on")
    expect(reader.page.locator(".lineup")).to_have_count(0)
    expect(reader.replies.first.locator(".prose")).to_have_text(chosen)
    expect(reader.replies.first).to_contain_text("2/2")
    reader.settled()


def test_stop_ends_all_answers_that_were_asked_for_together(reader, upstream):
    upstream.script("tiny", chat_stream(["Some text"], then=[Stall()]))
    ask_for(reader, 2)
    reader.send("Go")
    expect(reader.page.locator(".lineup article", has_text="Some text")).to_have_count(2)
    reader.button("Stop").click()
    expect(reader.page.locator(".lineup article[data-status=stopped]")).to_have_count(2)
    expect(reader.button("Send")).to_be_visible()


def test_several_models_answer_side_by_side(make_site, browser, upstream):
    for name in ("tiny", "small"):
        upstream.script(name, chat_stream([f"I am {name}."]))
    site = make_site("tiny", "small")
    with at_a_page(browser, site.visitor("alice"), site.url) as reader:
        picker = reader.open("/").connected().page.get_by_role("combobox", name="Model", exact=True)
        picker.click()
        reader.page.get_by_role("checkbox", name="Ask several models side by side").check()
        reader.page.get_by_role("checkbox", name="small").check()
        reader.page.get_by_role("checkbox", name="tiny").check()
        others = reader.page.locator("#models [name=model]:checked")
        for name in set(others.evaluate_all("all => all.map(one => one.dataset.name)")) - {"tiny", "small"}:
            reader.page.get_by_role("checkbox", name=name).uncheck()
        reader.page.keyboard.press("Escape")
        expect(picker).to_contain_text("+1")
        reader.send("Who?")
        lineup = reader.page.get_by_role("region", name="2 models")
        expect(lineup).to_contain_text("I am tiny.")
        expect(lineup).to_contain_text("I am small.")
        expect(reader.page.locator("article[data-status=complete]")).to_have_count(2)
        assert reader.axe() == []
        assert reader.complaints == []


def test_a_reply_comes_whole_where_that_is_chosen_for_one_send(reader, upstream):
    upstream.script("tiny", lambda request: chat_stream(["Hi"]) if request.body["stream"] else chat_whole("Hi"))
    picker = reader.page.get_by_role("combobox", name="Model", exact=True)
    picker.click()
    reader.page.get_by_role("group", name="Replies come").get_by_text("whole").click()
    reader.page.keyboard.press("Escape")
    expect(picker).to_have_text("tiny · whole")
    reader.send("Hi").settled()
    assert upstream.requests[-1].body["stream"] is False
    reader.replies.last.hover()
    reader.button("Regenerate").click()
    expect(reader.page.get_by_text("2/2")).to_be_visible()
    reader.settled()
    assert [request.body["stream"] for request in asked(upstream)] == [False, False]


# Conversations


def test_a_conversation_is_renamed_in_place(reader):
    reader.send("Old title").settled()
    reader.page.locator(".title").hover()
    reader.button("Rename").click()
    reader.page.get_by_role("textbox", name="New title").fill("A better title")
    reader.page.keyboard.press("Enter")
    expect(reader.page.locator("h1")).to_have_text("A better title")
    expect(reader.page.locator("#list")).to_contain_text("A better title")
    expect(reader.page).to_have_title(re.compile("^A better title"))


def test_deleting_is_undone_at_once_wherever_one_stands(reader):
    reader.send("Worthless").settled()
    address, delete = reader.page.url, reader.page.locator("#entry-menu").get_by_role("button", name="Delete")
    reader.button("Conversation menu").click()
    delete.click()
    expect(reader.page.get_by_text("Deleted: Worthless")).to_be_visible()
    expect(reader.page.locator("#list")).not_to_contain_text("Worthless")
    reader.button("Undo").click()
    reader.page.locator("#list").get_by_role("link", name="Worthless").click()
    expect(reader.page).to_have_url(address)
    reader.open("/").connected().page.locator("#list .entry").hover()
    reader.page.get_by_role("button", name="Actions for “Worthless”").click()
    delete.click()
    reader.button("Undo").click()
    expect(reader.page.locator("#list")).to_contain_text("Worthless")
    expect(reader.button("Undo")).to_have_count(0)


def test_back_after_the_first_message_returns_to_the_empty_page(reader):
    reader.send("Hello").settled()
    reader.page.go_back()
    expect(reader.page.get_by_role("heading", name="What would you like to know?")).to_be_visible()


def test_the_model_picker_chooses_and_says_so(make_site, browser, upstream):
    for name in ("tiny", "small"):
        upstream.script(name, chat_stream([f"I am {name}."]))
    site = make_site("tiny", "small")
    with at_a_page(browser, site.visitor("alice"), site.url) as reader:
        picker = reader.open("/").connected().page.get_by_role("combobox", name="Model", exact=True)
        picker.click()
        expect(picker).to_have_attribute("aria-expanded", "true")
        reader.page.get_by_role("radio", name="small").click()
        reader.page.keyboard.press("Enter")
        expect(picker).to_contain_text("small")
        reader.send("Who?")
        expect(reader.settled().locator(".prose")).to_have_text("I am small.")
        reader.open("/")
        expect(picker).to_contain_text("small")
        assert reader.complaints == []


# Copying


def test_copy_takes_the_source_also_without_a_clipboard_api(reader, upstream):
    upstream.script("tiny", chat_stream(["Some **bold** text\n\n```python\nx = 1\n```"]))
    reader.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    reader.send("Go").settled()
    reader.replies.last.get_by_role("button", name="Copy", exact=True).last.click()
    clipboard = "navigator.clipboard.readText()"
    wait_for(lambda: reader.page.evaluate(clipboard) == "Some **bold** text\n\n```python\nx = 1\n```")
    reader.page.evaluate("navigator.clipboard.write = undefined")
    reader.button("Copy code").click()
    wait_for(lambda: reader.page.evaluate(clipboard) == "x = 1")


# Keys


def test_keys_on_the_page(reader):
    reader.send("Hello").settled()
    reader.page.locator("h1").click()
    reader.page.evaluate("document.activeElement.blur()")
    reader.page.keyboard.press("?")
    keys = reader.page.get_by_role("dialog", name="Keys")
    expect(keys).to_be_visible()
    reader.page.keyboard.press("Escape")
    expect(keys).to_be_hidden()
    reader.page.evaluate("document.activeElement.blur()")
    reader.page.keyboard.press("n")
    expect(reader.page).to_have_url(f"{reader.url}/")


def test_who_just_types_types_a_message(reader):
    reader.page.keyboard.type("Hello")
    expect(reader.box).to_have_value("Hello")


# What a model says has no power over the page


def test_htmx_attributes_in_a_reply_send_nothing(reader, upstream, site):
    hostile = (
        '<div hx-get="/evil" hx-trigger="load">x</div><div data-hx-get="/evil" data-hx-trigger="load">x</div>'
        '<button data-act="copy-code">y</button><hx-partial hx-target="#thread">z</hx-partial><script>alert(1)</script>'
    )
    upstream.script("tiny", chat_stream([hostile, "\n\n![p](https://evil.invalid/p.png)"]))
    reader.send(hostile)
    reader.settled()
    reader.page.reload()
    reader.settled()
    reader.page.wait_for_timeout(300)
    assert not [request for request in reader.requests if "evil" in request]


def test_nothing_outside_a_nonce_is_htmx(reader):
    """hx-csp: an attribute that slipped through somewhere else on the page is dead, too."""
    reader.page.evaluate(
        """() => {
            const stray = document.createElement('div');
            stray.setAttribute('hx-get', '/evil');
            stray.setAttribute('hx-trigger', 'load');
            document.querySelector('.card, #thread').append(stray);
            htmx.process(stray);
        }"""
    )
    reader.page.wait_for_timeout(200)
    assert not [request for request in reader.requests if "evil" in request]
    assert len(reader.complaints) == 1 and "hx-csp" in reader.complaints[0]
    reader.complaints.clear()


# Without a script


def test_without_javascript_all_can_be_read_and_sent(sit_down, alice, site):
    sent = alice.send("A question")
    site.settled()
    tab = sit_down(alice, f"/c/{sent.conversation}/", java_script_enabled=False)
    expect(tab.replies.last.locator(".prose")).to_have_text("Hello there.")
    tab.box.fill("Another")
    tab.button("Send").click()
    expect(tab.page.locator("article[data-role=user]")).to_have_count(2)
    site.settled()
    tab.page.reload()
    tab.replies.last.get_by_role("button", name="Regenerate").click()
    expect(tab.replies.last).to_contain_text("2/2")
    site.settled()
    tab.page.reload()
    tab.replies.last.get_by_role("button", name="Previous version").click()
    expect(tab.replies.last).to_contain_text("1/2")


# Everybody, everywhere


def test_theme_and_fold_are_remembered(reader):
    reader.button("Appearance and language").click()
    reader.page.get_by_role("radio", name="Dark").check()
    expect(reader.page.locator("html")).to_have_attribute("data-theme", "dark")
    reader.page.keyboard.press("Escape")
    reader.button("Fold the sidebar").click()
    expect(reader.page.get_by_role("navigation", name="Conversations")).to_be_hidden()
    reader.page.reload()
    expect(reader.page.locator("html")).to_have_attribute("data-theme", "dark")
    reader.button("Unfold the sidebar").click()
    expect(reader.page.get_by_role("navigation", name="Conversations")).to_be_visible()


def test_the_language_can_be_switched(reader):
    reader.box.fill("kept")
    reader.button("Appearance and language").click()
    reader.page.get_by_role("button", name="简体中文").click()
    expect(reader.page.locator("html")).to_have_attribute("lang", "zh-hans")
    expect(reader.page.locator("#message")).to_have_value("kept")


def test_on_a_phone_the_sidebar_is_a_drawer_and_nothing_scrolls_sideways(sit_down, alice):
    tab = sit_down(alice, viewport=PHONE).connected()
    sidebar = tab.page.get_by_role("navigation", name="Conversations")
    expect(sidebar).to_be_hidden()
    tab.button("Open the sidebar").click()
    expect(sidebar).to_be_visible()
    tab.page.keyboard.press("Escape")
    expect(sidebar).to_be_hidden()
    tab.send("A" * 200).settled()
    assert tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    small = """() => [...document.querySelectorAll('button, a, input:not([type=hidden], [type=radio]), textarea')]
        .filter(e => e.checkVisibility({visibilityProperty: true}) && !e.matches('.skip, .prose *'))
        .filter(e => e.getBoundingClientRect().height < 39.9)
        .map(e => e.outerHTML.slice(0, 80) + e.getBoundingClientRect().height)"""
    assert tab.page.evaluate(small) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
def test_axe_finds_nothing(sit_down, alice, site, upstream, theme, viewport):
    upstream.script(
        "tiny",
        chat_stream([MARKDOWN], reasoning=["Hm."]),
        error(401, "Invalid Authentication"),
        chat_stream(["Some"], finish=None, done=False),
        chat_stream(["Wait"], then=[Stall()]),
    )
    found = {}
    for path in ("/sign-in/", "/sign-up/", "/nowhere/"):
        found[path] = sit_down(None, path, viewport=viewport, color_scheme=theme).axe()
    tab = sit_down(alice, viewport=viewport, color_scheme=theme).connected()
    found["empty"] = tab.axe()
    tab.send("Hello").settled()
    found["whole"] = tab.axe()
    tab.send("Hello").settled("failed")
    tab.send("Hello").settled("cut")
    found["ends"] = tab.axe()
    tab.send("Hello")
    expect(tab.replies.last).to_contain_text("Wait")
    found["live"] = tab.axe()
    tab.send("Too early")
    expect(tab.page.get_by_role("alert")).to_be_visible()
    tab.page.get_by_role("combobox", name="Model", exact=True).click()
    found["refusal and picker"] = tab.axe()
    tab.page.keyboard.press("Escape")
    tab.button("Conversation menu").click()
    found["menu"] = tab.axe()
    tab.page.locator("#entry-menu").get_by_role("button", name="Delete").click()
    expect(tab.button("Undo")).to_be_visible()
    found["undo"] = tab.axe()
    assert {place: faults for place, faults in found.items() if faults} == {}


def test_the_first_page_is_small(site, alice, sit_down):
    page = alice.http.get("/")
    files = re.findall(r'(?:href|src)="(/static/[^"]+\.(?:css|js))"', page.text)
    modules = [
        f"/static/chat/{name}"
        for file in files
        for name in re.findall(r'from"?\s*"\./([^"]+)"', alice.http.get(file).text)
    ]
    sizes = {"/": len(gzip.compress(page.content, 6))}
    with httpx.Client(base_url=site.url, headers={"Accept-Encoding": "gzip"}) as http:
        for file in {*files, *modules}:
            with http.stream("GET", file) as response:
                assert response.status_code == 200, file
                sizes[file] = len(b"".join(response.iter_raw()))
    assert len(sizes) <= 10, sizes
    assert sum(sizes.values()) < 60_000, sizes

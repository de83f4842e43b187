"""Finding and filing in a browser: as one types, by keys, several at once, as one scrolls."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser import PHONE, WIDE, Reader
from tests.scripted import chat_stream
from tests.test_finding import begun, file

NAMES = ["Heat equation", "热方程的稳定性", "Shopping list"]


@pytest.fixture
def archive(site, alice, upstream) -> list[str]:
    """Three conversations, the last one begun first in the list."""
    upstream.script("tiny", chat_stream(["The von Neumann ", "稳定性分析", " <b>says</b> so"], usage=(9, 3)))
    return [begun(alice, name) for name in NAMES]


@pytest.fixture
def searching(sit_down, alice, archive) -> Reader:
    return sit_down(alice, "/search/")


def hits(reader: Reader):
    return reader.page.locator(".hits > li:not(.more)")


def test_results_follow_what_is_typed_and_the_address_follows_too(searching):
    box = searching.page.get_by_role("searchbox")
    expect(box).to_be_focused()
    box.press_sequentially("方程")
    expect(hits(searching)).to_have_count(1)
    expect(hits(searching).locator("mark").first).to_have_text("方程")
    expect(searching.page).to_have_url(re.compile(r"/search/\?q=%E6%96%B9%E7%A8%8B$"))
    box.fill("nothing of the kind")
    expect(searching.page.get_by_role("status")).to_have_text("Nothing has all of this.")
    searching.page.reload()
    expect(box).to_have_value("nothing of the kind")


def test_a_find_opens_at_its_message_with_the_address_of_it(searching, archive):
    searching.page.get_by_role("searchbox").fill("分析 heat")
    searching.page.get_by_role("searchbox").fill("says")
    searching.page.locator(".snip").first.click()
    expect(searching.page).to_have_url(re.compile(r"/c/[0-9a-f-]+/\?at=\d+#message-\d+$"))
    message = searching.page.url.split("#")[1]
    expect(searching.page.locator(f"#{message}")).to_contain_text("<b>says</b>")


def test_what_was_found_on_another_thread_shows_that_thread(sit_down, site, alice, upstream, archive):
    sent = alice.send("first version", model="tiny")
    site.settled(sent.completion)
    question = site.message(sent.reply)["parent_id"]
    alice.post(f"/messages/{question}/edit/", text="second version", key="11111111-1111-4111-8111-111111111111")
    reader = sit_down(alice, "/search/?q=first+version")
    reader.page.locator(".snip").first.click()
    expect(reader.page.locator("article[data-role=user]").last).to_contain_text("first version")


def test_filters_say_what_is_wrong_while_one_types(searching):
    box = searching.page.get_by_role("searchbox")
    box.press_sequentially("is:")
    expect(searching.page.get_by_role("alert")).to_contain_text("There are is:pinned, is:archived, is:unread.")
    box.press_sequentially("pinned")
    expect(searching.page.get_by_role("alert")).to_have_count(0)


def test_several_are_ticked_moved_deleted_and_brought_back(searching):
    page = searching.page
    page.get_by_label("Select “Heat equation”").check()
    page.get_by_label("Select “Shopping list”").check()
    expect(page.get_by_text("2 selected")).to_be_visible()
    searching.button("Move").first.click()
    page.get_by_label("Folder", exact=True).fill("Mixed things")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_have_text("2 conversations moved.")
    page.locator(".side").get_by_role("link", name="Mixed things").click()
    expect(hits(searching)).to_have_count(2)
    page.locator("[type=checkbox][name=conversation]").first.check()
    page.get_by_label("All that is shown").check()
    searching.button("Delete").click()
    expect(page.get_by_text("2 conversations deleted.")).to_be_visible()
    searching.button("Undo").click()
    expect(page.get_by_text("2 conversations are back.")).to_be_visible()
    expect(hits(searching)).to_have_count(2)


def test_shift_ticks_all_between(searching):
    ticks = searching.page.locator("[name=conversation]")
    ticks.first.check()
    ticks.last.click(modifiers=["Shift"])
    expect(searching.page.get_by_text("3 selected")).to_be_visible()


def test_the_switcher_goes_where_the_arrows_point(sit_down, alice, archive):
    reader = sit_down(alice).connected()
    reader.page.keyboard.press("Control+k")
    options = reader.page.get_by_role("option")
    expect(options).to_have_count(3)
    expect(options.first).to_have_attribute("aria-selected", "true")
    reader.page.keyboard.press("ArrowDown")
    reader.page.keyboard.press("Enter")
    expect(reader.page.locator("h1")).to_have_text(NAMES[1])
    reader.page.keyboard.press("Control+k")
    reader.page.keyboard.type("EQUA")
    expect(options.locator("mark")).to_have_text(["equa"])
    reader.page.keyboard.press("Enter")
    expect(reader.page.locator("h1")).to_have_text(NAMES[0])


def test_the_switcher_searches_for_what_is_no_title(sit_down, alice, archive):
    reader = sit_down(alice).connected()
    reader.page.keyboard.press("Meta+k")
    reader.page.keyboard.type("neumann")
    expect(reader.page.get_by_role("option")).to_have_text(["Search all messages for “neumann”"])
    reader.page.keyboard.press("Enter")
    expect(hits(reader)).to_have_count(3)


def test_slash_searches_and_the_keys_are_listed(sit_down, alice):
    reader = sit_down(alice).connected()
    reader.page.locator("body").press("?")
    expect(reader.page.locator("#keys")).to_contain_text("go to a conversation")
    reader.page.keyboard.press("Escape")
    reader.page.locator("body").press("/")
    reader.page.keyboard.type("heat")
    reader.page.keyboard.press("Enter")
    expect(reader.page).to_have_url(re.compile(r"/search/\?q=heat$"))


def test_a_conversation_is_pinned_filed_and_archived_by_its_menu(sit_down, site, alice, archive):
    reader = sit_down(alice, f"/c/{archive[0]}/").connected()
    page, side = reader.page, reader.page.locator("#list")
    reader.button("Conversation menu").click()
    page.locator("#entry-menu").get_by_text("Pin", exact=True).click()
    expect(side.locator("h2").first).to_have_text("Pinned")
    expect(side.locator(".entry").first).to_contain_text(NAMES[0])
    reader.button("Conversation menu").click()
    page.locator("#entry-menu").get_by_text("Folder and tags").click()
    page.get_by_label("Folder", exact=True).fill("Teaching")
    page.get_by_label("Tags").fill("x, " + "y" * 61)
    reader.button("Save").click()
    expect(page.get_by_role("alert")).to_contain_text("A tag can have 60 characters")
    page.get_by_label("Tags").fill("x, y")
    reader.button("Save").click()
    expect(side.get_by_role("link", name="Teaching")).to_be_visible()
    reader.button("Conversation menu").click()
    page.locator("#entry-menu").get_by_text("Archive", exact=True).click()
    expect(side.locator(".entry", has_text=NAMES[0])).to_have_count(0)
    reader.button("Undo").click()
    expect(side.locator(".entry", has_text=NAMES[0])).to_have_count(1)


def test_a_reply_that_ends_elsewhere_is_marked_until_it_is_opened(sit_down, site, alice, archive):
    alice.http.get(f"/c/{archive[0]}/")
    reader = sit_down(alice, f"/c/{archive[0]}/").connected()
    entry = reader.page.locator(f"#entry-{archive[2]}")
    expect(entry.get_by_label("a reply has ended since you looked")).to_be_visible()
    entry.get_by_role("link").click()
    expect(reader.page.get_by_label("a reply has ended since you looked")).to_have_count(1)  # the third one's


def test_the_list_loads_as_one_scrolls_and_stays_when_it_is_brought_up_to_date(sit_down, site, alice, archive):
    person = site.rows("SELECT id FROM chat_person WHERE username = 'alice'")[0]["id"]
    columns = "id, person_id, title, folded_title, active, created, pinned, archived, unread, temporary"
    columns += ", titled_by, system_prompt, parameters"
    for n in range(200):
        site.change(
            f"INSERT INTO chat_conversation ({columns}) VALUES (?, ?, ?, '', ?, ?, 0, 0, 0, 0, 'words', '', '{{}}')",
            *(f"{n:032x}", person, f"old {n}", f"2024-01-01 00:{n // 60:02}:{n % 60:02}", "2024-01-01 00:00:00"),
        )
    reader = sit_down(alice, f"/c/{archive[0]}/").connected()
    entries = reader.page.locator("#list .entry")
    expect(entries).to_have_count(60)
    while entries.count() < 203:
        before = entries.count()
        entries.last.scroll_into_view_if_needed()
        expect(entries).not_to_have_count(before)
    reader.send("Hello").settled()
    expect(reader.page.locator("#list .live")).to_have_count(0)
    expect(entries).to_have_count(203)


@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("path", ["/search/", "/search/?q=稳定", "/search/?q=is:red", "/folders/"])
def test_axe_finds_nothing(sit_down, alice, archive, viewport, path):
    file(alice, "move", archive[0], folder="Teaching")
    reader = sit_down(alice, path, viewport=viewport)
    if "稳定" in path:
        reader.page.locator("[type=checkbox][name=conversation]").first.check()
    assert reader.axe() == []
    assert reader.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_axe_finds_nothing_in_the_switcher(sit_down, alice, archive):
    reader = sit_down(alice).connected()
    reader.page.keyboard.press("Control+k")
    expect(reader.page.get_by_role("option").first).to_be_visible()
    assert reader.axe() == []

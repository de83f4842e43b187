"""Attaching files at the page: chosen, pasted, dropped; seen, removed, sent, opened."""

import re

import pytest
from playwright.sync_api import Locator, expect

from tests import hostile_files as made
from tests.browser import PHONE, Reader
from tests.scripted import chat_stream
from tests.site import Site

RED = {"name": "red.png", "mimeType": "image/png", "buffer": made.image("PNG", (640, 480))}
HEAT = {"name": "heat.py", "mimeType": "text/x-python", "buffer": b"print('hi')\n"}
# What the browser itself does when something is pasted or dropped.
GIVEN = """([way, name, type, at = "#message"]) => {
  const data = new DataTransfer();
  data.items.add(new File([type === "image/png" ? window.picture : "words\\n"], name, { type }));
  const event = way === "paste" ? new ClipboardEvent(way, { clipboardData: data, bubbles: true, cancelable: true })
                                : new DragEvent(way, { dataTransfer: data, bubbles: true, cancelable: true });
  document.querySelector(at).dispatchEvent(event);
}"""
PICTURE = """async () => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 40, height: 30 });
  canvas.getContext("2d").fillRect(0, 0, 20, 20);
  window.picture = await new Promise(done => canvas.toBlob(done));
}"""


@pytest.fixture
def site(make_site, upstream) -> Site:
    for model in ("tiny", "gpt-4o"):
        upstream.script(model, chat_stream(["It is ", "red", "."], usage=(9, 3)))
    return make_site("tiny", "gpt-4o", CHAT_DEMO="no")


def chips(reader: Reader) -> Locator:
    return reader.page.locator("#chips > li")


def attach(reader: Reader, *files: dict, within: str = "#composer") -> None:
    with reader.page.expect_file_chooser() as chooser:
        reader.page.locator(within).get_by_role("button", name="Attach files").click()
    chooser.value.set_files(list(files))


def choose(reader: Reader, model: str) -> None:
    reader.page.get_by_role("combobox", name="Model").click()
    reader.page.locator("#models .opt", has_text=model).click()


def test_a_person_attaches_sends_opens_reloads_and_edits(sit_down, alice, upstream):
    reader = sit_down(alice).connected()
    choose(reader, "gpt-4o")
    attach(reader, RED, HEAT)
    expect(chips(reader)).to_have_count(2)
    expect(chips(reader).nth(1)).to_contain_text("heat.py")
    expect(reader.page.locator("#chips progress")).to_have_count(0)
    expect(chips(reader).nth(1)).to_contain_text("12 bytes, ≈ 5 tokens")
    expect(reader.page.locator("#cost")).to_contain_text("tokens")
    reader.send("What is it?").settled()
    expect(chips(reader)).to_have_count(0)
    reader.page.reload()
    question = reader.page.locator("article[data-role=user]")
    picture = question.get_by_role("img", name="red.png")
    expect(picture).to_be_visible()
    assert picture.evaluate("img => img.decode().then(() => img.naturalWidth)") == 360
    question.get_by_role("link", name=re.compile("heat.py")).click()
    window = reader.page.get_by_role("dialog", name="heat.py")
    expect(window.locator("pre")).to_have_text("print('hi')")
    assert reader.axe() == []
    window.get_by_role("button", name="Close").click()
    question.hover()
    question.get_by_role("button", name="Edit").click()
    rewrite = reader.page.locator(".rewrite")
    expect(rewrite.locator("li")).to_have_count(2)
    rewrite.get_by_role("button", name="Remove red.png").click()
    rewrite.get_by_role("button", name="Ask again").click()
    expect(reader.page.locator("article[data-role=user] .pic")).to_have_count(0)
    reader.settled()
    content = [request.body["messages"][0]["content"] for request in upstream.requests if request.method == "POST"]
    assert [type(each) for each in content] == [list, str] and 'name="heat.py"' in content[1]


def test_an_image_as_narrow_as_a_line_can_be_opened(sit_down, alice):
    reader = sit_down(alice).connected()
    choose(reader, "gpt-4o")
    attach(reader, {**RED, "name": "line.png", "buffer": made.image("PNG", (1, 900))})
    expect(chips(reader)).to_contain_text("1 × 900")
    reader.send("Look").settled()
    reader.page.locator("article[data-role=user]").get_by_role("link", name="line.png").click(timeout=5000)
    expect(reader.page.get_by_role("dialog", name="line.png")).to_be_visible()


def test_a_model_that_does_not_see_is_named_before_sending(sit_down, alice):
    reader = sit_down(alice).connected()
    choose(reader, "tiny")
    attach(reader, RED)
    expect(reader.page.locator("#blind")).to_contain_text("tiny does not see images.")
    reader.send("What is it?")
    expect(reader.page.locator("#notice")).to_contain_text("tiny does not see images")
    expect(reader.box).to_have_value("What is it?")
    assert reader.axe() == []
    reader.page.locator("#blind").get_by_role("button", name="Choose another model").click()
    reader.page.locator("#models .opt", has_text="gpt-4o").click()
    expect(reader.page.locator("#blind")).to_be_hidden()
    reader.button("Send").click()
    reader.settled()


def test_images_are_pasted_and_files_dropped(sit_down, alice):
    reader = sit_down(alice).connected()
    reader.page.evaluate(PICTURE)
    reader.page.evaluate(GIVEN, ["paste", "image.png", "image/png"])
    expect(chips(reader)).to_have_count(1)
    reader.page.evaluate(GIVEN, ["dragenter", "notes.txt", "text/plain"])
    expect(reader.page.locator("body")).to_have_class(re.compile("dropping"))
    reader.page.evaluate(GIVEN, ["drop", "notes.txt", "text/plain"])
    expect(chips(reader).nth(1)).to_contain_text("notes.txt")
    expect(reader.page.locator("body")).not_to_have_class(re.compile("dropping"))


def test_what_is_attached_survives_a_reload_and_can_be_removed(sit_down, alice, site):
    reader = sit_down(alice).connected()
    attach(reader, HEAT, RED)
    expect(chips(reader).nth(1)).to_contain_text("640 × 480")
    reader.page.reload()
    expect(chips(reader)).to_have_count(2)
    reader.button("Remove heat.py").click()
    expect(chips(reader)).to_have_count(1)
    reader.page.reload()
    expect(chips(reader)).to_have_count(1)
    expect(chips(reader)).to_contain_text("red.png")


def test_what_fails_says_why_and_loses_nothing(sit_down, alice):
    reader = sit_down(alice).connected()
    reader.box.fill("My words")
    packed = {"name": "a.zip", "mimeType": "application/zip", "buffer": made.zipped(a_txt="x")}
    large = {"name": "big.bin", "mimeType": "text/plain", "buffer": bytes(21 * 2**20)}
    attach(reader, packed, large, HEAT)
    expect(reader.page.locator("#chips .bad").filter(has_text="“a.zip” is an archive.")).to_have_count(1)
    expect(reader.page.locator("#chips .bad").filter(has_text="“big.bin” is too large")).to_have_count(1)
    expect(chips(reader)).to_have_count(3)
    expect(reader.box).to_have_value("My words")
    assert reader.axe() == []
    reader.button("Remove a.zip").click()
    reader.box.press("Enter")
    reader.settled()
    expect(reader.page.locator("article[data-role=user] .chips li")).to_have_count(1)


def test_enter_while_files_are_on_their_way_waits_for_them(sit_down, alice, upstream):
    reader = sit_down(alice).connected()
    held = []
    reader.page.route("**/files/", lambda route: held.append(route))
    attach(reader, HEAT)
    reader.box.fill("Read it")
    reader.box.press("Enter")
    expect(reader.page.locator("#room")).to_have_text("Sent as soon as the files are there.")
    assert not [request for request in upstream.requests if request.method == "POST"]
    held[0].continue_()
    reader.settled()
    expect(reader.page.locator("article[data-role=user]")).to_contain_text("heat.py")


def edit(reader: Reader) -> Locator:
    question = reader.page.locator("article[data-role=user]")
    question.hover()
    question.get_by_role("button", name="Edit").click()
    return reader.page.locator(".rewrite")


def test_an_edit_takes_files_chosen_pasted_and_dropped(sit_down, alice, upstream):
    reader = sit_down(alice).connected()
    choose(reader, "gpt-4o")
    attach(reader, HEAT)
    expect(chips(reader)).to_contain_text("tokens")
    reader.send("What is it?").settled()
    rewrite, page = edit(reader), reader.page
    expect(rewrite.locator("li")).to_have_count(1)
    attach(reader, RED, within=".rewrite")
    expect(rewrite.locator("li").nth(1)).to_contain_text("640 × 480")
    page.evaluate(PICTURE)
    page.evaluate(GIVEN, ["paste", "image.png", "image/png", ".rewrite textarea"])
    expect(rewrite.locator("li").nth(2)).to_contain_text("40 × 30")
    for way in ("dragenter", "dragover", "drop"):
        page.evaluate(GIVEN, [way, "notes.txt", "text/plain", ".rewrite textarea"])
    expect(rewrite.locator("li").nth(3)).to_contain_text("6 bytes")
    expect(chips(reader)).to_have_count(0)
    assert reader.axe() == []
    rewrite.get_by_role("button", name="Ask again").click()
    expect(page.locator("article[data-role=user] .chips > li")).to_have_count(4)
    reader.settled()
    *images, text = [request for request in upstream.requests if request.method == "POST"][-1].body["messages"][0][
        "content"
    ]
    assert len(images) == 2 and 'name="heat.py"' in text["text"] and 'name="notes.txt"' in text["text"]


def test_files_of_an_edit_survive_a_reload_and_go_when_it_is_cancelled(sit_down, alice, site):
    reader = sit_down(alice).connected()
    reader.send("Plain words").settled()
    rewrite = edit(reader)
    attach(reader, HEAT, within=".rewrite")
    expect(rewrite.locator("li")).to_contain_text("tokens")
    reader.page.reload()
    reader.connected()
    expect(edit(reader).locator("li")).to_contain_text("heat.py")
    with reader.page.expect_response("**/remove/"):
        rewrite.get_by_role("button", name="Cancel").click()
    assert not site.rows("SELECT 1 FROM chat_file")
    expect(edit(reader).get_by_role("textbox")).to_have_value("Plain words")
    expect(rewrite.locator("li")).to_have_count(0)


def test_an_edit_waits_for_its_files_and_needs_no_words_with_one(sit_down, alice, upstream):
    reader = sit_down(alice).connected()
    reader.send("Plain words").settled()
    rewrite, held = edit(reader), []
    reader.page.route("**/files/", lambda route: held.append(route))
    with reader.page.expect_request("**/files/"):
        attach(reader, HEAT, within=".rewrite")
    rewrite.get_by_role("textbox").fill("")
    rewrite.get_by_role("button", name="Ask again").click()
    expect(rewrite.get_by_text("Sent as soon as the files are there.")).to_be_visible()
    held[0].continue_()
    expect(reader.page.locator("article[data-role=user] .chips")).to_contain_text("heat.py")
    reader.settled()


def test_an_edit_says_that_a_model_does_not_see_what_came(sit_down, alice):
    reader = sit_down(alice).connected()
    choose(reader, "tiny")
    reader.send("Plain words").settled()
    rewrite = edit(reader)
    attach(reader, RED, within=".rewrite")
    expect(rewrite.locator(".blind")).to_contain_text("tiny does not see images.")
    rewrite.get_by_role("button", name="Ask again").click()
    expect(reader.page.locator("#notice")).to_contain_text("tiny does not see images")
    expect(rewrite.locator("li")).to_have_count(1)
    rewrite.get_by_role("button", name="Remove red.png").click()
    expect(rewrite.locator(".blind")).to_be_hidden()


def test_of_too_many_files_as_many_as_can_be_sent_are_taken(sit_down, alice):
    reader = sit_down(alice).connected()
    attach(reader, *({**HEAT, "name": f"{number}.py"} for number in range(11)))
    expect(reader.page.locator("#chips .bad")).to_contain_text("No more than 10 files")
    expect(chips(reader).filter(has_text="tokens")).to_have_count(10)


def test_taking_one_away_that_waits_leaves_the_one_on_its_way(sit_down, alice):
    reader = sit_down(alice).connected()
    held = []
    reader.page.route("**/files/", lambda route: held.append(route))
    with reader.page.expect_request("**/files/"):
        attach(reader, HEAT, {**HEAT, "name": "other.py"})
    reader.button("Remove other.py").click()
    expect(chips(reader)).to_have_count(1)
    held[0].continue_()
    expect(chips(reader)).to_contain_text("12 bytes")


def test_attaching_fits_a_phone(sit_down, alice):
    reader = sit_down(alice, viewport=PHONE).connected()
    long = {**HEAT, "name": "a very long name of a file, longer than the phone is wide, which ends in heat.py"}
    attach(reader, RED, long)
    expect(chips(reader).nth(1)).to_contain_text("tokens")
    assert reader.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert reader.axe() == []
    choose(reader, "gpt-4o")
    reader.send("Look").settled()
    rewrite = edit(reader)
    attach(reader, {**long, "name": f"another {long['name']}"}, within=".rewrite")
    expect(rewrite.locator("li").nth(2)).to_contain_text("tokens")
    assert reader.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert reader.axe() == []


def test_without_files_nothing_of_it_is_loaded(sit_down, alice):
    reader = sit_down(alice).connected()
    reader.send("Hello").settled()
    assert not [request for request in reader.requests if "attaching" in request or "/files/" in request]

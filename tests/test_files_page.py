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
GIVEN = """([way, name, type]) => {
  const data = new DataTransfer();
  data.items.add(new File([type === "image/png" ? window.picture : "words\\n"], name, { type }));
  const event = way === "paste" ? new ClipboardEvent(way, { clipboardData: data, bubbles: true, cancelable: true })
                                : new DragEvent(way, { dataTransfer: data, bubbles: true, cancelable: true });
  document.getElementById("message").dispatchEvent(event);
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


def attach(reader: Reader, *files: dict) -> None:
    with reader.page.expect_file_chooser() as chooser:
        reader.button("Attach files").click()
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


def test_attaching_fits_a_phone(sit_down, alice):
    reader = sit_down(alice, viewport=PHONE).connected()
    long = {**HEAT, "name": "a very long name of a file, longer than the phone is wide, which ends in heat.py"}
    attach(reader, RED, long)
    expect(chips(reader).nth(1)).to_contain_text("tokens")
    assert reader.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert reader.axe() == []


def test_without_files_nothing_of_it_is_loaded(sit_down, alice):
    reader = sit_down(alice).connected()
    reader.send("Hello").settled()
    assert not [request for request in reader.requests if "attaching" in request or "/files/" in request]

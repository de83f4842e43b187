"""Somebody with an archive, from bringing it in to deleting and undoing: the second use of the product, in one go."""

import io
import json
import re
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import Reader, at_a_page
from tests.scripted import chat_stream

CONVERSATIONS = 1000
REMEMBERED = {437: "The viscosity of sample seven was lower than we thought.", 612: "第七号样本的粘度比我们想的低。"}


def turn(number: int, role: str, text: str, parent: str | None, children: list[str]) -> dict:
    """A node as OpenAI's export has it, with all that surrounds the text there."""
    message = {
        "id": f"node-{number}",
        "author": {"role": role, "name": None, "metadata": {}},
        "create_time": 1_700_000_000.5 + number,
        "update_time": None,
        "content": {"content_type": "text", "parts": [text]},
        "status": "finished_successfully",
        "end_turn": role == "assistant",
        "weight": 1.0,
        "metadata": {"model_slug": "gpt-4o"} if role == "assistant" else {},
        "recipient": "all",
        "channel": None,
    }
    return {"id": f"node-{number}", "message": message, "parent": parent, "children": children}


def conversation(number: int) -> dict:
    said = REMEMBERED.get(number, f"About matter {number}: it depends.")
    nodes = [
        turn(4 * number, "user", f"What of matter {number}?", None, [f"node-{4 * number + 1}"]),
        turn(4 * number + 1, "assistant", said, f"node-{4 * number}", []),
    ]
    return {
        "title": f"Matter {number}",
        "create_time": 1_700_000_000.0 + 60 * number,
        "update_time": 1_700_000_030.0 + 60 * number,
        "mapping": {node["id"]: node for node in nodes},
        "moderation_results": [],
        "current_node": nodes[-1]["id"],
        "conversation_id": f"00000000-0000-4000-8000-{number:012}",
        "default_model_slug": "gpt-4o",
        "is_archived": False,
    }


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """The zip that OpenAI sends."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("user.json", "{}")
        archive.writestr("conversations.json", json.dumps([conversation(n) for n in range(CONVERSATIONS)]))
    path = tmp_path / "chatgpt.zip"
    path.write_bytes(packed.getvalue())
    return path


@pytest.fixture
def reader(make_site, upstream, browser: Browser) -> Reader:
    for model in ("tiny", "small"):
        upstream.script(model, chat_stream([f"{model} ", "says ", "so."], usage=(9, 3)))
    site = make_site("tiny", "small")
    with at_a_page(browser, site.visitor("alice"), site.url, accept_downloads=True) as reader:
        yield reader
        assert reader.complaints == []


def menu(page: Page, *path: str) -> None:
    """Chooses in the menu of the conversation that is open."""
    page.get_by_role("button", name="Conversation menu").click()
    for name in path:
        page.locator("#entry-menu").get_by_text(name, exact=True).click()


def search(reader: Reader, words: str, title: str) -> None:
    """Opens the one message that is found."""
    reader.open("/search/").page.locator("#search").fill(words)
    expect(reader.page.get_by_text("1 message in 1 conversation")).to_be_visible()
    reader.page.locator("main mark").first.click()
    expect(reader.page.locator("h1")).to_have_text(title)


def test_an_archive_is_brought_in_found_branched_compared_shared_taken_along_and_deleted(reader, browser, export):
    page = reader.open("/your-data/").page
    page.set_input_files("#file", export)
    reader.button("Import").click()
    expect(page.get_by_text("Done", exact=True)).to_be_visible(timeout=60_000)
    expect(page.get_by_text("1,000 new conversations")).to_be_visible()

    search(reader, "样本的粘", "Matter 612")
    search(reader, '"sample seven" viscos', "Matter 437")
    expect(page.locator("article:target")).to_contain_text("lower than we thought")

    reader.connected()
    question = page.locator("article[data-role=user]").first
    question.hover()
    question.get_by_role("button", name="Edit").click()
    page.get_by_label("New text").fill("And of sample eight?")
    reader.button("Ask again").click()
    reader.settled()
    expect(question).to_contain_text("2/2")

    answer = reader.replies.last
    answer.hover()
    answer.get_by_role("link", name="Regenerate with another model").click()
    other = "small" if "tiny says so." in answer.inner_text() else "tiny"
    page.locator("#again-menu").get_by_role("button", name=other).click()
    expect(reader.replies.last).to_contain_text(f"{other} says so.")
    reader.settled()
    expect(reader.replies.last).to_contain_text("2/2")

    menu(page, "Share")
    reader.button("Make a link").click()
    link = page.get_by_label("Link", exact=True).input_value()
    with at_a_page(browser, None, reader.url) as stranger:
        stranger.open(link.removeprefix(reader.url))
        expect(stranger.page.get_by_text("And of sample eight?")).to_be_visible()
        expect(stranger.page.get_by_text(f"{other} says so.")).to_be_visible()
        assert "alice" not in stranger.page.content()
        assert stranger.complaints == []

    page.get_by_role("link", name="Matter 437").first.click()
    reader.connected()
    with page.expect_download() as download:
        menu(page, "Export", "Markdown.md")
    assert "And of sample eight?" in download.value.path().read_text()
    with page.expect_popup() as paper:
        menu(page, "A page to print")
    expect(paper.value.get_by_text("And of sample eight?")).to_be_visible()
    paper.value.close()

    menu(page, "Delete")
    expect(page.get_by_text(re.compile("Deleted:"))).to_be_visible()
    reader.button("Undo").click()
    expect(page.locator("#list").get_by_text("Matter 437")).to_be_visible()
    search(reader, '"sample seven" viscos', "Matter 437")

"""The details of a reply in a browser: for every end there are words, figures and, where something came, its flight."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, expect

from tests.browser import PHONE, WIDE, Reader
from tests.scripted import Stall, chat_stream, error
from tests.site import wait_for

TEXT = ["Here is *some* text.\n\n", "```python\nx = 1\n```\n\n", *(f"word{n} " for n in range(20))]


def details_of(reader: Reader) -> Locator:
    """Opens the last reply's."""
    reader.replies.last.get_by_role("link", name="Details").click()
    panel = reader.page.get_by_role("dialog", name="Details of this reply")
    expect(panel).to_be_visible()
    return panel


def test_a_whole_reply_tells_how_it_came(sit_down, site, alice, upstream):
    upstream.script("tiny", chat_stream(TEXT, every=0.05, usage=(9, 40)))
    sent = alice.send("Go")
    site.settled(sent.completion)
    reader = sit_down(alice, f"/c/{sent.conversation}/").connected()
    link = reader.replies.last.get_by_role("link", name="Details")
    panel = details_of(reader)
    for words in ("Complete", "confirmed the end", "tiny at ", "First token", "tokens/s", "Longest gap"):
        expect(panel).to_contain_text(words)
    expect(panel.get_by_role("row", name="Output")).to_contain_text(re.compile("40.*exact"))
    expect(panel.get_by_role("img")).to_be_visible()
    panel.get_by_text("As a table").click()
    assert panel.get_by_role("region", name="Speed, table").get_by_role("row").count() > 5
    assert reader.axe() == []
    reader.page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(link).to_be_focused()


ENDS = {
    "cut": (
        chat_stream(["Some", " text"], finish=None, done=False),
        ["Cut off by the provider", "≈ ", "our own estimates"],
    ),
    "failed": (error(401, "Invalid Authentication"), ["the key is refused", "Invalid Authentication", "Attempts"]),
    "stopped": (chat_stream(["Some", " text"], then=[Stall()]), ["Stopped", "after it was told to end"]),
    "lost": (chat_stream(["Some", " text"], then=[Stall()]), ["Interrupted by a restart", "killed"]),
    "abandoned": (chat_stream([], then=[Stall()]), ["You left before it began"]),
}


@pytest.mark.parametrize("status", ENDS)
def test_every_end_has_its_details(sit_down, site, alice, upstream, status):
    script, told = ENDS[status]
    upstream.script("tiny", script)
    if status == "abandoned":
        site.change("UPDATE chat_languagemodel SET grace_seconds = 5")
    sent = alice.send("Go")
    if status in ("stopped", "lost"):
        with alice.socket() as socket:
            socket.watch(sent.completion)
            while "Some" not in str(socket.next("frame")):
                pass  # the first may be of a moment before it came; where none has it, `next` fails
        wait_for(lambda: "text" in str([row["content"] for row in site.rows("SELECT content FROM chat_segment")]))
        if status == "stopped":
            alice.post(f"/completions/{sent.completion}/stop/")
        else:
            site.kill()
            site.start()
    assert site.settled(sent.completion, 20)["status"] == status
    reader = sit_down(alice, f"/c/{sent.conversation}/").connected()
    panel = details_of(reader)
    for words in told:
        expect(panel).to_contain_text(words)
    assert (panel.get_by_role("heading", name="Speed").count() > 0) == (status in ("cut", "stopped", "lost"))
    assert reader.axe() == []


def test_details_of_a_reply_that_arrives_are_told_anew_when_it_ends(sit_down, site, alice, upstream):
    upstream.script("tiny", chat_stream(["Some", " text"], then=[Stall()]))
    reader = sit_down(alice).connected()
    reader.send("Go")
    expect(reader.replies.last).to_contain_text("Some text")
    panel = details_of(reader)
    expect(panel).to_contain_text("Still arriving")
    reader.button("Stop").click()
    expect(panel).to_contain_text("after it was told to end")


def test_without_javascript_the_details_have_an_address(sit_down, site, alice):
    sent = alice.send("Go")
    site.settled(sent.completion)
    reader = sit_down(alice, f"/c/{sent.conversation}/", java_script_enabled=False)
    panel = details_of(reader)
    expect(panel).to_contain_text("3")
    expect(reader.replies.last.locator(".prose")).to_have_text("Hello there.")
    panel.get_by_role("link", name="Close the details").click()
    expect(panel).to_be_hidden()
    reader.page.locator("article[data-role=user]").get_by_role("link", name="More").click()
    reader.button("Fork from here").click()
    expect(reader.page.locator("h1")).to_have_text("Fork of Go")


# The replay


def stage(reader: Reader) -> Locator:
    return reader.page.locator(".stage [data-part=text]")


@pytest.fixture
def replayed(sit_down, site, alice, upstream) -> Callable[..., Reader]:
    def replayed(**options) -> Reader:
        upstream.script("tiny", chat_stream(TEXT, every=0.15, reasoning=["I think ", "hard."], usage=(9, 40)))
        sent = alice.send("Go")
        site.settled(sent.completion)
        reader = sit_down(alice, f"/messages/{sent.reply}/details/", **options).connected()
        expect(reader.page.get_by_role("slider", name="Position")).not_to_have_attribute("max", "0")
        return reader

    return replayed


def test_a_replay_ends_with_exactly_what_is_saved(replayed):
    reader = replayed()
    reader.page.get_by_text("16×").click()
    reader.button("Play").click()
    expect(stage(reader)).to_contain_text("Here is some text.")
    expect(reader.button("Play")).to_be_visible()
    saved = reader.replies.last.locator("[data-part=text]")
    assert stage(reader).evaluate("part => part.innerHTML") == saved.evaluate("part => part.innerHTML")
    thoughts = reader.page.locator(".stage [data-part=reasoning]")
    expect(thoughts).to_have_text("I think hard.")


def test_a_replay_can_be_paused_and_wound_to_any_moment(replayed):
    reader = replayed()
    position = reader.page.get_by_role("slider", name="Position")
    reader.button("Play").click()
    expect(stage(reader)).to_contain_text("Here is")
    reader.button("Pause").click()
    end = float(position.get_attribute("max"))
    position.fill(str(end))
    expect(stage(reader)).to_contain_text("word19")
    position.fill("0")
    expect(stage(reader)).to_have_text("")
    position.focus()
    reader.page.keyboard.press("End")
    expect(stage(reader)).to_contain_text("word19")
    assert re.fullmatch(r"[\d.]+ of [\d.]+ seconds", position.get_attribute("aria-valuetext"))
    assert reader.axe() == []


def test_where_motion_is_not_wanted_a_replay_takes_few_steps(replayed):
    reader = replayed(reduced_motion="reduce")
    reader.page.evaluate("""() => {
        window.steps = 0;
        const stage = document.querySelector(".stage"), all = {subtree: true, childList: true, characterData: true};
        new MutationObserver(() => window.steps++).observe(stage, all);
    }""")
    reader.page.get_by_text("4×").first.click()
    reader.button("Play").click()
    expect(stage(reader)).to_contain_text("word19")
    assert reader.page.evaluate("steps") <= 4


@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_in_the_panel(replayed, viewport, theme):
    reader = replayed(viewport=viewport, color_scheme=theme)
    reader.page.get_by_role("slider", name="Position").fill("1.5")
    assert reader.axe() == []
    assert reader.page.evaluate("document.documentElement.scrollWidth <= innerWidth")

"""What is done with each server, in a browser. A deed returns what was seen, and raises if that is not as it should."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser import Reader, at_a_page
from tests.real.servers import KEY, MISSING, RealServer
from tests.site import Site, Visitor, wait_for

ENDLESS, COUNTED = "Say the alphabet", "Count from 0"
ALPHABETS = "abcdefghijklmnopqrstuvwxyz " * 700
LONGEST = 16000  # tokens of an answer: it is stopped long before
GRACE = 5  # seconds


class Sitting:
    """An administrator at the pages of a site that knows this server."""

    def __init__(self, browser: Browser, site: Site, server: RealServer) -> None:
        self.browser, self.site, self.server = browser, site, server
        self.visitor: Visitor = site.visitor("root")
        site.change("UPDATE chat_person SET is_staff = ?, is_superuser = ? WHERE username = 'root'", True, True)
        self.provider = 0

    @contextmanager
    def page(self, path: str = "/") -> Iterator[Reader]:
        with at_a_page(self.browser, self.visitor, self.site.url) as reader:
            reader.page.set_default_timeout(30_000)
            yield reader.open(path)
            assert reader.complaints == []

    @contextmanager
    def chat(self, model: str = "", **choices: str) -> Iterator[Reader]:
        """A new conversation with that model; choices are what the picker offers: `n="2"`, `streamed="no"`."""
        with self.page() as reader:
            pick(reader.connected().page, self.visitor.model_id(model or self.server.model), choices)
            yield reader

    def set_model(self, name: str = "", **columns: int) -> None:
        assignments = ", ".join(f"{column} = {value}" for column, value in columns.items())
        self.site.change(
            f"UPDATE chat_languagemodel SET {assignments} WHERE name = ?",
            name or self.server.model,
        )

    def calm_down(self) -> None:
        """What a deed that failed has left behind shall not meet the next."""
        self.site.change("UPDATE chat_completion SET stopping = 'person' WHERE status IN ('queued', 'live')")
        with suppress(AssertionError):
            wait_for(self.is_idle, 30)

    def is_idle(self) -> bool:
        """the server has ended its work"""
        before = self.server.cpu_seconds()
        time.sleep(0.5)
        return self.server.cpu_seconds() - before < 0.1


def pick(page: Page, model: int, choices: dict[str, str]) -> None:
    page.get_by_role("combobox", name="Model", exact=True).click()
    for name, value in {"model": str(model), **choices}.items():
        page.locator(f"#models [name={name}][value='{value}']").check(force=True)
    page.keyboard.press("Escape")


def text_of(reply: Locator) -> str:
    return reply.locator("[data-part=text]").inner_text().strip()


def facts_of(reply: Locator) -> str:
    """The quiet line under a reply, and how it ended if that was not well."""
    facts = [fact for fact in reply.locator(".facts li").all_inner_texts() if fact]
    ending = reply.locator(".ending")
    told = [re.sub(r"\s+", " ", part) for part in ending.locator("b, .why").all_inner_texts()]
    return " | ".join([*told, ", ".join(facts)])


def begun(reader: Reader, characters: int = 20) -> Locator:
    """The last reply, once so much of it is on the page."""
    reply = reader.replies.last.locator("[data-part=text]")
    expect(reply).to_have_text(re.compile(rf"[\s\S]{{{characters}}}"), timeout=60_000)
    return reader.replies.last


def settled(reader: Reader, status: str) -> Locator:
    reply = reader.replies.last
    expect(reply).to_have_attribute("data-status", re.compile("^(?!queued|live)"), timeout=90_000)
    assert reply.get_attribute("data-status") == status, f"{reply.get_attribute('data-status')}: {facts_of(reply)}"
    return reply


# The deeds, in their order


def connect(sitting: Sitting) -> str:
    server = sitting.server
    with sitting.page("/providers/new/") as reader:
        page = reader.page
        page.locator(f"[name=profile][value={server.profile}]").check(force=True)
        expect(page.get_by_label("Base URL")).not_to_have_value("")
        page.get_by_label("Base URL").fill(server.base_url)
        page.get_by_label("Name").fill(server.label)
        page.get_by_label("Key").fill(server.key)
        if server.typed:
            page.get_by_label("Models").fill(server.model)
        expect(page.get_by_label("Replies at once")).to_have_value(str(server.max_streams or ""))
        reader.button("Check and connect").click()
        said = page.get_by_role("status").filter(has_text="Connected").inner_text()
        sitting.provider = int(page.url.rstrip("/").rsplit("/", 1)[1])
        context = page.locator("tr", has_text=server.model).locator("td").first.inner_text()
    return f"{said} Context: {context}"


def check(sitting: Sitting) -> str:
    with sitting.page(f"/providers/{sitting.provider}/") as reader:
        reader.page.get_by_label("Model to check").select_option(sitting.server.model)
        reader.button("Check").click()
        expect(reader.page.locator(".steps")).to_be_visible(timeout=40_000)
        steps = reader.page.locator(".steps li").all_inner_texts()
    return "; ".join(re.sub(r"\s+", " ", step) for step in steps)


def counted(sitting: Sitting, **choices: str) -> str:
    model = sitting.server.counted or sitting.server.model
    with sitting.chat(model, **choices) as reader:
        reply = settled(reader.send(COUNTED), "complete")
        assert text_of(reply) == sitting.server.answer, text_of(reply)
        return f"{text_of(reply)} | {facts_of(reply)}"


def streamed(sitting: Sitting) -> str:
    return counted(sitting)


def whole(sitting: Sitting) -> str:
    return counted(sitting, streamed="no")


def two_answers(sitting: Sitting) -> str:
    return two(sitting)


def two_whole_answers(sitting: Sitting) -> str:
    return two(sitting, streamed="no")


def two(sitting: Sitting, **choices: str) -> str:
    with sitting.chat(sitting.server.counted or "", n="2", **choices) as reader:
        reader.send(COUNTED)
        expect(reader.page.locator("article[data-status=complete]")).to_have_count(2, timeout=60_000)
        replies = reader.replies.all()
        assert [text_of(reply) for reply in replies] == [sitting.server.answer] * 2
        calls = len({reply.get_attribute("data-completion") for reply in replies})
        return f"{calls} call(s) | {facts_of(replies[0])}"


def stop(sitting: Sitting) -> str:
    with sitting.chat() as reader:
        begun(reader.send(ENDLESS))
        reader.button("Stop").click()
        reply = settled(reader, "stopped")
        assert text_of(reply) in ALPHABETS
        wait_for(sitting.is_idle, 10)
        return f"{len(text_of(reply))} characters | {facts_of(reply)} | the server is idle"


def stop_a_whole_answer(sitting: Sitting) -> str:
    with sitting.chat(streamed="no") as reader:
        reader.send(ENDLESS)
        expect(reader.replies.last).to_have_attribute("data-status", "live", timeout=10_000)
        reader.page.wait_for_timeout(1500)
        reader.button("Stop").click()
        reply = settled(reader, "stopped")
        row = sitting.site.completion()
        try:
            wait_for(sitting.is_idle, 5)
            idle = "is idle"
        except AssertionError:
            idle = "works on"
            wait_for(sitting.is_idle, 120)
        return f"{facts_of(reply)} | closed after {row['closing_ms']} ms | the server {idle}"


def go_on(sitting: Sitting) -> str:
    """Continue, of what reached its longest answer; elsewhere there is no such button."""
    sitting.set_model(max_output=40)
    with sitting.chat() as reader:
        reply = settled(reader.send(ENDLESS), "complete")
        kept = text_of(reply)
        button = reply.get_by_role("button", name="Continue")
        if not button.count():
            return f"no button | {facts_of(reply)}"
        button.click()
        expect(reader.page.get_by_text("2/2")).to_be_visible()
        reply = settled(reader, "complete")
        text = text_of(reply)
        assert text.startswith(kept) and len(text) > len(kept) and text in ALPHABETS, f"{kept!r} → {text!r}"
        return f"{len(kept)} → {len(text)} characters | {facts_of(reply)}"


def come_back(sitting: Sitting) -> str:
    """Within the grace: nothing is lost, and the reply has gone on."""
    with sitting.chat() as reader:
        seen = len(text_of(begun(reader.send(ENDLESS))))
        wait_for(lambda: "/c/" in reader.page.url)
        address = reader.page.url.removeprefix(sitting.site.url)
    time.sleep(2)
    with sitting.page(address) as reader:
        reply = begun(reader.connected(), seen + 1)
        assert reply.get_attribute("data-status") == "live"
        more = len(text_of(reply))
        reader.button("Stop").click()
        assert text_of(settled(reader, "stopped")) in ALPHABETS
    return f"{seen} characters when leaving, {more} on return"


def leave(sitting: Sitting) -> str:
    """For longer than the grace: what had come is saved and counted, and the server is idle."""
    with sitting.chat() as reader:
        begun(reader.send(ENDLESS))
    row = sitting.site.settled(seconds=30)
    wait_for(sitting.is_idle, 10)
    assert row["status"] == "abandoned", row["status"]
    return f"abandoned, {row['output_tokens']} tokens ({row['usage_source']}) | the server is idle"


# What goes wrong


def wrong_key(sitting: Sitting) -> str:
    with sitting.page("/providers/new/") as reader:
        page = reader.page
        page.locator(f"[name=profile][value={sitting.server.profile}]").check(force=True)
        expect(page.get_by_label("Base URL")).not_to_have_value("")
        page.get_by_label("Base URL").fill(sitting.server.base_url)
        page.get_by_label("Key").fill(f"wrong-{KEY}")
        reader.button("Check and connect").click()
        said = page.get_by_role("alert").inner_text()
        assert "refuses the key" in said, said
        return said


def refused(sitting: Sitting, model: str, text: str, reason: str, status: str = "failed") -> str:
    with sitting.chat(model) as reader:
        reply = settled(reader.send(text), status)
        row = sitting.site.completion()
        assert row["reason"] == reason, f"{row['reason']}: {facts_of(reply)}"
        asked = reader.page.locator("article[data-role=user]").first.inner_text()
        assert text[:30] in asked
        return f"{facts_of(reply)[:300]} | the message is there"


def missing_model(sitting: Sitting) -> str:
    sitting.visitor.post(f"/providers/{sitting.provider}/models/", htmx=False, name=MISSING)
    return refused(sitting, MISSING, COUNTED, "bad_request")


def prompt_too_long(sitting: Sitting) -> str:
    """The window's length is forgotten, so that nothing is left out."""
    sitting.set_model(context_length="NULL")
    status, reason = sitting.server.too_long
    return refused(sitting, "", "abcd " * 9000, reason, status)


def server_goes_away(sitting: Sitting) -> str:
    """In the middle of an answer, and before the next."""
    with sitting.chat() as reader:
        begun(reader.send(ENDLESS))
        sitting.server.stop()
        cut = facts_of(settled(reader, "cut"))
        assert text_of(reader.replies.last) in ALPHABETS
        reader.send(COUNTED)
        expect(reader.replies).to_have_count(2)
        failed = facts_of(settled(reader, "failed"))
        assert sitting.site.completion()["reason"] == "unreachable"
    return f"{cut} || {failed}"


DEEDS: list[Callable[[Sitting], str]] = [
    connect,
    check,
    streamed,
    whole,
    two_answers,
    two_whole_answers,
    stop,
    stop_a_whole_answer,
    go_on,
    come_back,
    leave,
    wrong_key,
    missing_model,
    prompt_too_long,
    server_goes_away,
]

"""Bringing in, taking along, sharing and deleting in a browser and over restarts; hostile texts in each of those."""

import io
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from uuid import UUID

import psutil
import pytest
from playwright.sync_api import expect

from tests.browser import PHONE, Reader
from tests.corpus import HOSTILE
from tests.site import ROOT, Site, Visitor, wait_for

CHATGPT = Path(__file__).parent / "exports" / "chatgpt.json"
PART = 1024 * 1024


def bring_in(visitor: Visitor, data: bytes, name: str = "conversations.json") -> str:
    """As the page's script does it; the import's address."""
    begun = visitor.post("/your-data/imports/", name=name, size=len(data))
    assert begun.status_code == 201, begun.text
    address = begun.json()["address"]
    for start in range(0, len(data), PART):
        headers = {"X-CSRFToken": visitor.http.cookies["csrftoken"], "Origin": visitor.site.url}
        part = visitor.http.post(f"{address}part/?from={start}", content=data[start : start + PART], headers=headers)
        assert part.status_code == 200, part.text
    return address


def imported(site: Site) -> dict:
    return dict(site.rows("SELECT * FROM chat_import ORDER BY created DESC LIMIT 1")[0])


def done(site: Site, seconds: float = 60) -> dict:
    wait_for(lambda: imported(site)["status"] in ("done", "failed", "stopped"), seconds)
    return imported(site)


def only_conversation(site: Site, title: str = "%") -> UUID:
    (row,) = site.rows("SELECT id FROM chat_conversation WHERE title LIKE ?", title)
    return UUID(row["id"])


def said(role: str, text: str, model: str = "") -> dict:
    content = {"content_type": "text", "parts": [text]}
    return {"author": {"role": role}, "content": content, "metadata": {"model_slug": model}}


def many(count: int, messages: int = 4) -> bytes:
    nodes = {
        f"n{n}": {"parent": f"n{n - 1}" if n else None, "message": said("assistant" if n % 2 else "user", f"text {n}")}
        for n in range(messages)
    }
    return json.dumps([{"id": f"chat-{n}", "title": f"Chat {n}", "mapping": nodes} for n in range(count)]).encode()


# --- bringing in


def test_a_file_is_brought_in_watched_and_gone_on_with(site, alice, sit_down):
    reader = sit_down(alice, "/your-data/")
    reader.page.set_input_files("#file", CHATGPT)
    reader.button("Import").click()
    expect(reader.page.get_by_text("Done", exact=True)).to_be_visible(timeout=15_000)
    expect(reader.page.get_by_text("2 new conversations")).to_be_visible()
    expect(reader.page.get_by_role("row", name=re.compile("Corrupted entry"))).to_contain_text("no conversation of")
    assert reader.axe() == []
    reader.page.get_by_role("link", name="To the conversations").click()
    reader.page.get_by_role("link", name="Rolling back a deploy").click()
    reply = reader.connected().replies.first
    expect(reply.locator(".facts")).to_contain_text("o4-mini")
    expect(reply.locator(".facts")).to_contain_text("imported from ChatGPT")
    reader.replies.last.hover()
    reader.replies.last.get_by_role("button", name="Regenerate").click()
    reader.settled()
    assert len(site.rows("SELECT 1 FROM chat_usageentry")) == 1, "only what was asked here is charged"


def test_without_a_script_the_form_sends_the_file(site, alice, sit_down):
    reader = sit_down(alice, "/your-data/", java_script_enabled=False)
    reader.page.set_input_files("#file", CHATGPT)
    reader.button("Import").click()
    expect(reader.page.get_by_role("heading", name="Import", level=1)).to_be_visible()
    assert done(site)["made"] == 2


def test_an_import_survives_the_death_of_its_process(site, alice):
    bring_in(alice, many(400))
    wait_for(lambda: imported(site)["made"] > 20)
    site.kill()
    assert imported(site)["status"] == "running"
    site.start()
    found = done(site)
    assert (found["status"], found["made"], found["known"], found["bad"]) == ("done", 400, 0, 0)
    assert len(site.rows("SELECT 1 FROM chat_message")) == 1600
    wait_for(lambda: not site.rows("SELECT 1 FROM chat_importchunk"))


def test_another_process_goes_on_with_what_one_that_died_has_begun(two_processes):
    first, second = two_processes
    bring_in(first.visitor("alice"), many(300))
    wait_for(lambda: imported(first)["made"] > 20)
    first.kill()
    found = done(second, 60)
    assert (found["status"], found["made"], found["known"]) == ("done", 300, 0)
    assert len(second.rows("SELECT 1 FROM chat_message")) == 1200


def test_an_import_ends_when_it_is_stopped_and_keeps_what_is_here(site, alice):
    address = bring_in(alice, many(400))
    wait_for(lambda: imported(site)["made"] > 5)
    assert alice.post(f"{address}stop/", htmx=False).status_code == 302
    made = len(site.rows("SELECT 1 FROM chat_conversation"))
    assert imported(site)["status"] == "stopped" and made < 400


def test_replies_are_saved_while_a_large_file_comes_in(site, alice, upstream):
    """The import takes turns with the saves: what arrives meanwhile is in the database all the same."""
    bring_in(alice, many(300))
    bob = site.visitor("bob")
    sent = [bob.send(f"Hello {n}", model="tiny") for n in range(3)]
    assert {site.settled(each.completion)["status"] for each in sent} == {"complete"}
    assert done(site)["made"] == 300


def test_nobody_else_sees_feeds_or_stops_an_import(site, alice):
    address = bring_in(alice, many(2))
    bob = site.visitor("bob")
    assert bob.http.get(address).status_code == 404
    assert bob.post(f"{address}part/?from=0").status_code == bob.post(f"{address}stop/").status_code == 404


# --- taking along


def test_several_are_taken_along_by_their_ids_or_all(site, alice):
    bring_in(alice, many(5))
    done(site)
    ids = [str(UUID(row["id"])) for row in site.rows("SELECT id FROM chat_conversation ORDER BY id")]
    asked = {
        2: alice.post("/export/", form="markdown", conversation=ids[:2], htmx=False),
        3: alice.http.get("/export/", params={"form": "json", "conversation": ",".join(ids[:3])}),
        5: alice.http.get("/export/?all=1&form=text"),
    }
    for count, answer in asked.items():
        assert answer.headers["content-type"] == "application/zip"
        archive = zipfile.ZipFile(io.BytesIO(answer.content))
        assert len(archive.namelist()) == count and archive.testzip() is None
    bob = site.visitor("bob")
    assert bob.http.get("/export/", params={"conversation": ids[0]}).status_code == 404
    assert alice.http.get("/export/?conversation=x").status_code == 404
    assert alice.http.get("/export/?all=1&form=exe").status_code == 404


def test_an_archive_is_sent_while_it_is_read(site, alice):
    """However many conversations there are, the server holds no more than a step of them."""
    bring_in(alice, many(200, messages=30))
    done(site)
    process = psutil.Process(site.process.pid)
    before = process.memory_info().rss
    with alice.http.stream("GET", "/your-data/everything/") as answer:
        sizes = [(len(part), process.memory_info().rss) for part in answer.iter_raw()]
    assert len(sizes) > 3 and max(rss for _size, rss in sizes) - before < 40e6


# --- hostile texts, wherever they are shown


@pytest.fixture
def hostile(site, alice) -> UUID:
    """One conversation in which everything is hostile: its title, its models, what both sides say."""
    nodes = {}
    for n, text in enumerate(HOSTILE):
        role = "assistant" if n % 2 else "user"
        nodes[f"n{n}"] = {
            "parent": f"n{n - 1}" if n else None,
            "message": said(role, text, "<img src=x onerror=alert(1)>"),
        }
    chat = {"id": "x", "title": "</title><script>alert(1)</script>", "mapping": nodes}
    bring_in(alice, json.dumps([chat]).encode(), "<img src=x onerror=alert(1)>.json")
    assert done(site)["made"] == 1
    return only_conversation(site)


HARMLESS = """
    !document.querySelector('main script, article :is(script, iframe, img, form, input:not([type=checkbox]))')
    && [...document.querySelectorAll('article *')].every(e => !e.getAttributeNames().some(name => /^on/.test(name)))
"""


def assert_harmless(reader: Reader) -> None:
    """Nothing of theirs is there that could act; the fixture looks for dialogs, requests and reports."""
    assert reader.page.evaluate(HARMLESS)


def test_hostile_texts_are_harmless_when_imported_printed_shared_and_deleted(site, alice, hostile, sit_down):
    reader = sit_down(alice, f"/c/{hostile}/").connected()
    assert_harmless(reader)
    for path in (f"/c/{hostile}/print/", f"/c/{hostile}/share/", "/your-data/"):
        reader.open(path)
        assert_harmless(reader)
    made = alice.post(f"/c/{hostile}/share/", htmx=False, days=1, with_thoughts="on")
    (link,) = re.findall(r'id="link" readonly value="http://[^/]+(/s/[^"]+/)"', made.text)
    assert_harmless(sit_down(None, link))
    alice.post(f"/c/{hostile}/delete/")
    assert_harmless(reader.open("/your-data/deleted/"))
    expect(reader.page.get_by_text("</title><script>alert(1)</script>")).to_be_visible()


def test_hostile_texts_are_harmless_in_a_file(alice, hostile, sit_down, tmp_path):
    page = tmp_path / "page.html"
    page.write_bytes(alice.http.get(f"/c/{hostile}/export/html/").content)
    reader = sit_down(None, "/sign-in/")
    reader.requests.clear()
    reader.page.goto(page.as_uri())
    assert_harmless(reader)
    assert reader.requests == [f"GET {page.as_uri()}"]
    expect(reader.page.locator("article")).to_have_count(len(HOSTILE))


# --- deleting


def test_what_is_deleted_for_good_is_nowhere_in_the_files(site, alice):
    sent = alice.send("zqcanary says nothing twice", model="tiny")
    site.settled(sent.completion)
    before = [dict(row) for row in site.rows("SELECT * FROM chat_usageentry")]
    alice.post(f"/c/{sent.conversation}/delete/")
    alice.post("/your-data/deleted/", act="purge", conversation=sent.conversation, htmx=False)
    wait_for(lambda: not site.rows("SELECT 1 FROM chat_conversation"))
    environment = {**os.environ, **site.environment, "CHAT_DATA": str(site.folder)}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    subprocess.run([sys.executable, "manage.py", "purge"], cwd=ROOT, env=environment, check=True)
    for file in site.folder.glob("*"):
        assert b"zqcanary" not in file.read_bytes(), file
    assert [dict(row) for row in site.rows("SELECT * FROM chat_usageentry")] == before


# --- on paper


def test_paper_has_the_whole_thread_and_nothing_to_press(site, alice, sit_down):
    bring_in(alice, many(1, messages=120))
    done(site)
    pk = only_conversation(site)
    for path in (f"/c/{pk}/print/", f"/c/{pk}/"):
        reader = sit_down(alice, path)
        reader.page.emulate_media(media="print")
        expect(reader.page.get_by_text("text 119", exact=True)).to_be_visible()
        assert (
            reader.page.evaluate(
                "[...document.querySelectorAll('button, textarea, nav')].filter(e => e.checkVisibility()).length"
            )
            == 0
        )


def test_an_exported_page_reads_well_on_a_phone(site, alice, sit_down):
    bring_in(alice, CHATGPT.read_bytes())
    done(site)
    pk = only_conversation(site, "Rolling%")
    reader = sit_down(alice, f"/c/{pk}/print/", viewport=PHONE)
    assert reader.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert reader.axe() == []

"""What a large archive costs: list, open, search, switch and send, beside the same with one conversation.

ARCHIVE_MESSAGES: how many, in a hundredth as many conversations. ARCHIVE_ON=postgresql: there, not on SQLite.
ARCHIVE_FOLDER: where the archive is kept, and found again by the next run (SQLite alone).
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from uuid import UUID, uuid4

import httpx

from benchmarks import servers
from benchmarks.footprint import browser_page
from benchmarks.servers import CORES, OurSite
from benchmarks.tables import at, milliseconds, table
from benchmarks.texts import END, SPAN
from tests.servers import PostgresServer
from tests.site import ROOT, prepared_database, wait_for

MESSAGES = int(os.environ.get("ARCHIVE_MESSAGES", "1_000_000"))
LENGTH = 100  # messages of a conversation
ROUNDS = 15
BROWSED = 7
PERSON = "person-0"
SEARCHES = {
    "two characters that are everywhere": "的是",
    "two characters that are nowhere": "龘龘",
    "four characters": "编号12",
    "one character": "编",
    "one word that is everywhere": "the",
    "a word as it is being typed": "con",
    "two words, two languages": "value print",
    "a phrase of frequent words": '"the of and"',
    "a number that stands once": "note_1f400",
    "in a folder": 'the folder:"Folder 3"',
    "under a tag": "的是 tag:tag-3",
    "of a month, two years ago": "的是 on:2024-10",
    "stopped replies of a model": "status:stopped model:paced value",
    "titles alone": "in:title model",
}

Act = Callable[["Reader"], httpx.Response]


class Reader:
    """A person's browser, over HTTP alone."""

    def __init__(self, site: OurSite) -> None:
        self.site = site
        self.http = httpx.Client(base_url=site.url, cookies=site.people[0], timeout=120)
        rows = site.rows("SELECT id FROM chat_conversation WHERE title <> 'sent' ORDER BY active")
        self.conversations = [str(UUID(str(row["id"]))) for row in rows]

    def open(self) -> httpx.Response:
        return self.http.get(f"/c/{self.conversations[len(self.conversations) // 2]}/")

    def send(self) -> httpx.Response:
        """Into an old conversation, under its end."""
        page = self.open().text
        fields = {"text": "tokens=1", "key": str(uuid4()), "model": str(self.site.model)}
        fields["parent"] = re.search(r'name="parent" value="([^"]*)"', page)[1]
        headers = {"X-CSRFToken": self.site.people[0]["csrftoken"], "Origin": self.site.url, "HX-Request": "true"}
        began = time.perf_counter()
        answer = self.http.post(re.search(r'action="([^"]*/send/)"', page)[1], data=fields, headers=headers)
        self.sending = time.perf_counter() - began
        wait_for(lambda: not self.site.rows("SELECT 1 FROM chat_completion WHERE status IN ('queued', 'live')"))
        return answer

    def took(self, act: Act) -> float:
        began = time.perf_counter()
        answer = act(self)
        took = time.perf_counter() - began
        assert answer.status_code == 200, (answer.status_code, answer.text[:500])
        return self.sending if act is Reader.send else took


def run(prepared: Path) -> None:
    kept = Path(os.environ["ARCHIVE_FOLDER"]) if "ARCHIVE_FOLDER" in os.environ else None
    with servers.upstream() as upstream, _databases() as database:
        with (
            _filled(prepared, upstream, LENGTH, database()) as empty,
            _filled(prepared, upstream, MESSAGES, database(), kept) as full,
        ):
            print(f"\nThe archive: {MESSAGES:,} messages, {_size(full)}.")
            _report(empty, full)
            _browse(empty, full)


def _report(empty: OurSite, full: OurSite) -> None:
    readers = Reader(empty), Reader(full)
    acts: dict[str, tuple[Act, str]] = {
        "list, its first part": (lambda reader: reader.http.get("/list/"), ""),
        "list, in its middle": (_deep, ""),
        "open a new conversation": (lambda reader: reader.http.get("/"), ""),
        f"open one of {LENGTH} messages": (Reader.open, ""),
        "send into it": (Reader.send, "as empty"),
        "switch: the latest": (lambda reader: reader.http.get("/switch/"), ""),
        "switch: two letters of a title": (lambda reader: reader.http.get("/switch/?q=mo"), ""),
    }
    for name, words in SEARCHES.items():
        acts[f"search: {name}"] = (lambda reader, words=words: _found(reader, words), "<= 100 ms")
    rows = []
    for name, (act, target) in acts.items():
        figures = [[], []]
        for _ in range(ROUNDS):
            for reader, found in zip(readers, figures, strict=True):
                found.append(reader.took(act))
        small, large = (sorted(found) for found in figures)
        figures = [median(small), median(large), at(0.9, large)]
        rows.append([name, *map(milliseconds, figures), target])
    table(
        f"Server time over HTTP, p50 of {ROUNDS} (and p90)",
        ["", "one conversation", "the archive", "p90", "target"],
        rows,
    )


def _found(reader: Reader, words: str) -> httpx.Response:
    return reader.http.get("/search/", params={"q": words}, headers={"HX-Request": "true"})


def _deep(reader: Reader) -> httpx.Response:
    """Half of the archive is later than that."""
    middle = int((END - SPAN / 2).timestamp())
    return reader.http.get(f"/list/?after=0.{middle}.000000.{uuid4().hex}")


def _browse(empty: OurSite, full: OurSite) -> None:
    """In Chromium: until a conversation is laid out, and until what is found for what was typed is."""
    figures = {name: [_opened(site), _typed(site)] for name, site in (("small", empty), ("large", full))}
    rows = [
        [f"open one of {LENGTH} messages", *(milliseconds(figures[size][0]) for size in ("small", "large"))],
        [
            "type the last character -> results, without the delay",
            *(milliseconds(figures[size][1]) for size in figures),
        ],
    ]
    table(f"In Chromium, p50 of {BROWSED}", ["", "one conversation", "the archive"], rows)


def _opened(site: OurSite) -> float:
    address = f"{site.url}/c/{Reader(site).conversations[-1]}/"
    with browser_page(site.url, site.people[0]) as page:
        page.goto(site.url)  # styles and scripts come from the cache, as they do
        times = []
        for _ in range(BROWSED):
            page.goto(address, wait_until="load")
            shown = "performance.getEntriesByType('paint').find(p => p.name === 'first-contentful-paint').startTime"
            times.append(page.evaluate(f"new Promise(done => requestAnimationFrame(() => done({shown})))") / 1000)
            page.goto("about:blank")
    return median(times)


def _typed(site: OurSite) -> float:
    delay = 0.15  # of the search page's input
    with browser_page(site.url, site.people[0]) as page:
        times = []
        for _ in range(BROWSED):
            page.goto(f"{site.url}/search/?q=valu", wait_until="load")
            page.evaluate(
                "() => { window.found = new Promise(done => document.addEventListener('htmx:after:swap',"
                " () => requestAnimationFrame(() => done(performance.now())), { once: true }));"
                " addEventListener('input', () => { window.typed = performance.now() }, true) }"
            )
            page.locator("#search").press("End")
            page.locator("#search").press("e")
            times.append(page.evaluate("window.found.then(found => found - window.typed)") / 1000 - delay)
    return median(times)


@contextmanager
def _databases() -> Iterator[Callable[[], dict[str, str]]]:
    """Makes settings, each for a database of its own."""
    if os.environ.get("ARCHIVE_ON") != "postgresql":
        yield dict
        return
    server = PostgresServer().start()
    with tempfile.TemporaryDirectory(prefix="chat-bench-") as folder:
        prepared_database(Path(folder), DATABASE_URL=server.create("prepared"))
    try:
        yield lambda: {"DATABASE_URL": server.create(f"site-{uuid4().hex[:8]}", template="prepared")}
    finally:
        server.stop()


@contextmanager
def _filled(
    prepared: Path, upstream: str, messages: int, database: dict[str, str], kept: Path | None = None
) -> Iterator[OurSite]:
    """A site with so many messages; what is kept is copied, so that a run leaves it as it was."""
    with servers.ours(prepared, upstream, people=1, **database) as site:
        if kept and kept.exists():
            shutil.copytree(kept, site.folder, dirs_exist_ok=True)
            assert (migrated := site.manage("migrate")).returncode == 0, migrated.stderr  # it may be older
            site.people = json.loads((kept / "people.json").read_text())
        else:
            _fill(site, messages)
            if kept:
                (site.folder / "people.json").write_text(json.dumps(site.people))
                shutil.copytree(site.folder, kept)
        yield site.start(set(CORES))


def _fill(site: OurSite, messages: int) -> None:
    site.start(set(CORES))  # finds its models
    site.terminate()
    began = time.monotonic()
    command = [sys.executable, "-m", "benchmarks.filling", PERSON, str(messages // LENGTH), str(messages)]
    environment = {**os.environ, **site.environment, "CHAT_DATA": str(site.folder)}
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    print(f"{messages:,} messages written and indexed in {time.monotonic() - began:.0f} s")


def _size(site: OurSite) -> str:
    if site.environment.get("DATABASE_URL"):
        return site.rows("SELECT pg_size_pretty(pg_database_size(current_database())) AS size")[0]["size"]
    return f"{site.database.stat().st_size / 1e6:,.0f} MB"

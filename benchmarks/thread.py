"""A conversation of 1,000 messages beside a short one: opening it, loading upwards, sending."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from uuid import uuid4

import httpx
from playwright.sync_api import Page

from benchmarks import servers
from benchmarks.browser import WATCH
from benchmarks.footprint import browser_page
from benchmarks.servers import CORES, OurSite
from benchmarks.tables import milliseconds, table
from tests.site import ROOT, wait_for

SHORT, LONG = 2, 1000
LOOKS, OPENINGS, LOADS, SENDS = 15, 7, 8, 6

# When the last message stood on the screen, by the clock that starts with the navigation; and when more came above.
SEEN = """
  const look = () => {
    const last = [...document.querySelectorAll("#thread article")].at(-1)?.getBoundingClientRect();
    const there = document.readyState !== "loading" && last && last.top < innerHeight && last.bottom > 0;
    if (there) requestAnimationFrame(at => { window.seen ??= at }); else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
  window.loadEarlier = () => new Promise(loaded => {
    const count = () => document.querySelectorAll("#thread article").length;
    const before = count(), began = performance.now();
    const look = () => count() > before ? loaded(performance.now() - began) : requestAnimationFrame(look);
    document.querySelector("#earlier a").click();
    look();
  });
"""


def run(prepared: Path) -> None:
    with servers.upstream() as upstream, servers.ours(prepared, upstream, people=1) as site:
        site.start(set(CORES))
        short, long = (_measured(site, _conversation(site, count)) for count in (SHORT, LONG))
    words = ["server: the page", "server: a message sent", "Chromium: navigation -> its end on the screen"]
    words += ["Chromium: Enter -> first token in the DOM", "Chromium: a stretch loaded upwards"]
    targets = ["", "the same", "<= 300 ms", "the same", ""]
    rows = [[*row] for row in zip(words, short, long, targets, strict=True)]
    table(f"A thread of {LONG:,} messages", ["", f"of {SHORT}", f"of {LONG:,}", "target"], rows)


def _conversation(site: OurSite, count: int) -> str:
    environment = {**os.environ, "CHAT_DATA": str(site.folder)}
    made = [sys.executable, "-m", "benchmarks.long_thread", str(count)]
    return subprocess.run(made, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def _measured(site: OurSite, conversation: str) -> list[str]:
    return [*_served(site, conversation), *_in_chromium(site, conversation)]


def _served(site: OurSite, conversation: str) -> list[str]:
    cookies = site.people[0]
    headers = {"X-CSRFToken": cookies["csrftoken"], "Origin": site.url, "HX-Request": "true"}
    with httpx.Client(base_url=site.url, cookies=cookies, headers=headers, timeout=30) as http:
        opened = [_timed(partial(http.get, f"/c/{conversation}/")) for _ in range(LOOKS)]
        sent = [_timed(partial(http.post, f"/c/{conversation}/send/", data=_message(site))) for _ in range(SENDS)]
    return [milliseconds(median(opened)), milliseconds(median(sent))]


def _message(site: OurSite) -> dict[str, str]:
    """Under the conversation's last, which nobody else has added to, once that has ended."""
    wait_for(lambda: site.completion()["status"] not in ("queued", "live"))
    parent = site.rows("SELECT max(id) AS id FROM chat_message")[0]["id"]
    return {"text": "rate=5000 tokens=2", "key": str(uuid4()), "model": str(site.model), "parent": str(parent)}


def _timed(request: Callable[[], httpx.Response]) -> float:
    began = time.monotonic()
    request().raise_for_status()
    return time.monotonic() - began


def _in_chromium(site: OurSite, conversation: str) -> list[str]:
    with browser_page(site.url, site.people[0]) as page:
        page.add_init_script(SEEN)
        opened = [_opened(page, f"{site.url}/c/{conversation}/") for _ in range(OPENINGS)]
        loaded = [page.evaluate("loadEarlier()") / 1000 for _ in range(LOADS) if page.locator("#earlier").count()]
    with browser_page(site.url, site.people[0]) as page:
        page.add_init_script(WATCH)
        page.goto(f"{site.url}/c/{conversation}/", wait_until="load")
        page.wait_for_timeout(500)
        firsts = [_first_token(page) for _ in range(SENDS)]
    figures = [median(opened[1:]), median(firsts[1:]), *([median(loaded)] if loaded else [])]
    return [*map(milliseconds, figures), *([] if loaded else ["–"])]


def _opened(page: Page, address: str) -> float:
    page.goto(address, wait_until="load")
    page.wait_for_function("window.seen")
    return page.evaluate("window.seen") / 1000


def _first_token(page: Page) -> float:
    page.locator("#message").fill("rate=50 tokens=10")
    page.locator("#message").press("Enter")
    page.wait_for_timeout(1500)
    taken = page.evaluate("taken()")
    return (taken["arrivals"][0][0] - taken["entered"]) / 1000

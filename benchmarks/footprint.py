"""What the site takes before anybody uses it: memory, the time to start, the weight of the first page."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median

import httpx
from playwright.sync_api import Page, sync_playwright

from benchmarks import servers
from benchmarks.servers import CORES, OurSite
from benchmarks.tables import table

STARTS = 3
CHROMIUM = "/usr/bin/chromium"


def run(prepared: Path) -> None:
    with servers.upstream() as upstream:
        with servers.relay(upstream) as server:
            relay_memory = server.memory()
        starts, memory = [], []
        for _ in range(STARTS):
            with servers.ours(prepared, upstream, people=1) as site:
                starts.append(_cold_start(site))
                time.sleep(2)
                memory.append((site.server.memory(), site.server.resident()))
                weight, documents, requests = _first_page(site)
    table(
        "Before anybody uses it",
        ["", "relay", "ours", "target"],
        [
            ["idle memory, PSS (RSS)", f"{relay_memory:.0f} MiB", _both(memory), "<= 120 MB"],
            ["start of the process -> first page answered", "", f"{median(starts):.2f} s", "<= 2.5 s"],
            ["first page: HTML, CSS, JavaScript on the wire", "", f"{weight / 1000:.1f} kB", "<= 100 kB"],
            ["first page: requests for these (for anything)", "", f"{documents} ({requests})", "<= 10"],
        ],
    )


def _both(memory: list[tuple[float, float]]) -> str:
    return f"{median(pss for pss, _ in memory):.0f} MiB ({median(rss for _, rss in memory):.0f})"


def _cold_start(site: OurSite) -> float:
    started = site.launch(set(CORES))
    with httpx.Client() as http:
        while True:
            with suppress(httpx.TransportError):
                if http.get(f"{site.url}/sign-in/").status_code == 200:
                    return time.monotonic() - started
            time.sleep(0.005)


def _first_page(site: OurSite) -> tuple[int, int, int]:
    """What a browser that was never here loads for the chat page: bytes and number of documents, and all requests."""
    kinds: dict[str, str] = {}
    sizes: dict[str, float] = {}
    with browser_page(site.url, site.people[0]) as page:
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        session.on("Network.requestWillBeSent", lambda event: kinds.update({event["requestId"]: event["type"]}))
        session.on(
            "Network.loadingFinished", lambda event: sizes.update({event["requestId"]: event["encodedDataLength"]})
        )
        page.goto(f"{site.url}/", wait_until="load")
        page.wait_for_timeout(1000)
    weighed = [size for request, size in sizes.items() if kinds.get(request) in ("Document", "Stylesheet", "Script")]
    return int(sum(weighed)), len(weighed), len(sizes)


@contextmanager
def browser_page(url: str, cookies: dict[str, str]) -> Iterator[Page]:
    """A page of a fresh Chromium, signed in."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = chromium.new_context()
        context.add_cookies([{"name": name, "value": value, "url": url} for name, value in cookies.items()])
        yield context.new_page()
        chromium.close()

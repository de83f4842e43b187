"""In Chromium: Enter to the first token in the DOM, upstream to DOM, and what a long reply takes of the main thread."""

import re
import time
from pathlib import Path
from statistics import median

from playwright.sync_api import Page

from benchmarks import servers
from benchmarks.footprint import browser_page
from benchmarks.servers import CORES
from benchmarks.stamps import ages
from benchmarks.tables import at, milliseconds, table

SENDS = 12
SHORT = "rate=50 tokens=100"
LONG, LONG_TOKENS = "rate=500 tokens=10000", 10_000
IDLE_SECONDS = 5

# Notes when Enter was pressed, and when each stamped word came into the DOM, by the clock of performance.now().
WATCH = """
  const arrivals = [], known = new Set();
  let entered = 0;
  addEventListener("keydown", event => { if (event.key === "Enter") entered = event.timeStamp }, true);
  const note = text => {
    for (const [stamp] of text.matchAll(/zq[a-z]{6}/g))
      if (!known.has(stamp)) { known.add(stamp); arrivals.push([performance.now(), stamp]) }
  };
  new MutationObserver(records => {
    for (const { type, target, addedNodes } of records)
      if (type === "characterData") note(target.data.slice(-400));
      else for (const node of addedNodes) note(node.textContent);
  }).observe(document, { subtree: true, childList: true, characterData: true });
  window.taken = () => ({ entered, arrivals: arrivals.splice(0) });
"""


def run(prepared: Path) -> None:
    with servers.upstream() as upstream:
        with servers.relay(upstream, set(CORES)) as server:
            relay = _measured(f"http://127.0.0.1:{server.port}", {})
        with servers.ours(prepared, upstream, people=1) as site:
            site.start(set(CORES))
            ours = _measured(site.url, site.people[0])
    table(
        f"In Chromium ({SENDS} sends; the main thread's time for {LONG_TOKENS} tokens at 500/s, and of a page at rest)",
        ["", "relay", "ours", "target"],
        [
            ["Enter -> first token in the DOM, p50", relay[0], ours[0], "<= 40 ms"],
            ["upstream -> DOM, one stream, p50", relay[1], ours[1], "<= 6 ms"],
            ["upstream -> DOM, one stream, p99", relay[2], ours[2], ""],
            ["main thread, 10,000 tokens", relay[3], ours[3], ""],
            ["- of it script", relay[4], ours[4], ""],
            ["- of it layout and styles", relay[5], ours[5], ""],
            ["main thread, at rest for as long", relay[6], ours[6], ""],
        ],
    )


def _measured(url: str, cookies: dict[str, str]) -> list[str]:
    with browser_page(url, cookies) as page:
        page.add_init_script(WATCH)
        page.goto(f"{url}/", wait_until="load")
        page.wait_for_timeout(500)
        firsts, lags = _sends(page)
    with browser_page(url, cookies) as page:  # without an observer
        page.goto(f"{url}/", wait_until="load")
        page.wait_for_timeout(500)
        idle = _main_thread(page, lambda: page.wait_for_timeout(IDLE_SECONDS * 1000))
        began = time.monotonic()
        long = _main_thread(page, lambda: _long_reply(page))
        rest = idle[0] / IDLE_SECONDS * (time.monotonic() - began)
    lags.sort()
    figures = [median(firsts), at(0.5, lags), at(0.99, lags), *long, rest]
    return [milliseconds(figure) for figure in figures]


def _sends(page: Page) -> tuple[list[float], list[float]]:
    """Of each send, the seconds from Enter to its first token; of all tokens, from upstream to DOM."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    metrics = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
    origin = metrics["NavigationStart"]  # of performance.now(), in seconds of the monotonic clock
    firsts, lags = [], []
    for _ in range(SENDS):
        page.locator("#message").fill(SHORT)
        page.locator("#message").press("Enter")
        page.wait_for_timeout(2600)
        taken = page.evaluate("taken()")
        firsts.append((taken["arrivals"][0][0] - taken["entered"]) / 1000)
        lags += [ages(stamp.encode(), origin + at / 1000)[0] for at, stamp in taken["arrivals"][1:]]
    return firsts[1:], lags


def _main_thread(page: Page, work) -> tuple[float, float, float]:
    """Seconds of all tasks, of script, of layout and styles."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def metrics() -> dict[str, float]:
        return {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}

    before = metrics()
    work()
    after = metrics()
    took = {name: after[name] - before[name] for name in after}
    return took["TaskDuration"], took["ScriptDuration"], took["LayoutDuration"] + took["RecalcStyleDuration"]


def _long_reply(page: Page) -> None:
    page.locator("#message").fill(LONG)
    page.locator("#message").press("Enter")
    deadline = time.monotonic() + 60
    while True:  # seldom: looking takes the main thread's time too
        page.wait_for_timeout(3000)
        text = page.evaluate("document.getElementById('thread').textContent")
        if len(re.findall(r"zq[a-z]{6}", text)) >= LONG_TOKENS:
            return
        assert time.monotonic() < deadline, "the long reply did not come to its end"

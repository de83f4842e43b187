"""Enter to first token, as a client over HTTP and WebSocket sees it; the upstream answers at once."""

import asyncio
import time
from pathlib import Path

from benchmarks import servers
from benchmarks.load import Target, client, elsewhere
from benchmarks.pages import Page, Person
from benchmarks.tables import at, milliseconds, table

TIMES = 25
PROMPT = "rate=50 tokens=20"  # long enough that nobody comes when it is over


def run(prepared: Path) -> None:
    with servers.upstream() as upstream:
        with servers.relay(upstream) as server:
            relayed = elsewhere(_times, Target.relay(server, upstream))
        with servers.ours(prepared, upstream, people=1) as site:
            stored = elsewhere(_times, Target.site(site.start(), upstream))
    answered, first = ([each[place] for each in stored] for place in (0, 1))
    rows = [
        ["the send is answered", "", "", *_figures(answered)],
        ["the first token is here", *_figures([first for _, first in relayed]), *_figures(first)],
    ]
    head = ["since the send", "relay p50", "p95", "ours p50", "p95"]
    table(f"Time to first token over HTTP and WebSocket, {TIMES} sends one after another", head, rows)


def _figures(times: list[float]) -> list[str]:
    return [milliseconds(at(share, sorted(times))) for share in (0.5, 0.95)]


def _times(target: Target) -> list[tuple[float, float]]:
    return asyncio.run(_timed(target))


async def _timed(target: Target) -> list[tuple[float, float]]:
    """Of each send, the seconds to its answer (0 for the relay, which has none) and to its first token."""
    cookies = target.people[0] if target.people else {}
    page = await Page.open(target.server.port, "/socket/" if target.people else "/", cookies)
    times = []
    async with client(target) as http:
        for _ in range(TIMES):
            page.begun.clear()
            page.settled.clear()
            began = answered = time.monotonic()
            if target.people:
                page.watch(await Person(http, cookies, target.model).send(PROMPT))
                answered = time.monotonic()
            else:
                page.send(PROMPT)
            await asyncio.wait_for(page.begun.wait(), 10)
            times.append((answered - began, time.monotonic() - began))
            if target.people:
                await asyncio.wait_for(page.settled.wait(), 10)
            await asyncio.sleep(0.1)
    return times[2:]

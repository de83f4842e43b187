"""kill -9 at a random moment, again and again: how old the oldest lost token was, and whether all is settled after."""

import asyncio
import random
import re
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from benchmarks import servers
from benchmarks.load import Target, streaming
from benchmarks.servers import LOAD_CORES, OurSite, pinned
from benchmarks.stamps import STAMP, ages
from benchmarks.tables import milliseconds, table
from tests.site import wait_for

ROUNDS = 5
STREAMS = 20
RATE = 50


def run(prepared: Path) -> None:
    rows = []
    with servers.upstream() as upstream:
        for number in range(1, ROUNDS + 1):
            with servers.ours(prepared, upstream, people=STREAMS) as site:
                rows.append([str(number), *round_of(site, upstream)])
    head = ["round", "oldest lost token", "settled after", "charges", "target"]
    table(f"kill -9 in {STREAMS} streams of {RATE} tokens/s", head, rows)


def round_of(site: OurSite, upstream: str) -> list[str]:
    site.start()
    with pinned(LOAD_CORES), ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        watching = pool.submit(_watch, Target.site(site, upstream))
        wait_for(lambda: len(_saved(site)) == STREAMS, 30)
        time.sleep(random.uniform(0.5, 2))
        site.kill()
        killed = time.monotonic()
        watching.result()
    oldest = max(ages(text.encode(), killed)[-1] for text in _saved(site).values()) - 1 / RATE
    started = time.monotonic()
    site.start()
    wait_for(lambda: not site.rows("SELECT 1 FROM chat_completion WHERE status IN ('queued', 'live')"), 20)
    settled = time.monotonic() - started
    return [milliseconds(oldest), f"{settled:.1f} s", f"{len(site.charges())} of {STREAMS}", "<= 500 ms, <= 15 s"]


def _saved(site: OurSite) -> dict[int, str]:
    """By completion, its segments that hold text."""
    texts: dict[int, str] = defaultdict(str)
    for row in site.rows("SELECT completion_id, content FROM chat_segment ORDER BY completion_id, number"):
        if re.search(STAMP, row["content"].encode()):
            texts[row["completion_id"]] += row["content"]
    return texts


def _watch(target: Target) -> None:
    asyncio.run(_watched(target))


async def _watched(target: Target) -> None:
    async with streaming(target, STREAMS) as pages:
        while any(page.closed is None for page in pages):
            await asyncio.sleep(0.05)

"""The mechanisms of design.md, section 5, when much comes together."""

import asyncio
import time
from pathlib import Path

import orjson

from benchmarks import servers
from benchmarks.load import Target, elsewhere, streaming
from benchmarks.pages import Page
from benchmarks.servers import OurSite
from benchmarks.tables import at, milliseconds, table
from tests.site import wait_for

STREAMS = 200
SECONDS = 5.0
JOINS = 20
SLOW = 20


def run(prepared: Path) -> None:
    rows: list[list[str]] = []
    with servers.upstream() as upstream, servers.ours(prepared, upstream) as site:
        probe = site.folder / "probe"
        site.command = ["-m", "benchmarks.probed", str(probe)]
        site.start()
        for measure in (with_many_streams, late_joiners, slow_readers, many_queued):
            rows += measure(site, upstream, probe)
    table("Under pressure (one core)", ["", "p50", "p95", "worst", ""], rows)


def figures(name: str, seconds: list[float], note: str = "") -> list[str]:
    ordered = sorted(seconds)
    return [name, *(milliseconds(at(share, ordered)) for share in (0.5, 0.95, 1)), note]


def probed(probe: Path, since: float) -> tuple[list[float], list[float]]:
    """Seconds of each save, and lags of the loop, since a time."""
    lines = [orjson.loads(line) for line in probe.read_bytes().splitlines()]
    late = [line for line in lines if line["at"] > since + 1]
    return [save for line in late for save in line["saves"]], [lag for line in late for lag in line["lags"]]


def with_many_streams(site: OurSite, upstream: str, probe: Path) -> list[list[str]]:
    began, storm, returned = elsewhere(_storm, Target.site(site, upstream))
    saves, lags = probed(probe, began)
    _, storm_lags = probed(probe, storm - 0.5)
    return [
        figures(f"{STREAMS} streams: a save's transaction", saves, "< 50 ms: the write lock"),
        figures(f"{STREAMS} streams: lag of the loop", lags),
        figures(f"{STREAMS} sockets lost and back at once: whole text again", returned, "<= 2 s"),
        figures("- lag of the loop meanwhile", storm_lags),
    ]


def _storm(target: Target) -> tuple[float, float, list[float]]:
    return asyncio.run(_stormed(target))


async def _stormed(target: Target) -> tuple[float, float, list[float]]:
    """When all streams were there, when they were lost, and after how many seconds each page had its text again."""
    async with streaming(target, STREAMS) as pages:
        began = time.monotonic()
        await asyncio.sleep(SECONDS)
        storm = time.monotonic()
        for page in pages:
            page.transport.abort()
        joining = [_rejoined(target, cookies, page) for cookies, page in zip(target.people, pages, strict=True)]
        back = await asyncio.gather(*joining)
        await asyncio.sleep(2)
        pages[:] = back
        return began, storm, [page.whole_at - storm for page in back]


async def _rejoined(target: Target, cookies: dict[str, str], before: Page) -> Page:
    page = await Page.open(target.server.port, "/socket/", cookies)
    page.watch(before.completion)
    await asyncio.wait_for(page.begun.wait(), 60)
    return page


def late_joiners(site: OurSite, upstream: str, probe: Path) -> list[list[str]]:
    seconds, size, cpu = elsewhere(_join, Target.site(site, upstream))
    note = f"{size / 1000:.0f} kB and {cpu * 1000:.1f} ms of CPU each"
    return [figures("joining late, 10,000 tokens in: the whole text", seconds, note)]


def _join(target: Target) -> tuple[list[float], float, float]:
    return asyncio.run(_joined(target))


async def _joined(target: Target) -> tuple[list[float], float, float]:
    """Seconds until each had the whole; bytes and CPU of one."""
    async with streaming(target, 1, "rate=5 burst=10000") as (page,):
        await asyncio.sleep(2)
        seconds, cpu = [], target.server.cpu()
        for _ in range(JOINS):
            joiner = await Page.open(target.server.port, "/socket/", target.people[0])
            joiner.measuring = True
            began = time.monotonic()
            joiner.watch(page.completion)
            await asyncio.wait_for(joiner.begun.wait(), 10)
            seconds.append(joiner.whole_at - began)
            joiner.transport.abort()
        return seconds, joiner.bytes, (target.server.cpu() - cpu) / JOINS


def slow_readers(site: OurSite, upstream: str, probe: Path) -> list[list[str]]:
    growth, closed = elsewhere(_read_slowly, Target.site(site, upstream))
    row = [f"{SLOW} readers that take nothing, 500 tokens/s each", "", "", f"{growth:.2f} MiB"]
    return [[*row, f"each at most, <= 1 MiB out; {closed} closed after 25 s"]]


def _read_slowly(target: Target) -> tuple[float, int]:
    return asyncio.run(_slowly_read(target))


async def _slowly_read(target: Target) -> tuple[float, int]:
    """The most that one took beyond what a reader takes, in MiB, and how many the server has closed."""
    async with streaming(target, SLOW, "rate=500") as pages:
        await asyncio.sleep(1)
        before = most = target.server.memory()
        for page in pages:
            page.transport.pause_reading()
        until = time.monotonic() + 25
        while time.monotonic() < until:
            await asyncio.sleep(0.5)
            most = max(most, target.server.memory())
        for page in pages:
            page.transport.resume_reading()
        await asyncio.sleep(1)
        return (most - before) / SLOW, sum(page.closed is not None for page in pages)


def many_queued(site: OurSite, upstream: str, probe: Path) -> list[list[str]]:
    """What waits in the queue when a process starts, and nobody has a page open."""
    wait_for(lambda: not site.rows("SELECT 1 FROM chat_completion WHERE status IN ('queued', 'live')"), 30)
    site.stop()
    last = f"SELECT id FROM chat_completion ORDER BY id DESC LIMIT {STREAMS}"
    site.change("DELETE FROM chat_usageentry")
    site.change("UPDATE chat_message SET text = '' WHERE role = 'assistant'")
    site.change("UPDATE chat_message SET text = 'rate=50 tokens=100' WHERE role = 'user'")
    site.change(
        "UPDATE chat_completion SET status = 'queued', process_id = NULL, attempts = 0, settled = NULL"
        f" WHERE id IN ({last})"
    )
    began = time.monotonic()
    site.start()
    wait_for(lambda: not site.rows("SELECT 1 FROM chat_completion WHERE status = 'queued'"), 60)
    seconds = time.monotonic() - began
    _, lags = probed(probe, began)
    return [figures(f"{STREAMS} queued at the start: lag of the loop", lags, f"all claimed {seconds:.1f} s after it")]

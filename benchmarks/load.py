"""Many streams at once, read by a process of their own: what they cost the server, and how late they are."""

import asyncio
import gc
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from math import nan
from multiprocessing import get_context
from typing import TypeVar

import httpx

from benchmarks.pages import Page, Person
from benchmarks.servers import LOAD_CORES, OurSite, Server, pinned

T = TypeVar("T")
BEGIN_SECONDS = 60  # for all streams to begin, or to end
WARM_SECONDS = 1.5
SLICE_SECONDS = 0.5
AT_ONCE = 8


@dataclass(frozen=True)
class Target:
    """What the load runs against. Without people it is the relay."""

    server: Server
    upstream: str
    people: list[dict[str, str]]
    model: int = 0

    @classmethod
    def site(cls, site: OurSite, upstream: str) -> "Target":
        return cls(site.server, upstream, site.people, site.model)

    @classmethod
    def relay(cls, server: Server, upstream: str) -> "Target":
        return cls(server, upstream, [])


@dataclass(frozen=True)
class Slice:
    """What half a second was like: lags, CPU and waiting in seconds, the server's CPU and the load's own.

    `waited` is how long server and load had something to do and no core: the machine's lag, not ours.
    """

    seconds: float
    frames: int
    cpu: float
    load_cpu: float
    waited: float
    lags: list[float]


@dataclass(frozen=True)
class Reading:
    """Some slices, with the server's memory in MiB at their end."""

    slices: list[Slice]
    memory: float

    @classmethod
    def calmest(cls, readings: list["Reading"]) -> "Reading":
        """Of several, the half in which others left them the most of the machine."""
        slices = sorted((each for reading in readings for each in reading.slices), key=lambda each: each.waited)
        return cls(slices[: (len(slices) + 1) // 2], min(reading.memory for reading in readings))

    def sum(self, name: str) -> float:
        return sum(getattr(each, name) for each in self.slices)

    def per_second(self, name: str) -> float:
        return self.sum(name) / self.sum("seconds")

    @property
    def lags(self) -> list[float]:
        """In order; one for each token."""
        return sorted(lag for each in self.slices for lag in each.lags)

    @property
    def cpu_per_thousand(self) -> float:
        tokens = sum(len(each.lags) for each in self.slices)
        return self.sum("cpu") / tokens * 1000 if tokens else nan


def elsewhere(work: Callable[..., T], *arguments: object) -> T:
    """In a process of its own, on the cores of the load."""
    with pinned(LOAD_CORES), ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def measure(target: Target, streams: int, seconds: float, prompt: str = "rate=50") -> Reading:
    return elsewhere(_measure, target, streams, seconds, prompt)


def _measure(target: Target, streams: int, seconds: float, prompt: str) -> Reading:
    return asyncio.run(_measured(target, streams, seconds, prompt))


async def _measured(target: Target, streams: int, seconds: float, prompt: str) -> Reading:
    async with streaming(target, streams, prompt) as pages:
        await asyncio.sleep(WARM_SECONDS)
        gc.collect()
        gc.freeze()
        Page.measuring = True
        slices = [await _slice(target, pages) for _ in range(round(seconds / SLICE_SECONDS))]
        Page.measuring = False
        return Reading(slices, target.server.memory())


async def _slice(target: Target, pages: list[Page]) -> Slice:
    for page in pages:
        page.frames, page.lags = 0, []
    load = Server(os.getpid(), 0)
    before = time.monotonic(), target.server.cpu(), load.cpu(), target.server.waited() + load.waited()
    await asyncio.sleep(SLICE_SECONDS)
    after = time.monotonic(), target.server.cpu(), load.cpu(), target.server.waited() + load.waited()
    seconds, cpu, load_cpu, waited = (now - then for then, now in zip(before, after, strict=True))
    lags = [lag for page in pages for lag in page.lags]
    return Slice(seconds, sum(page.frames for page in pages), cpu, load_cpu, waited, lags)


@asynccontextmanager
async def streaming(target: Target, streams: int, prompt: str = "rate=50") -> AsyncIterator[list[Page]]:
    """Pages, each with a reply of which the first token has come. At the end all replies end in order.

    Raises TimeoutError where the server cannot begin so many.
    """
    cookies = (target.people or [{}] * streams)[:streams]
    path = "/socket/" if target.people else "/"
    pages = await few_at_once([Page.open(target.server.port, path, each) for each in cookies])
    try:
        async with asyncio.timeout(BEGIN_SECONDS):
            await _begin(target, pages, cookies, prompt)
            for page in pages:
                await page.begun.wait()
        yield pages
    finally:
        await _end(target, pages)


async def _begin(target: Target, pages: list[Page], cookies: list[dict[str, str]], prompt: str) -> None:
    if target.people:
        async with client(target) as http:
            people = [Person(http, each, target.model) for each in cookies]
            await few_at_once([_ask(person, page, prompt) for person, page in zip(people, pages, strict=True)])
    else:
        for page in pages:
            page.send(prompt)


def client(target: Target) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{target.server.port}", timeout=60)


async def _ask(person: Person, page: Page, prompt: str) -> None:
    page.watch(await person.send(prompt))


async def _end(target: Target, pages: list[Page]) -> None:
    """The upstream ends all streams; the site settles them."""
    async with httpx.AsyncClient() as http:
        await http.get(f"{target.upstream}/end")
    if target.people:
        async with asyncio.timeout(BEGIN_SECONDS):
            for page in pages:
                if page.completion and page.closed is None:
                    await page.settled.wait()
    for page in pages:
        page.transport.abort()
    await asyncio.sleep(0.5)


async def few_at_once(works: list[Awaitable[T]]) -> list[T]:
    room = asyncio.Semaphore(AT_ONCE)

    async def one(work: Awaitable[T]) -> T:
        async with room:
            return await work

    return await asyncio.gather(*(one(work) for work in works))

"""Many streams at once, read by a process of their own: what they cost the server, and how late they are."""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TypeVar

import httpx

from benchmarks.pages import Page, Person
from benchmarks.servers import LOAD_CORES, OurSite, Server, pinned

T = TypeVar("T")
WARM_SECONDS = 1.5
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
class Reading:
    """Of one window: CPU in seconds, the server's and the load's own; lags in seconds; memory in MiB.

    `waited` is how long the server had something to do and no core: that is the machine's lag, not ours.
    """

    streams: int
    seconds: float
    tokens: int
    frames: int
    bytes: int
    cpu: float
    waited: float
    load_cpu: float
    memory: float
    lags: list[float]

    @property
    def cpu_per_thousand(self) -> float:
        return self.cpu / self.tokens * 1000 if self.tokens else float("nan")


def elsewhere(work: Callable[..., T], *arguments: object) -> T:
    """In a process of its own, on the cores of the load."""
    with pinned(LOAD_CORES), ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def measure(target: Target, streams: int, seconds: float, prompt: str = "rate=50") -> Reading:
    return elsewhere(_measure, target, streams, seconds, prompt)


def _measure(target: Target, streams: int, seconds: float, prompt: str) -> Reading:
    return asyncio.run(_measured(target, streams, seconds, prompt))


async def _measured(target: Target, streams: int, seconds: float, prompt: str) -> Reading:
    pages = await streaming(target, streams, prompt)
    await asyncio.sleep(WARM_SECONDS)
    gc.collect()
    gc.freeze()
    began, own = time.monotonic(), time.process_time()
    cpu, waited = target.server.cpu(), target.server.waited()
    Page.measuring = True
    await asyncio.sleep(seconds)
    Page.measuring = False
    reading = Reading(
        streams=streams,
        seconds=time.monotonic() - began,
        tokens=sum(len(page.lags) for page in pages),
        frames=sum(page.frames for page in pages),
        bytes=sum(page.bytes for page in pages),
        cpu=target.server.cpu() - cpu,
        waited=target.server.waited() - waited,
        load_cpu=time.process_time() - own,
        memory=target.server.memory(),
        lags=sorted(lag for page in pages for lag in page.lags),
    )
    await end(target, pages)
    return reading


async def streaming(target: Target, streams: int, prompt: str = "rate=50") -> list[Page]:
    """Pages, each with a reply of which the first token has come."""
    path = "/socket/" if target.people else "/"
    cookies = (target.people or [{}] * streams)[:streams]
    pages = await few_at_once(Page.open(target.server.port, path, each) for each in cookies)
    if target.people:
        async with client(target) as http:
            people = [Person(http, each, target.model) for each in cookies]
            await few_at_once(_ask(person, page, prompt) for person, page in zip(people, pages, strict=True))
    else:
        for page in pages:
            page.send(prompt)
    await asyncio.wait_for(asyncio.gather(*(page.begun.wait() for page in pages)), 60)
    return pages


def client(target: Target) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{target.server.port}", timeout=60)


async def _ask(person: Person, page: Page, prompt: str) -> None:
    page.watch(await person.send(prompt))


async def end(target: Target, pages: Iterable[Page]) -> None:
    """The upstream ends all streams in order; the site settles them."""
    async with httpx.AsyncClient() as http:
        await http.get(f"{target.upstream}/end")
    if target.people:
        await asyncio.wait_for(asyncio.gather(*(page.settled.wait() for page in pages)), 60)
    for page in pages:
        page.transport.abort()
    await asyncio.sleep(0.5)


async def few_at_once(works: Iterable[Awaitable[T]]) -> list[T]:
    room = asyncio.Semaphore(AT_ONCE)

    async def one(work: Awaitable[T]) -> T:
        async with room:
            return await work

    return await asyncio.gather(*(one(work) for work in works))

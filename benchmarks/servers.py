"""The processes that are measured, each pinned to a core of its own, and what they use."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil

from tests.site import ROOT, Site, copy_of, free_port, prepared_database, wait_for

CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE = {CORES[0]}
LOAD_CORES = set(CORES[1:]) or SERVER_CORE  # clients and upstream
PEOPLE = 200


class Server:
    """A process and its children, from outside."""

    def __init__(self, pid: int, port: int) -> None:
        self.pid, self.port = pid, port

    def cpu(self) -> float:
        """Seconds so far, all threads, to the nanosecond (psutil knows only hundredths)."""
        return sum(self._schedule(0))

    def waited(self) -> float:
        """Seconds in which its main thread could have run, had others not had the core."""
        return self._schedule(1)[0]

    def _schedule(self, column: int) -> list[float]:
        tasks = sorted(Path(f"/proc/{self.pid}/task").iterdir(), key=lambda task: int(task.name))
        return [int(task.joinpath("schedstat").read_text().split()[column]) / 1e9 for task in tasks]

    def memory(self) -> float:
        """MiB: what is its own, and its share of what it shares."""
        lines = Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024

    def resident(self) -> float:
        return psutil.Process(self.pid).memory_info().rss / 2**20


@contextlib.contextmanager
def pinned(cores: set[int]) -> Iterator[None]:
    """Children inherit it."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def process(*arguments: str, port: int, cores: set[int], **environment: str) -> Iterator[Server]:
    with pinned(cores):
        child = subprocess.Popen([sys.executable, "-m", *arguments], cwd=ROOT, env={**os.environ, **environment})
    try:
        wait_for(lambda: _listens(port), 20, every=0.005)
        yield Server(child.pid, port)
    finally:
        child.kill()
        child.wait()


def _listens(port: int) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return bool(httpx.get(f"http://127.0.0.1:{port}/", timeout=2))
    return False


@contextlib.contextmanager
def upstream() -> Iterator[str]:
    """Its address."""
    port = free_port()
    with process("benchmarks.upstream", str(port), port=port, cores=LOAD_CORES):
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def relay(upstream: str, cores: set[int] = SERVER_CORE) -> Iterator[Server]:
    port = free_port()
    arguments = ("daphne", "-v", "0", "-p", str(port), "benchmarks.relay:application")
    with process(*arguments, port=port, cores=cores, UPSTREAM=upstream) as server:
        yield server


class OurSite(Site):
    """The site as it is served, with people who are signed in and the model of the benchmarks' upstream."""

    def __init__(self, folder: Path, upstream: str, people: int = PEOPLE, **environment: str) -> None:
        super().__init__(folder, {"OPENAI_BASE_URL": f"{upstream}/v1", "OPENAI_API_KEY": "sk-x", **environment})
        self.command = ["manage.py", "serve"]
        environment = {**os.environ, **self.environment, "CHAT_DATA": str(folder)}
        made = [sys.executable, "-m", "benchmarks.people", str(people)]
        output = subprocess.run(made, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE).stdout
        self.people: list[dict[str, str]] = json.loads(output)

    def launch(self, cores: set[int] = SERVER_CORE) -> float:
        """Starts it; the time at which it was started."""
        environment = {**os.environ, **self.environment, "PORT": str(self.port), "CHAT_DATA": str(self.folder)}
        with pinned(cores), open(self.log, "a") as log:
            started = time.monotonic()
            self.process = subprocess.Popen(
                [sys.executable, *self.command], cwd=ROOT, env=environment, stdout=log, stderr=log
            )
        return started

    def start(self, cores: set[int] = SERVER_CORE) -> "OurSite":
        self.launch(cores)
        wait_for(self.answers, 20)
        wait_for(lambda: self.rows("SELECT 1 FROM chat_languagemodel WHERE name = 'paced'"), 20)
        return self

    @property
    def server(self) -> Server:
        return Server(self.process.pid, self.port)

    @property
    def model(self) -> int:
        return self.rows("SELECT id FROM chat_languagemodel WHERE name = 'paced'")[0]["id"]


@contextlib.contextmanager
def prepared() -> Iterator[Path]:
    """A folder with a migrated database and static files, for `ours`."""
    with tempfile.TemporaryDirectory(prefix="chat-bench-") as folder:
        yield prepared_database(Path(folder))


@contextlib.contextmanager
def ours(prepared: Path, upstream: str, *, people: int = PEOPLE, **environment: str) -> Iterator[OurSite]:
    """Not yet started."""
    with tempfile.TemporaryDirectory(prefix="chat-bench-") as folder:
        environment = {"CHAT_STATIC": str(prepared / "static"), **environment}
        site = OurSite(copy_of(prepared, Path(folder)), upstream, people, **environment)
        try:
            yield site
        finally:
            site.stop()

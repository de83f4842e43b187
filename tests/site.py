"""The site as a process of its own, and people who use it over HTTP and WebSocket."""

import json
import os
import random
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, closing, suppress
from pathlib import Path

import httpx
import psycopg
from psycopg.rows import dict_row
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.warm import Warm

ROOT = Path(__file__).resolve().parent.parent
PASSWORD = "correct-horse-battery"
PATIENCE = 30.0  # seconds in which a state must come, on a machine that may do other things meanwhile


def wait_for(look: Callable, seconds: float = PATIENCE, every: float = 0.02):
    """What `look` returns, as soon as it is true; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {getattr(look, '__doc__', None) or look}"
        time.sleep(every)
    return found


def free_port() -> int:
    """Below those that the system gives away, or somebody's connection could take it before it is listened on.

    Each of the processes that test beside each other has its own: two could find the same one free.
    """
    first = 12_000 + 5_000 * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 4)
    while True:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", random.randrange(first, first + 5_000)))
            return probe.getsockname()[1]


class Site:
    """A serving process, on a SQLite database of its own or on a given one; `rows` looks into it. Can be restarted."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.port = free_port()
        self.environment = environment
        self.process: Warm | None = None
        self.log = folder / "log"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def database(self) -> Path:
        return self.folder / "chat.sqlite3"

    def start(self, **extra: str) -> "Site":
        inherited = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
        own = {"PORT": str(self.port), "CHAT_DATA": str(self.folder)}
        environment = {**inherited, **own, **self.environment, **extra}
        self.process = Warm(["serve"], cwd=ROOT, env=environment, log=self.log)
        wait_for(self.answers, 60)
        return self

    def answers(self) -> bool:
        """the site answers"""
        assert self.process.poll() is None, self.log.read_text()
        try:
            return httpx.get(f"{self.url}/health", timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def terminate(self, seconds: float = 12.0) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.kill()

    def manage(self, *words: str) -> subprocess.CompletedProcess:
        """A command, beside the serving process."""
        inherited = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
        environment = {**inherited, "CHAT_DATA": str(self.folder), **self.environment}
        command = [sys.executable, "manage.py", *words]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)

    def rows(self, query: str, *parameters) -> list[Mapping]:
        with self._connected() as connection:
            return connection.execute(self._placed(query), parameters).fetchall()

    def change(self, query: str, *parameters) -> None:
        with self._connected() as connection:
            connection.execute(self._placed(query), parameters)
            connection.commit()

    @property
    def _postgres(self) -> str:
        return self.environment.get("DATABASE_URL", "")

    def _connected(self) -> AbstractContextManager:
        if self._postgres:
            return psycopg.connect(self._postgres, row_factory=dict_row)
        connection = sqlite3.connect(self.database, timeout=10)
        connection.row_factory = sqlite3.Row
        return closing(connection)

    def _placed(self, query: str) -> str:
        return query.replace("?", "%s") if self._postgres else query

    def completion(self, pk: int | None = None) -> Mapping:
        """That completion's row, or the newest one's."""
        where = "WHERE id = ?" if pk else "ORDER BY id DESC LIMIT 1"
        return self.rows(f"SELECT * FROM chat_completion {where}", *([pk] if pk else []))[0]

    def settled(self, pk: int | None = None, seconds: float = PATIENCE) -> Mapping:
        """The same, once it is settled."""
        wait_for(lambda: self.completion(pk)["status"] not in ("queued", "live"), seconds)
        return self.completion(pk)

    def message(self, pk: int) -> Mapping:
        return self.rows("SELECT * FROM chat_message WHERE id = ?", pk)[0]

    def charges(self) -> list[Mapping]:
        return self.rows("SELECT * FROM chat_usageentry WHERE kind = 'charge'")

    def visitor(self, name: str | None = None) -> "Visitor":
        return Visitor(self, name or f"person-{uuid.uuid4().hex[:8]}")


class Sent:
    """What a send has made: ids, as the page got them."""

    def __init__(self, response: httpx.Response, site: Site) -> None:
        self.response = response
        self.conversation = response.headers.get("HX-Push-Url", "").strip("/").removeprefix("c/")
        self.messages = [int(pk) for pk in re.findall(r'<article[^>]* id="message-(\d+)"', response.text)]
        self.reply = self.messages[-1] if self.messages else None
        self.completion = site.message(self.reply)["completion_id"] if self.reply else None


class Visitor:
    """A person with an account, signed in."""

    def __init__(self, site: Site, name: str) -> None:
        self.site, self.name = site, name
        self.http = httpx.Client(base_url=site.url, timeout=PATIENCE)
        self.http.get("/sign-up/")
        response = self.post("/sign-up/", username=name, password1=PASSWORD, password2=PASSWORD, htmx=False)
        assert response.status_code == 302, response.text

    def post(self, path: str, *, htmx: bool = True, **fields) -> httpx.Response:
        headers = {"X-CSRFToken": self.http.cookies["csrftoken"], "Origin": self.site.url}
        if htmx:
            headers["HX-Request"] = "true"
        return self.http.post(path, data={k: v for k, v in fields.items() if v is not None}, headers=headers)

    def send(
        self,
        text: str = "Hello",
        *,
        model: str = "",
        conversation: str = "",
        parent: int | None = None,
        key: str = "",
        n: int | None = None,
        streamed: str | None = None,
    ) -> Sent:
        """`model`: one name, or several with spaces between."""
        path = f"/c/{conversation}/send/" if conversation else "/c/"
        models = [self.model_id(name) for name in model.split()]
        fields = {"text": text, "parent": parent, "key": key or str(uuid.uuid4()), "model": models, "n": n}
        fields["streamed"] = streamed
        return Sent(self.post(path, **fields), self.site)

    def model_id(self, name: str) -> int:
        found = self.site.rows("SELECT id FROM chat_languagemodel WHERE name = ?", name)
        assert found, f"no model {name}"
        return found[0]["id"]

    @property
    def cookies(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.http.cookies.items())

    def socket(self, **headers: str) -> "PageSocket":
        return PageSocket(self, {"Origin": self.site.url, "Cookie": self.cookies, **headers})


class PageSocket:
    """The page socket, as the browser's module speaks it."""

    def __init__(self, visitor: Visitor, headers: dict[str, str]) -> None:
        url = visitor.site.url.replace("http", "ws") + "/socket/"
        origin = headers.pop("Origin", None)
        self.socket = connect(
            url,
            origin=origin,
            additional_headers=headers,
            compression=None,
            user_agent_header=None,
            close_timeout=1,
            legacy=True,
        )

    def __enter__(self) -> "PageSocket":
        return self

    def __exit__(self, *exception) -> None:
        self.socket.close()

    def say(self, **message) -> None:
        self.socket.send(json.dumps(message))

    def watch(self, completion: int) -> None:
        self.say(type="watch", completion=completion)

    def next(self, kind: str = "", seconds: float = PATIENCE) -> dict:
        """The next message, or the next of a kind. Acknowledges as the page would."""
        deadline = time.monotonic() + seconds
        while True:
            message = json.loads(self.socket.recv(timeout=max(deadline - time.monotonic(), 0.01)))
            if "ack" in message:
                self.say(type="ack", number=message["ack"])
            if not kind or message["type"] == kind:
                return message

    def closed(self, seconds: float = PATIENCE) -> int:
        """The code with which the server closed it."""
        try:
            deadline = time.monotonic() + seconds
            while True:
                self.socket.recv(timeout=max(deadline - time.monotonic(), 0.01))
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else 1006

    def drop(self) -> None:
        """The line goes dead: no close frame, TCP reset."""
        raw = self.socket.socket
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        raw.close()


def prepared_database(folder: Path, **extra: str) -> Path:
    """A migrated database, made once and copied: migrating takes seconds."""
    environment = {**os.environ, "CHAT_DATA": str(folder), **extra}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    for command in (["migrate"], ["collectstatic", "--noinput"]):
        subprocess.run(
            [sys.executable, "manage.py", *command, "--verbosity", "0"], cwd=ROOT, env=environment, check=True
        )
    return folder


def copy_of(prepared: Path, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    shutil.copy(prepared / "chat.sqlite3", folder / "chat.sqlite3")
    return folder

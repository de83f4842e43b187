"""Real PostgreSQL and Redis servers, each in a folder of its own, for the time of a test session."""

import os
import pwd
import shutil
import subprocess
import time
from pathlib import Path
from tempfile import mkdtemp

import psycopg

from tests.site import free_port, wait_for


class PostgresServer:
    """A cluster of its own. PostgreSQL refuses to run as root: then it runs as the user `postgres`.

    Its folder lies where that user may go: pytest's own are closed to others. One that is given is kept.
    """

    def __init__(self, kept: Path | None = None) -> None:
        self.kept = kept
        self.folder, self.port = kept or Path(mkdtemp(prefix="chat-postgres-")), free_port()
        self.process: subprocess.Popen | None = None

    def start(self) -> "PostgresServer":
        as_user = {}
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(self.folder, account.pw_uid, account.pw_gid)
            as_user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        data = self.folder / "data"
        if not data.exists():
            initdb = [_postgres("initdb"), "-D", data, "-U", "chat", "-A", "trust", "-E", "UTF8", "--no-sync"]
            subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd="/", **as_user)
        options = ["-p", str(self.port), "-k", self.folder, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
        self.process = subprocess.Popen(
            [_postgres("postgres"), "-D", data, *options], stderr=open(self.folder / "log", "w"), cwd="/", **as_user
        )
        wait_for(self._answers, 30)
        return self

    def _answers(self) -> bool:
        """PostgreSQL answers"""
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=1).close()
        except psycopg.OperationalError:
            return False
        return True

    def url(self, database: str) -> str:
        return f"postgresql://chat@127.0.0.1:{self.port}/{database}"

    def create(self, database: str, template: str = "template1") -> str:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{database}" TEMPLATE "{template}"')
        return self.url(database)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)
        if self.kept is None:
            shutil.rmtree(self.folder)


class RedisServer:
    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.process: subprocess.Popen | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> "RedisServer":
        self.folder.mkdir(exist_ok=True)
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", self.folder]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        time.sleep(0.3)
        return self

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)


def _postgres(program: str) -> str:
    """Debian keeps the servers' programs off the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
    path = str(found[-1]) if found else shutil.which(program)
    assert path, f"PostgreSQL's {program} is missing: install the package postgresql"
    return path

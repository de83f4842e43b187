"""`manage.py` in a process of its own that begins with the site's libraries imported: most of a start's time.

The libraries alone, and none that opens something at import (as Twisted's reactor does). The site's own code and its
settings are imported by each process for itself, as always.
"""

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from multiprocessing.context import ForkServerContext
from pathlib import Path

LIBRARIES = """
    aiohttp argon2 autobahn.twisted.websocket cryptography.fernet csp.checks django.contrib.admin.utils
    django.contrib.contenttypes.management django.core.handlers.asgi httpx twisted.internet.posixbase twisted.web.http
""".split()

_context: ForkServerContext = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(LIBRARIES)


class Warm:
    """As much of subprocess.Popen as a site needs."""

    def __init__(self, words: list[str], *, cwd: Path, env: dict[str, str], log: Path) -> None:
        self._process = _context.Process(target=_run, args=(words, str(cwd), env, str(log)), daemon=True)
        self._process.start()
        self.pid = self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, seconds: float | None = None) -> int:
        self._process.join(seconds)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("manage.py", seconds or 0.0)
        return self._process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


def _run(words: list[str], cwd: str, env: dict[str, str], log: str) -> None:
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(written, stream.fileno())
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ["manage.py", *words]
    runpy.run_path("manage.py", run_name="__main__")

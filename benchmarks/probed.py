"""The site's process with a probe in it: `python -m benchmarks.probed FILE` in place of `manage.py serve`.

Each second a line of JSON: the seconds that each save took in the writer's thread, and how late the loop woke a task
that sleeps 5 ms at a time.
"""

import asyncio
import os
import sys
import time

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatsite.settings")

import django

django.setup()

import orjson  # noqa: E402
from django.core.management import call_command  # noqa: E402

from chat.live import saving  # noqa: E402
from chatsite import server  # noqa: E402

NAP = 0.005
saves: list[float] = []


def timed(write):
    def write_and_note(*arguments):
        began = time.perf_counter()
        try:
            return write(*arguments)
        finally:
            saves.append(time.perf_counter() - began)

    return write_and_note


async def probe(path: str) -> None:
    lags: list[float] = []
    due = time.monotonic() + 1
    with open(path, "ab") as file:
        while True:
            began = time.monotonic()
            await asyncio.sleep(NAP)
            lags.append(time.monotonic() - began - NAP)
            if time.monotonic() > due:
                file.write(orjson.dumps({"at": time.monotonic(), "saves": saves, "lags": lags}) + b"\n")
                file.flush()
                saves.clear()
                lags.clear()
                due += 1


class ProbedServer(server.Server):
    def ready(self) -> None:
        super().ready()
        self.probing = asyncio.ensure_future(probe(sys.argv[1]))


if __name__ == "__main__":
    saving.write = timed(saving.write)
    server.Server = ProbedServer
    call_command("serve")

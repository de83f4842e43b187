"""The books under fire: thousands of completions of every outcome, and the process killed in the middle.

--completions N (or BOOKS_COMPLETIONS): how many. Each database: what the upstreams bill beside what the ledger says.
BOOKS_ON=sqlite or postgresql: there alone.
"""

import os
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.bed import Bed
from tests.servers import PostgresServer
from tests.site import Site, copy_of, prepared_database

COMPLETIONS = 3000


def run(prepared: Path) -> None:
    completions = int(os.environ.get("BOOKS_COMPLETIONS", COMPLETIONS))
    asked = os.environ.get("BOOKS_ON", "sqlite postgresql").split()
    for name in (name for name in ("SQLite", "PostgreSQL") if name.lower() in asked):
        with _sites(prepared, name) as make_site, ExitStack() as stack:
            began = time.monotonic()
            found = Bed(make_site, completions).run(stack).findings()
            print(f"\nThe books on {name}, {time.monotonic() - began:.0f} s:\n", *found.lines(), sep="\n", flush=True)


@contextmanager
def _sites(prepared: Path, name: str) -> Iterator:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chat-bench-")))
        settings = {"CHAT_STATIC": str(prepared / "static"), "SECRET_KEY": "of a benchmark"}
        if name == "PostgreSQL":
            server = PostgresServer().start()
            stack.callback(server.stop)
            settings["DATABASE_URL"] = server.create(f"books-{uuid.uuid4().hex[:8]}")
            prepared_database(folder, DATABASE_URL=settings["DATABASE_URL"])
        else:
            copy_of(prepared, folder)

        def make(**environment: str) -> Site:
            site = Site(folder, {**settings, **environment})
            stack.callback(site.stop)
            return site.start()

        yield make

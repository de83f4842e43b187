"""What a large ledger costs: each report's page, the same query over the raw entries beside it, and writing an entry.

--entries N (or USAGE_ENTRIES): how many lines. USAGE_ON=sqlite or postgresql: there alone, else on both.
USAGE_FOLDER: where the filled databases are kept, and found again by the next run.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from statistics import median

import httpx

from benchmarks.tables import at, milliseconds, table
from tests.servers import PostgresServer
from tests.site import ROOT, Site, copy_of, prepared_database

ENTRIES = 10_000_000
SMALL = 10_000
ROUNDS = 5
SETTLEMENTS = 200
PATIENCE = 10  # seconds for a query over the raw entries
TARGET = "<= 300 ms"
SUMS = (
    "input_tokens cached_tokens output_tokens reasoning_tokens estimated_input estimated_output"
    " amount amount_low amount_high estimated_amount"
).split()
RAW = {  # by what the raw entries are grouped for the same report
    "people": "e.account_id",
    "groups": "e.group_id",
    "models": "c.model_id",
    "providers": "m.provider_id",
    "days": "e.day",
    "purposes": "c.purpose",
    "outcomes": "c.status",
    "sparing": "c.status",
    "pace": "c.model_id",
}
NARROWED = {"account": "3", "group": "2", "model": "5", "provider": "2", "purpose": "reply", "outcome": "complete"}
COLUMNS = {
    "account": "e.account_id",
    "group": "e.group_id",
    "model": "c.model_id",
    "provider": "m.provider_id",
    "purpose": "c.purpose",
    "outcome": "c.status",
}


@dataclass(frozen=True)
class Page:
    name: str
    path: str
    days: int
    raw: str = ""  # what the entries are grouped by; empty: not asked of them
    narrowed: tuple[str, str] = ("", "")


def run(prepared: Path) -> None:
    entries = int(os.environ.get("USAGE_ENTRIES", ENTRIES))
    for engine in os.environ.get("USAGE_ON", "sqlite postgresql").split():
        with (
            _filled(prepared, engine, SMALL) as (small, _small_session),
            _filled(prepared, engine, entries) as (big, session),
        ):
            size = _size(big)
            print(f"\nThe ledger on {engine}: {entries:,} entries, {size}.", flush=True)
            _report(big, session, entries)
            for site in (small, big):
                site.stop()  # it would claim what is asked for to measure
            _write(small, big, entries)


def _pages() -> list[Page]:
    found = []
    for days in (365, 30):
        found.append(Page("overview", "/usage/", days, "c.model_id"))
        found += [Page(f"by {name}", f"/usage/by/{name}/", days, raw) for name, raw in RAW.items()]
        found.append(Page("every reply", "/usage/lines/", days))
    for name, value in NARROWED.items():
        other = "models" if name in ("account", "group") else "people"
        found.append(Page(f"by {other}, of one {name}", f"/usage/by/{other}/", 365, RAW[other], (name, value)))
        found.append(Page(f"overview of one {name}", "/usage/", 365, "", (name, value)))
    found.append(Page("overview of all", "/usage/", 3000, "c.model_id"))
    return found


def _report(site: Site, session: dict[str, str], entries: int) -> None:
    rows, slowest = [], 0.0
    with httpx.Client(base_url=site.url, cookies=session, timeout=120) as http:
        for page in _pages():
            last = date.today()
            query = {"from": str(last - timedelta(days=page.days - 1)), "to": str(last)}
            if page.narrowed[0]:
                query[page.narrowed[0]] = page.narrowed[1]
            times = []
            for _ in range(ROUNDS):
                began = time.perf_counter()
                answer = http.get(page.path, params=query)
                times.append(time.perf_counter() - began)
                assert answer.status_code == 200, (page, answer.status_code)
            raw = _raw(site, page, query) if page.raw else ""
            period = f"{page.days} days" if page.days < 3000 else "all"
            rows.append([f"{page.name}, {period}", milliseconds(median(times)), milliseconds(max(times)), raw, TARGET])
            slowest = max(slowest, median(times))
    table(
        f"Server time over HTTP, p50 and slowest of {ROUNDS}, and the same sums over the entries",
        ["", "page", "slowest", "entries", "target"],
        rows,
    )
    print(f"\nSlowest page: {milliseconds(slowest)}.", flush=True)


def _raw(site: Site, page: Page, query: dict[str, str]) -> str:
    """How long the database takes for what the page says, if it had only the entries."""
    name, value = page.narrowed
    narrowed = f" AND {COLUMNS[name]} = '{value}'" if name else ""
    statement = (
        f"SELECT {page.raw}, e.currency, COUNT(*), {', '.join(f'SUM(e.{each})' for each in SUMS)}"
        " FROM chat_usageentry e JOIN chat_completion c ON c.id = e.completion_id"
        " JOIN chat_languagemodel m ON m.id = c.model_id"
        f" WHERE e.day BETWEEN '{query['from']}' AND '{query['to']}'{narrowed} GROUP BY {page.raw}, e.currency"
    )
    with site._connected() as connection:
        began = time.perf_counter()
        if site.environment.get("DATABASE_URL"):
            connection.execute(f"SET statement_timeout = {PATIENCE * 1000}")
        else:
            connection.set_progress_handler(lambda: time.perf_counter() - began > PATIENCE, 1_000_000)
        try:
            connection.execute(statement).fetchall()
        except Exception as error:
            if "interrupted" in str(error) or "statement timeout" in str(error):
                return f"> {PATIENCE} s"
            raise
        return milliseconds(time.perf_counter() - began)


def _write(small: Site, big: Site, entries: int) -> None:
    figures = [sorted(_settlements(site)) for site in (small, big, small, big)]
    rows = []
    for name, times in ((f"{SMALL:,}", figures[0] + figures[2]), (f"{entries:,}", figures[1] + figures[3])):
        rows.append([f"with {name} entries", *(milliseconds(at(share, sorted(times))) for share in (0.5, 0.9, 0.99))])
    table(f"The settling transaction, of {2 * SETTLEMENTS} in turn", ["", "p50", "p90", "p99"], rows)


def _settlements(site: Site) -> list[float]:
    output = subprocess.run(
        [sys.executable, "-m", "benchmarks.settling", str(SETTLEMENTS)],
        **{"cwd": ROOT, "env": _environment(site), "check": True, "stdout": subprocess.PIPE},
    ).stdout
    return json.loads(output)


# Databases


@contextmanager
def _filled(prepared: Path, engine: str, entries: int) -> Iterator[tuple[Site, dict[str, str]]]:
    """A site that serves so many entries, and an administrator's cookies."""
    with ExitStack() as stack:
        kept = os.environ.get("USAGE_FOLDER")
        folder = Path(kept or stack.enter_context(tempfile.TemporaryDirectory(prefix="chat-bench-")))
        folder = folder / f"{engine}-{entries}"
        is_new = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        settings = {"CHAT_STATIC": str(prepared / "static"), "SECRET_KEY": "of a benchmark"}
        if engine == "postgresql":
            server = PostgresServer(folder if kept else None).start()
            stack.callback(server.stop)
            settings["DATABASE_URL"] = server.create("ledger") if is_new else server.url("ledger")
            if is_new:
                prepared_database(folder, DATABASE_URL=settings["DATABASE_URL"])
        elif is_new:
            copy_of(prepared, folder)
        site = Site(folder, settings)
        if is_new:
            _fill(site, entries)
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--verbosity", "0"], cwd=ROOT, env=_environment(site), check=True
        )
        session = _administrator(site)
        stack.callback(site.stop)
        yield site.start(), session


def _fill(site: Site, entries: int) -> None:
    began = time.monotonic()
    command = [sys.executable, "-m", "benchmarks.ledger", str(entries)]
    subprocess.run(command, cwd=ROOT, env=_environment(site), check=True)
    print(f"{entries:,} entries written and summed in {time.monotonic() - began:.0f} s", flush=True)


def _environment(site: Site) -> dict[str, str]:
    return {**os.environ, **site.environment, "CHAT_DATA": str(site.folder)}


def _administrator(site: Site) -> dict[str, str]:
    site.change("DELETE FROM chat_account WHERE label = 'person-0'")
    site.change("DELETE FROM django_session")
    site.change("DELETE FROM chat_person WHERE username = 'person-0'")
    output = subprocess.run(
        [sys.executable, "-m", "benchmarks.people", "1"],
        **{"cwd": ROOT, "env": _environment(site), "check": True, "stdout": subprocess.PIPE},
    ).stdout
    site.change("UPDATE chat_person SET is_superuser = ?, is_staff = ? WHERE username = 'person-0'", True, True)
    return json.loads(output)[0]


def _size(site: Site) -> str:
    if site.environment.get("DATABASE_URL"):
        return site.rows("SELECT pg_size_pretty(pg_database_size(current_database())) AS size")[0]["size"]
    return f"{site.database.stat().st_size / 1e9:,.1f} GB"

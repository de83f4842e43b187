"""Nobody spends more than they may, and every cent is in the books, whoever sends at once and whatever dies."""

import json
import os
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from tests.scripted import Stall, chat_stream
from tests.site import ROOT, Site, wait_for
from tests.test_stopping import WORDS, asked

NOW = datetime.now(UTC)
UNIT = 10**9  # of money in the database
SPENDER = (sys.executable, "-m", "tests.spender")


def priced(site: Site, name: str, output: int, *, currency: str = "USD") -> None:
    """The model costs so much per million tokens of output; its longest answer has 1,000."""
    model = site.rows("SELECT id FROM chat_languagemodel WHERE name = ?", name)[0]["id"]
    site.change("UPDATE chat_languagemodel SET max_output = 1000 WHERE id = ?", model)
    site.change(
        "INSERT INTO chat_price (model_id, valid_from, currency, input_mtok, output_mtok, origin, created) "
        "VALUES (?, ?, ?, 0, ?, 'hand', ?)",
        *(model, datetime(2020, 1, 1, tzinfo=UTC), currency, output * UNIT, NOW),
    )


def limited(site: Site, hard: str, *, unit: str = "USD") -> None:
    """Everybody together may spend so much, once."""
    site.change(
        "INSERT INTO chat_budget (period, unit, hard, begins, created) VALUES ('once', ?, ?, ?, ?)",
        *(unit, int(Decimal(hard) * UNIT), date(2020, 1, 1), NOW),
    )


def proved(site: Site) -> None:
    audit = site.manage("auditusage")
    assert audit.returncode == 0, audit.stderr


def burst(visitors, sends: int) -> list[int]:
    """The statuses of so many sends at the same moment, each in a conversation of its own."""
    with ThreadPoolExecutor(sends) as pool:
        sent = pool.map(lambda n: visitors[n % len(visitors)].send(f"Go {n}", model="tiny").response, range(sends))
        return [response.status_code for response in sent]


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def sites(request, make_site, upstream) -> list[Site]:
    """One process on SQLite, or two on PostgreSQL, whose upstream begins to answer and never ends."""
    upstream.script("tiny", chat_stream(["Hello "], then=[Stall()]))
    return [make_site("tiny")] if request.param == "SQLite" else list(request.getfixturevalue("two_processes"))


def test_fifty_sends_against_the_last_cent_are_granted_exactly_what_fits(sites, upstream):
    upstream.script("tiny", chat_stream(["Hello "], then=[Stall()]))
    site = sites[0]
    priced(site, "tiny", 1000)  # a longest answer costs 1
    limited(site, "7.5")
    visitors = [site.visitor() for site in sites for _ in range(4)]
    statuses = burst(visitors, 50)
    granted = site.rows("SELECT max_output FROM chat_completion ORDER BY max_output")
    assert [row["max_output"] for row in granted] == [500] + [1000] * 7
    assert statuses.count(200) == 8 and statuses.count(409) == 42
    (period,) = site.rows("SELECT held, spent FROM chat_budgetperiod")
    assert (period["held"], period["spent"]) == (7.5 * UNIT, 0)
    proved(site)
    wait_for(lambda: len(asked(upstream)) == 8)
    for row in site.rows("SELECT id, person_id FROM chat_completion"):
        site.change("UPDATE chat_completion SET stopping = 'person' WHERE id = ?", row["id"])
    wait_for(lambda: not site.rows("SELECT 1 FROM chat_hold"), 20)
    assert site.rows("SELECT held FROM chat_budgetperiod")[0]["held"] == 0
    proved(site)


def test_a_process_that_is_killed_in_the_middle_changes_no_sum(make_site, upstream):
    upstream.script("tiny", chat_stream(WORDS[:100], every=0.02, usage=(9, 80)))
    site = make_site("tiny")
    priced(site, "tiny", 1000)
    limited(site, "20")
    visitors = [site.visitor() for _ in range(4)]
    with ThreadPoolExecutor(1) as pool:
        bursting = pool.submit(burst, visitors, 24)
        wait_for(lambda: len(site.charges()) > 3)
        site.kill()
        bursting.exception()  # some send may have met the dead process
    assert site.rows("SELECT 1 FROM chat_hold"), "the kill came in the middle of replies"
    proved(site)
    site.start()
    wait_for(lambda: not site.rows("SELECT 1 FROM chat_completion WHERE status IN ('queued', 'live')"), 20)
    proved(site)
    (period,) = site.rows("SELECT held, spent FROM chat_budgetperiod")
    charged = sum(row["amount"] for row in site.rows("SELECT amount FROM chat_usageentry"))
    assert (period["held"], period["spent"]) == (0, charged)


def test_processes_that_spend_at_once_meet_no_deadlock_and_keep_the_books(postgres, tmp_path):
    """Asks, settlements and corrections of six processes, each in several budgets."""
    database = postgres.create(f"spend-{uuid.uuid4().hex[:8]}", template="prepared")
    run = {**os.environ, "CHAT_DATA": str(tmp_path), "DATABASE_URL": database}
    subprocess.run([*SPENDER, "prepare"], cwd=ROOT, env=run, check=True)
    spenders = [
        subprocess.Popen(
            [*SPENDER, "spend", f"person-{n % 3}", "60", str(n)],
            **{"cwd": ROOT, "env": run, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True},
        )
        for n in range(6)
    ]
    said = [spender.communicate() for spender in spenders]
    assert [spender.returncode for spender in spenders] == [0] * 6, [errors[-2000:] for _out, errors in said]
    counts = [json.loads(out) for out, _errors in said]
    assert sum(count["granted"] for count in counts) > 20 and sum(count["refused"] for count in counts) > 5
    subprocess.run([*SPENDER, "prove"], cwd=ROOT, env=run, check=True)


def test_a_cap_ends_an_answer_whose_upstream_does_not_listen(make_site, upstream):
    upstream.script("tiny", chat_stream(WORDS))
    site = make_site("tiny", OPENAI_BASE_URL=upstream.base_url)
    site.change("UPDATE chat_provider SET profile = 'freegpt35' WHERE profile <> 'demo'")
    priced(site, "tiny", 1000)
    alice = site.visitor("alice")
    key = "11111111-1111-4111-8111-111111111111"
    response = alice.post("/c/", text="Go", key=key, model=alice.model_id("tiny"), cap="0.1")
    assert response.status_code == 200
    row = site.settled(seconds=20)
    assert (row["status"], row["reason"], row["max_output"]) == ("stopped", "cap", 100)
    assert 100 <= row["output_tokens"] < 130
    assert asked(upstream)[0].body["max_tokens"] == 100
    proved(site)

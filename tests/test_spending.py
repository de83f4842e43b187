"""Nobody spends more than they may, and every cent is in the books, whoever sends at once and whatever dies."""

import json
import os
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from tests.scripted import Close, Stall, chat_stream, chat_whole, error, whole
from tests.site import ROOT, Site, Visitor, wait_for
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


def administrator(site: Site) -> Visitor:
    visitor = site.visitor("root")
    site.change("UPDATE chat_person SET is_superuser = ?, is_staff = ? WHERE username = 'root'", True, True)
    return visitor


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
    assert capped(alice, "0.1").status_code == 200
    row = site.settled(seconds=20)
    assert (row["status"], row["reason"], row["max_output"]) == ("stopped", "cap", 100)
    assert 100 <= row["output_tokens"] < 130
    assert asked(upstream)[0].body["max_tokens"] == 100
    proved(site)


def test_a_cut_reply_costs_what_the_provider_says_afterwards(make_site, upstream):
    """OpenRouter's generation endpoint knows it some seconds later; until then it says 404."""
    cut = chat_stream(["Half ", "a ", "sentence"], finish=None, done=False, then=[Close()])
    upstream.script("kimi", replace(cut, headers={"X-Generation-Id": "gen-7"}))
    billed = {"native_tokens_prompt": 31, "native_tokens_completion": 40, "native_tokens_reasoning": 12}
    billed["total_cost"] = 0.07
    upstream.script("/v1/generation", error(404, "not yet"), whole({"data": billed}))
    site = make_site("kimi", OPENROUTER_BASE_URL=upstream.base_url, OPENROUTER_API_KEY="sk-or-1", OPENAI_BASE_URL="")
    priced(site, "kimi", 1000)
    limited(site, "5")
    sent = site.visitor("alice").send("Go", model="kimi")
    assert site.settled(sent.completion)["usage_source"] == "estimated"
    proved(site)
    wait_for(lambda: site.completion(sent.completion)["usage_source"] == "looked up", 20)
    row = site.completion(sent.completion)
    assert (row["input_tokens"], row["output_tokens"], row["reasoning_tokens"]) == (31, 40, 12)
    assert (row["amount"], row["said_cost"]) == (40 * UNIT // 1000, 7 * UNIT // 100)
    assert site.rows("SELECT spent FROM chat_budgetperiod")[0]["spent"] == row["amount"]
    proved(site)


def test_reported_usage_teaches_the_estimates_of_its_model(make_site, upstream):
    """This model takes twice as many tokens as we would say."""
    long = ["A sentence of some length, for a start. "] * 10
    reported = chat_stream(long, every=0, usage=(40, 200))
    upstream.script("tiny", *[reported] * 6, chat_stream([*long, *long], then=[Stall()]))
    site = make_site("tiny")
    alice = site.visitor("alice")
    for _ in range(6):
        site.settled(alice.send("Go " * 30, model="tiny").completion)
    own = site.completion()["own_output_tokens"]
    wait_for(lambda: site.rows("SELECT 1 FROM chat_calibration WHERE part = 'output' AND samples = 6"), 10)
    reply = alice.send("Go", model="tiny").completion
    wait_for(lambda: len(asked(upstream)) == 7 and len(asked(upstream)[-1].sent) > 20)
    alice.post(f"/completions/{reply}/stop/")
    row = site.settled(reply)
    taught = row["output_tokens"] / row["own_output_tokens"]
    assert taught == pytest.approx(200 / own, rel=0.05)
    assert row["output_high"] - row["output_low"] < 0.2 * row["output_tokens"], "the measured error is small"
    page = administrator(site).http.get(f"/prices/{alice.model_id('tiny')}/").text
    assert "in its last 6 replies" in page


def test_the_upstreams_own_books_and_ours_agree(make_site, upstream):
    """Complete answers of one and of several choices, whole and streamed: each token that it says is in the ledger."""
    told: list[tuple[int, int]] = []

    def answer(request):
        told.append((len(told) + 3, 7 * len(told) + 1))
        n = request.body.get("n", 1)
        if request.body["stream"]:
            return chat_stream(["Some ", "words"], every=0, usage=told[-1], n=n)
        return chat_whole("Some words", usage=told[-1], n=n)

    upstream.script("tiny", answer)
    site = make_site("tiny")
    priced(site, "tiny", 1000)
    visitors = [site.visitor() for _ in range(3)]
    for n in range(24):
        visitors[n % 3].send(f"Go {n}", model="tiny", n=1 + n % 3, streamed=("yes", "no")[n % 2])
    wait_for(lambda: not site.rows("SELECT 1 FROM chat_completion WHERE status IN ('queued', 'live')"), 30)
    (ours,) = site.rows(
        "SELECT sum(input_tokens) AS input, sum(output_tokens) AS output, sum(amount) AS amount FROM chat_usageday"
    )
    theirs = [sum(figures) for figures in zip(*told, strict=True)]
    assert [ours["input"], ours["output"]] == theirs and ours["amount"] == theirs[1] * UNIT // 1000
    proved(site)


def test_what_does_not_fit_is_refused_with_what_would(make_site, upstream):
    upstream.script("tiny", chat_stream(["Hello"], usage=(1, 1)))
    site = make_site("tiny")
    priced(site, "tiny", 1000)
    limited(site, "0.01")
    alice = site.visitor("alice")
    refused = alice.send("Go", model="tiny").response
    assert refused.status_code == 409
    assert "This needs at least $0.0160; $0.0100 is left of everybody’s budget." in refused.text
    assert "What would still fit: demo. Your text is kept." in refused.text
    assert not site.rows("SELECT 1 FROM chat_message")
    assert "$0.0100 left of everybody’s budget" not in alice.http.get("/").text, "the whole limit is left"
    assert "to stop at $0.0050, and this needs at least $0.0160" in capped(alice, "$0.005").text
    assert "above 0, such as 0.50" in capped(alice, "-1").text


def capped(visitor, cap: str):
    key, model = str(uuid.uuid4()), visitor.model_id("tiny")
    return visitor.post("/c/", text="Go", key=key, model=model, cap=cap)

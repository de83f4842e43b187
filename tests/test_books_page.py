"""The books: whether they agree is looked at part by part, what is off is named and mended, and months are closed."""

import uuid
from datetime import date, timedelta

import pytest
from django.utils import timezone

from chat.accounting import audit
from chat.models import AuditEntry, ClosedMonth, Process, Proof, UsageDay
from chat.proving import prove
from tests import books
from tests.test_books import sql
from tests.test_money_pages import root, visitor  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db
Status = Proof.Status


def labour(process: uuid.UUID | None = None) -> None:
    """As the site does it, act by act."""
    for act in prove(process or Process.objects.create().pk):
        if act is not None:
            act()


@pytest.fixture
def used():
    books.budget("5")
    for outcome in books.OUTCOMES:
        books.settle(books.ask(books.model(outcome)), outcome)


def test_what_is_asked_for_is_proved_once(used):
    proof = Proof.ask(books.person("root"))
    assert Proof.ask(None) == proof
    labour()
    proof.refresh_from_db()
    assert (proof.status, proof.percent, proof.off) == (Status.AGREES, 100, 0)
    assert (proof.lines, proof.completions) == (len(books.OUTCOMES), len(books.OUTCOMES))
    labour()
    assert Proof.objects.count() == 1
    assert Proof.ask(None) != proof


def test_what_is_off_is_named_in_every_part(used, monkeypatch):
    monkeypatch.setattr(audit, "COMPLETIONS", 2)
    sql("UPDATE chat_usageday SET output_tokens = output_tokens + 1 WHERE outcome = 'complete'")
    sql("UPDATE chat_completion SET amount = amount + 1 WHERE status = 'cut'")
    sql("UPDATE chat_usageentry SET number = 3 WHERE id = (SELECT max(id) FROM chat_usageentry)")
    proof = Proof.ask(None)
    labour()
    proof.refresh_from_db()
    assert {finding["check"] for finding in proof.findings} == {
        *("one charge each", "shown is booked", "usage × price", "Σ lines = Σ days", "Σ days = rollups"),
    }
    assert proof.status == Status.OFF and proof.off == len(proof.findings) > 3 and proof.parts > 8
    assert timezone.localdate().isoformat() in [finding["day"] for finding in proof.findings]


def test_what_a_dead_process_has_begun_is_begun_anew_by_another(used):
    proof, dead = Proof.ask(None), Process.objects.create()
    steps = prove(dead.pk)
    for _step in range(4):
        if act := next(steps):
            act()
    labour()
    proof.refresh_from_db()
    assert proof.status == Status.RUNNING and proof.process == dead
    Process.objects.filter(pk=dead.pk).update(dead=True)
    labour()
    proof.refresh_from_db()
    assert proof.status == Status.AGREES
    for act in steps:  # it was not dead, only slow: what it says counts no more
        if act:
            act()
    assert Proof.objects.get().process != dead


def test_once_a_day_it_is_proved_by_itself(used):
    labour()
    assert not Proof.objects.exists()
    sql("UPDATE chat_chore SET due = '2020-01-01' WHERE name = 'prove'")
    labour()
    labour()
    assert Proof.objects.get().status == Status.AGREES


def test_a_day_that_is_off_is_mended_from_its_page(root, used):  # noqa: F811
    today = timezone.localdate().isoformat()
    UsageDay.objects.filter(outcome="complete").update(input_tokens=7)
    Proof.ask(None)
    labour()
    page = root.get("/books/").content.decode()
    assert "things are off" in page and f"Make the sums of {today} anew" in page
    assert "are not those of its lines: tokens in 7 instead of 100." in page and "Look there" in page
    assert page.count("Make those of the day anew, with the button below.") == 1
    assert "sums of" in root.post("/books/rebuild/", {"day": today}, follow=True).content.decode()
    assert AuditEntry.objects.first().deed == "day rebuilt"
    labour()
    assert "All agrees" in root.get("/books/").content.decode()
    assert "Nothing was changed." in root.post("/books/rebuild/", {"day": "soon"}, follow=True).content.decode()


@pytest.fixture
def last_month(used) -> date:
    """All that was used was used then."""
    then = timezone.localdate().replace(day=1) - timedelta(days=1)
    for table in ("usageentry", "usageday", "completion"):
        sql(f"UPDATE chat_{table} SET day = '{then}'")
    return then


def test_a_month_is_closed_after_a_look_at_it(root, last_month):  # noqa: F811
    address = f"/books/months/{last_month:%Y-%m}/"
    assert address in root.get("/books/").content.decode()
    page = root.get(address).content.decode()
    assert "All that was asked for in it has ended." in page and "<button" in page.split('id="close"')[1]
    assert root.post(address).status_code == 302
    assert ClosedMonth.objects.get().by.label == "root" and AuditEntry.objects.first().deed == "month closed"
    assert "Nothing in it changes any more." in root.get(address).content.decode()


def test_a_month_in_which_something_still_arrives_is_not_closed(root, last_month):  # noqa: F811
    books.ask(books.model("late"))
    sql(f"UPDATE chat_completion SET day = '{last_month}'")
    for first in (last_month, timezone.localdate()):
        address = f"/books/months/{first:%Y-%m}/"
        assert "<button" not in root.get(address).content.decode().split('id="close"')[1].split("<template")[0]
        assert "cannot be closed yet" in root.post(address, follow=True).content.decode()
    assert not ClosedMonth.objects.exists()
    assert root.get("/books/months/soon/").status_code == 404


def test_others_find_nothing_there(root, last_month):  # noqa: F811
    bob, month = visitor("bob"), f"/books/months/{last_month:%Y-%m}/"
    assert bob.get("/books/").status_code == bob.get(month).status_code == 404
    for act in ("/books/prove/", "/books/rebuild/", month):
        assert bob.post(act, {"day": "2026-11-20"}).status_code == 404
    assert not (Proof.objects.exists() or ClosedMonth.objects.exists())

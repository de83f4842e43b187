"""A month's statement: what somebody used by model, with what was corrected; theirs alone, and to print."""

import csv
import io
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.utils import timezone

from chat.accounting import booking
from chat.accounting.pricing import Tokens
from chat.accounting.reports.scope import Period, Scope
from chat.accounting.reports.statement import statement
from chat.models import Account, ClosedMonth, Completion, Group, UsageEntry
from tests import books
from tests.test_money_pages import visitor
from tests.test_reports import body_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice():
    """Of the students: two models, one of them corrected. Bob has used one of them, too."""
    client = visitor("alice")
    account = Account.objects.get(label="alice") if Account.objects.exists() else books.account("alice")
    Account.objects.filter(pk=account.pk).update(group=Group.objects.create(name="Students"))
    one, two = books.model("one"), books.model("two", price=("10", "20"), currency="EUR")
    books.settle(books.ask(one), usage=(1000, 500))
    stopped = books.settle(books.ask(two), "stopped", text="Half a sentence. " * 4)[0]
    with transaction.atomic():
        booking.adjust(stopped.pk, Completion.Source.COUNTED, Tokens.exactly(30, 41))
    books.settle(books.ask(one, who="bob"), usage=(7, 7))
    return client


def month() -> str:
    return f"{timezone.localdate():%Y-%m}"


def test_a_statement_adds_up_to_the_lines_of_its_month(alice):
    account = books.account("alice")
    made = statement(Scope(Period.of_month(timezone.localdate()), account=account.pk))
    lines = UsageEntry.objects.filter(account=account)
    assert made.figures.input_tokens == sum(line.input_tokens for line in lines)
    assert made.figures.in_("EUR").sum == sum(line.amount for line in lines if line.currency == "EUR")
    assert [line.kind for line in made.corrections] == ["adjustment"] and made.more_corrections == 0
    of_group = statement(Scope(Period.of_month(timezone.localdate()), group=Group.objects.get().pk))
    assert (of_group.figures, len(of_group.corrections)) == (made.figures, 1)


def test_a_statement_of_a_closed_month_has_all_of_its_lines(alice):
    """The month is closed, after one more line, as soon as the statement has read its figures: it is not yet closed."""
    tiny, ended = books.model("late"), []

    def closing(execute, statement, parameters, many, context):
        found = execute(statement, parameters, many, context)
        if not ended and 'FROM "chat_usageday"' in statement:
            ended.append(statement)
            books.settle(books.ask(tiny))
            ClosedMonth.objects.create(first=timezone.localdate().replace(day=1))
        return found

    with connection.execute_wrapper(closing):
        made = statement(Scope(Period.of_month(timezone.localdate()), account=books.account("alice").pk))
    lines = UsageEntry.objects.filter(account=books.account("alice"), kind="charge")
    assert ended and (made.closed is None or made.figures.replies == lines.count())


def test_a_person_prints_their_own_and_nobody_elses(alice):
    page = alice.get("/usage/statement/", {"month": month()}).content.decode()
    assert "alice" in page and "€" in page and "Corrections" in page and "data-prints" in page
    assert "The month is not closed: figures may still change." in page
    ClosedMonth.objects.create(first=timezone.localdate().replace(day=1))
    assert "The month is closed" in alice.get("/usage/statement/").content.decode()
    for asked in ({"account": books.account("bob").pk}, {"group": Group.objects.get().pk}):
        assert alice.get("/usage/statement/", asked).status_code == 404
    assert "Statement" in alice.get("/usage/").content.decode()


def test_an_administrator_prints_anybodys_and_a_groups(alice):
    root = visitor("root", administers=True)
    bobs = root.get("/usage/statement/", {"account": books.account("bob").pk, "month": month()}).content.decode()
    assert "bob" in bobs and "alice" not in bobs
    assert "Students" in root.get("/usage/statement/", {"group": Group.objects.get().pk}).content.decode()
    assert root.get("/usage/statement/", {"account": 99}).status_code == 404
    assert root.get("/usage/statement/", {"month": "2026-13"}).status_code == 422
    assert "Nothing was used" in root.get("/usage/statement/").content.decode()


def test_a_statement_can_be_taken_along(alice):
    text = body_of(alice.get("/usage/statement/", {"format": "csv"})).removeprefix("\ufeff")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["Model"] for row in rows] == ["two", "one", "All"] or [row["Model"] for row in rows][-1] == "All"
    lines = UsageEntry.objects.filter(account=books.account("alice"), currency="USD")
    assert Decimal(rows[-1]["USD"]) == sum(line.amount for line in lines)


def test_the_month_is_that_in_which_the_period_ends(alice):
    first = timezone.localdate().replace(day=1)
    earlier = first - timedelta(days=1)
    page = alice.get("/usage/statement/", {"from": str(earlier - timedelta(days=40)), "to": str(earlier)})
    assert f"{earlier:%B} {earlier:%Y}" in page.content.decode()

"""The ledger, its days and its proofs: what is booked adds up, whatever ends how, and what does not is named."""

import re
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import orjson
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import Sum, Value
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat import budgeting, connecting, settlement
from chat.accounting import audit, booking, days, ledger, pace
from chat.accounting.budgets import Refused
from chat.accounting.pricing import Tokens
from chat.archive import deletion
from chat.live.queueing import begin
from chat.models import (
    Account,
    AuditEntry,
    BudgetPeriod,
    ClosedMonth,
    Completion,
    Conversation,
    Grant,
    Group,
    Hold,
    Person,
    Process,
    Segment,
    UsageDay,
    UsageEntry,
)
from chat.models.account import AuditIsAppendOnly
from chat.proving import as_json
from chat.templatetags.finding_words import finding_address, finding_sentence
from chat.transcript import Transcript
from chat.upstream.contract import BodyEnd, Failure, Opened
from tests import books

pytestmark = pytest.mark.django_db


def sql(statement: str, *parameters) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def shift(completion: Completion, day: date) -> None:
    """As if it had been asked for on another day."""
    Completion.objects.filter(pk=completion.pk).update(day=day)


def earlier_month() -> date:
    return (timezone.localdate().replace(day=1) - timedelta(days=1)).replace(day=3)


# What adds up


steps = st.lists(
    st.tuples(
        st.sampled_from(["cheap", "dear", "free", "unpriced"]),
        st.sampled_from(books.OUTCOMES),
        st.tuples(st.integers(0, 4000), st.integers(0, 900)),
        st.sampled_from(["", "count", "look up", "budget", "group"]),
    ),
    max_size=12,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
def test_whatever_ends_how_the_books_agree(db, steps):
    from django.db import transaction

    with transaction.atomic():
        _live_through(steps)
        transaction.set_rollback(True)


def _live_through(steps) -> None:
    models = {
        "cheap": books.model("cheap", price=("0.1", "0.333333333"), profile="openai"),
        "dear": books.model("dear", price=("15", "75")),
        "free": books.model("free", price=("0", "0"), currency="XXX"),
        "unpriced": books.model("unpriced", price=None),
    }
    books.budget("0.3", account=books.account())
    books.budget("0.9", unit="tokens", period="day")
    for name, outcome, usage, then in steps:
        try:
            settled = books.settle(
                books.ask(models[name], n=2), outcome, usage=usage, text="Half a sentence, 半句话。 "
            )
        except Refused:
            continue
        if then in ("count", "look up") and outcome in ("cut", "stopped", "lost"):
            source = Completion.Source.COUNTED if then == "count" else Completion.Source.LOOKED_UP
            booking.adjust(settled[0].pk, source, Tokens.exactly(*usage, cached=usage[0] // 2))
        elif then == "budget" and BudgetPeriod.objects.count() < 4:
            books.budget("1", period="once" if BudgetPeriod.objects.count() == 2 else "week")
        elif then == "group":
            group, _made = Group.objects.get_or_create(name="Students")
            budgeting.assign(None, books.account(), None if books.account().group else group)
    assert books.off() == []
    assert not Hold.objects.exists()


def test_an_exact_figure_takes_back_what_was_estimated():
    completion = books.settle(books.ask(books.model(price=("1", "2"))), "stopped", text="word " * 40)[0]
    booking.adjust(completion.pk, Completion.Source.COUNTED, Tokens.exactly(30, 41))
    booking.adjust(completion.pk, Completion.Source.LOOKED_UP, Tokens.exactly(31, 44, cached=3))
    lines = list(UsageEntry.objects.order_by("number"))
    assert [(line.kind, line.number) for line in lines] == [("charge", 0), ("adjustment", 1), ("adjustment", 2)]
    assert lines[0].estimated_output == lines[0].output_tokens == -lines[1].estimated_output
    assert lines[2].output_tokens == 3 and lines[2].estimated_amount == 0
    completion.refresh_from_db()
    assert (completion.input_tokens, completion.output_tokens) == (31, 44)
    assert completion.amount == sum(line.amount for line in lines) == Decimal("0.000119")
    assert books.off() == []


def test_a_process_that_dies_while_it_repeats_a_refused_call_leaves_the_call_that_was_on_its_way():
    """The refusal was saved, of the second call nothing was: its prompt is owed."""
    statuses = {}
    for attempts in (1, 2):
        process = Process.objects.create()
        live = begin(books.ask(books.model(f"model-{attempts}")).completions[0].pk, process.pk)
        transcript = Transcript(1)
        transcript.fold([Opened(429, "terminator"), Failure("rate_limited", "later"), BodyEnd()], 0.1)
        content = orjson.dumps(transcript.cut_segment()).decode()
        Segment.objects.create(completion=live.completion, number=1, content=content, output_tokens=0)
        Completion.objects.filter(pk=live.completion.pk).update(attempts=attempts)
        settlement.bury(process)
        row = Completion.objects.get(pk=live.completion.pk)
        statuses[attempts] = row.status, row.usage_source, row.input_tokens > 0
    assert statuses == {1: ("failed", "reported", False), 2: ("lost", "estimated", True)}
    assert books.off() == []


def test_what_stopping_spared_is_at_most_the_rest_of_the_longest_answer():
    tiny = books.model(price=("0", "1"), max_output=1000)
    stopped = books.settle(books.ask(tiny), "stopped")[0]
    books.settle(books.ask(tiny), "complete")
    day = UsageDay.objects.get(outcome="stopped")
    assert day.spared_tokens == 1000 - stopped.output_tokens
    assert day.spared_amount == Decimal(day.spared_tokens) / 10**6
    assert UsageDay.objects.get(outcome="complete").spared_tokens == 0


def test_paces_are_counted_in_buckets():
    books.settle(books.ask(books.model()), usage=(10, 100))  # first words after 0.3 s, 100 tokens in the next second
    day = UsageDay.objects.get()
    assert (day.ttft_4, day.speed_14) == (1, 1)


@pytest.mark.parametrize("price", [("1", "3.000000001"), None])
def test_paces_and_what_was_spared_are_proved_by_the_replies(price):
    tiny = books.model(price=price, max_output=1000)
    for outcome in books.OUTCOMES:
        books.settle(books.ask(tiny, n=2), outcome)
    assert books.off() == []
    Completion.objects.filter(status="stopped").update(max_output=999, first_delta_ms=3000, duration_ms=9000)
    assert {name for name in ("spared_tokens", "ttft_4", "ttft_10", "speed_") if name in str(books.off())} == {
        *("spared_tokens", "ttft_4", "ttft_10", "speed_"),
    }


def test_buckets_are_the_same_in_sql():
    """At each bound, and a millisecond beside it."""
    books.settle(books.ask(books.model()))
    for number in range(1, pace.BUCKETS):
        first = round(pace.bounds("ttft", number)[0] * 1000)
        for tokens, took in ((1, first), (first, 1000), (1, round(1000 / pace.bounds("speed", number)[0]))):
            for beside in (-1, 0, 1):
                columns = {"first": first + beside, "ended": first + 2 * beside + took, "tokens": tokens}
                row = Completion.objects.annotate(**{name: Value(figure) for name, figure in columns.items()})
                row = row.annotate(ttft=pace.ttft_number("first"), speed=pace.speed_number("first", "ended", "tokens"))
                found = {f"{kind}_{no}" for kind, no in row.values("ttft", "speed").get().items() if no is not None}
                assert found == set(pace.buckets_of(*columns.values())), columns


# Months


def test_a_late_figure_of_a_closed_month_is_booked_in_the_next_that_is_open():
    asked = books.ask(books.model(price=("1", "2")))
    shift(asked.completions[0], earlier_month())
    completion = books.settle(asked, "stopped")[0]
    first = earlier_month().replace(day=1)
    before = UsageDay.objects.filter(day__lt=timezone.localdate().replace(day=1)).values().get()
    period = books.budget("5")
    budgeting.close_month(books.person("root"), first)
    booking.adjust(completion.pk, Completion.Source.COUNTED, Tokens.exactly(1000, 500))
    late = UsageEntry.objects.get(kind="adjustment")
    assert late.day == timezone.localdate().replace(day=1)
    assert UsageDay.objects.filter(day__lt=late.day).values().get() == before
    period.refresh_from_db()
    assert period.spent == late.amount and books.off() == []
    assert AuditEntry.objects.get(deed="month closed").by.label == "root"


def test_a_late_figure_of_an_open_month_is_booked_on_its_day():
    asked = books.ask(books.model())
    shift(asked.completions[0], earlier_month())
    completion = books.settle(asked, "stopped")[0]
    booking.adjust(completion.pk, Completion.Source.COUNTED, Tokens.exactly(1000, 500))
    assert UsageEntry.objects.get(kind="adjustment").day == earlier_month()


def test_several_closed_months_are_passed_over():
    for first in (date(2025, 11, 1), date(2025, 12, 1)):
        ClosedMonth.objects.create(first=first)
    assert ledger.open_day(date(2025, 11, 17)) == date(2026, 1, 1)
    assert ledger.open_day(date(2025, 10, 17)) == date(2025, 10, 17)


def test_a_month_is_closed_only_when_it_is_over_and_all_its_replies_are():
    with pytest.raises(budgeting.MonthNotOver):
        budgeting.close_month(None, timezone.localdate().replace(day=1))
    asked = books.ask(books.model())
    shift(asked.completions[0], earlier_month())
    with pytest.raises(budgeting.MonthNotOver):
        budgeting.close_month(None, earlier_month().replace(day=1))
    books.settle(asked)
    budgeting.close_month(None, earlier_month().replace(day=1))
    assert ClosedMonth.objects.count() == 1


# What was there stays


def test_deleting_a_conversation_and_its_person_changes_no_total():
    period = books.budget("5", account=books.account())
    budgeting.change(books.person(), period.budget, soft=None, hard=Decimal(6))
    budgeting.assign(books.person(), books.account(), Group.objects.create(name="Students"))
    books.settle(books.ask(books.model()), usage=(1000, 500))
    before = UsageDay.objects.values().get(), UsageEntry.objects.values().get(), period.spent
    deletion.hide(Conversation.objects.get())
    Person.objects.get().delete()
    assert (UsageDay.objects.values().get(), UsageEntry.objects.values().get(), period.spent) == before
    assert books.off() == []
    left = [*Account.objects.values(), *UsageEntry.objects.values(), *UsageDay.objects.values()]
    assert "alice" not in str([*left, *AuditEntry.objects.values()])


def test_the_audit_cannot_be_changed_or_deleted():
    budgeting.save_group(books.person("root"), Group(name="Students"))
    entry = AuditEntry.objects.get()
    assert (entry.by.label, entry.deed, entry.subject) == ("root", "group added", "Students")
    assert (entry.before, entry.after) == ({}, {"name": "Students"})
    for attempt in (
        entry.save,
        entry.delete,
        AuditEntry.objects.all().delete,
        lambda: AuditEntry.objects.update(deed=""),
    ):
        with pytest.raises(AuditIsAppendOnly):
            attempt()


def test_what_is_changed_is_told_with_what_stood_there_before():
    period = books.budget("5", soft="4")
    budgeting.change(books.person("root"), period.budget, soft=None, hard=Decimal("5.00"))
    entry = AuditEntry.objects.get()
    assert (entry.before, entry.after) == ({"soft": "4"}, {"soft": None})


def test_a_provider_that_is_asked_just_before_it_is_removed_is_only_disabled():
    tiny, asked = books.model(), []

    def asking(execute, statement, parameters, many, context):
        found = execute(statement, parameters, many, context)
        if not asked and 'FROM "chat_completion" INNER JOIN "chat_languagemodel"' in statement:
            asked.append(statement)
            books.ask(tiny)
        return found

    with connection.execute_wrapper(asking):
        assert not connecting.remove(tiny.provider)
    tiny.provider.refresh_from_db()
    assert asked and not tiny.provider.enabled and Completion.objects.get().price


# Changing budgets


def test_a_limit_below_what_is_held_is_refused_and_nothing_is_changed():
    period = books.budget("5")
    books.ask(books.model(price=("0", "1000"), max_output=1000))  # holds 1
    with pytest.raises(budgeting.BelowHeld):
        budgeting.change(None, period.budget, soft=None, hard=Decimal("0.99"))
    period.refresh_from_db()
    assert (period.hard, period.budget.hard) == (5, 5) and not AuditEntry.objects.exists()
    budgeting.change(None, period.budget, soft=None, hard=Decimal(1))
    period.refresh_from_db()
    assert (period.hard, period.budget.hard) == (1, 1)
    with pytest.raises(Refused):
        books.ask(books.model("other", price=("0", "1000")))


def test_a_budget_that_is_removed_refuses_nothing_and_what_it_held_ends_well():
    tiny = books.model(price=("0", "1000"))
    period = books.budget("1")
    asked = books.ask(tiny)
    with pytest.raises(Refused):
        books.ask(tiny)
    budgeting.remove(None, period.budget)
    books.settle(asked)
    books.settle(books.ask(tiny))
    assert books.off() == [] and AuditEntry.objects.get().deed == "budget removed"


def test_more_is_given_by_somebody_until_a_moment():
    period = books.budget("1")
    budgeting.give(books.person("root"), period.budget, amount=Decimal(2), until=timezone.now() + timedelta(days=1))
    assert Grant.objects.get().by.label == "root"
    assert len(books.ask(books.model(price=("0", "1000"), max_output=3000)).completions) == 1


# The proof


@pytest.fixture
def settled():
    books.budget("5")
    return books.settle(books.ask(books.model()), usage=(100, 50))[0]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE chat_usageday SET output_tokens = output_tokens + 1", "output_tokens 51, lines 50"),
        ("UPDATE chat_usageday SET adjustments = 1", "adjustments 1, lines 0"),
        ("UPDATE chat_usageday SET speed_14 = 0, speed_13 = 1", "speed_13 1, lines 0"),
        ("UPDATE chat_usageday SET spared_tokens = 7", "spared_tokens 7, lines 0"),
        ("UPDATE chat_usageday SET spared_amount = 7", "spared_amount 0.000000007, lines 0"),
        ("DELETE FROM chat_usageday", "replies 0, lines 1"),
        ("UPDATE chat_usagerollup SET output_tokens = 7 WHERE span = 'month'", "output_tokens 7, days 50"),
        ("UPDATE chat_usagerollup SET ttft_4 = 9 WHERE by = 'models'", "ttft_4 9, days 1"),
        ("DELETE FROM chat_usagerollup WHERE by = 'all'", "by all, span month"),
        ("UPDATE chat_usagerollup SET account = 99 WHERE by = 'people'", "account 99"),
        ("UPDATE chat_budgetperiod SET spent = spent + 1", "spent is booked"),
        ("UPDATE chat_budgetperiod SET held = 7", "held is held by somebody"),
        ("UPDATE chat_completion SET amount = amount + 1", "shown is booked"),
        ("UPDATE chat_usageentry SET source = 'estimated'", "source of line 0 is another"),
        ("UPDATE chat_usageentry SET price_id = NULL", "price of line 0 is another"),
        ("UPDATE chat_completion SET group_id = NULL, usage_source = ''", "source of line 0 is another"),
        ("UPDATE chat_price SET output_mtok = 2 * output_mtok", "by its price"),
        ("UPDATE chat_completion SET output_tokens = NULL", "output_tokens None, booked 50"),
        ("UPDATE chat_completion SET status = 'live'", "has a charge, but has not ended"),
        ("DELETE FROM chat_usageentry", "has ended, but has no charge"),
        ("INSERT INTO chat_hold (completion_id, period_id, amount) SELECT c.id, p.id, 5 FROM chat_completion c, "
         "chat_budgetperiod p", "only what is queued or live holds"),
    ],
)  # fmt: skip
def test_what_does_not_agree_is_named(settled, statement, said):
    """And said in a sentence, of which each word is of the page's language."""
    assert books.off() == []
    sql(statement)
    assert any(said in finding for finding in books.off()), books.off()
    with audit.one_state():
        for finding in map(as_json, list(audit.audit())):
            assert finding_sentence(finding).endswith(".") and not re.search(
                r"_|None|\bcompletion \d", finding_sentence(finding)
            )
            assert finding_address(finding) or finding["check"] in ("Σ days = rollups", "one charge each")


def test_a_days_sums_are_made_anew_from_its_lines(settled):
    books.settle(books.ask(books.model("other")), "stopped")
    right = list(UsageDay.objects.order_by("model").values())
    sql("UPDATE chat_usageday SET amount = 0, ttft_4 = 9 WHERE outcome = 'complete'")
    sql("DELETE FROM chat_usageday WHERE outcome = 'stopped'")
    UsageDay.objects.create(**{**right[0], "id": None, "purpose": "made up"})
    sql("UPDATE chat_usagerollup SET amount = amount + 1, output_tokens = 0 WHERE by = 'models'")
    sql("DELETE FROM chat_usagerollup WHERE by = 'people' AND span = 'day'")
    with pytest.raises(CommandError):
        call_command("auditusage")
    assert days.rebuild(timezone.localdate()) == 3 + 5
    kept = [{**row, "id": None} for row in UsageDay.objects.order_by("model").values()]
    assert kept == [{**row, "id": None} for row in right]
    assert books.off() == []
    assert days.rebuild(timezone.localdate()) == 0
    call_command("auditusage", rebuild="all")


def test_what_is_added_while_sums_are_made_anew_was_not_wrong(settled):
    """Between the look at the days and that at their rollups another reply ends, once."""
    asked = books.ask(books.model("other"))

    def ending(execute, statement, parameters, many, context):
        if asked.completions and statement.startswith("SELECT") and 'FROM "chat_usagerollup"' in statement:
            late, asked.completions[:] = replace(asked, completions=[*asked.completions]), []
            books.settle(late)
        return execute(statement, parameters, many, context)

    with connection.execute_wrapper(ending):
        assert days.rebuild(timezone.localdate()) == 0
    assert not asked.completions and books.off() == []


def test_the_days_of_a_year_add_up_to_the_lines(settled):
    total = UsageDay.objects.aggregate(tokens=Sum("output_tokens"), amount=Sum("amount"))
    assert total == UsageEntry.objects.aggregate(tokens=Sum("output_tokens"), amount=Sum("amount"))

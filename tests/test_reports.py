"""Reports say what the ledger says, to whom it concerns, by whatever they are asked."""

import csv
import io
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import combinations, pairwise
from uuid import UUID

import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat.accounting import pace
from chat.accounting.reports import REPORTS
from chat.accounting.reports.entries import lines
from chat.accounting.reports.held import held
from chat.accounting.reports.over_time import TOKENS, over_time, steps_of
from chat.accounting.reports.pace import percentile
from chat.accounting.reports.scope import Period, Scope
from chat.accounting.reports.sums import sums, total
from chat.models import Completion, Group, LanguageModel, Provider, UsageDay, UsageEntry
from chat.spreadsheets import written
from chat.templatetags.charts import ticks
from chat.templatetags.report_words import many, share
from tests import books

pytestmark = pytest.mark.django_db

TODAY = Period.of_days(date.today(), 1)


@pytest.fixture
def used():
    """Alice, who is paid for by the students, and Bob have used two models, in two currencies, with every end."""
    alice = books.account("alice")
    alice.group = Group.objects.create(name="Students")
    alice.save()
    dollars, euros, unpriced = (
        books.model("one"),
        books.model("two", price=("10", "20"), currency="EUR"),
        books.model("three", price=None),
    )
    for outcome in books.OUTCOMES:
        books.settle(books.ask(dollars, who="alice"), outcome, usage=(1000, 500))
        books.settle(books.ask(euros, who="bob"), outcome, usage=(200, 100))
    books.settle(books.ask(unpriced, who="bob"), usage=(70, 30))
    assert books.off() == []


def scope(**narrowed) -> Scope:
    return Scope(Period.of_days(timezone.localdate(), 1), **narrowed)


def at(who: str, path: str, **asked) -> object:
    client = Client()
    client.force_login(books.person(who), backend="django.contrib.auth.backends.ModelBackend")
    return client.get(path, asked)


@pytest.fixture
def administrator() -> str:
    root = books.person("root")
    root.is_superuser = True
    root.save()
    return "root"


def ledger(column: str, **where) -> Decimal | int:
    return sum(getattr(line, column) or 0 for line in UsageEntry.objects.filter(**where))


# What they say


def test_each_report_adds_up_to_what_the_ledger_says(used):
    for name, report in REPORTS.items():
        figures = report.table(scope()).total.figures
        if name in ("sparing", "pace"):
            continue
        assert figures.replies == UsageEntry.objects.count(), name
        assert (figures.input_tokens, figures.output_tokens) == (ledger("input_tokens"), ledger("output_tokens")), name
        for currency in ("USD", "EUR"):
            money = figures.in_(currency)
            assert money.sum == ledger("amount", currency=currency), name
            assert money.estimated == ledger("estimated_amount", currency=currency), name
            assert money.low == ledger("amount_low", currency=currency), name
        assert figures.unpriced_tokens == 100, name


def test_a_report_is_narrowed_by_whatever_its_rows_are(used):
    for report in REPORTS.values():
        for row in report.table(scope()).rows if report.name != "pace" else ():
            narrowed = dict(row.narrows)
            day = narrowed.pop("day", None)
            asked = scope(**narrowed) if day is None else Scope(Period(day, day))
            assert total(asked).replies == row.figures.replies, (report.name, row.label)


def test_any_period_says_what_its_lines_say_however_it_is_cut_into_months(used):
    """What lies in the period whole is read by month; the rest by day, or by month without the other days."""
    days = [date(2026, 6, 30), date(2026, 7, 1), date(2026, 7, 31), date(2026, 8, 1), date(2026, 9, 14)]
    for number, day in enumerate(days):
        asked = books.ask(LanguageModel.objects.order_by("pk")[number % 2], who=("alice", "bob")[number % 2])
        Completion.objects.filter(pk=asked.completions[0].pk).update(day=day)
        books.settle(asked, ("complete", "stopped")[number % 2], usage=(100 + number, 10))
    assert books.off() == []
    model = UsageEntry.objects.first().completion.model_id
    wheres = [({}, {}), ({"outcome": "stopped"}, {"completion__status": "stopped"})]
    wheres += [({"group": 0}, {"group": None}), ({"model": model}, {"completion__model": model})]
    alice = books.account("alice").pk
    wheres += [({"account": alice}, {"account": alice})]
    bounds = [*days, date(2026, 7, 2), date(2026, 7, 29), date(2026, 9, 30), timezone.localdate()]
    for first, last in combinations(bounds, 2):
        for narrowed, where in wheres:
            period = Period(min(first, last), max(first, last))
            said = ledger("input_tokens", day__gte=period.first, day__lte=period.last, **where)
            for by in ((), ("account",), ("group",), ("model", "provider"), ("day",), ("outcome", "account")):
                found = sums(Scope(period, **narrowed), *by)
                assert sum(figures.input_tokens for figures in found.values()) == said, (period, narrowed, by)
                assert all(figures.replies for figures in found.values()), (period, narrowed, by)
            chart = over_time(Scope(period, **narrowed), "account", TOKENS)
            assert sum(figures.input_tokens for figures in chart.whole) == said
            assert sum(map(sum, (series.values for series in chart.series))) == sum(chart.values)


def test_a_provider_without_models_has_no_usage(used):
    for first in (timezone.localdate(), date(2026, 7, 2)):
        asked = Scope(Period(first, first + timedelta(days=100)), provider=Provider.objects.create(name=f"{first}").pk)
        assert not sums(asked, "account") and not sums(asked, "day") and not lines(asked)
        assert not any(figures.replies for figures in over_time(asked, "model", TOKENS).whole)


def test_rows_carry_the_names_that_people_know(used):
    def labels(name: str) -> set:
        return {row.label for row in REPORTS[name].table(scope()).rows}

    assert labels("people") == {"alice", "bob"}
    assert labels("groups") == {"Students", "without a group"}
    assert labels("models") == {"one", "two", "three"} and labels("providers") == {"P"}
    assert labels("days") == {timezone.localdate()} and labels("purposes") == {"Replies"}
    assert {"Complete", "Stopped", "Left", "Cut off", "Provider error", "Interrupted"} == labels("outcomes")


def test_a_person_who_is_deleted_leaves_a_number_and_their_sums(used):
    before = total(scope())
    alice = books.person("alice")
    alice.delete()
    labels = [row.label for row in REPORTS["people"].table(scope()).rows]
    assert "alice" not in labels and any(label.startswith("deleted person") for label in labels)
    assert total(scope()) == before


def test_what_stopping_and_leaving_saved_is_what_they_did_not_take_of_what_they_were_allowed(used):
    table = REPORTS["sparing"].table(scope())
    stopped = UsageEntry.objects.filter(completion__status__in=("stopped", "abandoned"), completion__attempts__gt=0)
    spared = sum(line.completion.max_output - line.output_tokens for line in stopped)
    assert {row.label for row in table.rows} == {"Stopped", "Left"}
    assert table.total.figures.spared_tokens == spared > 0
    assert table.total.figures.in_("USD").spared > 0


def test_unknown_is_not_nothing(used, administrator):
    page = at(administrator, "/usage/by/models/").content.decode()
    row = page[page.index(">three</a>") :].split("</tr>")[0]
    assert row.count("unpriced") >= 1 and "$0" not in row


def test_sorting_puts_what_is_unknown_last_either_way(used):
    table = REPORTS["models"].table(scope())
    for descending in (True, False):
        assert table.sorted_by("cost-USD", descending=descending).rows[0].label == "one"
    assert [row.label for row in table.sorted_by("models", descending=False).rows] == ["one", "three", "two"]


def test_what_is_held_by_several_budgets_is_held_once():
    books.budget("5")
    books.budget("50", account=books.account("alice"))
    books.budget("500", unit="tokens")
    asked = books.ask(books.model())
    amount = asked.completions[0].holds.exclude(period__budget__unit="tokens").first().amount
    assert held(scope()) == ({"USD": amount}, 1)
    books.settle(asked)
    assert held(scope()) == ({}, 0)


# Over time


def test_what_is_stacked_adds_up_to_the_whole(used):
    for stack in ("model", "account", "exactness"):
        for unit in ("USD", TOKENS):
            what = over_time(scope(), stack, unit)
            assert [
                sum(values) for values in zip(*(series.values for series in what.series), strict=True)
            ] == what.values
    exact = over_time(scope(), "exactness", TOKENS)
    assert exact.series[1].values == [ledger("estimated_input") + ledger("estimated_output")]


def test_those_that_took_most_are_named_and_the_others_are_together():
    for number in range(7):
        books.settle(books.ask(books.model(f"m{number}")), usage=(100 * (number + 1), 0))
    what = over_time(scope(), "model", TOKENS)
    assert [series.label for series in what.series] == ["m6", "m5", "m4", "m3", "all others"]
    assert [sum(series.values) for series in what.series] == [700, 600, 500, 400, 100 + 200 + 300]


@pytest.mark.parametrize(
    "first, last, step, count",
    [
        (date(2026, 11, 20), date(2026, 11, 20), "day", 1),
        (date(2026, 10, 1), date(2026, 11, 30), "day", 61),
        (date(2026, 9, 2), date(2026, 11, 30), "week", 14),
        (date(2025, 1, 15), date(2026, 11, 3), "month", 23),
    ],
)
def test_a_period_is_cut_into_steps_without_gap_or_overlap(first, last, step, count):
    kind, steps = steps_of(Period(first, last))
    assert (kind, len(steps)) == (step, count)
    assert steps[0].first == first and steps[-1].last == last
    assert all(a.last + timedelta(days=1) == b.first for a, b in pairwise(steps))


@pytest.mark.parametrize("day, first, last", [(date(2024, 2, 10), 1, 29), (date(2026, 12, 31), 1, 31)])
def test_a_month_has_its_own_length(day, first, last):
    period = Period.of_month(day)
    assert (period.first.day, period.last.day) == (first, last) and day in period
    assert Period.of_month_before(date(2026, 1, 5)) == Period(date(2025, 12, 1), date(2025, 12, 31))


@pytest.mark.parametrize("most", [1, 2, 7, 99, 100, 101, 5 * 10**9, 123456789])
def test_a_scale_has_a_few_round_marks_up_to_the_most(most):
    marks = ticks(most)
    assert 1 <= len(marks) <= 5 and marks[-1] <= most
    assert all(mark % marks[0] == 0 for mark in marks)


# How fast


def test_percentiles_lie_in_their_bucket():
    counts = [0] * pace.BUCKETS
    assert percentile("ttft", counts, 0.5) is None
    for seconds in (0.3, 0.5, 0.9, 1.5, 8.0):
        counts[int(pace.bucket("ttft", seconds).split("_")[1])] += 1
    assert 0.9 / 1.42 <= percentile("ttft", counts, 0.5) <= 0.9 * 1.42
    assert 8 / 1.42 <= percentile("ttft", counts, 0.95) <= 8 * 1.42


def test_the_speed_of_each_model_is_told(used):
    rows = {row.label: row.more for row in REPORTS["pace"].table(scope()).rows}
    assert 0.2 < rows["one"]["ttft-50"] < 0.5  # each began after 0.3 s
    assert rows["one"]["speed-50"] > 0


# To whom


def test_a_person_sees_their_own_and_nobody_elses(used):
    alice, bob = books.account("alice"), books.account("bob")
    for path in ["/usage/", "/usage/by/models/", "/usage/lines/"]:
        page = at("alice", path)
        assert page.status_code == 200 and "€" not in page.content.decode() and "bob" not in page.content.decode()
        assert at("alice", path, account=bob.pk).status_code == 404
        assert at("alice", path, group=1).status_code == 404
        assert at("alice", path, account=alice.pk).status_code == 200
    assert at("alice", "/usage/by/people/").status_code == at("alice", "/usage/by/groups/").status_code == 404
    assert at("alice", "/usage/mine/").status_code == 302


def test_a_line_is_shown_to_whom_it_belongs_and_to_administrators(used, administrator):
    line = UsageEntry.objects.filter(account=books.account("alice")).first()
    path = f"/usage/completions/{line.completion_id}/"
    assert at("alice", path).status_code == at(administrator, path).status_code == 200
    assert at("bob", path).status_code == 404
    assert "Open the reply" in at("alice", path).content.decode()
    assert "Open the reply" not in at(administrator, path).content.decode()


def test_titles_of_conversations_are_shown_to_whom_they_belong_only(administrator):
    books.settle(books.ask(books.model(), text="canary"))
    assert "canary" in at("alice", "/usage/lines/").content.decode()
    for path in ["/usage/lines/", f"/usage/lines/?account={books.account('alice').pk}", "/usage/"]:
        assert "canary" not in at(administrator, path).content.decode()


def test_nonsense_gets_a_sentence_or_nothing(used, administrator):
    for asked, words in [
        ({"from": "2026-11-30", "to": "2026-11-01"}, "ends before it begins"),
        ({"from": "soon", "to": ""}, "written like"),
        ({"month": "2026-13"}, "written like"),
        ({"days": "5"}, "no such period"),
        ({"from": "2010-01-01", "to": "2026-11-01"}, "ten years"),
    ]:
        page = at(administrator, "/usage/", **asked)
        assert page.status_code == 422 and words in page.content.decode(), asked
        for path in ("/usage/", "/usage/lines/", "/usage/by/models/", "/usage/statement/"):
            taken = at(administrator, path, format="csv", **asked)
            assert taken.status_code == 422, "not the file of another period"
    for asked in [{"account": "x"}, {"model": "9" * 30}, {"model": "99"}, {"provider": "-1"}]:
        assert at(administrator, "/usage/", **asked).status_code == 404, asked
    assert at(administrator, "/usage/by/nothing/").status_code == 404


# The single lines


def test_paging_shows_each_line_once(used):
    whole = Scope(Period.of_days(timezone.localdate(), 30))
    shown, before = [], None
    while page := lines(whole, before=before, count=4):
        shown += [line.pk for line in page]
        before = (page[-1].day, page[-1].pk)
    assert shown == list(UsageEntry.objects.order_by("-day", "-pk").values_list("pk", flat=True))


def test_paging_finds_what_is_rare(used):
    rare = scope(model=UsageEntry.objects.filter(currency="").get().completion.model_id)
    assert [line.currency for line in lines(rare)] == [""]
    assert lines(Scope(Period(date(2020, 1, 1), date(2020, 1, 31)))) == []


# Taken along


@pytest.mark.parametrize(
    "cell, text",
    [
        ("=1+1", "'=1+1"),
        ("+49", "'+49"),
        ("-x", "'-x"),
        ("@x", "'@x"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("＝x", "'＝x"),
        ("＠x", "'＠x"),
        ("  =1", "'  =1"),
        ("组会", "组会"),
        ("a=b", "a=b"),
        ("", ""),
        (None, ""),
        (Decimal("-0.500000000"), "-0.5"),
        (Decimal("1E+3"), "1000"),
        (7, "7"),
        (-5, "-5"),
        (True, "True"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (datetime(2026, 11, 20, 9, 30, 0, 1, tzinfo=UTC), "2026-11-20 09:30:00+00:00"),
        (0.964, "0.964"),
        (date(2026, 11, 3), "2026-11-03"),
    ],
)
def test_a_cell_is_what_it_is_and_never_a_formula(cell, text):
    assert written(cell) == text


async def _body(answer) -> bytes:
    return b"".join([part async for part in answer.streaming_content])


def body_of(answer) -> str:
    return async_to_sync(_body)(answer).decode()


def test_csv_says_what_the_page_says_and_opens_in_spreadsheets(used, administrator):
    bob = books.person("bob")
    bob.username = "=cmd()"
    bob.save()
    answer = at(administrator, "/usage/by/people/", format="csv")
    text = body_of(answer)
    assert text.startswith("\ufeff") and "charset=utf-8" in answer["Content-Type"]
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    by_name = {row["Person"]: row for row in rows}
    assert set(by_name) == {"alice", "'=cmd()"}
    assert Decimal(by_name["alice"]["USD"]) == ledger("amount", currency="USD")
    assert int(by_name["alice"]["In"]) == ledger("input_tokens", account=books.account("alice"))


def test_json_says_the_same(used, administrator):
    said = json.loads(at(administrator, "/usage/by/people/", format="json").content)
    alice = next(row for row in said["rows"] if row["people"] == "alice")
    assert Decimal(alice["cost-USD"]) == ledger("amount", currency="USD")
    assert alice["cost-EUR"] is None and said["total"]["replies"] == UsageEntry.objects.count()


@pytest.mark.django_db(transaction=True)  # they are read in a thread of their own
def test_the_lines_can_be_taken_along_too(used, administrator):
    text = body_of(at(administrator, "/usage/lines/", format="csv")).removeprefix("\ufeff")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == UsageEntry.objects.count()
    assert sum(Decimal(row["Cost"]) for row in rows if row["Currency"] == "EUR") == ledger("amount", currency="EUR")
    assert "alice" not in body_of(at("bob", "/usage/lines/", format="csv"))


@pytest.mark.parametrize(
    "part, text", [(1.0, "100.0 %"), (0.99999, "99.9 %"), (0.0, "0.0 %"), (0.00001, "< 0.1 %"), (0.964, "96.4 %")]
)
def test_nearly_all_is_not_all_and_nearly_nothing_not_nothing(part, text):
    assert share(part) == text


def test_many_tokens_are_written_in_millions():
    assert (many(999_999), many(26_670_000)) == ("999,999", "26.67 M")


def test_reports_read_the_daily_sums_and_not_the_lines(used, administrator):
    with CaptureQueriesContext(connection) as asked:
        for name in REPORTS:
            at(administrator, f"/usage/by/{name}/")
        at(administrator, "/usage/")
    assert UsageDay.objects.exists() and not any("chat_usageentry" in query["sql"] for query in asked)


# Narrowing, and budgets beside the sums


def test_a_report_can_be_narrowed_to_whatever_was_used(used, administrator):
    page = at(administrator, "/usage/by/models/", outcome="stopped").content.decode()
    for name in ("account", "group", "model", "outcome"):
        assert f'<select class="in" id="narrow-{name}" name="{name}">' in page, name
    assert '<option value="stopped" selected>Stopped</option>' in page and ">Students</option>" in page
    assert "narrow-provider" not in page, "there is one only"
    bobs = at("bob", "/usage/").content.decode()
    assert "narrow-model" in bobs and "narrow-account" not in bobs and "alice" not in bobs
    assert at(administrator, "/usage/by/models/", account="", model="", outcome="").status_code == 200


def test_budgets_stand_beside_what_was_used(used, administrator):
    books.budget("7", account=books.account("bob"), unit="EUR")
    books.budget("900")
    bobs = at("bob", "/usage/").content.decode()
    assert "of €7.00" in bobs and "of $900.00" in bobs and "/budgets/" not in bobs
    everybodys = at(administrator, "/usage/").content.decode()
    assert "of $900.00" in everybodys and "of €7.00" not in everybodys
    assert "of €7.00" in at(administrator, "/usage/", account=books.account("bob").pk).content.decode()
    assert "of €7.00" not in at("alice", "/usage/").content.decode()

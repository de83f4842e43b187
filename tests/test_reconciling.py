"""A provider's bill beside the books: what agrees, what does not, and what of it makes estimates exact."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.utils import timezone

from chat import bill_file, budgeting
from chat.accounting import reconciliation
from chat.accounting.reconciliation import Billed
from chat.csv_reading import BadList
from chat.models import AuditEntry, Completion, UsageEntry
from tests import books
from tests.test_money_pages import alerts, visitor

pytestmark = pytest.mark.django_db
HEAD = "date,model,input_tokens,output_tokens,cost\n"


def read(text: str) -> list[Billed]:
    return bill_file.read(text.encode()).billed


@pytest.fixture
def used():
    """Of kimi-k2: one reply that was reported (100 and 50 tokens), and three that were stopped and estimated."""
    kimi = books.model("kimi-k2", price=("1", "2"))
    books.settle(books.ask(kimi), usage=(100, 50))
    for _ in range(3):
        books.settle(books.ask(kimi), "stopped", text="Half a sentence of some length. " * 3)
    return kimi


def estimates() -> list[Completion]:
    return list(Completion.objects.filter(status="stopped").order_by("pk"))


def bill_of(kimi, *, more: int = 0, day: date | None = None) -> list[Billed]:
    """What a provider bills that has counted each estimate `more` higher."""
    those = Completion.objects.all()
    tokens = [sum(getattr(one, name) for one in those) for name in ("input_tokens", "output_tokens")]
    return [Billed(day or timezone.localdate(), kimi.name, tokens[0], tokens[1] + 3 * more)]


# Reading


@pytest.mark.parametrize(
    "text",
    [
        "date,model,input_tokens,output_tokens,cost\n2026-11-02,kimi-k2,100,50,0.0002\n",
        "\ufeffModel;Date;Output_tokens;Input_tokens;Cost\nkimi-k2;2026-11-02;50;100;0.0002\n",
        "start_time,end_time,start_time_iso,end_time_iso,project_id,model,batch,input_tokens,output_tokens,"
        "input_cached_tokens\n1,2,2026-11-02T00:00:00+00:00,2026-11-03T00:00:00+00:00,p,kimi-k2,,60,20,0\n"
        "1,2,2026-11-02T00:00:00+00:00,2026-11-03T00:00:00+00:00,q,kimi-k2,,40,30,0\n",
        "usage_date_utc,model_version,api_key,workspace,usage_type,context_window,usage_input_tokens_no_cache,"
        "usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,"
        "usage_output_tokens,web_search_count\n2026-11-02,kimi-k2,a,w,standard,≤ 200k,60,10,0,30,50,0\n",
        "generation_id,created_at,cost_total,tokens_prompt,tokens_completion,tokens_reasoning,model_permaslug\n"
        "gen-1,2026-11-02 08:00:00,0.0001,60,20,0,kimi-k2\ngen-2,2026-11-02T09:00:00.123Z,0.0001,40,30,0,kimi-k2\n",
        "date,model_permaslug,usage,requests,prompt_tokens,completion_tokens\n2026-11-02,kimi-k2,0.0002,2,100,50\n",
    ],
)
def test_plain_lists_and_the_exports_of_providers_are_read(text):
    (one,) = read(text)
    assert (one.day, one.model, one.input_tokens, one.output_tokens) == (date(2026, 11, 2), "kimi-k2", 100, 50)
    assert one.cost in (None, Decimal("0.0002"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD + "2026-13-01,kimi-k2,1,1,1", "Line 2: “2026-13-01” is no date. Write it as 2026-11-20."),
        (
            HEAD + "9999-12-31T23:59-12:00,kimi-k2,1,1,1",
            "Line 2: “9999-12-31T23:59-12:00” is no date. Write it as 2026-11-20.",
        ),
        (HEAD + "20.11.2026,kimi-k2,1,1,1", "Line 2: “20.11.2026” is no date. Write it as 2026-11-20."),
        (HEAD + "2199-01-01,kimi-k2,1,1,1", "Line 2: 2199-01-01 has not come yet."),
        (HEAD + "1999-01-01,kimi-k2,1,1,1", "Line 2: 1999-01-01 is too long ago to be in these books."),
        (HEAD + "2026-11-02,,1,1,1", "Line 2: The model is missing."),
        (HEAD + "2026-11-02,kimi-k2,many,1,1", "Line 2: input_tokens is “many”, which is no number of tokens."),
        (HEAD + "2026-11-02,kimi-k2,1.5,1,1", "Line 2: input_tokens is “1.5”, which is no number of tokens."),
        (HEAD + "2026-11-02,kimi-k2,1,-1,1", "Line 2: output_tokens is negative: -1."),
        (HEAD + "2026-11-02,kimi-k2,1,1,dear", "Line 2: cost is “dear”, which is no amount of money such as 0.60."),
        (HEAD + "2026-11-02,k,1,1,1\n2026-11-02,k,1,1,1", "Line 3: its day and model stand in line 2 already."),
        (
            "generation_id,created_at,tokens_prompt,tokens_completion,model_permaslug\n"
            "gen-1,2026-11-02,6,2,k\ngen-1,2026-11-02,6,2,k",
            "Line 3: it is the same as line 2.",
        ),
        (
            "date,model,input_tokens,output_tokens,currency\n2026-11-02,k,1,1,BTC",
            "Line 2: “BTC” is no currency. Use a code of ISO 4217, such as EUR, USD or CNY.",
        ),
        (
            "date,model,input_tokens,output_tokens,currency\n2026-11-02,k,1,1,EUR\n2026-11-03,k,1,1,USD",
            "There are several currencies: EUR, USD. One at a time.",
        ),
        (HEAD, "The file has no line below its head."),
        ("date,model,tokens\n2026-11-02,k,1", "The column input_tokens is missing."),
    ],
)
def test_what_is_wrong_with_a_bill_is_said_by_line(text, said):
    with pytest.raises(BadList) as bad:
        read(text)
    assert bad.value.faults[0] == said


def test_a_bill_in_another_encoding_is_refused():
    with pytest.raises(BadList, match="Line 2 is not UTF-8"):
        bill_file.read((HEAD + "2026-11-02,模型,1,1,1\n").encode("gb18030"))


# Comparing


def test_a_bill_is_compared_by_day_and_model(used):
    today = timezone.localdate()
    ours = sum(one.output_tokens for one in Completion.objects.all())
    billed = [
        Billed(today, "kimi-k2-2026-07-11", 1000, 2 * ours, Decimal("0.01")),
        Billed(today - timedelta(days=1), "kimi-k2", 10, 0, Decimal("0.01")),
        Billed(today, "gpt-9", 10, 0, Decimal("0.02")),
    ]
    found = reconciliation.compare(used.provider, billed, "USD")
    by_key = {(line.day, line.name): line for line in found.lines}
    assert (
        by_key[today, "kimi-k2"].ours.output_tokens == ours
        and by_key[today, "kimi-k2"].billed.output_tokens == 2 * ours
    )
    assert by_key[today, "kimi-k2"].ours.estimates == 3
    assert by_key[today, "gpt-9"].model is None and by_key[today - timedelta(days=1), "kimi-k2"].ours.replies == 0
    cost = sum(one.amount for one in Completion.objects.all())
    assert found.captured == pytest.approx(float(cost / Decimal("0.04")))
    assert found.total.billed.cost == Decimal("0.04")


def test_estimates_become_exact_by_a_bill_within_their_bounds(used):
    period = books.budget("5")
    billed = bill_of(used, more=2)
    before = [line.pk for line in UsageEntry.objects.all()], [one.output_tokens for one in estimates()]
    found = reconciliation.compare(used.provider, billed, "USD")
    assert found.correctable == 3 and found.lines[0].tokens_off == -6
    assert reconciliation.correct(books.person("root"), found, file="november.csv") == 3
    assert [one.output_tokens for one in estimates()] == [tokens + 2 for tokens in before[1]]
    assert {one.usage_source for one in estimates()} == {"reconciled"}
    lines = UsageEntry.objects.exclude(pk__in=before[0])
    assert {line.kind for line in lines} == {"adjustment"} and sum(line.output_tokens for line in lines) == 6
    assert sum(line.estimated_output for line in UsageEntry.objects.all()) == 0
    period.refresh_from_db()
    assert period.spent == sum(line.amount for line in UsageEntry.objects.all()) and books.off() == []
    entry = AuditEntry.objects.get()
    assert (entry.deed, entry.subject, entry.after["replies"]) == ("bill reconciled", "P", "3")


def test_the_same_bill_a_second_time_changes_nothing(used):
    billed = bill_of(used, more=1)
    reconciliation.correct(None, reconciliation.compare(used.provider, billed, "USD"), file="a.csv")
    lines = UsageEntry.objects.count()
    found = reconciliation.compare(used.provider, billed, "USD")
    assert found.captured == 1 and found.correctable == 0 and not found.lines[0].differs
    assert reconciliation.correct(None, found, file="a.csv") == 0
    assert UsageEntry.objects.count() == lines and AuditEntry.objects.count() == 1


def test_a_bill_beyond_the_bounds_corrects_nothing(used):
    for more in (10_000, -10_000):
        found = reconciliation.compare(used.provider, bill_of(used, more=more), "USD")
        assert found.correctable == 0 and reconciliation.correct(None, found, file="") == 0
    assert not AuditEntry.objects.exists()


def test_what_is_late_for_a_closed_month_is_corrected_in_the_open_one(used):
    earlier = timezone.localdate().replace(day=1) - timedelta(days=3)
    asked = books.ask(used)
    Completion.objects.filter(pk=asked.completions[0].pk).update(day=earlier)
    late = books.settle(asked, "stopped", text="Half a sentence of some length. " * 3)[0]
    Completion.objects.filter(pk=late.pk).update(settled=timezone.now() - (timezone.localdate() - earlier))
    budgeting.close_month(None, earlier.replace(day=1))
    billed = [Billed(earlier, used.name, late.input_tokens, late.output_tokens + 1)]
    found = reconciliation.compare(used.provider, billed, "USD")
    assert reconciliation.correct(None, found, file="") == 1
    assert UsageEntry.objects.get(kind="adjustment").day == timezone.localdate().replace(day=1)
    assert reconciliation.compare(used.provider, billed, "USD").captured == 1 and books.off() == []


# As administrators do it


def upload(client, provider, text: str, **more):
    file = SimpleUploadedFile("bill.csv", text.encode())
    return client.post("/usage/bill/", {"provider": provider.pk, "file": file, **more})


def csv_of(billed: list[Billed]) -> str:
    return HEAD + "".join(
        f"{one.day},{one.model},{one.input_tokens},{one.output_tokens},{one.cost or ''}\n" for one in billed
    )


def test_an_administrator_compares_and_corrects_on_a_page(used):
    root = visitor("root", administers=True)
    page = upload(root, used.provider, csv_of(bill_of(used, more=1)))
    text = page.content.decode()
    assert page.status_code == 200 and "of what was billed" in text and "3 estimates can be made exact" in text
    assert not UsageEntry.objects.filter(kind="adjustment").exists(), "comparing writes nothing"
    bill = text.split('name="bill" value="')[1].split('"')[0]
    done = root.post("/usage/bill/correct/", {"bill": bill}).content.decode()
    assert "3 estimates are exact now." in done and "Captured 100.0 %" in done
    assert "nothing left to correct" in root.post("/usage/bill/correct/", {"bill": bill}).content.decode()
    assert root.post("/usage/bill/correct/", {"bill": bill + "x"}).status_code == 302
    assert UsageEntry.objects.filter(kind="adjustment").count() == 3


def test_where_days_are_not_those_of_utc_the_page_says_so(used, settings):
    root, bill = visitor("root", administers=True), csv_of(bill_of(used))
    assert "Providers count days in UTC" not in upload(root, used.provider, bill).content.decode()
    settings.TIME_ZONE = "Asia/Shanghai"
    assert "this site in Asia/Shanghai" in upload(root, used.provider, bill).content.decode()


def test_a_bill_of_what_costs_nothing_is_compared(used):
    root, day = visitor("root", administers=True), timezone.localdate()
    page = upload(root, used.provider, f"{HEAD}{day},kimi-k2,100,50,0\n{day},other,1,1,0\n")
    assert page.status_code == 200 and "of what was billed" in page.content.decode()


def test_a_page_says_what_is_wrong_with_a_bill_and_shows_it_to_nobody_else(used):
    root = visitor("root", administers=True)
    page = upload(root, used.provider, HEAD + "soon,kimi-k2,1,1,1")
    assert page.status_code == 422 and "Line 2: “soon” is no date" in page.content.decode()
    assert root.post("/usage/bill/", {}).status_code == 422
    bob = visitor("bob")
    assert bob.get("/usage/bill/").status_code == bob.post("/usage/bill/correct/").status_code == 404
    assert alerts(root.get("/usage/bill/")) == []


def test_a_command_does_the_same(used, tmp_path, capsys):
    file = tmp_path / "bill.csv"
    file.write_text(csv_of(bill_of(used, more=1)))
    call_command("reconcile", file, provider="P")
    assert "3 estimates can be made exact by this bill" in capsys.readouterr().out
    call_command("reconcile", file, provider="P", correct=True)
    assert "3 estimates are exact now." in capsys.readouterr().out
    with pytest.raises(CommandError, match="There is no provider Q"):
        call_command("reconcile", file, provider="Q")
    file.write_text("date,model\n")
    with pytest.raises(CommandError, match="Nothing was compared"):
        call_command("reconcile", file, provider="P")

"""Budgets: a hold in the transaction that asks, what was used in the one that settles, and no more than fits."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from chat import asking, settlement
from chat.accounting import booking, budgets
from chat.accounting.budgets import Refused
from chat.accounting.pricing import Tokens
from chat.models import BudgetPeriod, Completion, Grant, Group, Hold, Price, UsageDay, UsageEntry
from tests import books

pytestmark = pytest.mark.django_db


def fresh(period: BudgetPeriod) -> BudgetPeriod:
    return BudgetPeriod.objects.get(pk=period.pk)


def test_asking_holds_the_prompt_and_the_longest_answer_at_their_price():
    tiny, everybody = books.model(price=("10", "20"), max_output=1000), books.budget("5")
    completion = books.ask(tiny, n=1).completions[0]
    hold = Hold.objects.get(completion=completion)
    prompt = hold.amount - Decimal("0.02")  # 1,000 tokens at 20 a million
    assert 0 < prompt < Decimal("0.001")
    assert fresh(everybody).held == hold.amount and fresh(everybody).spent == 0


def test_settling_moves_the_hold_to_what_was_used():
    tiny, everybody = books.model(price=("1", "2")), books.budget("5")
    completion = books.settle(books.ask(tiny), usage=(1000, 500))[0]
    assert completion.amount == Decimal("0.002")
    assert (fresh(everybody).held, fresh(everybody).spent) == (0, Decimal("0.002"))
    assert not Hold.objects.exists() and books.off() == []


def test_an_ask_counts_for_the_person_their_group_and_everybody():
    students = Group.objects.create(name="Students")
    alice = books.account("alice")
    alice.group = students
    alice.save()
    mine, ours, all_of_us, bobs = (
        books.budget("5", account=alice),
        books.budget("50", group=students),
        books.budget("500", unit="tokens"),
        books.budget("5", account=books.account("bob")),
    )
    books.settle(books.ask(books.model()), usage=(1000, 500))
    assert fresh(mine).spent == fresh(ours).spent == Decimal("0.002")
    assert fresh(all_of_us).spent == Decimal("0.0015"), "of a million tokens"
    assert fresh(bobs).spent == 0 and books.off() == []


def test_the_longest_answer_is_lowered_to_what_the_tightest_budget_leaves():
    tiny = books.model(price=("0", "1000"), max_output=1000)
    books.budget("5")
    tight = books.budget("0.1", account=books.account())
    completion = books.ask(tiny).completions[0]
    assert completion.max_output == 100
    assert fresh(tight).held == Decimal("0.1")


def test_what_cannot_fit_is_refused_and_nothing_is_stored():
    tiny = books.model(price=("0", "1000"))
    period = books.budget("0.015")
    with pytest.raises(Refused) as refused:
        books.ask(tiny)
    assert (refused.value.why, refused.value.fits, refused.value.left) == ("spent", 15, Decimal("0.015"))
    assert asking.fitting(books.person(), refused.value) == []
    BudgetPeriod.objects.all().delete()  # as if nobody had asked for anything this month
    assert asking.fitting(books.person(), refused.value) == []
    assert books.texts() == 0 and not Completion.objects.exists() and period.held == 0


def test_several_models_hold_together_or_not_at_all():
    cheap, dear = books.model("cheap", price=("0", "1")), books.model("dear", price=("0", "1000"))
    period = books.budget("0.02")
    assert [one.max_output for one in books.ask(cheap, dear).completions] == [1000, 19]
    assert fresh(period).held == Decimal("0.02")
    with pytest.raises(Refused):
        books.ask(cheap, dear)
    assert Completion.objects.count() == 2


def test_answers_side_by_side_share_what_is_left():
    books.budget("0.2")
    one_call = books.model("several", price=("0", "1000"), profile="openai")
    assert [one.max_output for one in books.ask(one_call, n=4).completions] == [50]
    assert books.off() == []


def test_under_a_hard_budget_of_money_a_model_needs_a_price_in_its_currency():
    unpriced, foreign = books.model("unpriced", price=None), books.model("foreign", currency="CNY")
    free = books.model("free", price=("0", "0"), currency="XXX")
    books.budget("5")
    for model in (unpriced, foreign):
        with pytest.raises(Refused, match="unpriced"):
            books.ask(model)
    books.settle(books.ask(free))
    books.budget("5", unit="CNY")
    books.settle(books.ask(foreign))
    assert books.off() == []


def test_a_soft_budget_refuses_nothing():
    period = books.budget(soft="0.001")
    books.ask(books.model("unpriced", price=None))
    books.settle(books.ask(books.model(price=("1", "2"))), usage=(1000, 500))
    assert fresh(period).spent == Decimal("0.002")


def test_a_completion_is_charged_at_the_price_of_when_it_was_asked_for():
    tiny, period = books.model(price=("1", "2")), books.budget("5")
    asked = books.ask(tiny)
    Price.objects.create(model=tiny, currency="USD", input_mtok=Decimal(100), output_mtok=Decimal(200))
    assert books.settle(asked, usage=(1000, 500))[0].amount == Decimal("0.002")
    assert books.settle(books.ask(tiny), usage=(1000, 500))[0].amount == Decimal("0.2")
    assert fresh(period).spent == Decimal("0.202") and books.off() == []


def test_what_ends_after_midnight_belongs_to_the_day_on_which_it_was_asked_for():
    today = books.budget("5", period="day")
    asked = books.ask(books.model())
    tomorrow = budgets.open_period(today.budget, today.begins + timedelta(days=1))
    books.settle(asked, usage=(1000, 500))
    assert fresh(today).spent == Decimal("0.002") and fresh(tomorrow).spent == 0
    assert UsageDay.objects.get().day == today.begins and books.off() == []


def test_a_budget_made_later_knows_what_its_period_has_cost():
    tiny = books.model(price=("1", "2"))
    books.settle(books.ask(tiny), usage=(1000, 500))
    still_live = books.ask(tiny)
    period = books.budget("5")
    assert period.spent == Decimal("0.002")
    books.settle(still_live, usage=(1000, 500))
    assert fresh(period).spent == Decimal("0.004") and books.off() == []


def test_more_is_granted_until_a_moment():
    tiny, period = books.model(price=("0", "1000")), books.budget("0.01")
    grant = Grant.objects.create(
        period=period, amount=Decimal("0.05"), until=timezone.now() + timedelta(hours=1), note="until Friday"
    )
    assert books.ask(tiny).completions[0].max_output == 60
    Grant.objects.filter(pk=grant.pk).update(until=timezone.now() - timedelta(seconds=1))
    with pytest.raises(Refused) as refused:
        books.ask(tiny)
    assert refused.value.left == 0


def test_a_cap_limits_one_send():
    tiny = books.model(price=("0", "1000"), max_output=1000)
    completion = books.ask(tiny, cap="0.1").completions[0]
    assert (completion.cap, completion.max_output) == (Decimal("0.1"), 100)
    with pytest.raises(Refused, match="cap") as refused:
        books.ask(tiny, cap="0.001")
    assert refused.value.fits == 1 and refused.value.period is None
    with pytest.raises(Refused, match="unpriced"):
        books.ask(books.model("unpriced", price=None), cap="0.1")
    books.ask(books.model("free", price=("0", "0"), currency="XXX"), cap="0.1")


def test_a_late_figure_moves_all_sums():
    period = books.budget("5")
    completion = books.settle(books.ask(books.model(price=("1", "2"))), "cut")[0]
    day = UsageDay.objects.get()
    assert day.estimated_output == completion.output_tokens > 0 and day.estimated_amount == completion.amount
    booking.adjust(completion.pk, "looked up", Tokens.exactly(1000, 500, cached=10))
    day.refresh_from_db()
    assert (day.replies, day.adjustments, day.output_tokens, day.cached_tokens) == (1, 1, 500, 10)
    assert day.estimated_output == day.estimated_amount == 0 and day.amount == day.amount_high == Decimal("0.002")
    assert fresh(period).spent == Decimal("0.002") and books.off() == []


def test_stopping_the_queued_gives_all_back():
    period = books.budget("5")
    completion = books.settle(books.ask(books.model()), "queued")[0]
    assert (completion.amount, completion.usage_source) == (0, "not sent")
    assert (fresh(period).held, fresh(period).spent) == (0, 0)
    assert UsageEntry.objects.get().amount == 0 and books.off() == []


def test_settling_twice_spends_once():
    period = books.budget("5")
    completion = books.settle(books.ask(books.model(price=("1", "2"))), usage=(1000, 500))[0]
    transcript, ending = books.transcript_of("complete", 1, (9999, 9999), "again")
    assert not settlement.settle(completion, transcript, ending)
    assert fresh(period).spent == Decimal("0.002")

"""Before a message is sent: about how many tokens it has, and the most that it can cost."""

import re
from decimal import Decimal

import pytest

from chat.forecast import forecast
from chat.models import Account, Message
from tests import books
from tests.test_money_pages import visitor

pytestmark = pytest.mark.django_db


def told(client, **fields) -> str:
    answer = client.post("/forecast/", fields)
    return answer.content.decode() if answer.status_code == 200 else str(answer.status_code)


def test_what_is_written_is_told_in_tokens_and_money():
    alice, tiny = visitor("alice"), books.model("tiny", price=("1", "2"))
    words = told(alice, text="How are you? " * 20, model=tiny.pk)
    assert re.fullmatch(r"≈ \d+ tokens, at most \$0\.00\d+", words), words
    free, unpriced = books.model("free", price=("0", "0"), currency="XXX"), books.model("unpriced", price=None)
    assert re.fullmatch(r"≈ \d+ tokens, at most free", told(alice, text="Hi", model=free.pk))
    assert re.fullmatch(r"≈ \d+ tokens", told(alice, text="Hi", model=unpriced.pk))
    assert re.fullmatch(r"≈ \d+ tokens", told(alice, text="Hi", model=[tiny.pk, unpriced.pk]))


def test_it_never_costs_more_than_was_told():
    tiny = books.model("tiny", price=("3", "15"), max_output=100)
    told = forecast(None, None, "Hi", [tiny], 3)
    asked = books.ask(tiny, n=3)
    period = books.budget("5")
    second = books.ask(tiny, n=3)
    period.refresh_from_db()
    assert period.held == told.most
    settled = books.settle(asked, usage=(10, 300))[0], books.settle(second, usage=(10, 300))[0]
    assert all(one.amount <= told.most for one in settled)


def test_the_thread_counts_and_choices_too():
    alice, tiny = visitor("alice"), books.model("tiny", price=("1", "2"))
    Account.objects.get_or_create(label="alice")
    asked = books.ask(tiny, text="A question of some length. " * 30)
    books.settle(asked, text="An answer of some length. " * 30)
    leaf = Message.objects.get(role="assistant").pk
    alone = forecast(None, None, "Hi", [tiny], 1)
    under = forecast(asked.conversation, leaf, "Hi", [tiny], 1)
    assert under.tokens > alone.tokens + 200 and under.most > alone.most
    assert forecast(None, None, "Hi", [tiny], 3).most > alone.most + Decimal("0.003")
    fields = {"text": "Hi", "model": tiny.pk, "conversation": str(asked.conversation.pk), "parent": leaf}
    assert told(alice, **fields).startswith(f"≈ {under.tokens} tokens")
    assert told(visitor("bob"), **fields) == "404"


def test_what_is_not_complete_is_told_nothing():
    alice, tiny = visitor("alice"), books.model("tiny")
    for fields in (
        {"text": "", "model": tiny.pk},
        {"text": "Hi"},
        {"text": "Hi", "model": 99},
        {"text": "Hi", "n": 99},
    ):
        assert told(alice, **fields) == "204", fields
    assert told(alice, text="Hi", model=tiny.pk, parent=5) == "204"

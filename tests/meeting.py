"""Two that do something at the same moment, in a process of its own, on the PostgreSQL database that is named.

    python -m tests.meeting SCENE

The first one's transaction is held open until the second has ended, or waits for it: so each meeting is the same.
"""

import os
import sys
import threading
import uuid
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
django.setup()

from django.db import connection, connections, transaction  # noqa: E402
from django.utils import timezone  # noqa: E402

from chat import asking, budgeting  # noqa: E402
from chat.accounting import booking, reconciliation  # noqa: E402
from chat.accounting.pricing import Tokens  # noqa: E402
from chat.asking import Asked, Wish  # noqa: E402
from chat.models import (  # noqa: E402
    AuditEntry,
    Budget,
    BudgetPeriod,
    ClosedMonth,
    Completion,
    Grant,
    LanguageModel,
    UsageEntry,
)
from chat.settlement import Ending, settle_queued  # noqa: E402
from tests import books  # noqa: E402
from tests.site import wait_for  # noqa: E402

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def meet(first: Callable, second: Callable) -> object:
    """What the second one's act returned, or the exception that it raised."""
    said: list[object] = []

    def act() -> None:
        try:
            said.append(second())
        except Exception as error:
            said.append(error)
        finally:
            connections.close_all()

    other = threading.Thread(target=act)
    with transaction.atomic():
        first()
        other.start()
        wait_for(lambda: said or _is_waiting())
    other.join(10)
    return said[0]


def _is_waiting() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(WAITING)
        return cursor.fetchone()[0] > 0


def a_budget(**fields) -> Budget:
    return Budget.objects.create(unit="USD", period="day", begins=timezone.localdate(), **fields)


def ask_while_its_budget_is_removed() -> None:
    """Also where its period has yet to be opened."""
    tiny = books.model(price=("0", "1000"), max_output=1000)
    opened, unopened = a_budget(hard=Decimal(5), account=books.account()), a_budget(hard=Decimal(5))
    books.ask(tiny)
    unopened.periods.all().delete()
    for budget in (opened, unopened):
        asked = meet(lambda budget=budget: budgeting.remove(None, budget), lambda: books.ask(tiny))
        assert len(asked.completions) == 1, repr(asked)
    assert not Budget.objects.exists() and not BudgetPeriod.objects.exists() and Completion.objects.count() == 3


def remove_a_budget_whose_period_is_being_opened() -> None:
    tiny, budget = books.model(price=("0", "1000")), a_budget(hard=Decimal(5))
    removed = meet(lambda: books.ask(tiny), lambda: budgeting.remove(None, budget))
    assert removed is None, repr(removed)
    assert not Budget.objects.exists() and not BudgetPeriod.objects.exists()


def change_a_budget_whose_period_is_being_opened() -> None:
    """The period has the limit that was set last."""
    tiny, budget = books.model(price=("0", "1")), a_budget(hard=Decimal(5))
    changed = meet(lambda: books.ask(tiny), lambda: budgeting.change(None, budget, soft=Decimal(1), hard=Decimal(2)))
    assert changed is None, repr(changed)
    period = BudgetPeriod.objects.get()
    assert (period.soft, period.hard) == (1, 2)


def give_more_of_a_budget_that_is_removed() -> None:
    budget = books.budget("5").budget
    more = {"amount": Decimal(1), "until": timezone.now() + timedelta(days=1)}
    given = meet(lambda: budgeting.remove(None, budget), lambda: budgeting.give(None, budget, **more))
    assert isinstance(given, Budget.DoesNotExist), repr(given)
    assert not Grant.objects.exists()


def a_month_ago(count: int) -> date:
    """The first day of an earlier month."""
    first = timezone.localdate().replace(day=1)
    for _month in range(count):
        first = (first - timedelta(days=1)).replace(day=1)
    return first


def asked_on(day: date) -> Asked:
    asked = books.ask(LanguageModel.objects.first() or books.model())
    Completion.objects.filter(ask=asked.completions[0].ask).update(day=day)
    return asked


def close_a_month_in_which_a_late_reply_ends() -> None:
    """It is in that month, which is closed after it."""
    first = a_month_ago(1)
    late = asked_on(first)
    closed = meet(lambda: books.settle(late), lambda: budgeting.close_month(None, first))
    assert isinstance(closed, ClosedMonth), repr(closed)
    assert UsageEntry.objects.get().day == first


def correct_a_reply_of_a_month_that_is_closed() -> None:
    """Twice: the correction is in the month that runs, and the month is closed once."""
    first = a_month_ago(2)
    stopped = books.settle(asked_on(first), "stopped")[0]

    def correct() -> None:
        with transaction.atomic():
            booking.adjust(stopped.pk, Completion.Source.COUNTED, Tokens.exactly(30, 41))

    def close() -> ClosedMonth:
        return budgeting.close_month(None, first)

    closed = meet(close, close)
    assert closed == ClosedMonth.objects.get() and AuditEntry.objects.filter(deed="month closed").count() == 1
    ClosedMonth.objects.all().delete()
    assert meet(close, correct) is None
    assert UsageEntry.objects.get(kind="adjustment").day == a_month_ago(1)


def correct_by_the_same_bill() -> None:
    stopped = books.settle(asked_on(timezone.localdate()), "stopped")[0]
    billed = [reconciliation.Billed(stopped.day, "tiny", stopped.input_high, stopped.output_high)]
    one, other = (reconciliation.compare(stopped.model.provider, billed, "USD") for _ in range(2))
    assert one.correctable == 1
    corrected = meet(
        lambda: reconciliation.correct(None, one, file="a"), lambda: reconciliation.correct(None, other, file="a")
    )
    assert corrected == 0 and UsageEntry.objects.filter(kind="adjustment").count() == 1, repr(corrected)


def send_the_same_message() -> None:
    """As a page does that got no answer from the first process: it is held for once."""
    period, key, wish = books.budget("5"), uuid.uuid4(), Wish([books.model(price=("0", "1000"), max_output=1000)])
    alice = books.person()

    def send() -> Asked:
        return asking.send(alice, text="Hi", wish=wish, key=key, conversation=None, parent=None)

    again = meet(send, send)
    assert again.repeated and Completion.objects.count() == 1, repr(again)
    period.refresh_from_db()
    assert period.held == 1


SCENES = {
    scene.__name__.replace("_", " "): scene
    for scene in (
        ask_while_its_budget_is_removed,
        remove_a_budget_whose_period_is_being_opened,
        change_a_budget_whose_period_is_being_opened,
        give_more_of_a_budget_that_is_removed,
        close_a_month_in_which_a_late_reply_ends,
        correct_a_reply_of_a_month_that_is_closed,
        correct_by_the_same_bill,
        send_the_same_message,
    )
}

if __name__ == "__main__":
    SCENES[sys.argv[1]]()
    for completion in Completion.objects.unsettled():
        settle_queued(completion, Ending("stopped", "person"))
    assert books.off() == [], books.off()

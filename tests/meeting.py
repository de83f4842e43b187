"""Two that do something at the same moment, in a process of its own, on the PostgreSQL database that is named.

    python -m tests.meeting SCENE

The first one's transaction is held open until the second has ended, or waits for it: so each meeting is the same.
"""

import os
import sys
import threading
from collections.abc import Callable
from decimal import Decimal

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
django.setup()

from django.db import connection, connections, transaction  # noqa: E402
from django.utils import timezone  # noqa: E402

from chat import budgeting  # noqa: E402
from chat.models import Budget, BudgetPeriod, Completion, Grant  # noqa: E402
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
    more = {"amount": Decimal(1), "until": timezone.now() + timezone.timedelta(days=1)}
    given = meet(lambda: budgeting.remove(None, budget), lambda: budgeting.give(None, budget, **more))
    assert isinstance(given, Budget.DoesNotExist), repr(given)
    assert not Grant.objects.exists()


SCENES = {
    scene.__name__.replace("_", " "): scene
    for scene in (
        ask_while_its_budget_is_removed,
        remove_a_budget_whose_period_is_being_opened,
        change_a_budget_whose_period_is_being_opened,
        give_more_of_a_budget_that_is_removed,
    )
}

if __name__ == "__main__":
    SCENES[sys.argv[1]]()
    for completion in Completion.objects.unsettled():
        from chat.settlement import Ending, settle_queued

        settle_queued(completion, Ending("stopped", "person"))
    assert books.off() == [], books.off()

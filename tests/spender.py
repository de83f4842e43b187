"""Asks and settles as fast as it can, in a process of its own, on the database that the environment names.

    python -m tests.spender prepare                  models, prices, groups and budgets
    python -m tests.spender spend NAME ROUNDS SEED   prints as JSON how many asks were granted and refused
    python -m tests.spender prove                    fails if the books do not agree

An error of the database ends it with a traceback.
"""

import json
import os
import random
import sys

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import transaction  # noqa: E402

from chat.accounting import booking  # noqa: E402
from chat.accounting.budgets import Refused  # noqa: E402
from chat.accounting.pricing import Tokens  # noqa: E402
from chat.models import BudgetPeriod, Completion, Group, LanguageModel  # noqa: E402
from tests import books  # noqa: E402


def spend(name: str, rounds: int, seed: int) -> dict[str, int]:
    chance, counts = random.Random(seed), {"granted": 0, "refused": 0}
    models = list(LanguageModel.objects.order_by("pk"))
    for _ in range(rounds):
        try:
            asked = books.ask(*chance.sample(models, chance.choice([1, 1, 2])), who=name, n=chance.choice([1, 1, 3]))
        except Refused:
            counts["refused"] += 1
            continue
        counts["granted"] += 1
        settled = books.settle(
            asked, chance.choice(books.OUTCOMES), usage=(chance.randrange(500), chance.randrange(500))
        )
        if chance.random() < 0.3:
            with transaction.atomic():
                booking.adjust(settled[0].pk, Completion.Source.COUNTED, Tokens.exactly(100, chance.randrange(500)))
    return counts


def prepare() -> None:
    call_command("migrate", verbosity=0)
    books.model("cheap", price=("1", "2"), profile="openai")
    books.model("dear", price=("10", "20"))
    books.model("free", price=("0", "0"), currency="XXX")
    students = Group.objects.create(name="Students")
    for number in range(3):
        account = books.account(f"person-{number}")
        account.group = students
        account.save()
        books.budget("0.1", account=account)
        books.budget("0.05", unit="tokens", period="week", account=account)
    books.budget("0.25", group=students)
    books.budget("0.4", period="once")
    books.budget(soft="0.1", period="day", unit="tokens")


def prove() -> None:
    assert not Completion.objects.unsettled().exists()
    assert books.off() == [], "\n".join(books.off())
    for period in BudgetPeriod.objects.all():
        assert period.held == 0


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["spend", name, rounds, seed]:
            print(json.dumps(spend(name, int(rounds), int(seed))))
        case ["prepare"]:
            prepare()
        case ["prove"]:
            prove()

"""Settles replies in a database that benchmarks.ledger has filled, and prints as JSON how many seconds each took.

python -m benchmarks.settling ROUNDS    with CHAT_DATA or DATABASE_URL

Only the settling transaction is timed: the charge, the budgets, the day's sums and their rollups.
"""

import json
import os
import random
import sys
import time
import uuid

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatsite.settings")
django.setup()

from chat import asking, settlement  # noqa: E402
from chat.asking import Wish  # noqa: E402
from chat.live.queueing import begin  # noqa: E402
from chat.models import LanguageModel, Person, Process  # noqa: E402
from tests.books import transcript_of  # noqa: E402


def settle(rounds: int) -> list[float]:
    chance, process = random.Random(7), Process.objects.create()
    models, people = list(LanguageModel.objects.exclude(prices=None)), list(Person.objects.order_by("pk")[:50])
    times = []
    for _ in range(rounds):
        wish = Wish([chance.choice(models)], 1)
        asked = asking.send(
            chance.choice(people), text="Hi", wish=wish, key=uuid.uuid4(), conversation=None, parent=None
        )
        live = begin(asked.completions[0].pk, process.pk)
        transcript, ending = transcript_of("complete", 1, (100, 50), "Hello there. ")
        began = time.perf_counter()
        assert settlement.settle(live.completion, transcript, ending)
        times.append(time.perf_counter() - began)
    return times


if __name__ == "__main__":
    print(json.dumps(settle(int(sys.argv[1]))))

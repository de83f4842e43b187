"""A process that claims and gives back, again and again: `python -m tests.claiming make 3`, then `… claim`."""

import os
import random
import sys
from uuid import UUID

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "chatsite.settings"
django.setup()

from django.db import transaction  # noqa: E402

from chat.models import Account, Completion, LanguageModel, Person, Process, Provider  # noqa: E402

PEOPLE, EACH, ROUNDS = 3, 2, 8

Status = Completion.Status


def make(streams: str) -> None:
    """One provider that allows so many streams, and several people who have asked it for several replies each."""
    provider = Provider.objects.create(name="Lab", profile="default", base_url="http://lab/v1", max_streams=streams)
    model = LanguageModel.objects.create(provider=provider, name="tiny")
    Process.objects.create()
    for number in range(PEOPLE):
        person = Person.objects.create(username=f"person-{number}")
        for _ in range(EACH):
            Completion.objects.create(account=Account.of(person), person=person, model=model, max_output=9)


def claim() -> None:
    """Prints the most streams that it saw at once."""
    process, most, held = Process.objects.get().pk, 0, []
    for _ in range(ROUNDS):
        queued = list(Completion.objects.filter(status=Status.QUEUED).values_list("pk", flat=True))
        random.shuffle(queued)
        if (claimed := next((pk for pk in queued if claim_one(pk, process)), None)) is not None:
            held.append(claimed)
            most = max(most, Completion.objects.filter(status=Status.LIVE).count())
        if held and (claimed is None or len(held) > 1):
            Completion.objects.filter(pk=held.pop(0)).update(status=Status.QUEUED)
    print(most)


def claim_one(pk: int, process: UUID) -> bool:
    with transaction.atomic():
        return Completion.claim(pk, process)


{"make": make, "claim": claim}[sys.argv[1]](*sys.argv[2:])

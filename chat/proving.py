"""Proves that the books agree, part by part beside everything else: when somebody asks for it, and once a day."""

import logging
from collections.abc import Iterator
from dataclasses import asdict
from datetime import timedelta
from functools import partial
from time import monotonic
from uuid import UUID

from django.utils import timezone

from chat.accounting.audit import Finding, one_state, parts
from chat.models import Chore, Completion, Proof, UsageEntry
from chat.models.proof import MOST_NAMED
from chat.steps import Act, Question

logger = logging.getLogger(__name__)

PROVE = "prove"
EVERY = timedelta(days=1)
TOLD_EACH = 1.0  # seconds


def prove(process: UUID) -> Iterator[Act | None]:
    """The one that is asked for, if any."""
    yield _ask_daily
    yield (mine := Question(partial(Proof.claim, process)))
    if mine.answer:
        proof = Proof.objects.get(is_open=True)
        try:
            yield from _looks(proof)
        except Exception:
            logger.exception("the books could not be read")
            yield partial(proof.end, Proof.Status.FAILED)


def _ask_daily() -> None:
    """A day after the site's first start, and then once a day."""
    Chore.objects.get_or_create(name=PROVE, defaults={"due": timezone.now() + EVERY})
    if Chore.take(PROVE, EVERY):
        Proof.ask(None)


def _looks(proof: Proof) -> Iterator[Act | None]:
    counts = {"lines": UsageEntry.objects.count(), "completions": Completion.objects.count()}
    whole = parts()
    yield partial(proof.note, parts=len(whole), **counts)
    found: list[Finding] = []
    told = monotonic()
    for number, part in enumerate(whole, 1):
        with one_state():
            found += part()
        if monotonic() - told < TOLD_EACH:
            yield None
            continue
        told = monotonic()
        yield partial(proof.note, looked_at=number, off=len(found))
    status = Proof.Status.OFF if found else Proof.Status.AGREES
    named = [as_json(finding) for finding in found[:MOST_NAMED]]
    yield partial(proof.end, status, looked_at=len(whole), off=len(found), findings=named)


def as_json(finding: Finding) -> dict[str, str]:
    return {**asdict(finding), "day": finding.day.isoformat() if finding.day else ""}

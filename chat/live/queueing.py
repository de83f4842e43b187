"""What is queued: claimed by any process after a second, abandoned when its person is gone, failed after ten minutes.

Ages are what this process has seen by its own clock: the stamps in the rows are wall clocks, which jump.
"""

from time import monotonic
from uuid import UUID

from django.db import transaction

from chat import settlement
from chat.accounting import calibration
from chat.live.presence import SHORTEST_GRACE, present
from chat.live.reading import LiveCompletion
from chat.live.threads import in_reader, in_writer
from chat.models import Completion
from chat.prompts import NothingToAnswer, estimate_of, prompt_for
from chat.settlement import Ending
from chat.tokens import prompt_estimate

UNCLAIMED_SECONDS = 0.9  # then any process claims it, not only one where its person is
NOT_STARTED_SECONDS = 590.0

Status = Completion.Status


class Queue:
    """The queued completions as this process has seen them, once a second."""

    def __init__(self) -> None:
        self._seen: dict[int, float] = {}
        self._absent: dict[int, float] = {}

    async def look(self) -> list[int]:
        """Ends what has waited too long or for nobody; the rest that anybody may claim now, oldest first."""
        queued = {completion.pk: completion for completion in await in_reader(all_queued)}
        there = await in_reader(present, {completion.person_id for completion in queued.values()}) if queued else set()
        now = monotonic()
        gone = [pk for pk, completion in queued.items() if completion.person_id not in there]
        self._seen = {pk: self._seen.get(pk, now) for pk in queued}
        self._absent = {pk: self._absent.get(pk, now) for pk in gone}
        for completion in queued.values():
            if ending := self._ending(completion, now):
                await in_writer(settlement.settle_queued, completion, ending)
        return [pk for pk, seen in self._seen.items() if now - seen >= UNCLAIMED_SECONDS]

    def _ending(self, completion: Completion, now: float) -> Ending | None:
        grace, absent = completion.model.grace_seconds, self._absent.get(completion.pk, now)
        if grace is not None and now - absent >= max(grace, SHORTEST_GRACE):
            return Ending(Status.ABANDONED, "left")
        if now - self._seen[completion.pk] >= NOT_STARTED_SECONDS:
            return Ending(Status.FAILED, "not_started")
        return None


def all_queued() -> list[Completion]:
    return list(Completion.objects.filter(status=Status.QUEUED).select_related("model__provider").order_by("pk"))


def begin(pk: int, process: UUID) -> LiveCompletion | None:
    """Claims one and makes it ready to be read; None if another was faster, or it is not its turn, or it is deleted."""
    try:
        with transaction.atomic():
            if not Completion.claim(pk, process):
                return None
            completion = Completion.objects.select_related("model__provider", "price").get(pk=pk)
            built = prompt_for(completion)
            call, own = built.call, prompt_estimate(built.call.turns).tokens
            prompt = estimate_of(completion, call)
            completion.note_prompt(
                own,
                *prompt,
                left_out=built.left_out,
                images=built.images,
                files_left_out=built.files_left_out,
            )
            ratio = calibration.ratio_of(completion.model_id, "output")
            messages = list(completion.messages.values_list("choice_index", "pk", "text"))
    except NothingToAnswer:
        settlement.settle_queued(Completion.objects.get(pk=pk), Ending(Status.STOPPED, "deleted"))
        return None
    prefixes = {index: text for index, _message, text in messages if text}
    places = {index: message for index, message, _text in messages}
    return LiveCompletion(completion, call, places, prefixes, ratio, prompt)

"""After the settlement: an estimate becomes what the provider has billed, or its tokenizer's count, as an adjustment.

Never before: a settlement waits for no network.
"""

import asyncio
import logging
from decimal import Decimal
from time import monotonic

from django.db import transaction

from chat.accounting import booking
from chat.accounting.pricing import Tokens
from chat.live.threads import in_reader, in_writer
from chat.models import Completion
from chat.models.money import nearest
from chat.prompts import NothingToAnswer, prompt_for
from chat.settlement import LOOKUPS
from chat.upstream import client
from chat.upstream.contract import Call, Turn, Usage
from chat.upstream.profiles import profile

logger = logging.getLogger(__name__)

AT_ONCE = 5
WAITING = 200
LOOKUP_SECONDS = (2, 5, 15, 60, 300, 1800)  # before each try
TEMPLATE_TOKENS = 8  # what a chat template adds to a message, at most


class Recounter:
    """Looks each second for estimates that can be made exact. When one was last tried is of this process only."""

    def __init__(self) -> None:
        self._next: dict[int, float] = {}  # when a lookup is tried again, by completion

    async def look(self) -> None:
        """A few of those that are due, each claimed by lowering its tries."""
        due = Completion.objects.filter(recounts_left__gt=0).order_by("pk").values_list("pk", flat=True)[:AT_ONCE]
        for pk in await in_reader(lambda: list(due)):
            if work := await in_writer(_claim, pk):
                completion, call, answers = work
                if counted := await asyncio.to_thread(_count, call, answers):
                    await in_writer(adjust, completion.pk, Completion.Source.COUNTED, counted)
        await self._look_up(monotonic())

    async def _look_up(self, now: float) -> None:
        """What the provider has billed: it knows it some seconds after the end, sometimes a minute."""
        wanting = Completion.objects.filter(lookups_left__gt=0).order_by("pk").values_list("pk", "lookups_left")
        tries = dict(await in_reader(lambda: list(wanting[:WAITING])))
        self._next = {pk: self._next.get(pk, now + LOOKUP_SECONDS[0]) for pk in tries}
        for pk in [pk for pk, when in self._next.items() if when <= now][:AT_ONCE]:
            if completion := await in_writer(_claim_lookup, pk):
                done = LOOKUPS - completion.lookups_left
                self._next[pk] = now + LOOKUP_SECONDS[min(done, len(LOOKUP_SECONDS) - 1)]
                provider = completion.model.provider
                if usage := await asyncio.to_thread(client.look_up, provider.endpoint, completion.request_id):
                    await in_writer(adjust_to, pk, usage)


def adjust(pk: int, source: str, tokens: Tokens, **columns: int | Decimal | None) -> None:
    """Brings the charge to a better figure, unless it has one that is as good."""
    with transaction.atomic():
        completion = Completion.objects.select_for_update(of=("self",)).defer("arrivals").get(pk=pk)
        if completion.usage_source == Completion.Source.ESTIMATED:
            booking.adjust(pk, source, tokens, recounts_left=0, lookups_left=0, **columns)


def adjust_to(pk: int, usage: Usage) -> None:
    known = {"cached": usage.cached_tokens or 0, "reasoning": usage.reasoning_tokens or 0}
    adjust(
        pk,
        Completion.Source.LOOKED_UP,
        Tokens.exactly(usage.input_tokens or 0, usage.output_tokens or 0, **known),
        cached_tokens=usage.cached_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        said_cost=nearest(usage.cost),
    )


def _claim_lookup(pk: int) -> Completion | None:
    completion = Completion.objects.select_related("model__provider").defer("arrivals").get(pk=pk)
    left = completion.lookups_left
    claimed = left and Completion.objects.filter(pk=pk, lookups_left=left).update(lookups_left=left - 1)
    return completion if claimed else None


def _claim(pk: int) -> tuple[Completion, Call, list[str]] | None:
    completion = Completion.objects.select_related("model__provider").get(pk=pk)
    left = completion.recounts_left
    if not left or not Completion.objects.filter(pk=pk, recounts_left=left).update(recounts_left=left - 1):
        return None
    try:
        call = prompt_for(completion).call
    except NothingToAnswer:
        return None  # deleted meanwhile: the estimate stays
    # By choice: what was forked stands in several conversations.
    choices = {message.choice_index: message for message in completion.messages.order_by("choice_index")}
    answers = [message.reasoning + message.text[message.prefix_length :] for message in choices.values()]
    return completion, call, answers


def _count(call: Call, answers: list[str]) -> Tokens | None:
    try:
        prompt = client.count_tokens(call.endpoint, call.model, call.turns)
        outputs = [_count_answer(call, prompt, text) for text in answers if text]
    except client.UpstreamError as error:
        logger.warning("cannot count tokens: %s", error)
        return None
    if prompt is None or None in outputs:
        return None
    low, tokens = sum(low for low, _high in outputs), sum(high for _low, high in outputs)
    return Tokens(prompt, prompt, prompt, tokens, low, tokens)


def _count_answer(call: Call, prompt: int | None, text: str) -> tuple[int, int] | None:
    """Its lower bound and its count."""
    if not profile(call.endpoint.profile).counts_messages:
        counted = client.count_tokens(call.endpoint, call.model, text)
        return None if counted is None else (counted, counted)
    together = client.count_tokens(call.endpoint, call.model, (*call.turns, Turn("assistant", text)))
    if together is None or prompt is None:
        return None
    counted = max(together - prompt, 0)
    return max(counted - TEMPLATE_TOKENS, 0), counted

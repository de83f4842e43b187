"""After the settlement: where the upstream has a tokenizer endpoint, an estimate becomes a count, as an adjustment.

Never before: a settlement waits for no network.
"""

import asyncio
import logging

from django.db import transaction

from chat.accounting import ledger
from chat.accounting.ledger import Tokens
from chat.live.threads import in_reader, in_writer
from chat.models import Completion
from chat.prompts import NothingToAnswer, call_for
from chat.settlement import figures
from chat.upstream import client
from chat.upstream.contract import Call, Turn
from chat.upstream.profiles import profile

logger = logging.getLogger(__name__)

AT_ONCE = 5
TEMPLATE_TOKENS = 8  # what a chat template adds to a message, at most


async def recount_some() -> None:
    """A few of those that are due, each claimed by lowering its tries."""
    due = Completion.objects.filter(recounts_left__gt=0).order_by("pk").values_list("pk", flat=True)[:AT_ONCE]
    for pk in await in_reader(lambda: list(due)):
        if work := await in_writer(_claim, pk):
            completion, call, answers = work
            if counted := await asyncio.to_thread(_count, call, answers):
                await in_writer(adjust, completion.pk, counted)


def adjust(pk: int, tokens: Tokens) -> None:
    """Brings the charge to what was counted, and the completion's figures with it."""
    with transaction.atomic():
        completion = Completion.objects.select_for_update().get(pk=pk)
        ledger.adjust(completion, Completion.Source.COUNTED, tokens)
        counted = {"usage_source": Completion.Source.COUNTED, "recounts_left": 0, **figures(tokens)}
        Completion.objects.filter(pk=pk).update(**counted)


def _claim(pk: int) -> tuple[Completion, Call, list[str]] | None:
    completion = Completion.objects.select_related("model__provider").get(pk=pk)
    left = completion.recounts_left
    if not left or not Completion.objects.filter(pk=pk, recounts_left=left).update(recounts_left=left - 1):
        return None
    try:
        call, _left_out = call_for(completion)
    except NothingToAnswer:
        return None  # deleted meanwhile: the estimate stays
    messages = completion.messages.order_by("choice_index")
    return completion, call, [message.reasoning + message.text[message.prefix_length :] for message in messages]


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

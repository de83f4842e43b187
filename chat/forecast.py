"""What a message would cost if it were sent now: its prompt's tokens, and the most that prompt and answers can cost."""

from dataclasses import dataclass
from decimal import Decimal

from django.utils import timezone

from chat import parameters
from chat.accounting import calibration, pricing
from chat.models import Conversation, File, LanguageModel, Price
from chat.prompts import turns_with
from chat.tokens import prompt_estimate


@dataclass(frozen=True, slots=True)
class Forecast:
    """Of all models together. `most` None: something of it is unpriced, or they are priced in several currencies."""

    tokens: int
    most: Decimal | None
    currency: str = ""


def forecast(
    conversation: Conversation | None,
    parent: int | None,
    text: str,
    models: list[LanguageModel],
    n: int,
    *,
    files: list[File] | None = None,
) -> Forecast:
    """Under `parent`, a message's id, or at the root."""
    prices, wished = Price.current(models, timezone.now()), conversation.parameters if conversation else {}
    tokens, most, currencies = 0, Decimal(0), set()
    for model in models:
        calls = 1 if model.provider.facts.supports_n else n  # else each answer is asked for by itself
        turns = turns_with(conversation, parent, text, files or [], model)
        prompt = prompt_estimate(turns, calibration.ratio_of(model.pk, "input"))
        tokens += prompt.tokens * calls
        price = prices.get(model.pk)
        currencies.add(price.currency if price else "")
        longest = parameters.longest_answer(wished, model.max_output)
        most += pricing.most(prompt.high * calls, longest * n, price) if price else 0
    if len(currencies) != 1 or "" in currencies:
        return Forecast(tokens, None)
    return Forecast(tokens, most, currencies.pop())

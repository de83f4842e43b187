"""From a thread to a prompt: what is sent upstream, cut to the model's context window."""

from chat.accounting import calibration
from chat.models import Completion, LanguageModel, Message
from chat.models.conversation import ids_to
from chat.tokens import Estimate, prompt_estimate
from chat.upstream.contract import Call, Turn
from chat.upstream.profiles import Profile

ROLES = {Message.Role.SYSTEM: "system", Message.Role.USER: "user", Message.Role.ASSISTANT: "assistant"}
SHARE_OF_ANSWER = 4  # an answer's room is at most a quarter of the window, whatever its limit


class NothingToAnswer(Exception):
    """The completion's messages are gone."""


def call_for(completion: Completion) -> tuple[Call, int]:
    """The upstream call that a completion asks for, and how many turns of its thread did not fit.

    Its choices share a parent: the thread ends there.
    """
    first = completion.messages.order_by("choice_index").first()
    if first is None:
        raise NothingToAnswer
    turns = _said_until(first.parent_id)
    kept = 1
    if first.prefix_length:
        turns.append(Turn("assistant", first.text[: first.prefix_length]))
        kept = 2
    facts = completion.model.provider.facts
    fitting = fitted(turns, room(completion.model), kept=kept)
    call = Call(
        endpoint=completion.model.provider.endpoint,
        model=completion.model.name,
        turns=tuple(fitting),
        n=completion.n,
        streamed=facts.streams and (completion.streamed or _better_streamed(facts, completion.n)),
        max_output=completion.max_output,
        parameters=completion.model.parameters,
        continues=bool(first.prefix_length),
    )
    return call, len(turns) - len(fitting)


def _said_until(leaf: int | None) -> list[Turn]:
    """A thread's texts. Ids grow along it."""
    thread = Message.objects.filter(pk__in=ids_to(leaf)).order_by("pk").values_list("role", "text")
    return [Turn(ROLES[role], text) for role, text in thread if text]


def _better_streamed(facts: Profile, n: int) -> bool:
    """Whether an answer that is shown at once is streamed all the same: else it could not be ended, or counted."""
    return facts.streams_best or (n > 1 and facts.streams_several)


def estimate_of(completion: Completion, call: Call) -> Estimate:
    """What its prompt is in tokens, by the model's own ratio where that is known."""
    return prompt_estimate(call.turns, calibration.ratio_of(completion.model_id, "input"))


def prompt_bound(completion: Completion) -> int:
    """The most tokens that its prompt may have."""
    call, _left_out = call_for(completion)
    return estimate_of(completion, call).high


def room(model: LanguageModel) -> int | None:
    """Tokens for the prompt; None where the window is not known, and nothing is left out."""
    if not model.context_length:
        return None
    return model.context_length - min(model.max_output, model.context_length // SHARE_OF_ANSWER)


def fitted(turns: list[Turn], room: int | None, *, kept: int = 1) -> list[Turn]:
    """The system text, the last `kept` turns, and as many of the newest before them as fit: the oldest go first.

    Some upstreams would cut a prompt that is too long without a word, and not there.
    """
    if room is None:
        return turns
    system = [turn for turn in turns[:-kept] if turn.role == "system"]
    chosen = turns[-kept:]
    used = prompt_estimate([*system, *chosen]).tokens
    for turn in reversed([turn for turn in turns[:-kept] if turn.role != "system"]):
        used += prompt_estimate([turn]).tokens
        if used > room:
            break
        chosen.insert(0, turn)
    while len(chosen) > kept and chosen[0].role == "assistant":
        chosen.pop(0)  # an answer whose question is gone
    return [*system, *chosen]

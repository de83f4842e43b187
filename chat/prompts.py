"""From a thread to a prompt: what is sent upstream."""

from chat.models import Completion, Message
from chat.upstream.contract import Call, Turn

ROLES = {Message.Role.SYSTEM: "system", Message.Role.USER: "user", Message.Role.ASSISTANT: "assistant"}


class NothingToAnswer(Exception):
    """The completion's messages are gone."""


def call_for(completion: Completion) -> Call:
    """The upstream call that a completion asks for. Its choices share a parent: the thread ends there."""
    first = completion.messages.select_related("conversation").order_by("choice_index").first()
    if first is None:
        raise NothingToAnswer
    thread = first.conversation.thread(first.parent_id)
    turns = [Turn(ROLES[message.role], message.text) for message in thread if message.text]
    if first.prefix_length:
        turns.append(Turn("assistant", first.text[: first.prefix_length]))
    return Call(
        endpoint=completion.model.provider.endpoint,
        model=completion.model.name,
        turns=tuple(turns),
        n=completion.n,
        streamed=completion.streamed,
        max_output=completion.max_output,
        continues=bool(first.prefix_length),
    )

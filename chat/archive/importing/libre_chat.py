"""LibreChat's export: one conversation, its messages in a list, or, "recursive", each within its parent."""

from collections.abc import Iterator

from chat.archive.importing.foreign import (
    BadConversation,
    Foreign,
    ForeignMessage,
    dict_of,
    fenced,
    list_of,
    moment_of,
    text_of,
)

PLACE = "LibreChat"
_ENDS = {"stop": "stop", "length": "length", "max_tokens": "length", "end_turn": "stop"}


def recognises(told: dict) -> bool:
    return isinstance(told.get("conversationId"), str) and isinstance(_top(told), list)


def foreign(told: dict) -> Foreign:
    messages = [_message(node, parent) for node, parent in _flat(_top(told))]
    if any(not message.id for message in messages):
        raise BadConversation("no_id")
    return Foreign(
        place=PLACE,
        id=told["conversationId"],
        title=text_of(told.get("title")),
        messages=messages,
        shown=messages[-1].id if messages else None,  # it does not tell; the newest end
    )


def _top(told: dict) -> object:
    return told.get("messages") if isinstance(told.get("messages"), list) else told.get("messagesTree")


def _flat(top: list) -> Iterator[tuple[dict, str | None]]:
    """Each message and its parent's id, which within a parent need not be told."""
    waiting = [(dict_of(node), None) for node in reversed(top)]
    while waiting:
        node, around = waiting.pop()
        yield node, around or text_of(node.get("parentMessageId")) or None
        inside = text_of(node.get("messageId"))
        waiting += [(dict_of(child), inside) for child in reversed(list_of(node.get("children")))]


def _message(node: dict, parent: str | None) -> ForeignMessage:
    name, asked = text_of(node.get("messageId")), node.get("isCreatedByUser") is True
    text, folded = _text(node)
    told = {"from": PLACE, "id": name}
    if not asked:
        unfinished = node.get("unfinished") is True or node.get("finish_reason") == "incomplete"
        told |= {
            "model": text_of(node.get("model")) or text_of(node.get("sender")),
            "status": "failed" if node.get("error") is True else "stopped" if unfinished else "complete",
        }
    return ForeignMessage(
        id=name,
        parent=parent,
        role="user" if asked else "assistant",
        text=text,
        reasoning="" if asked else folded,
        created=moment_of(node.get("createdAt")),
        finish_reason="" if asked else _ENDS.get(text_of(node.get("finish_reason")), ""),
        told=told,
    )


def _text(node: dict) -> tuple[str, str]:
    """What was said, and what is folded away: newer messages come in parts."""
    said, folded = [], []
    for part in map(dict_of, list_of(node.get("content"))):
        match part.get("type"):
            case "text":
                said.append(_value(part.get("text")))
            case "think":
                folded.append(_value(part.get("think")))
            case "tool_call":
                folded.append(_tool(dict_of(part.get("tool_call"))))
            case "error":
                said.append(_value(part.get("error")))
    return "\n\n".join(filter(None, said)) or text_of(node.get("text")), "\n\n".join(filter(None, folded))


def _value(told: object) -> str:
    return text_of(dict_of(told).get("value")) or text_of(told)


def _tool(call: dict) -> str:
    given, got = (fenced(text) if (text := text_of(call.get(name))) else "" for name in ("args", "output"))
    return "\n\n".join(filter(None, [f"→ **{text_of(call.get('name')) or '?'}**", given, got]))

"""Open WebUI's export: a list of chats, each with `chat.history`: messages by id, and `currentId`.

Thoughts and tools stand in a message's text as <details type="reasoning">…</details>, quoted; newer versions repeat
them, unquoted, in `output`.
"""

import html
import re

from chat.archive.importing.foreign import (
    NOT_HERE,
    Foreign,
    ForeignMessage,
    dict_of,
    fenced,
    list_of,
    moment_of,
    text_of,
)

PLACE = "Open WebUI"

_DETAILS = re.compile(r'<details type="(?P<type>\w+)"(?P<rest>[^>]*)>(?P<inner>.*?)</details>\s*', re.S)
_SUMMARY = re.compile(r"<summary>.*?</summary>\s*", re.S)
_SECONDS = re.compile(r'duration="(\d{1,6})"')
_QUOTE = re.compile(r"^> ?", re.M)


def recognises(told: dict) -> bool:
    return isinstance(dict_of(dict_of(told.get("chat")).get("history")).get("messages"), dict)


def foreign(told: dict) -> Foreign:
    chat = told["chat"]
    history = chat["history"]
    nodes = {name: dict_of(node) for name, node in history["messages"].items()}
    return Foreign(
        place=PLACE,
        id=text_of(told.get("id")) or text_of(chat.get("id")) or f"{told.get('created_at')} {told.get('title')}",
        title=text_of(told.get("title")) or text_of(chat.get("title")),
        messages=[_message(name, node) for name, node in nodes.items() if node.get("role") in ("user", "assistant")],
        created=moment_of(told.get("created_at")),
        active=moment_of(told.get("updated_at")),
        shown=text_of(history.get("currentId")) or None,
        tags=[name for tag in list_of(dict_of(told.get("meta")).get("tags")) if (name := text_of(tag))],
        pinned=told.get("pinned") is True,
        archived=told.get("archived") is True,
    )


def _message(name: str, node: dict) -> ForeignMessage:
    content, parent = text_of(node.get("content")), text_of(node.get("parentId")) or None
    created = moment_of(node.get("timestamp"))
    if node["role"] == "user":
        text = "\n\n".join(filter(None, [content, *_files(node)]))
        return ForeignMessage(name, parent, "user", text, created=created, told={"from": PLACE, "id": name})
    seconds = _SECONDS.search(content)
    usage = dict_of(node.get("usage"))
    return ForeignMessage(
        id=name,
        parent=parent,
        role="assistant",
        text=_DETAILS.sub("", content).strip(),
        reasoning="\n\n".join(_folded(found) for found in _DETAILS.finditer(content)),
        thought_ms=int(seconds[1]) * 1000 if seconds else None,
        created=created,
        told={
            "from": PLACE,
            "id": name,
            "model": text_of(node.get("model")) or text_of(node.get("modelName")),
            "status": "failed" if node.get("error") else "stopped" if node.get("done") is False else "complete",
            "usage": {"input_tokens": usage.get("prompt_tokens"), "output_tokens": usage.get("completion_tokens")},
        },
    )


def _files(node: dict) -> list[str]:
    told = map(dict_of, list_of(node.get("files")))
    names = [text_of(file.get("name")) or text_of(file.get("type")) for file in told]
    return [f"*[{name}, {NOT_HERE}]*" for name in names if name]


def _folded(found: re.Match[str]) -> str:
    inner = html.unescape(_SUMMARY.sub("", found["inner"])).strip()
    return _QUOTE.sub("", inner) if found["type"] == "reasoning" else fenced(inner)

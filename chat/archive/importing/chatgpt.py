"""ChatGPT's export: conversations.json, a list of trees.

1. `mapping` holds the nodes by id; each has a `parent`, and a `message` or null. `current_node` is the end shown.
2. Hidden and system messages are passed over; their children hang on what is above them.
3. What was said to tools and by them, and thoughts, stand with the reasoning of the reply that follows, as the page of
   ChatGPT folds them away; what the model said before it went to a tool is the beginning of that reply.
4. A text is in `parts`, beside images and sounds, which are told of in a line: the files are not in the JSON.
5. Citations are marks of private characters; `content_references` says what they stand for.
"""

import re
from dataclasses import dataclass

from django.utils.translation import gettext as _

from chat.archive.importing.foreign import (
    NOT_HERE,
    BadConversation,
    Foreign,
    ForeignMessage,
    dict_of,
    fenced,
    list_of,
    moment_of,
    text_of,
)

PLACE = "ChatGPT"

MOST_GATHERED = 64_000_000  # characters: what hangs on many branches is repeated in each

_MARK = re.compile("\ue200[^\ue201]*\ue201?|[\ue200-\ue2ff]")
_ENDS = {"max_tokens": "length", "stop": "stop"}
_HIDDEN = ("user_editable_context", "model_editable_context")
_FOLDED = ("thoughts", "reasoning_recap", "execution_output", "tether_browsing_display", "tether_quote", "system_error")


def recognises(told: dict) -> bool:
    return isinstance(told.get("mapping"), dict)


def foreign(told: dict) -> Foreign:
    walk = _Walk(told["mapping"], text_of(told.get("default_model_slug")))
    identity = text_of(told.get("conversation_id")) or text_of(told.get("id"))
    return Foreign(
        place=PLACE,
        id=identity or f"{told.get('create_time')} {told.get('title')}",  # the oldest exports have none
        title=text_of(told.get("title")),
        messages=walk.messages(),
        created=moment_of(told.get("create_time")),
        active=moment_of(told.get("update_time")),
        shown=walk.kept_at(text_of(told.get("current_node"))),
        pinned=bool(told.get("is_starred") or told.get("pinned_time")),
        archived=told.get("is_archived") is True,
    )


@dataclass(frozen=True, slots=True)
class _Piece:
    """Something of a reply that goes on, and what came before it."""

    before: "_Piece | None"
    text: str
    said: bool  # else folded away

    def gather(self, *, said: bool) -> list[str]:
        found, piece = [], self
        while piece:
            if piece.said == said:
                found.append(piece.text)
            piece = piece.before
        return found[::-1]


@dataclass(frozen=True, slots=True)
class _Above:
    """What a node inherits: the last message that was kept above it, and what came since of a reply that goes on."""

    kept: str | None = None
    node: str = ""  # the last of what came since
    piece: _Piece | None = None
    model: str = ""

    def with_piece(self, node: str, text: str, model: str, *, said: bool) -> "_Above":
        return _Above(self.kept, node, _Piece(self.piece, text, said), model)


class _Walk:
    def __init__(self, mapping: dict, default_model: str) -> None:
        self._nodes = {name: dict_of(node) for name, node in mapping.items()}
        self._default_model = default_model
        self._found: dict[str, ForeignMessage] = {}
        self._standing: dict[str, _Above] = {}  # by node, how things stand after it
        self._gathered = 0

    def messages(self) -> list[ForeignMessage]:
        children = self._children()
        # Roots first; whatever none of them leads to, since it runs in a circle, begins where it was told first.
        waiting = [(name, _Above()) for name in [*reversed(self._nodes), *reversed(children.get(None, []))]]
        while waiting:
            name, above = waiting.pop()
            if name in self._standing:
                continue
            below = self._standing[name] = self._take(name, above, is_last=name not in children)
            waiting += [(child, below) for child in reversed(children.get(name, []))]
        return list(self._found.values())

    def kept_at(self, node: str) -> str | None:
        """The message that stands for a node, or for what it hangs on."""
        standing = self._standing.get(node, _Above())
        return standing.node if standing.node in self._found else standing.kept

    def _children(self) -> dict[str | None, list[str]]:
        """By the nodes' own word of their parent; `children` only gives their order."""
        order: dict[str, int] = {}
        for node in self._nodes.values():
            order |= {child: n for n, child in enumerate(list_of(node.get("children"))) if isinstance(child, str)}
        found: dict[str | None, list[str]] = {}
        for name, node in self._nodes.items():
            parent = node.get("parent")
            found.setdefault(parent if isinstance(parent, str) and parent in self._nodes else None, []).append(name)
        for names in found.values():
            names.sort(key=lambda name: order.get(name, 0))
        return found

    def _take(self, name: str, above: _Above, *, is_last: bool) -> _Above:
        """Keeps what the node says, or hands it down to the reply that follows."""
        message = dict_of(self._nodes[name].get("message"))
        role, content = text_of(dict_of(message.get("author")).get("role")), dict_of(message.get("content"))
        metadata = dict_of(message.get("metadata"))
        model = text_of(metadata.get("model_slug")) or above.model
        text = "" if _is_hidden(role, content, metadata) else _text(content, metadata)
        if not text:
            below = above
        elif role == "user":
            return self._keep_question(name, above, message, text)
        elif _is_folded(role, content, message):
            below = above.with_piece(name, _folded(role, message, content, text), model, said=False)
        elif role == "tool" or (_goes_on(message) and not is_last):
            below = above.with_piece(name, text, model, said=True)
        else:
            return self._keep_reply(name, above.with_piece(name, text, model, said=True), message)
        if is_last and below.piece:
            self._keep_pending(below)
        return below

    def _keep_question(self, name: str, above: _Above, message: dict, text: str) -> _Above:
        if above.piece:
            self._keep_pending(above)
        parent = above.node if above.piece else above.kept
        told = {"from": PLACE, "id": name}
        made = ForeignMessage(name, parent, "user", text, created=moment_of(message.get("create_time")), told=told)
        self._found[name] = made
        return _Above(kept=name)

    def _keep_reply(self, name: str, above: _Above, message: dict) -> _Above:
        end = text_of(dict_of(dict_of(message.get("metadata")).get("finish_details")).get("type"))
        unfinished = end == "interrupted" or message.get("status") in ("in_progress", "error")
        text, reasoning = ("\n\n".join(above.piece.gather(said=said)) for said in (True, False))
        self._gathered += len(text) + len(reasoning)
        if self._gathered > MOST_GATHERED:
            raise BadConversation("tangled")
        self._found[name] = ForeignMessage(
            id=name,
            parent=above.kept,
            role="assistant",
            text=text,
            reasoning=reasoning,
            created=moment_of(message.get("create_time")),
            finish_reason=_ENDS.get(end, ""),
            told={
                "from": PLACE,
                "id": name,
                "model": above.model or self._default_model,
                "status": "stopped" if unfinished else "complete",
            },
        )
        return _Above(kept=name)

    def _keep_pending(self, above: _Above) -> None:
        """A reply that nothing followed: its thoughts, or what it said before it went to a tool."""
        if above.node not in self._found:
            self._keep_reply(above.node, above, {"status": "in_progress"})


def _is_hidden(role: str, content: dict, metadata: dict) -> bool:
    if role not in ("user", "assistant", "tool"):
        return True
    return metadata.get("is_visually_hidden_from_conversation") is True or content.get("content_type") in _HIDDEN


def _is_folded(role: str, content: dict, message: dict) -> bool:
    """An image that a tool made is what was asked for; the rest of what tools say is not."""
    if role == "tool":
        return not any(isinstance(part, dict) for part in list_of(content.get("parts")))
    return message.get("recipient") not in (None, "all") or content.get("content_type") in _FOLDED


def _goes_on(message: dict) -> bool:
    """What a model says before it goes to a tool; its reply follows."""
    return message.get("end_turn") is False or message.get("channel") == "commentary"


def _folded(role: str, message: dict, content: dict, text: str) -> str:
    if role == "tool":
        name = text_of(dict_of(message.get("author")).get("name"))
        return f"**{name}**\n\n{fenced(text)}" if name else fenced(text)
    if (recipient := text_of(message.get("recipient"))) not in ("", "all"):
        return f"→ **{recipient}**\n\n{text if content.get('content_type') == 'code' else fenced(text)}"
    return text


def _text(content: dict, metadata: dict) -> str:
    match content.get("content_type"):
        case "code":
            language = text_of(content.get("language"))
            code = text_of(content.get("text"))
            return fenced(code, "" if language == "unknown" else language) if code else ""
        case "thoughts":
            return "\n\n".join(filter(None, map(_thought, list_of(content.get("thoughts")))))
        case "reasoning_recap":
            return f"*{recap}*" if (recap := text_of(content.get("content"))) else ""
        case "tether_quote" | "sonic_webpage":
            # A whole web page may be in `text`.
            return "\n".join(filter(None, (text_of(content.get(name)) for name in ("title", "url", "snippet"))))
        case "tether_browsing_display":
            return text_of(content.get("summary")) or text_of(content.get("result"))
    if isinstance(content.get("parts"), list):
        parts = [*map(_part, content["parts"]), *_attached(metadata)]
        return _cited("\n\n".join(filter(None, parts)), metadata).strip()
    return text_of(content.get("text")) or text_of(content.get("result"))


def _thought(thought: object) -> str:
    told = dict_of(thought)
    summary, content = text_of(told.get("summary")), text_of(told.get("content"))
    return f"**{summary}**\n\n{content}".strip() if summary else content


def _part(part: object) -> str:
    if isinstance(part, str):
        return part
    told = dict_of(part)
    kind = text_of(told.get("content_type"))
    if kind == "audio_transcription":
        return text_of(told.get("text"))
    if kind == "image_asset_pointer":
        word = _("image")
        size = f", {told.get('width')} × {told.get('height')}" if told.get("width") else ""
        prompt = text_of(dict_of(dict_of(told.get("metadata")).get("dalle")).get("prompt"))
        return f"*[{word}{size}, {NOT_HERE}]*" + (f"\n\n> {' '.join(prompt.split())}" if prompt else "")
    if kind.endswith("asset_pointer"):
        return f"*[{kind.split('_')[0]}, {NOT_HERE}]*"
    return text_of(told.get("text"))


def _cited(text: str, metadata: dict) -> str:
    """Marks of citations become what they stand for, or nothing."""
    if not _MARK.search(text):
        return text
    references = [dict_of(reference) for reference in list_of(metadata.get("content_references"))]
    stands_for = {text_of(reference.get("matched_text")): text_of(reference.get("alt")) for reference in references}
    return _MARK.sub(lambda mark: stands_for.get(mark[0], ""), text)


def _attached(metadata: dict) -> list[str]:
    """Files, by name; images are among the parts."""
    told = [dict_of(attachment) for attachment in list_of(metadata.get("attachments"))]
    names = [text_of(each.get("name")) for each in told if not text_of(each.get("mime_type")).startswith("image/")]
    return [f"*[{name}, {NOT_HERE}]*" for name in names if name]

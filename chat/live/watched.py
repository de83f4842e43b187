"""What a watcher can see of a completion: its transcript, and a document for each text that somebody looks at."""

from collections.abc import Iterable
from typing import Literal

from chat.document import Document
from chat.live.growth import Growth
from chat.markdown import Labels
from chat.transcript import Transcript
from chat.upstream.contract import Delta

Part = Literal["text", "reasoning"]


class Watched:
    """`messages` gives the message id of each choice; `prefixes` the text that it begins with, if it continues one."""

    def __init__(self, n: int, messages: dict[int, int], prefixes: dict[int, str]) -> None:
        self.transcript = Transcript(n)
        self.messages = messages
        self.prefixes = prefixes
        self.growth = Growth()
        self.settled = False
        self.is_shown_growing = True
        # By choice, part, and the words of the language that stand inside rendered text.
        self._documents: dict[tuple[int, Part], dict[Labels, Document]] = {}

    def documents(self, labels: Labels) -> Iterable[tuple[int, Part, Document]]:
        """By message id. Made at the first look: what nobody watches is never rendered.

        A whole answer is shown at once, though it may have been streamed so that it could be ended.
        """
        if not (self.settled or self.is_shown_growing):
            return
        for choice in self.transcript.choices:
            if (message := self.messages.get(choice.index)) is None:
                continue
            if choice.reasoning:
                yield message, "reasoning", self._document(choice.index, "reasoning", choice.reasoning, labels)
            prefix = self.prefixes.get(choice.index, "")
            yield message, "text", self._document(choice.index, "text", prefix + choice.text, labels)

    def feed(self, deltas: Iterable[Delta]) -> None:
        """What the transcript has just folded, for the documents that exist."""
        for delta in deltas if self._documents else ():
            for part, text in (("text", delta.text), ("reasoning", delta.reasoning)):
                for document in self._documents.get((delta.index, part), {}).values() if text else ():
                    document.feed(text)

    def _document(self, index: int, part: Part, so_far: str, labels: Labels) -> Document:
        by_labels = self._documents.setdefault((index, part), {})
        if labels not in by_labels:
            by_labels[labels] = Document(labels)
            by_labels[labels].feed(so_far)
        return by_labels[labels]

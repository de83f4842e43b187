"""`<think>…</think>` at the very beginning of an answer, as older servers send reasoning, taken out of its text (Q31).

Only there: elsewhere it is what the model writes about, and stays.
"""

OPEN, CLOSE = "<think>", "</think>"


class ThinkTag:
    """One choice's text in any pieces; what may be the beginning of a tag is held back until it is known."""

    def __init__(self) -> None:
        self._held = ""
        self._where = "before"

    def feed(self, text: str) -> tuple[str, str]:
        """The text and the reasoning in it."""
        if self._where == "outside":
            return text, ""
        self._held += text
        if self._where == "before":
            self._look_for_opening()
        reasoning = self._take_reasoning() if self._where == "inside" else ""
        return self._take_text(), reasoning

    def end(self) -> tuple[str, str]:
        held, self._held = self._held, ""
        return ("", held) if self._where == "inside" else (held, "")

    def _look_for_opening(self) -> None:
        beginning = self._held.lstrip()
        if beginning.startswith(OPEN):
            self._held = beginning[len(OPEN) :]
            self._where = "inside"
        elif not OPEN.startswith(beginning):
            self._where = "outside"

    def _take_reasoning(self) -> str:
        reasoning, tag, rest = self._held.partition(CLOSE)
        if tag:
            self._where, self._held = "behind", rest
            return reasoning
        kept = next((size for size in range(len(CLOSE) - 1, 0, -1) if reasoning.endswith(CLOSE[:size])), 0)
        self._held = reasoning[len(reasoning) - kept :]
        return reasoning[: len(reasoning) - kept]

    def _take_text(self) -> str:
        if self._where == "behind" and self._held.lstrip("\n"):  # the blank lines after the tag belong to neither
            self._held = self._held.lstrip("\n")
            self._where = "outside"
        if self._where != "outside":
            return ""
        text, self._held = self._held, ""
        return text

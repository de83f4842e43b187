"""Text out of JSON that only Python's own reader takes may hold lone surrogates, which nothing can store or send.

Some servers cut a text between the two halves of an emoji, so that each delta ends or begins with one.
"""


def mended(text: str) -> str:
    """With pairs joined, and what is alone replaced."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class Mender:
    """Mends a text that comes in pieces: a first half at the end of one waits for the next."""

    def __init__(self) -> None:
        self._half = ""

    def feed(self, text: str) -> str:
        text = self._half + text
        self._half = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
        return mended(text[: len(text) - len(self._half)])

    def end(self) -> str:
        half, self._half = self._half, ""
        return mended(half)

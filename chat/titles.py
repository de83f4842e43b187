"""Titles from texts: what a conversation is called before anybody names it."""

TITLE_LENGTH = 60


def first_words(text: str) -> str:
    """Whole words of the first line that holds any."""
    line = next((line.strip("#>*-` \t") for line in text.splitlines() if line.strip("#>*-` \t")), text.strip())
    if len(line) <= TITLE_LENGTH:
        return line
    cut = line[:TITLE_LENGTH]
    return (cut[: cut.rindex(" ")] if " " in cut[TITLE_LENGTH // 2 :] else cut).rstrip(" ,;:.") + "…"

"""Titles from texts: what a conversation is called before anybody names it."""

import re

TITLE_LENGTH = 60
_LABEL = re.compile(r"^(?:title|标题)\s*[:：]\s*", re.IGNORECASE)
_AROUND = " \t#*_`>\"'“”‘’«»「」『』《》-–"


def first_words(text: str) -> str:
    """Whole words of the first line that holds any."""
    line = next((line.strip("#>*-` \t") for line in text.splitlines() if line.strip("#>*-` \t")), text.strip())
    if len(line) <= TITLE_LENGTH:
        return line
    cut = line[:TITLE_LENGTH]
    return (cut[: cut.rindex(" ")] if " " in cut[TITLE_LENGTH // 2 :] else cut).rstrip(" ,;:.") + "…"


def of_answer(text: str) -> str:
    """What a model that was asked for a title has answered, without what it puts around it; or nothing."""
    lines = (_LABEL.sub("", line.strip(_AROUND)).strip(_AROUND).rstrip(".。") for line in text.splitlines())
    return first_words(next((line for line in lines if line), ""))

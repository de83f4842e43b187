"""The part of a text in which what was looked for stands, and what to mark in it. Text in, text out: no HTML."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from chat.words import Term, folded, pattern

LENGTH = 200  # characters, Chinese ones counting twice
BEFORE = 60  # of them before the first mark

# Of Markdown only what would disturb reading: fences, rules, marks before and around words, the bars of tables.
_LINES = re.compile(r"^[ \t]*(?:(?:```|~~~).*|[-|:= \t]{3,}|#{1,6}[ \t]+|>[ \t]?|[-*+][ \t]+)", re.MULTILINE)
_ROWS = re.compile(r"^[ \t]*\|(.*)\|[ \t]*$", re.MULTILINE)
_MARKS = re.compile(r"\*\*|~~|`")
_SPACE = re.compile(r"\s+")


class Piece(NamedTuple):
    text: str
    marked: bool


def snippet(text: str, terms: Sequence[Term]) -> list[Piece]:
    """The stretch with the most of them; without any, the beginning."""
    plain = _plain(text)
    found = places(plain, terms)
    start, end = _stretch(plain, found)
    pieces = pieces_of(plain, [place for place in found if start <= place[0] and place[1] <= end], start, end)
    return [Piece("…", False)] * (start > 0) + pieces + [Piece("…", False)] * (end < len(plain))


def _plain(text: str) -> str:
    rows = _ROWS.sub(lambda row: row[1].replace("|", " "), _LINES.sub("", text))
    return _SPACE.sub(" ", _MARKS.sub("", rows)).strip()


def marked(text: str, terms: Sequence[Term]) -> list[Piece]:
    """All of it."""
    return pieces_of(text, places(text, terms), 0, len(text))


def places(text: str, terms: Sequence[Term]) -> list[tuple[int, int, int]]:
    """Where they stand, in order and apart: start, end, and which of them it is."""
    aligned, origins = _aligned(text)
    found = [
        (origins[match.start()], origins[match.end() - 1] + 1, number) if origins else (*match.span(), number)
        for number, term in enumerate(terms)
        for match in re.finditer(pattern(term), aligned)
    ]
    apart: list[tuple[int, int, int]] = []
    for place in sorted(found, key=lambda place: (place[0], -place[1])):
        if not apart or place[0] >= apart[-1][1]:
            apart.append(place)
    return apart


def pieces_of(text: str, found: Sequence[tuple[int, int, int]], start: int, end: int) -> list[Piece]:
    pieces, at = [], start
    for first, last, _term in found:
        pieces += [Piece(text[at:first], False), Piece(text[first:last], True)]
        at = last
    return [piece for piece in [*pieces, Piece(text[at:end], False)] if piece.text]


def _stretch(text: str, found: Sequence[tuple[int, int, int]]) -> tuple[int, int]:
    best, most = 0, 0
    for place, _end, _term in found:
        different = len({term for first, last, term in found if place <= first and last <= place + LENGTH - BEFORE})
        if different > most:
            best, most = place, different
    start = _whole_words(text, max(best - BEFORE, 0))
    end, room = start, LENGTH
    while end < len(text) and room > 0:
        room -= 1 if text[end].isascii() else 2
        end += 1
    return start, end


def _whole_words(text: str, start: int) -> int:
    """The beginning of the first word from there on, if one begins soon."""
    if start == 0:
        return 0
    space = text.find(" ", start, start + 20)
    return space + 1 if space >= 0 else start


def _aligned(text: str) -> tuple[str, list[int]]:
    """Folded, and for each of its characters where it stands in the text; nothing if that is the same place."""
    if text.isascii():
        return text.lower(), []
    parts = [_folded_character(character) for character in text]
    joined = "".join(parts)
    if len(joined) == len(text) and all(parts):
        return joined, []
    return joined, [place for place, part in enumerate(parts) for _character in part]


@lru_cache(maxsize=20_000)
def _folded_character(character: str) -> str:
    return folded(character)

"""Text as search sees it: folded, so that case, accents and width make no difference, and cut into words.

Where a script is written without spaces, a run of it is cut into its overlapping pairs of characters and its last one:
so two characters are found wherever they stand together, and one by the pairs that it begins.
"""

import re
import unicodedata
from dataclasses import dataclass

LONGEST = 64  # characters of a word that count; what is longer is no word, but would swell the index
SHORTEST_OPEN = 3

# Thai to Myanmar, Khmer, kana, bopomofo, Han, Hangul: with what belongs to their words, such as 々 and ー.
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff"
    "\u3105-\u312f\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff"
)
SPACED = rf"[^\W_{UNSPACED}]"
_MARKS = "[\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u0900-\u0963\u0966-\u0dff]"  # inside words, but no letters
_RUNS = re.compile(rf"([{UNSPACED}]+)|{SPACED}+(?:{_MARKS}+{SPACED}*)*")
_UNSPACED_WORD = re.compile(rf"[{UNSPACED}]+")
_ACCENTS = re.compile("[\u0300-\u036f]+")  # of Latin, Greek and Cyrillic; the marks of other scripts are letters


def folded(text: str) -> str:
    """The same for whatever differs only by case, accent or width."""
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text).casefold())
    return unicodedata.normalize("NFKC", _ACCENTS.sub("", text))


def words(text: str) -> list[str]:
    """In their order, for an index. They consist of letters and digits."""
    found: list[str] = []
    for match in _RUNS.finditer(folded(text)):
        run = match[0]
        if match[1]:
            found += [run[place : place + 2] for place in range(len(run))]
        else:
            found.append(run[:LONGEST])
    return found


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that stand one after the other. If it is open, the last one may go on."""

    words: tuple[str, ...]
    open: bool = False


def phrase(text: str, *, whole: bool = False) -> Phrase | None:
    """What to look for, for what somebody typed; None if that has no word. `whole`: no word may go on.

    A word goes on only from three letters: all that begin with two are too many to be meant.
    """
    found = words(text)
    if not found:
        return None
    unspaced = is_unspaced(found[-1])
    if unspaced and len(found) > 1 and len(found[-2]) == 2 and is_unspaced(found[-2]):
        return Phrase(tuple(found[:-1]))  # that the run ends here, the text need not know
    return Phrase(tuple(found), open=unspaced or (not whole and len(found[-1]) >= SHORTEST_OPEN))


@dataclass(frozen=True, slots=True)
class Term:
    """One thing that is looked for: as it was typed, folded, and as an index finds it."""

    text: str
    phrase: Phrase


def term(text: str, *, whole: bool = False) -> Term | None:
    wanted = phrase(text, whole=whole)
    return Term(folded(text), wanted) if wanted else None


def pattern(term: Term) -> str:
    """A regular expression for its places in folded text."""
    runs = [match[0] for match in _RUNS.finditer(term.text)]
    joined = r"[\W_]*".join(map(re.escape, runs))
    begins = "" if is_unspaced(runs[0]) else f"(?<!{SPACED})"
    ends = "" if term.phrase.open or is_unspaced(runs[-1]) else f"(?!{SPACED})"
    return f"{begins}{joined}{ends}"


def is_unspaced(word: str) -> bool:
    return bool(_UNSPACED_WORD.fullmatch(word))

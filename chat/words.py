"""Text as search sees it: folded, so that case, accents and width make no difference."""

import re
import unicodedata

_ACCENTS = re.compile("[\u0300-\u036f]+")  # of Latin, Greek and Cyrillic; the marks of other scripts are letters


def folded(text: str) -> str:
    """The same for whatever differs only by case, accent or width."""
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text).casefold())
    return unicodedata.normalize("NFKC", _ACCENTS.sub("", text))

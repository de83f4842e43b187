"""How the texts of files stand in a prompt: each between marks that no text can forge, before what was asked."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_UNSAFE = re.compile(r"[\x00-\x1f\x7f<>\"]+")
NO_ROOM = "there is no room for it here"
NOT_SEEN = "this model does not see images"
NOT_SHOWN = "only the newest images are shown"
GONE = "its content is not there any more"


@dataclass(frozen=True, slots=True)
class Enclosure:
    """`mark`: a secret of that file; who wrote its text could not know it. `missing`: why there is no text."""

    mark: str
    name: str
    text: str = ""
    missing: str = ""


def enclosed(text: str, enclosures: Iterable[Enclosure]) -> str:
    """The text with what is enclosed."""
    return "\n\n".join(part for part in (*map(_written, enclosures), text) if part)


def _written(enclosure: Enclosure) -> str:
    name = _UNSAFE.sub(" ", enclosure.name).strip()
    if enclosure.missing:
        return f"[The file “{name}” was attached here; {enclosure.missing}.]"
    tag = f"file-{enclosure.mark}"
    return f'<{tag} name="{name}">\n{enclosure.text}\n</{tag}>'

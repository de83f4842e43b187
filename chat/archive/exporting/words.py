"""What exports say around the texts. The words are the pages', and come from there."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import pgettext

from chat.markdown import Labels
from chat.models import File, Message


class Fact(Protocol):
    """One piece of the quiet line. `kind`: "exact" or "estimated", or empty."""

    words: str
    kind: str


@dataclass(frozen=True, slots=True)
class Words:
    name: Callable[[Message], str]  # who speaks
    facts: Callable[[Message], list[Fact]]
    ending: Callable[[Message], str]  # what is said of an end that is not whole, or nothing
    thoughts: Callable[[Message], str]  # what the folded thoughts are headed with
    labels: Labels
    file_facts: Callable[[File], str]  # how large it is
    with_images: bool = True  # what others read has the names of files, not what is in them


def day_and_hour(when: datetime) -> str:
    """With its year, since nobody knows when a file is read."""
    return date_format(localtime(when), pgettext("date format", "j M Y, H:i"))

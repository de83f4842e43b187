"""What somebody types into the search box: words, phrases in quotes, filters such as `model:kimi before:2026-11`."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from difflib import get_close_matches

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from chat.models import Completion
from chat.words import Term, folded, term

# Chinese input methods write “：” for a colon, and word processors curl quotes.
_QUOTED = r"\"[^\"]*\"?|“[^”]*”?|「[^」]*」?"
_PART = re.compile(rf"(?P<name>[^\W\d_]+)[:：](?P<value>{_QUOTED}|[^\s\"“「]*)|{_QUOTED}|[^\s\"“「]+")
_DATE = re.compile(r"(\d{4})(?:[-/.年](\d{1,2})(?:[-/.月](\d{1,2})日?|月)?|年)?")

OPENING, CLOSING = '"“「', '"”」'
STATUSES = [choice for choice in Completion.Status if choice not in Completion.UNSETTLED]
HAS = ("code", "file", "image")
IS = ("pinned", "archived", "unread")
FROM = ("me", "models")
MOST_TAGS = 10  # each is a table to join; SQLite joins 64


class WrongFilter(Exception):
    """A filter that cannot be: the sentence says why."""


@dataclass(slots=True)
class Query:
    """All must be so; of several models, statuses, folders or writers one."""

    terms: list[Term] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    statuses: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    writers: list[str] = field(default_factory=list)
    has: list[str] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    after: datetime | None = None  # from then on
    before: datetime | None = None  # earlier than that
    titles_only: bool = False

    @property
    def wants_messages(self) -> bool:
        """Whether conversations alone cannot answer it."""
        return bool(not self.titles_only and self.terms) or self.is_about_messages

    @property
    def is_about_conversations(self) -> bool:
        """Whether it asks for how they are filed."""
        return bool(self.folders or self.tags or self.states)

    @property
    def is_about_messages(self) -> bool:
        return bool(self.models or self.statuses or self.writers or self.has)


def parse(text: str) -> Query:
    """Raises WrongFilter."""
    query, now = Query(), timezone.localtime()
    for match in _PART.finditer(text):
        name = folded(match["name"] or "")
        if name in FILTERS:
            FILTERS[name](query, _unquoted(match["value"]), now)
        elif len(name) > 3 and (meant := get_close_matches(name, FILTERS, 1, 0.75)):
            sentence = _("There is no filter “%(wrong)s:”. If you mean “%(meant)s:”, change it; in quotes it is text.")
            raise WrongFilter(sentence % {"wrong": match["name"], "meant": meant[0]})
        elif wanted := term(_unquoted(match[0]), whole=_is_quoted(match[0])):
            query.terms.append(wanted)
    return query


def _is_quoted(part: str) -> bool:
    """While a quote is being typed, it has no end, and its last word may go on."""
    return len(part) > 1 and part[0] in OPENING and part[-1] in CLOSING


def _unquoted(part: str) -> str:
    return part[1:].rstrip(CLOSING) if part[:1] and part[0] in OPENING else part


# The filters


def _model(query: Query, value: str, now: datetime) -> None:
    query.models.append(_some(value, "model:kimi"))


def _folder(query: Query, value: str, now: datetime) -> None:
    query.folders.append(_some(value, 'folder:"…"'))


def _tag(query: Query, value: str, now: datetime) -> None:
    if (name := _some(value, "tag:…")) not in query.tags:
        query.tags.append(name)
    if len(query.tags) > MOST_TAGS:
        raise WrongFilter(_("No more than %(most)d tags can be looked for at once.") % {"most": MOST_TAGS})


def _status(query: Query, value: str, now: datetime) -> None:
    """By our word for it, or by the reader's."""
    known = {folded(str(label)): status for status in STATUSES for label in (status.value, status.label)}
    query.statuses.append(known.get(folded(value)) or _one_of("status", value, [status.value for status in STATUSES]))


def _has(query: Query, value: str, now: datetime) -> None:
    query.has.append(_one_of("has", value, HAS))


def _is(query: Query, value: str, now: datetime) -> None:
    query.states.append(_one_of("is", value, IS))


def _from(query: Query, value: str, now: datetime) -> None:
    query.writers.append(_one_of("from", value, FROM))


def _in(query: Query, value: str, now: datetime) -> None:
    query.titles_only = _one_of("in", value, ("title",)) == "title"


def _before(query: Query, value: str, now: datetime) -> None:
    start, _end = _span("before", value, now)
    query.before = min(query.before or start, start)


def _after(query: Query, value: str, now: datetime) -> None:
    start, _end = _span("after", value, now)
    query.after = max(query.after or start, start)


def _on(query: Query, value: str, now: datetime) -> None:
    start, end = _span("on", value, now)
    query.after, query.before = max(query.after or start, start), min(query.before or end, end)


FILTERS: dict[str, Callable[[Query, str, datetime], None]] = {
    "model": _model,
    "before": _before,
    "after": _after,
    "on": _on,
    "status": _status,
    "folder": _folder,
    "tag": _tag,
    "from": _from,
    "has": _has,
    "in": _in,
    "is": _is,
}


def _some(value: str, example: str) -> str:
    if not folded(value).strip():
        raise WrongFilter(_("What is to come after the colon? Such as %(example)s") % {"example": example})
    return folded(value).strip()


def _one_of(name: str, value: str, known: tuple[str, ...] | list[str]) -> str:
    if folded(value) in known:
        return folded(value)
    there = ", ".join(f"{name}:{each}" for each in known)
    raise WrongFilter(
        ngettext(
            "“%(wrong)s” is not known. There is %(there)s.",
            "“%(wrong)s” is not known. There are %(there)s.",
            len(known),
        )
        % {"wrong": f"{name}:{value}", "there": there}
    )


def _span(name: str, value: str, now: datetime) -> tuple[datetime, datetime]:
    """The moments in which a year, a month or a day begins and ends, in the site's time zone."""
    days = {"today": 0, "yesterday": 1}
    if folded(value) in days:
        first = now.date() - timedelta(days=days[folded(value)])
        return _midnight(first), _midnight(first + timedelta(days=1))
    match = _DATE.fullmatch(folded(value))
    try:
        year, month, day = (int(part) if part else None for part in match.groups()) if match else (None,) * 3
        first = date(year or 0, month or 1, day or 1)
        return _midnight(first), _midnight(_next(first, bool(month), bool(day)))
    except (ValueError, OverflowError):
        examples = ", ".join(f"{name}:{example}" for example in ("2026", "2026-11", "2026-11-05", "today"))
        sentence = _("“%(wrong)s” is no date. Dates are written so: %(examples)s")
        raise WrongFilter(sentence % {"wrong": value, "examples": examples}) from None


def _next(first: date, has_month: bool, has_day: bool) -> date:
    if has_day:
        return first + timedelta(days=1)
    if has_month:
        return (first + timedelta(days=32)).replace(day=1)
    return first.replace(year=first.year + 1)


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime(day.year, day.month, day.day))

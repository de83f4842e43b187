"""What the page shows of a message: its HTML, its quiet line, how it ended, and what can be done next."""

from dataclasses import dataclass

from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from chat import markdown
from chat.asking import breaks_off, can_continue
from chat.markdown import Labels
from chat.models import Completion, File, Message
from chat.transcript import Transcript


@dataclass(frozen=True, slots=True)
class Article:
    """One message on the page. `siblings` are the ids of the other children of its parent, itself included."""

    message: Message
    html: SafeString
    reasoning_html: SafeString
    siblings: list[int]
    breaks_off: bool
    can_continue: bool
    files: list[File]

    @property
    def completion(self) -> Completion | None:
        return self.message.completion

    @property
    def is_growing(self) -> bool:
        return self.completion is not None and not self.completion.is_settled

    @property
    def place(self) -> int:
        """Which of its siblings it is, from 1."""
        return self.siblings.index(self.message.pk) + 1

    @property
    def previous(self) -> int | None:
        return self.siblings[self.place - 2] if self.place > 1 else None

    @property
    def next(self) -> int | None:
        return self.siblings[self.place] if self.place < len(self.siblings) else None


@dataclass(frozen=True, slots=True)
class Lineup:
    """Answers that were asked for together, side by side until one of them is gone on with."""

    lineup: list[Article]


def labels() -> Labels:
    """The words inside rendered text, in the language that is active."""
    return Labels(
        code=_("Code"),
        wrap=_("Wrap"),
        copy=_("Copy"),
        copy_code=_("Copy code"),
        table=_("Table"),
        image_from=_("image from {host}"),
        long_query=_("sends {count} characters"),
        done=_("Done"),
        to_do=_("To do"),
        footnotes=_("Footnotes"),
        footnote=_("Footnote {number}"),
        note=_("Note"),
        tip=_("Tip"),
        important=_("Important"),
        warning=_("Warning"),
        caution=_("Caution"),
    )


def articles(thread: list[Message]) -> list[Article | Lineup]:
    """A thread as the page shows it; a reply that is still arriving with what is saved of it.

    If it ends in one of several answers that were asked for together, it ends in all of them.
    """
    if not thread:
        return []
    end = _together(thread[-1])
    shown = [*thread[:-1], *end]
    siblings, partials = _siblings(shown), _partials(shown)
    found = [_article(message, siblings[message.parent_id], partials.get(message.completion_id)) for message in shown]
    return found if len(end) == 1 else [*found[: -len(end)], Lineup(found[-len(end) :])]


def articles_of(
    message: Message | None, choices: list[Message], files: list[File] | None = None
) -> list[Article | Lineup]:
    """What an ask has just made, at the end of its thread: nothing is read from the database."""
    question = [_article(message, [message.pk], None, files or [])] if message else []
    side = [choice.pk for choice in choices]
    answers = [_article(choice, side, None, []) for choice in choices]
    return [*question, *(answers if len(answers) == 1 else [Lineup(answers)])]


def _together(message: Message) -> list[Message]:
    if not message.completion or message.children.exists():
        return [message]
    asked = Message.objects.filter(completion__ask=message.completion.ask, parent=message.parent_id)
    return list(asked.with_replies().order_by("pk"))


def article(message: Message) -> Article:
    """One by itself, whatever was asked for together with it."""
    partial = _partials([message]).get(message.completion_id)
    return _article(message, _siblings([message])[message.parent_id], partial)


def _article(
    message: Message, siblings: list[int], partial: Transcript | None, files: list[File] | None = None
) -> Article:
    choice = partial.choice(message.choice_index) if partial else None
    text = message.text + (choice.text if choice else "")
    reasoning = message.reasoning + (choice.reasoning if choice else "")
    return Article(
        message=message,
        html=mark_safe(markdown.render(text, labels())),  # noqa: S308 - its one purpose is to make safe HTML
        reasoning_html=mark_safe(markdown.render(reasoning, labels())),  # noqa: S308
        siblings=siblings,
        breaks_off=breaks_off(message),
        can_continue=can_continue(message),
        files=message.attached if files is None else files,
    )


def _siblings(thread: list[Message]) -> dict[int | None, list[int]]:
    if not thread:
        return {}
    found: dict[int | None, list[int]] = {message.parent_id: [] for message in thread}
    family = Message.objects.filter(conversation=thread[0].conversation_id)
    parents = [pk for pk in found if pk is not None]
    rows = family.filter(parent__in=parents)
    if None in found:
        rows = rows | family.filter(parent=None)
    for pk, parent in rows.order_by("id").values_list("id", "parent_id"):
        found[parent].append(pk)
    return found


def _partials(thread: list[Message]) -> dict[int, Transcript]:
    """By completion, what is saved of those that are not settled."""
    live = {message.completion for message in thread if message.completion and not message.completion.is_settled}
    return {completion.pk: completion.transcript_so_far() for completion in live}

"""Imports from file to conversations, in steps: the reading happens here, the writing in the acts that are handed out.

Whoever runs the steps decides in which thread an act is done, and how long to wait after it. None is a step that read.
"""

import json
import logging
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import BinaryIO
from uuid import UUID

import orjson
from django.db import DataError, IntegrityError, transaction
from django.db.models import F
from django.utils import timezone, translation

from chat.archive.importing import chatgpt, libre_chat, open_webui, own
from chat.archive.importing.foreign import LONGEST_NAME, BadConversation, Foreign, dict_of, storable, text_of
from chat.archive.importing.problems import OF_FILE
from chat.archive.importing.reading import Item, Unreadable, items, size_of
from chat.archive.importing.storing import Stored, store
from chat.models import Import
from chat.models.imports import MOST_PROBLEMS, ImportChunk
from chat.steps import Act

logger = logging.getLogger(__name__)

SOURCES = (own, chatgpt, open_webui, libre_chat)
AT_ONCE = 4
CHUNKS_AT_ONCE = 4
PATIENCE = timedelta(days=1)  # with a file that is not received whole

Status = Import.Status


class Superseded(Exception):
    """Its person has stopped it, or another process has taken it over."""


def import_files(process: UUID) -> Iterator[Act | None]:
    """All that is due, several in turn, so that a small one need not wait for a large one. Then what they left."""
    running: dict[UUID, tuple[str, Iterator[Act | None]]] = {}
    while True:
        due = Import.objects.due(process).exclude(pk__in=running).order_by("created")
        for brought in due[: AT_ONCE - len(running)]:
            claim = _Attempt(lambda pk=brought.pk: Import.claim(pk, process))
            yield claim
            if claim.result:
                brought.refresh_from_db()
                running[brought.pk] = (brought.language, steps(brought, brought.open()))
        if not running:
            break
        for pk, (language, work) in list(running.items()):
            with translation.override(language):
                act = next(work, StopIteration)
            if act is StopIteration:
                del running[pk]
            else:
                yield act
    yield from _sweep()


def steps(brought: Import, file: BinaryIO) -> Iterator[Act | None]:
    """One import to its end."""
    work = _Work(brought)
    try:
        yield from work.run(file)
    except Superseded:
        return
    except Unreadable as unreadable:
        complaint = str(unreadable)
        yield lambda: brought.end(Status.FAILED, complaint)
    else:
        yield lambda: brought.end(*work.ending())


class _Attempt:
    """An act whose outcome the steps look at: what the data are to blame for is not raised."""

    def __init__(self, act: Act) -> None:
        self._act = act
        self.result: object = None
        self.failed = self.superseded = False

    def __call__(self) -> None:
        try:
            self.result = self._act()
        except Superseded:
            self.superseded = True
        except (DataError, IntegrityError, ValueError):
            logger.exception("a conversation could not be stored")
            self.failed = True


class _Work:
    def __init__(self, brought: Import) -> None:
        self._import = brought
        self._number = 0  # of the item that is looked at, from 1
        self._noted = brought.read
        self._last_problem = ""

    def run(self, file: BinaryIO) -> Iterator[Act | None]:
        whole = size_of(file)
        yield from self._do(lambda: self._progress(to_read=whole))
        for item in items(file):
            if item.data is None and not item.problem:
                yield from self._read_on(item.read)
                continue
            self._number += 1
            if self._number > self._import.position:
                yield from self._take(item)
            yield None

    def ending(self) -> tuple[str, str]:
        """Of a file in which there is nothing else, what is wrong with it is what is wrong with the import."""
        if self._number == 0:
            return Status.FAILED, "nothing"
        if self._number == 1 and self._last_problem in OF_FILE:
            return Status.FAILED, self._last_problem
        return Status.DONE, ""

    def _take(self, item: Item) -> Iterator[Act | None]:
        title = ""
        try:
            if item.problem:
                raise BadConversation(item.problem)
            told = _parsed(item)
            title = text_of(told.get("title"))
            foreign = _foreign(told).ordered()
            del told
            stored = Stored()
            close = lambda: self._progress(item.read, stored.outcome, stored.messages)  # noqa: E731
            for act in store(self._import.person, foreign, stored, close):
                yield from self._do(act)
        except BadConversation as bad:
            yield from self._note(item, title, bad)
        except RecursionError:
            yield from self._note(item, title, BadConversation("nested"))
        except Superseded:
            raise
        except Exception:
            logger.exception("a conversation of an import made us stumble")
            yield from self._note(item, title, BadConversation("mistake"))

    def _do(self, act: Act) -> Iterator[Act]:
        attempt = _Attempt(act)
        yield attempt
        if attempt.superseded:
            raise Superseded
        if attempt.failed:
            raise BadConversation("mistake")

    def _note(self, item: Item, title: str, bad: BadConversation) -> Iterator[Act]:
        self._last_problem = bad.kind
        yield from self._do(lambda: self._write_down(item.read, title, bad))

    def _read_on(self, read: int) -> Iterator[Act | None]:
        """Where nothing is stored, because it was before, the progress is still told now and then."""
        if read - self._noted > 2**22:
            yield from self._do(lambda: self._progress(read))
        else:
            yield None

    def _progress(self, read: int = 0, outcome: str = "", messages: int = 0, **changes: object) -> None:
        """Within the transaction of what it tells of. Raises Superseded, which undoes that."""
        if outcome:
            changes |= {outcome: F(outcome) + 1, "messages": F("messages") + messages, "position": self._number}
        if read:
            changes["read"] = self._noted = read
        mine = Import.objects.filter(pk=self._import.pk, status=Status.RUNNING, process=self._import.process_id)
        if not mine.update(**changes):
            raise Superseded

    @transaction.atomic
    def _write_down(self, read: int, title: str, bad: BadConversation) -> None:
        self._progress(read, "bad")
        if self._import.problems.count() < MOST_PROBLEMS:
            told = {"title": storable(title)[:LONGEST_NAME], "detail": storable(bad.detail)[:LONGEST_NAME]}
            self._import.problems.create(position=self._number, kind=bad.kind, **told)


def _parsed(item: Item) -> dict:
    try:
        told = orjson.loads(item.data)
    except orjson.JSONDecodeError:
        told = _parsed_patiently(item.data)
    if not isinstance(told, dict):
        raise BadConversation("unknown")
    head = _head_of(item)
    own.check_head(head)
    if site := text_of(head.get("site")):
        told["site"] = site
    return told


def _parsed_patiently(data: bytes) -> object:
    """By a parser that takes half a character, as cut emoji are, and bytes that are no UTF-8."""
    try:
        told = json.loads(data.decode("utf-8", "replace"), strict=False)
        return orjson.loads(json.dumps(told, ensure_ascii=False).encode("utf-8", "replace"))
    except ValueError as error:
        raise BadConversation("not_json", error) from error


def _head_of(item: Item) -> dict:
    try:
        return dict_of(orjson.loads(item.head + b"[]}")) if item.head else {}
    except orjson.JSONDecodeError:
        return {}


def _foreign(told: dict) -> Foreign:
    for source in SOURCES:
        if source.recognises(told):
            return source.foreign(told)
    raise BadConversation("unknown")


def _sweep() -> Iterator[Act]:
    """What ended imports and broken uploads leave behind."""
    for brought in Import.objects.filter(status=Status.RECEIVING, created__lt=timezone.now() - PATIENCE):
        yield _partial_end(brought)
    ended = ImportChunk.objects.exclude(part_of__status__in=Import.UNENDED)
    while chunks := list(ended.order_by("pk").values_list("pk", flat=True)[:CHUNKS_AT_ONCE]):
        yield ImportChunk.objects.filter(pk__in=chunks).delete


def _partial_end(brought: Import) -> Callable[[], bool]:
    return lambda: brought.end(Status.STOPPED, "never_whole")

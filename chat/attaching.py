"""Takes in a file that somebody wants to attach: looked at, read in a child process, kept; or refused, with a reason.

It is attached when the message is sent that names it (`asking`). Until then it waits, for a day.
"""

import os
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from threading import BoundedSemaphore, Lock
from typing import Literal
from uuid import uuid4

from django.conf import settings
from django.core.files.base import File as Stream
from django.db import transaction

from chat.extraction import Extract, Unreadable, extract
from chat.extraction.contract import Complaint
from chat.models import File, Person
from chat.models.file import clean_name, limits, make_folder, remove_bytes

INCOMING = "incoming"  # the folder in which a file lies while it is read
WAIT_SECONDS = 20  # for those that are read already

_reading = BoundedSemaphore(settings.FILES_READ_AT_ONCE)
_each: dict[int, Lock] = defaultdict(Lock)  # one file of a person at a time: nobody keeps all others waiting


class Refused(Exception):
    """Why a file is not taken; `detail` is what the sentence names."""

    def __init__(
        self, complaint: Complaint | Literal["too_large", "no_room", "busy"], name: str, detail: object = ""
    ) -> None:
        super().__init__(complaint, detail)
        self.complaint, self.name, self.detail = complaint, name, detail


def take_in(person: Person, name: str, stream: Stream) -> File:
    """Raises Refused; then nothing of it is kept."""
    name = clean_name(name)
    if stream.size > settings.FILE_MAX_BYTES:
        raise Refused("too_large", name, settings.FILE_MAX_BYTES)
    if File.kept_by(person) + stream.size > settings.FILES_MAX_BYTES:
        raise Refused("no_room", name, settings.FILES_MAX_BYTES)
    beside = settings.FILES_DIR / INCOMING / f"{uuid4().hex}.part"
    make_folder(beside.parent)
    try:
        with open(beside, "xb", opener=_alone) as file:
            for piece in stream.chunks():
                file.write(piece)
        found = _in_turn(person, beside, name)
        content = found.image or beside.read_bytes()
    finally:
        beside.unlink(missing_ok=True)
    return _keep(person, name, found, content)


def _alone(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _in_turn(person: Person, path: Path, name: str) -> Extract:
    with ExitStack() as held:
        for place in (_each[person.pk], _reading):
            if not place.acquire(timeout=WAIT_SECONDS):
                raise Refused("busy", name)
            held.callback(place.release)
        try:
            return extract(path, name, limits())
        except Unreadable as unreadable:
            raise Refused(unreadable.complaint, name, unreadable.detail) from unreadable


def _keep(person: Person, name: str, found: Extract, content: bytes) -> File:
    file = File.written(person, name, found, content)
    try:
        with transaction.atomic():
            if not file.find_room():
                raise Refused("no_room", name, settings.FILES_MAX_BYTES)
            file.save(force_insert=True)
    except BaseException:
        remove_bytes([file.pk])
        raise
    return file

"""Files that people attach to their messages: a row for each, and its bytes beside the database."""

import os
import unicodedata
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import IntegrityError, models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from chat.extraction import Extract, Limits
from chat.tokens import estimate

NAME_LENGTH = 200
PREVIEW = "preview"
UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn")  # of Unicode's categories


class FileQuerySet(models.QuerySet):
    def ready(self) -> "FileQuerySet":
        return self.filter(status=File.Status.READY)

    def reachable(self) -> "FileQuerySet":
        """Those that a conversation has which is there, or that wait to be sent."""
        there = Attachment.objects.filter(file=models.OuterRef("pk"), message__conversation__deleted=None)
        return self.filter(models.Exists(there) | ~models.Exists(_attached()))

    def unattached(self) -> "FileQuerySet":
        return self.filter(~models.Exists(_attached()))


class File(models.Model):
    """What one person attached, to any number of messages: edits and forks share it.

    (read in a child process) ──▶ ready ──▶ removed   by its person before it is sent, or waiting for that for a day,
        │                                             or with the last conversation that has it
        └─▶ refused   it is only said why; of what was imported that is kept, without the bytes

    The bytes are under the id, never under a name that somebody chose. They are there before the row is, and go after
    it: what a crash leaves between the two has no row, and is swept away.
    """

    class Kind(models.TextChoices):
        IMAGE = "image", _("image")
        TEXT = "text", _("text")
        PDF = "pdf", _("PDF")
        DOCUMENT = "document", _("document")
        SHEET = "sheet", _("table")
        SLIDES = "slides", _("slides")

    class Status(models.TextChoices):
        READY = "ready", _("ready")
        REFUSED = "refused", _("refused")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="files")
    name = models.CharField(max_length=NAME_LENGTH)
    kind = models.CharField(max_length=10, choices=Kind)
    media_type = models.CharField(max_length=100, blank=True)  # of an image, as it was written anew
    size = models.BigIntegerField()  # bytes that are kept
    sha256 = models.CharField(max_length=64)  # of them
    status = models.CharField(max_length=10, choices=Status, default=Status.READY)
    refusal = models.CharField(max_length=20, blank=True)  # extraction.contract.Complaint
    text = models.TextField(blank=True)  # what a model reads of it
    tokens = models.PositiveIntegerField(default=0)  # of that text, as we estimate
    width = models.PositiveIntegerField(default=0)  # of an image, in pixels
    height = models.PositiveIntegerField(default=0)
    pages = models.PositiveIntegerField(default=0)  # of a PDF
    created = models.DateTimeField(default=timezone.now)

    objects = FileQuerySet.as_manager()

    class Meta:
        verbose_name = _("file")
        verbose_name_plural = _("files")
        indexes = [models.Index(fields=["created"], name="file_created")]

    def __str__(self) -> str:
        return str(self.id)

    @classmethod
    def written(cls, person, name: str, found: Extract, content: bytes) -> "File":
        """Of what was found in it: its bytes are there, its row is not yet."""
        file = cls(
            person=person,
            name=clean_name(name),
            kind=found.kind,
            media_type=found.media_type,
            size=len(content),
            sha256=sha256(content).hexdigest(),
            text=found.text,
            tokens=estimate(found.text).tokens,
            width=found.width,
            height=found.height,
            pages=found.pages,
        )
        if found.small:
            put(file.preview_path, found.small)
        put(file.path, content)
        return file

    @classmethod
    def kept_by(cls, person) -> int:
        """Bytes of all their files."""
        return cls.objects.filter(person=person).aggregate(size=models.Sum("size"))["size"] or 0

    def find_room(self) -> bool:
        """Whether it may be kept beside the others. In the transaction that adds it: of two the second waits."""
        get_user_model().objects.select_for_update().get(pk=self.person_id)
        return self.kept_by(self.person) + self.size <= settings.FILES_MAX_BYTES

    @property
    def is_image(self) -> bool:
        return self.kind == self.Kind.IMAGE

    @property
    def is_ready(self) -> bool:
        return self.status == self.Status.READY

    @property
    def path(self) -> Path:
        return place_of(self.pk)

    @property
    def preview_path(self) -> Path:
        """Of an image: a JPEG of a few kilobytes."""
        return place_of(self.pk).with_suffix(f".{PREVIEW}")

    def read(self) -> bytes | None:
        """None: they are gone, as after a restored backup."""
        with suppress(OSError):
            return self.path.read_bytes()
        return None


class Attachment(models.Model):
    """A file in a message. Its message's files stand in the order of these."""

    message = models.ForeignKey("chat.Message", on_delete=models.CASCADE, related_name="attachments")
    file = models.ForeignKey(File, on_delete=models.RESTRICT, related_name="attachments")

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["message", "file"], name="file_once_in_message")]


def limits() -> Limits:
    """What the reading of one may take."""
    return Limits(
        seconds=settings.FILE_READING_SECONDS,
        memory_bytes=settings.FILE_READING_BYTES,
        characters=settings.FILE_MAX_CHARACTERS,
        pixels=settings.IMAGE_MAX_PIXELS,
    )


def clean_name(name: str) -> str:
    """The last part of a path, without what cannot be seen, or would turn the rest around; its ending is kept."""
    name = unicodedata.normalize("NFC", name.replace("\\", "/").rpartition("/")[2])
    name = "".join(char for char in name if unicodedata.category(char) not in UNSEEN).strip()
    if len(name) > NAME_LENGTH:
        stem, dot, suffix = name.rpartition(".")
        ending = dot + suffix if stem and len(suffix) < 12 else ""
        name = name[: NAME_LENGTH - len(ending)] + ending
    return name if name.strip(". ") else "file"


def _attached() -> models.QuerySet[Attachment]:
    return Attachment.objects.filter(file=models.OuterRef("pk"))


def remove_unattached(pks: Iterable[uuid.UUID]) -> None:
    """Of these, what no message has any more: the rows, and, once that is sure, the bytes."""
    with suppress(models.RestrictedError, IntegrityError), transaction.atomic():
        # An attachment that is made at this moment waits for the lock, or is what the database refuses.
        gone = list(File.objects.unattached().filter(pk__in=list(pks)).select_for_update().values_list("pk", flat=True))
        File.objects.filter(pk__in=gone).delete()
        transaction.on_commit(lambda: remove_bytes(gone))


# The bytes


def place_of(pk: uuid.UUID) -> Path:
    return settings.FILES_DIR / pk.hex[:2] / pk.hex


def put(path: Path, content: bytes) -> None:
    """Whole or not at all: written beside its place, and then named."""
    make_folder(path.parent)
    beside = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """The site's alone."""
    for each in (settings.FILES_DIR, folder):  # of parents, `mkdir` would not set the mode
        each.mkdir(mode=0o700, parents=True, exist_ok=True)


def stray_bytes(before: datetime) -> Iterator[Path]:
    """Files of ours that no row names and nobody has written to since then: what a crash has left."""
    limit = before.timestamp()
    for folder in sorted(path for path in settings.FILES_DIR.glob("*") if path.is_dir()):
        old = [path for path in folder.iterdir() if _age_of(path) < limit]
        named = {path: _id_in(path.name) for path in old}
        known = set(File.objects.filter(pk__in=filter(None, named.values())).values_list("pk", flat=True))
        yield from (path for path, pk in named.items() if pk not in known)


def _age_of(path: Path) -> float:
    """When it was last written; of what has just gone, never."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")


def _id_in(name: str) -> uuid.UUID | None:
    """None of what was not written whole, or lies there while it is read."""
    if name.endswith(".part"):
        return None
    with suppress(ValueError):
        return uuid.UUID(name.removesuffix(f".{PREVIEW}"))
    return None


def remove_bytes(pks: Iterable[uuid.UUID]) -> None:
    for pk in pks:
        place_of(pk).unlink(missing_ok=True)
        place_of(pk).with_suffix(f".{PREVIEW}").unlink(missing_ok=True)

"""Files of conversations that people bring in, as they come, and what becomes of them."""

import io
import uuid

from django.conf import settings
from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from chat.models.process import Process

CHUNK_BYTES = 1024 * 1024
MOST_BYTES = 512 * CHUNK_BYTES
MOST_PROBLEMS = 200  # that are told one by one


class ImportQuerySet(models.QuerySet):
    def unended(self) -> "ImportQuerySet":
        return self.filter(status__in=Import.UNENDED)

    def due(self, process: uuid.UUID) -> "ImportQuerySet":
        """What waits, and what was left: by a process that is dead, or by this one, in an error."""
        left = models.Q(process__dead=True) | models.Q(process=process)
        return self.filter(models.Q(status=Import.Status.WAITING) | left & models.Q(status=Import.Status.RUNNING))


class Import(models.Model):
    """One file. Its bytes lie in chunks beside it until it has ended: every process can read them, and a restart.

    receiving ──▶ waiting ──claim──▶ running ──▶ done
        │             │                 ├─▶ failed     nothing more can be read of the file (`complaint`)
        └─────────────┴─────────────────┴─▶ stopped    by its person, or never received whole

    A running one whose process has died is claimed by another, and goes on at `position`.
    """

    class Status(models.TextChoices):
        RECEIVING = "receiving", _("receiving")
        WAITING = "waiting", _("waiting")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")
        STOPPED = "stopped", _("stopped")

    UNENDED = (Status.RECEIVING, Status.WAITING, Status.RUNNING)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="imports")
    name = models.CharField(max_length=200)
    language = models.CharField(max_length=20, default="en")  # of what an import writes itself
    size = models.BigIntegerField()
    received = models.BigIntegerField(default=0)
    status = models.CharField(max_length=10, choices=Status, default=Status.RECEIVING)
    complaint = models.CharField(max_length=24, blank=True)
    process = models.ForeignKey(Process, null=True, on_delete=models.SET_NULL)

    position = models.PositiveIntegerField(default=0)  # conversations that have been looked at
    read = models.BigIntegerField(default=0)  # unpacked bytes, of `to_read`
    to_read = models.BigIntegerField(default=0)
    made = models.PositiveIntegerField(default=0)
    continued = models.PositiveIntegerField(default=0)  # were here, and got new messages
    known = models.PositiveIntegerField(default=0)  # were here already, with all of it
    bad = models.PositiveIntegerField(default=0)
    messages = models.PositiveIntegerField(default=0)

    created = models.DateTimeField(default=timezone.now)
    ended = models.DateTimeField(null=True)

    objects = ImportQuerySet.as_manager()

    class Meta:
        verbose_name = _("import")
        verbose_name_plural = _("imports")
        indexes = [models.Index(fields=["status"], name="import_status")]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def has_ended(self) -> bool:
        return self.status not in self.UNENDED

    @property
    def percent(self) -> int:
        arriving = self.status == self.Status.RECEIVING
        done, all_of_it = (self.received, self.size) if arriving else (self.read, self.to_read)
        return min(100 * done // all_of_it, 100) if all_of_it else 0

    @transaction.atomic
    def receive(self, content: bytes, offset: int) -> bool:
        """Keeps the next chunk; False if it is not the next. The last makes it ready."""
        still = Import.objects.filter(pk=self.pk, status=self.Status.RECEIVING, received=offset)
        whole = offset + len(content) == self.size
        changes = {"received": offset + len(content), "status": self.Status.WAITING if whole else self.Status.RECEIVING}
        fits = len(content) == CHUNK_BYTES or whole
        if not fits or not still.update(**changes):
            return False
        self.chunks.create(number=offset // CHUNK_BYTES, content=content)
        self.refresh_from_db()
        return True

    @classmethod
    def claim(cls, pk: uuid.UUID, process: uuid.UUID) -> bool:
        return cls.objects.due(process).filter(pk=pk).update(status=cls.Status.RUNNING, process=process) == 1

    def end(self, status: str, complaint: str = "") -> bool:
        """The first end wins. The chunks go in batches, later."""
        still = Import.objects.unended().filter(pk=self.pk)
        return still.update(status=status, complaint=complaint, ended=timezone.now()) == 1

    def open(self) -> "ImportFile":
        return ImportFile(self)


class ImportChunk(models.Model):
    part_of = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="chunks")
    number = models.PositiveIntegerField()
    content = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["part_of", "number"], name="chunk_number_once")]


class ImportProblem(models.Model):
    """Why one conversation of a file is not here."""

    part_of = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="problems")
    position = models.PositiveIntegerField()  # which one of the file, from 1
    title = models.CharField(max_length=200, blank=True)
    kind = models.CharField(max_length=24)
    detail = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["position"]


class ImportFile(io.RawIOBase):
    """The chunks as one file."""

    def __init__(self, brought: Import) -> None:
        self._chunks, self.size = brought.chunks, brought.size
        self._at = 0
        self._kept: tuple[int, bytes] = (-1, b"")

    def read(self, size: int = -1) -> bytes:
        end = self.size if size < 0 else min(self._at + size, self.size)
        taken = []
        while self._at < end:
            number, start = divmod(self._at, CHUNK_BYTES)
            taken.append(self._chunk(number)[start : start + end - self._at])
            self._at += len(taken[-1])
        return b"".join(taken)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence], 0)
        return self._at

    def tell(self) -> int:
        return self._at

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def _chunk(self, number: int) -> bytes:
        if self._kept[0] != number:
            self._kept = (number, bytes(self._chunks.get(number=number).content))
        return self._kept[1]

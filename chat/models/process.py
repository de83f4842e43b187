"""Serving processes and who is there.

    started ──▶ beats at least once a second ──▶ dead    (seen unmoved, or proved dead by the lock file)

A dead process never comes back: it would take a new id.
"""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import F


class Process(models.Model):
    """One serving process of ours, since its start."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    beat = models.BigIntegerField(default=0)
    dead = models.BooleanField(default=False)
    started = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return str(self.id)[:8]

    @classmethod
    def move_beat(cls, pk: uuid.UUID) -> bool:
        """False: somebody has declared this process dead, and it may write nothing more."""
        return cls.objects.filter(pk=pk, dead=False).update(beat=F("beat") + 1) == 1

    @classmethod
    def declare_dead(cls, pk: uuid.UUID, beat: int) -> bool:
        """True for whoever must bury it. A beat that has moved since it was seen refutes the claim."""
        return cls.objects.filter(pk=pk, beat=beat, dead=False).update(dead=True) == 1


class Presence(models.Model):
    """How many page sockets a person has open in one process. Counts only while that process lives."""

    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    process = models.ForeignKey(Process, on_delete=models.CASCADE)
    sockets = models.PositiveIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["person", "process"], name="presence_once_per_process")]

    @classmethod
    def record(cls, person: int, process: uuid.UUID, sockets: int) -> None:
        if sockets:
            cls.objects.update_or_create(person_id=person, process_id=process, defaults={"sockets": sockets})
        else:
            cls.objects.filter(person_id=person, process_id=process).delete()

    @classmethod
    def anywhere(cls, person: int) -> bool:
        return cls.objects.filter(person_id=person, process__dead=False, sockets__gt=0).exists()

"""Proofs that the books agree, as an administrator asks for them or the night brings them.

    waiting ──▶ running ──▶ agrees      all parts were looked at, and nothing is off
                       ├──▶ off         what is off is named
                       └──▶ failed      a part could not be read

At most one is open at a time. What a process that died was at is begun anew by another.
"""

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from chat.models.account import Account, Person

MOST_NAMED = 200
MOST_KEPT = 30


class Proof(models.Model):
    class Status(models.TextChoices):
        WAITING = "waiting", _("waiting")
        RUNNING = "running", _("running")
        AGREES = "agrees", _("all agrees")
        OFF = "off", _("something is off")
        FAILED = "failed", _("could not be finished")

    by = models.ForeignKey(Account, null=True, on_delete=models.PROTECT, related_name="+")  # None: the site itself
    status = models.CharField(max_length=8, choices=Status, default=Status.WAITING)
    is_open = models.BooleanField(null=True, default=True, unique=True)  # null once it has ended: one is open, or none
    process = models.ForeignKey("chat.Process", null=True, on_delete=models.SET_NULL, related_name="+")
    asked = models.DateTimeField(auto_now_add=True)
    ended = models.DateTimeField(null=True)
    parts = models.PositiveIntegerField(default=0)
    looked_at = models.PositiveIntegerField(default=0)  # of these
    lines = models.PositiveBigIntegerField(default=0)
    completions = models.PositiveBigIntegerField(default=0)
    off = models.PositiveIntegerField(default=0)
    findings = models.JSONField(default=list)  # the first MOST_NAMED: check, where, what, and a day if there is one

    class Meta:
        verbose_name = _("proof")
        verbose_name_plural = _("proofs")
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"proof {self.pk}"

    @property
    def percent(self) -> int:
        return 100 * self.looked_at // self.parts if self.parts else 0

    @classmethod
    def ask(cls, by: Person | None) -> "Proof":
        """The one that is open, or a new one."""
        return cls.objects.get_or_create(is_open=True, defaults={"by": Account.of(by) if by else None})[0]

    @classmethod
    def claim(cls, process: uuid.UUID) -> bool:
        """What is left of this process's own is that of a labour that failed."""
        free = Q(process=None) | Q(process=process) | Q(process__dead=True)
        begun = {"status": cls.Status.RUNNING, "process": process, "looked_at": 0, "off": 0, "findings": []}
        return cls.objects.filter(free, is_open=True).update(**begun) == 1

    def note(self, **columns: object) -> None:
        """Nothing, if another process has taken it over."""
        type(self).objects.filter(pk=self.pk, is_open=True, process=self.process_id).update(**columns)

    def end(self, status: str, **columns: object) -> None:
        self.note(status=status, ended=timezone.now(), is_open=None, **columns)
        kept = type(self).objects.order_by("-pk").values_list("pk", flat=True)[:MOST_KEPT]
        type(self).objects.filter(is_open=None).exclude(pk__in=list(kept)).delete()

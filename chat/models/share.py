"""Links by which others read a conversation."""

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class ShareQuerySet(models.QuerySet):
    def open(self) -> "ShareQuerySet":
        """Those that still open: not expired, of a conversation that is there and a person who may sign in."""
        there = {"conversation__deleted": None, "person__is_active": True}
        return self.filter(expires__gt=timezone.now(), **there)


class Share(models.Model):
    """A thread as it stood when it was shared: all up to `leaf`.

    Settled text never changes, and a message keeps its parent: this is a snapshot without a copy.

    open ──▶ expired ──▶ removed
       └───▶ revoked: removed at once
    """

    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="shares")
    conversation = models.ForeignKey("chat.Conversation", on_delete=models.CASCADE, related_name="shares")
    leaf = models.ForeignKey("chat.Message", on_delete=models.CASCADE, related_name="+")
    title = models.CharField(max_length=200)
    with_thoughts = models.BooleanField(default=False)
    # Of the 256 random bits in its link; who reads the database cannot open it.
    token_hash = models.CharField(max_length=64, unique=True)
    created = models.DateTimeField(default=timezone.now)
    expires = models.DateTimeField()

    objects = ShareQuerySet.as_manager()

    class Meta:
        verbose_name = _("share")
        verbose_name_plural = _("shares")
        ordering = ["-created"]

    def __str__(self) -> str:
        return f"share {self.pk}"

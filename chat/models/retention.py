"""How long conversations are kept in which nothing is asked any more. The newest rule is in force."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Retention(models.Model):
    days = models.PositiveIntegerField(null=True)  # None: for ever
    by = models.ForeignKey("chat.Account", on_delete=models.PROTECT, related_name="+")
    created = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("retention rule")
        verbose_name_plural = _("retention rules")
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.days} days"

    @classmethod
    def in_force(cls) -> int | None:
        """Days."""
        return cls.objects.values_list("days", flat=True).first()

"""An administrator reads somebody else's conversation: why, and until when. Written before a word of it is shown."""

from django.contrib.auth.models import Permission
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from chat.models.account import Account, Person
from chat.models.conversation import Conversation

READ_OTHERS = "read_others"


class Review(models.Model):
    by = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="reviews")  # whose it is
    conversation = models.ForeignKey(Conversation, null=True, on_delete=models.SET_NULL, related_name="+")
    completion = models.ForeignKey("chat.Completion", on_delete=models.PROTECT, related_name="+")  # asked for from it
    reason = models.CharField(max_length=500)
    created = models.DateTimeField(auto_now_add=True)
    ends = models.DateTimeField()
    seen = models.DateTimeField(null=True)  # by whose it is

    class Meta:
        verbose_name = _("review")
        verbose_name_plural = _("reviews")
        ordering = ["-pk"]
        default_permissions = ()
        permissions = [(READ_OTHERS, "Can read other people’s conversations, with a reason that they see")]

    def __str__(self) -> str:
        return f"review {self.pk}"


def may_read_others(person: Person) -> bool:
    """An administrator to whom it was given, by name or by role: administering alone does not include it."""
    if not (person.is_active and person.is_superuser):
        return False
    held = Permission.objects.filter(content_type__app_label="chat", codename=READ_OTHERS)
    return held.filter(Q(user=person) | Q(group__user=person)).exists()

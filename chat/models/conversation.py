"""Conversations: trees of messages."""

import uuid
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from chat.models.filing import FoldedField, Folder, Tag

TITLE_LENGTH = 200


class ConversationQuerySet(models.QuerySet):
    def for_person(self, person) -> "ConversationQuerySet":
        """Those that exist for them: theirs, and not deleted."""
        return self.filter(person=person, deleted=None)

    def hide(self) -> int:
        """Deletes them: for some days they can be had back; for an hour at least, since an undo is offered at once."""
        now = timezone.now()
        recoverable = max(timedelta(days=settings.KEEP_DELETED_DAYS), timedelta(hours=1))
        return self.filter(deleted=None).update(deleted=now, purge_at=now + recoverable)

    def listed(self) -> "ConversationQuerySet":
        """As the list shows them: none that are archived, pinned ones first, then by when something was asked."""
        return self.filter(archived=False).order_by("-pinned", "-active", "-pk")


class Conversation(models.Model):
    """A tree of messages of one person.

    open ◀──▶ deleted (hidden, its live replies stopped) ──▶ purged at `purge_at` (gone, with every message)
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="conversations")
    title = models.CharField(_("title"), max_length=TITLE_LENGTH)
    folded_title = FoldedField(of="title", max_length=2 * TITLE_LENGTH)
    model = models.ForeignKey("chat.LanguageModel", null=True, on_delete=models.SET_NULL)
    # The end of the thread that is shown; other threads of the tree are reached through siblings.
    leaf = models.ForeignKey("chat.Message", null=True, on_delete=models.SET_NULL, related_name="+")
    created = models.DateTimeField(default=timezone.now)
    active = models.DateTimeField(_("last active"))
    deleted = models.DateTimeField(null=True)
    purge_at = models.DateTimeField(null=True)  # of a deleted one: until then it can be had back

    folder = models.ForeignKey(Folder, null=True, on_delete=models.SET_NULL, related_name="conversations")
    tags = models.ManyToManyField(Tag, related_name="conversations")
    pinned = models.BooleanField(default=False)
    archived = models.BooleanField(default=False)  # kept and found, but not listed
    unread = models.BooleanField(default=False)  # a reply has ended, and no page has shown it since

    objects = ConversationQuerySet.as_manager()

    class Meta:
        verbose_name = _("conversation")
        verbose_name_plural = _("conversations")
        indexes = [
            models.Index(fields=["purge_at"], name="conversation_purge", condition=models.Q(purge_at__isnull=False)),
            models.Index(fields=["person", "deleted", "-active"], name="conversation_latest"),
            models.Index(
                fields=["person", "deleted", "archived", "-pinned", "-active", "-id"], name="conversation_list"
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)

    def thread(self, leaf_id: int | None) -> list["Message"]:
        """The path from the root to one message: what is shown, and what is sent."""
        parents = dict(self.messages.values_list("id", "parent_id"))
        path = []
        while leaf_id in parents:
            path.append(leaf_id)
            leaf_id = parents[leaf_id]
        found = (
            self.messages.select_related("completion__model__provider", "completion__price")
            .defer("completion__arrivals")
            .in_bulk(path)
        )
        return [found[pk] for pk in reversed(path)]

    def show(self, message: "Message") -> None:
        """Makes the thread that is shown go through `message`, to the newest end below it."""
        children: dict[int | None, int] = {}
        for pk, parent in self.messages.order_by("id").values_list("id", "parent_id"):
            children[parent] = pk
        leaf = message.pk
        while leaf in children:
            leaf = children[leaf]
        self.leaf_id = leaf
        self.save(update_fields=["leaf"])


class Message(models.Model):
    """What one side said. A reply's status is its completion's; its text is final once that is settled.

    A reply that was made elsewhere and imported has no completion: nothing was asked here, and nothing is charged.
    """

    class Role(models.TextChoices):
        SYSTEM = "system"
        USER = "user"
        ASSISTANT = "assistant"

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="messages")
    parent = models.ForeignKey("self", null=True, on_delete=models.CASCADE, related_name="children")
    role = models.CharField(max_length=10, choices=Role)
    text = models.TextField(blank=True)
    reasoning = models.TextField(blank=True)
    thought_ms = models.PositiveIntegerField(null=True)
    completion = models.ForeignKey("chat.Completion", null=True, on_delete=models.PROTECT, related_name="messages")
    choice_index = models.PositiveSmallIntegerField(default=0)
    finish_reason = models.CharField(max_length=20, blank=True)
    # Characters at the beginning that were kept from the answer which this one continues: input, not output.
    prefix_length = models.PositiveIntegerField(default=0)
    # The form's hidden key: what came with the same key is the same message, however often it comes.
    key = models.UUIDField(null=True, unique=True)
    # Where an imported message comes from and what was told of it there: "from", "id", "model", "status", …
    imported = models.JSONField(null=True)
    created = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        indexes = [models.Index(fields=["completion", "choice_index"], name="message_choices")]

    def __str__(self) -> str:
        return f"message {self.pk}"

    @property
    def status(self) -> str:
        return self.completion.status if self.completion else ""

    @property
    def is_final(self) -> bool:
        return self.completion is None or self.completion.is_settled

"""Conversations: trees of messages."""

import uuid
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from chat.models.file import Attachment, File
from chat.models.filing import FoldedField, Folder, Folding, Tag
from chat.models.persona import Persona

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

    def kept(self) -> "ConversationQuerySet":
        """Without the temporary ones, which are neither listed nor found."""
        return self.filter(temporary=False)

    def listed(self) -> "ConversationQuerySet":
        """As the list shows them: none that are archived, pinned ones first, then by when something was asked."""
        return self.kept().filter(archived=False).defer("system_prompt").order_by("-pinned", "-active", "-pk")


class Conversation(Folding):
    """A tree of messages of one person.

    `system_prompt` and `parameters` are what its persona had when it began, or what they were changed to since.

    open ◀──▶ deleted (hidden, its live replies stopped) ──▶ purged at `purge_at` (gone, with every message)
    """

    class TitledBy(models.TextChoices):
        WORDS = "words"  # the first ones of its first message
        MODEL = "model"
        PERSON = "person"  # for good

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="conversations")
    title = models.CharField(_("title"), max_length=TITLE_LENGTH)
    titled_by = models.CharField(max_length=8, choices=TitledBy, default=TitledBy.WORDS)
    folded_title = FoldedField(of="title", max_length=2 * TITLE_LENGTH)
    model = models.ForeignKey("chat.LanguageModel", null=True, on_delete=models.SET_NULL)
    persona = models.ForeignKey(Persona, null=True, on_delete=models.SET_NULL)
    system_prompt = models.TextField(blank=True)
    parameters = models.JSONField(default=dict)  # by the names of chat.parameters
    # Not kept: gone when its person has left it, or has asked nothing for an hour. What it used is kept.
    temporary = models.BooleanField(default=False)
    left = models.DateTimeField(null=True)  # of a temporary one: since when no page shows it
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
            models.Index(fields=["active"], condition=models.Q(temporary=True), name="conversation_temporary"),
            # Partial, since SQLite orders by an index only where every column before is compared with a constant.
            models.Index(
                fields=["person", "-pinned", "-active", "-id"],
                name="conversation_list",
                condition=models.Q(archived=False, deleted=None),
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)

    def take(self, persona: Persona) -> None:
        """What the persona has, from the next message on."""
        self.persona = persona if persona.name else None
        self.system_prompt, self.parameters = persona.system_prompt, persona.parameters
        if persona.model:
            self.model = persona.model
        self.save(update_fields=["persona", "system_prompt", "parameters", "model"])

    def leave(self, moment: datetime | None) -> None:
        """Of a temporary one: since when nobody sees it; None, since somebody does."""
        self.left = moment
        self.save(update_fields=["left"])

    def thread(self, leaf_id: int | None) -> list["Message"]:
        """The path from the root to one message, whole. What is shown of it is a stretch: models/thread."""
        by_id = self.messages.with_replies().in_bulk(path := ids_to(leaf_id))
        return [by_id[pk] for pk in path if pk in by_id]

    def show(self, message: "Message") -> None:
        """Makes the thread that is shown go through `message`, to the newest end below it."""
        self.leaf_id = self.newest_end(message.pk)
        self.save(update_fields=["leaf"])

    def note_read(self) -> None:
        """A page shows it."""
        if self.unread:
            self.unread = False
            self.save(update_fields=["unread"])

    def newest_end(self, message: int) -> int:
        """Where one arrives from a message by always going on with the newest child."""
        children: dict[int | None, int] = {}
        # A child is always newer than its parent.
        for pk, parent in self.messages.filter(pk__gt=message).order_by("pk").values_list("pk", "parent_id"):
            children[parent] = pk
        while message in children:
            message = children[message]
        return message


def with_files() -> models.Prefetch:
    """For `Message.attached`: the files without their texts, which may be long."""
    return models.Prefetch("attachments", Attachment.objects.select_related("file").defer("file__text"))


class MessageQuerySet(models.QuerySet):
    def with_replies(self) -> "MessageQuerySet":
        """With all that the page says of a reply."""
        found = self.select_related("completion__model__provider", "completion__price")
        return found.prefetch_related(with_files()).defer("completion__arrivals")


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
    files = models.ManyToManyField(File, through=Attachment, related_name="messages")
    created = models.DateTimeField(default=timezone.now)

    objects = MessageQuerySet.as_manager()

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        indexes = [models.Index(fields=["completion", "choice_index"], name="message_choices")]

    def __str__(self) -> str:
        return f"message {self.pk}"

    @property
    def attached(self) -> list[File]:
        """Its files, in their order."""
        return [attachment.file for attachment in self.attachments.all()]

    @property
    def status(self) -> str:
        return self.completion.status if self.completion else ""

    @property
    def is_final(self) -> bool:
        return self.completion is None or self.completion.is_settled


def ids_to(leaf: int | None) -> list[int]:
    """The ids from the root to a message. One query, however much else the tree holds."""
    table = connection.ops.quote_name(Message._meta.db_table)
    query = f"""
        WITH RECURSIVE path(id, parent_id, depth) AS (
            SELECT id, parent_id, 0 FROM {table} WHERE id = %s
            UNION ALL
            SELECT parent.id, parent.parent_id, depth + 1 FROM {table} parent JOIN path ON parent.id = path.parent_id
        )
        SELECT id FROM path ORDER BY depth DESC
    """  # noqa: S608 - the table's name is ours
    with connection.cursor() as cursor:
        cursor.execute(query, [leaf])
        return [row[0] for row in cursor.fetchall()]

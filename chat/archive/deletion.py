"""Deleting: what is hidden at once is gone within the day, in batches, so that no transaction is long.

What is queued or live there is to be stopped when it is hidden. Completions stay: the ledger outlives conversations.
"""

from datetime import timedelta

from django.utils import timezone

from chat.models import Conversation, Message

PURGE_AFTER = timedelta(hours=1)
BATCH = 500


def hide(conversation: Conversation) -> None:
    conversation.deleted = timezone.now()
    conversation.save(update_fields=["deleted"])


def purge() -> None:
    """Removes one batch of what was deleted an hour ago or earlier. A chore: it comes round each minute."""
    due = Conversation.objects.filter(deleted__lt=timezone.now() - PURGE_AFTER)
    messages = list(Message.objects.filter(conversation__in=due).order_by("-pk").values_list("pk", flat=True)[:BATCH])
    # Newest first, and children are newer than their parents: a cascade never reaches beyond the batch.
    Message.objects.filter(pk__in=messages).delete()
    due.filter(messages=None).delete()

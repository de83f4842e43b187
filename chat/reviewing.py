"""Breaks the glass: an administrator with the right opens somebody's conversation, for a while and for a reason."""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from chat.models import Account, AuditEntry, Completion, Person, Review


def open_for(by: Person, completion: Completion, *, reason: str, minutes: int) -> Review:
    """From now on it can be read, and whose it is sees by whom and why."""
    with transaction.atomic():
        review = Review.objects.create(
            by=Account.of(by),
            account=completion.account,
            conversation=completion.conversation,
            completion=completion,
            reason=reason,
            ends=timezone.now() + timedelta(minutes=minutes),
        )
        known = {"person": completion.account, "reply": completion.pk, "reason": reason, "ends": review.ends}
        AuditEntry.record(by, "conversation opened", review, after=known)
        return review

"""Puts into the search index what it lacks, in batches, while the site runs.

manage.py reindex           after an upgrade that says so
manage.py reindex --anew    empties the index first: when words are cut in another way than they were
"""

from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction
from django.db.models import Model

from chat import index
from chat.models import Conversation, Folder, Message, Tag
from chat.models.filing import FoldedField

BATCH = 200  # some 30 ms, so that nobody waits for the lock


class Command(BaseCommand):
    help = "Puts into the search index what it lacks."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--anew", action="store_true", help="empty it first; until the end, search finds less")

    def handle(self, *args, anew: bool, **options) -> None:
        if anew:
            index.empty()
        for model in (Conversation, Folder, Tag):
            fold(model)
        done, added = 0, 0
        while batch := list(Message.objects.filter(pk__gt=done).order_by("pk").values_list("pk", flat=True)[:BATCH]):
            with transaction.atomic():
                added += index.put(Message.objects.filter(pk__in=batch).select_related("conversation", "completion"))
            done = batch[-1]
            if self.stdout.isatty():
                self.stdout.write(f"\r{added} messages added", ending="")
        self.stdout.write(f"\r{added} messages added")


def fold(model: type[Model]) -> None:
    """Writes the folded names again."""
    field = next(field for field in model._meta.fields if isinstance(field, FoldedField))
    found = model.objects.order_by("pk").only("pk", field.name, field.of)
    batch = list(found[:BATCH])
    while batch:
        for row in batch:
            field.pre_save(row, add=False)
        model.objects.bulk_update(batch, [field.name])
        batch = list(found.filter(pk__gt=batch[-1].pk)[:BATCH])

"""Removes what was deleted and whose days are over, now; also what was deleted for good.

The site does so by itself, each minute. This is for a site that does not run, or for who wants to see it done.
"""

from django.core.management.base import BaseCommand
from django.utils import timezone

from chat.archive.deletion import TIDY, purge
from chat.models import Chore, Conversation


class Command(BaseCommand):
    help = "Remove what was deleted and whose days are over."

    def handle(self, *args, **options) -> None:
        before = Conversation.objects.exclude(deleted=None).count()
        self.work()
        Chore.call_for(TIDY, timezone.now())
        self.work()
        left = Conversation.objects.exclude(deleted=None).count()
        self.stdout.write(f"{before - left} conversations removed; {left} can still be had back.")

    def work(self) -> None:
        for act in purge():
            act()

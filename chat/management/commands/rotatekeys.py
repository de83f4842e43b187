"""Seals what is sealed by a new key, and forgets the old ones."""

from django.core.management.base import BaseCommand, CommandError

from chat.models import Provider, sealing


class Command(BaseCommand):
    help = "Seal the providers' keys anew: by a new key of the key file, or by the first of CHAT_KEYS."

    def handle(self, *args, **options) -> None:
        ours = sealing.add_key()
        done, lost = Provider.reseal()
        if lost:
            # The old keys stay: a file that is put back may still bring these to light.
            raise CommandError(f"{done} keys sealed anew. These cannot be read: {', '.join(lost)}. Paste them again.")
        if ours:
            sealing.drop_old_keys()
        rest = "" if ours else " CHAT_KEYS needs only its first key now."
        self.stdout.write(f"{done} keys sealed anew.{rest}")

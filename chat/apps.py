from django.apps import AppConfig
from django.db import transaction
from django.db.models.signals import post_save


class ChatConfig(AppConfig):
    name = "chat"

    def ready(self) -> None:
        from chat import checks  # noqa: F401 - registers itself
        from chat.archive.deletion import purge
        from chat.live import hint_revoked, registry
        from chat.models import Person

        registry.chores.append(purge)

        def tell_sockets(instance: Person, created: bool, **_) -> None:
            """Deactivation, a new password, another role: its sockets look whether they still may."""
            if not created:
                transaction.on_commit(lambda: hint_revoked(instance.pk))

        post_save.connect(tell_sockets, Person, weak=False)

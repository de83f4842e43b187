from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_out
from django.db.models.signals import post_save


class ChatConfig(AppConfig):
    name = "chat"

    def ready(self) -> None:
        from chat.archive.deletion import purge
        from chat.live import hint_revoked, registry
        from chat.models import Person

        registry.chores.append(purge)
        user_logged_out.connect(lambda user, **_: user and hint_revoked(user.pk), weak=False)
        # Deactivation, a new password, another role: its sockets look whether they still may.
        post_save.connect(lambda instance, created, **_: created or hint_revoked(instance.pk), Person, weak=False)

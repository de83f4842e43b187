from django.apps import AppConfig
from django.db import transaction
from django.db.models.signals import post_save, pre_delete


class ChatConfig(AppConfig):
    name = "chat"

    def ready(self) -> None:
        from chat import asking, checks, index, rights  # noqa: F401 - checks registers itself
        from chat.archive.deletion import hide_temporary, purge
        from chat.archive.importing.work import import_files
        from chat.archive.retention import retire
        from chat.delivering import tell
        from chat.live import hint_revoked, registry, stop_all
        from chat.models import Account, Completion, Message, Person
        from chat.proving import prove

        rights.listen()
        registry.chores.append(hide_temporary)
        registry.labours += [purge, retire, import_files, prove, tell]
        registry.afterwards.append(asking.name)

        def tell_sockets(instance: Person, created: bool, **_) -> None:
            """Deactivation, a new password, another role: its sockets look whether they still may."""
            if not created:
                transaction.on_commit(lambda: hint_revoked(instance.pk))

        def part_with(instance: Person, **_) -> None:
            """The ledger keeps what they used without their name; what is live is stopped once they are gone."""
            Account.forget(instance)
            arriving = list(Completion.objects.unsettled().filter(person=instance))  # afterwards they are nobody's
            transaction.on_commit(lambda: stop_all(arriving, "deleted"))
            person = instance.pk
            transaction.on_commit(lambda: hint_revoked(person))

        def take_out_of_index(instance: Message, **_) -> None:
            index.forget(instance)

        post_save.connect(tell_sockets, Person, weak=False)
        pre_delete.connect(part_with, Person, weak=False)
        pre_delete.connect(take_out_of_index, Message, weak=False)

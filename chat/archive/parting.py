"""When a person goes, or only their data: what was theirs is deleted for good, and the ledger keeps a number.

here ──▶ leaving (cannot sign in, nameless, everything hidden) ──▶ gone, when the purge has removed what was theirs
"""

from collections.abc import Iterator

from django.db import transaction
from django.utils import timezone

from chat.models import Account, Completion, Conversation, File, Folder, Import, Person, Share, Tag
from chat.models.file import remove_unattached
from chat.steps import Act, ids_of, in_batches

AT_ONCE = 500
FILES_AT_ONCE = 20


def forget_data(person: Person) -> None:
    """Everything of theirs but the account. It cannot be had back."""
    now = timezone.now()
    for pks in _hundreds(ids_of(Conversation.objects.filter(person=person))):
        found = Conversation.objects.filter(pk__in=pks)
        found.filter(deleted=None).update(deleted=now)
        found.update(purge_at=now)
    for brought in Import.objects.unended().filter(person=person):
        brought.end(Import.Status.STOPPED)
    remove_unattached(ids_of(File.objects.unattached().filter(person=person)))
    for model in (Share, Folder, Tag):
        model.objects.filter(person=person).delete()


def part_with(person: Person) -> None:
    """They are gone for everybody from now on; their rows go in batches."""
    with transaction.atomic():
        Account.forget(person)
        person.username, person.email, person.first_name, person.last_name = f"deleted-{person.pk}", "", "", ""
        person.is_active = person.is_staff = person.is_superuser = False
        person.leaving = timezone.now()
        person.set_unusable_password()
        person.save()
    forget_data(person)


def remove(person: Person) -> Iterator[Act]:
    """The rest of one who is leaving, once their conversations are gone."""
    if (
        Conversation.objects.filter(person=person).exists()
        or Completion.objects.unsettled().filter(person=person).exists()
    ):
        return
    yield from in_batches(ids_of(File.objects.filter(person=person)), FILES_AT_ONCE, remove_unattached)
    yield from in_batches(ids_of(Completion.objects.filter(person=person)), AT_ONCE, _unname)
    if not any(brought.chunks.exists() for brought in Import.objects.filter(person=person)):
        yield person.delete


def _unname(pks: list[int]) -> None:
    Completion.objects.filter(pk__in=pks).update(person=None, error="")


def _hundreds(pks: list) -> Iterator[list]:
    yield from (pks[start : start + AT_ONCE] for start in range(0, len(pks), AT_ONCE))

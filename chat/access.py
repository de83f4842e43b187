"""What a person may reach: the object, or 404. Every view and every socket comes through here."""

from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404
from django.utils import timezone

from chat.models import (
    Alert,
    Budget,
    Completion,
    Conversation,
    File,
    Folder,
    Group,
    Import,
    LanguageModel,
    Message,
    Person,
    Persona,
    Provider,
    Review,
    Share,
    Tag,
    UsageEntry,
    may_read_others,
)


def conversation_for(person: Person, pk: UUID) -> Conversation:
    return _one(Conversation.objects.for_person(person).select_related("model__provider").filter(pk=pk))


def conversations_for(person: Person, pks: list[UUID]) -> QuerySet[Conversation]:
    """All of these, or 404."""
    found = Conversation.objects.for_person(person).filter(pk__in=pks)
    if not pks or found.count() != len(set(pks)):
        raise Http404
    return found


def import_for(person: Person, pk: UUID) -> Import:
    return _one(Import.objects.filter(person=person, pk=pk))


def share_for(person: Person, pk: int) -> Share:
    return _one(Share.objects.filter(person=person, pk=pk))


def message_for(person: Person, pk: int) -> Message:
    mine = Message.objects.filter(conversation__person=person, conversation__deleted=None)
    return _one(mine.select_related("conversation", "completion__model__provider").filter(pk=pk))


def question_for(person: Person, pk: int) -> Message:
    """A message that the person wrote."""
    return _of_role(message_for(person, pk), Message.Role.USER)


def reply_for(person: Person, pk: int) -> Message:
    return _of_role(message_for(person, pk), Message.Role.ASSISTANT)


def file_for(person: Person, pk: UUID) -> File:
    """One that waits to be sent, or is in a conversation that is there."""
    return _one(File.objects.reachable().filter(person=person, pk=pk))


def completion_for(person: Person, pk: int) -> Completion:
    mine = Completion.objects.filter(person=person, conversation__person=person, conversation__deleted=None)
    return _one(mine.select_related("model__provider").filter(pk=pk))


def charged_completion_for(person: Person, pk: int) -> Completion:
    """One that the ledger knows: a person's own, for administrators everybody's. It tells no text."""
    charged = Completion.objects.filter(usage_entries__kind=UsageEntry.Kind.CHARGE)
    mine = charged if person.is_superuser else charged.filter(account__person=person)
    return _one(
        mine.select_related("account__person", "group", "model__provider", "price").defer("arrivals").filter(pk=pk)
    )


def any_completion_for(person: Person, pk: int) -> Completion:
    """Whoever asked for it, for administrators. It tells no text."""
    found = Completion.objects.select_related("account__person", "model__provider").defer("arrivals").filter(pk=pk)
    return _one(found if person.is_superuser else found.none())


def reviewable_completion_for(person: Person, pk: int) -> Completion:
    """Of a conversation of somebody else, for who may read it after giving a reason."""
    if not may_read_others(person):
        raise Http404
    theirs = Completion.objects.filter(conversation__deleted=None).exclude(conversation=None).exclude(person=person)
    return _one(theirs.select_related("account__person", "conversation").defer("arrivals").filter(pk=pk))


def review_for(person: Person, pk: int) -> Review:
    """One's own, while it lasts and the right does."""
    if not may_read_others(person):
        raise Http404
    mine = Review.objects.filter(by__person=person, ends__gt=timezone.now(), conversation__deleted=None)
    found = mine.exclude(conversation=None).select_related("account__person", "conversation", "completion")
    return _one(found.filter(pk=pk))


def reviews_of(person: Person) -> QuerySet[Review]:
    """Who has read conversations of theirs, and why; the newest first."""
    return Review.objects.filter(account__person=person).select_related("by__person", "conversation").order_by("-pk")


def alerts_for(person: Person) -> QuerySet[Alert]:
    """All for administrators, those of their own budget for others; the newest first."""
    found = Alert.objects.select_related("account__person").order_by("-pk")
    return found if person.is_superuser else found.filter(account__person=person)


def alert_for(person: Person, pk: int) -> Alert:
    return _one(alerts_for(person).filter(pk=pk))


def unseen_by(person: Person) -> int:
    """How much somebody has not looked at: an administrator, what nobody has dismissed."""
    read = reviews_of(person).filter(seen=None).count()
    if person.is_superuser:
        return read + Alert.objects.filter(dismissed=None).count()
    return read + Alert.objects.filter(account__person=person, seen=None).count()


def model_for(person: Person, pk: int) -> LanguageModel:
    return _one(LanguageModel.objects.usable().filter(pk=pk))


def folder_for(person: Person, pk: int) -> Folder:
    return _one(Folder.objects.filter(person=person, pk=pk))


def tag_for(person: Person, pk: int) -> Tag:
    return _one(Tag.objects.filter(person=person, pk=pk))


def persona_for(person: Person, pk: int) -> Persona:
    return _one(person.personas.named().filter(pk=pk))


def _of_role(message: Message, role: str) -> Message:
    if message.role != role:
        raise Http404
    return message


def provider_for(person: Person, pk: int) -> Provider:
    """Also one that is disabled, for administrators."""
    return _one(Provider.objects.filter(pk=pk) if person.is_superuser else Provider.objects.none())


def listed_model_for(person: Person, pk: int) -> LanguageModel:
    """Also one that is not offered, for administrators."""
    listed = LanguageModel.objects.select_related("provider").filter(pk=pk)
    return _one(listed if person.is_superuser else listed.none())


def budget_for(person: Person, pk: int) -> Budget:
    found = Budget.objects.select_related("account", "group").filter(pk=pk)
    return _one(found if person.is_superuser else found.none())


def group_for(person: Person, pk: int) -> Group:
    """A paying group, for administrators."""
    return _one(Group.objects.filter(pk=pk) if person.is_superuser else Group.objects.none())


def _one(found):
    if (thing := found.first()) is None:
        raise Http404
    return thing

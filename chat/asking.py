"""Asks for a completion: Message, queued Completion with its choices, in one transaction. The only way in.

Its mirror is settlement, the only way out.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID, uuid4

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from chat import alerting, index, parameters
from chat.accounting import budgets
from chat.accounting.budgets import Wanted
from chat.models import (
    Account,
    Attachment,
    Completion,
    Conversation,
    File,
    LanguageModel,
    Message,
    Person,
    Persona,
    Price,
)
from chat.prompts import prompt_bound, room, tokens_with
from chat.titles import first_words

TITLE_TOKENS = 100  # room for a few words, and for what some models put before them


class KeyReused(Exception):
    """The same key came with another text; `message` is what it made the first time."""

    def __init__(self, message: Message) -> None:
        self.message = message


class KeyTaken(Exception):
    """The key belongs to what somebody else has sent."""


class ConversationGone(Exception):
    """It was deleted meanwhile."""


class ReplyUnsettled(Exception):
    """The thread ends in a reply that is still arriving."""


class CannotContinue(Exception):
    """This reply is whole, or its provider cannot go on with an answer."""


class NothingAsked(Exception):
    """This reply answers no message: an imported conversation may begin with one."""


class FilesGone(Exception):
    """One of the files is not there any more, or was never the person's."""


class CannotSee(Exception):
    """There are images, and one of the models takes none."""

    def __init__(self, model: LanguageModel) -> None:
        self.model = model


class NoRoomForFiles(Exception):
    """The files alone are more than one of the models takes at a time."""

    def __init__(self, model: LanguageModel, tokens: int, room: int) -> None:
        self.model, self.tokens, self.room = model, tokens, room


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for: so many answers of each of these models, side by side; `streamed` or as each model says.

    `cap`: the most that all of them together may cost, in the currency of their prices.
    """

    models: list[LanguageModel]
    n: int = 1
    streamed: bool | None = None
    cap: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a new conversation begins with: a persona, the person's own if none; or what was set instead of it."""

    persona: Persona | None = None
    system_prompt: str | None = None
    parameters: dict[str, object] | None = None
    temporary: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """What an ask made: the person's message if there is one, and the completions with their empty choices."""

    conversation: Conversation
    message: Message | None
    completions: list[Completion]
    choices: list[Message]
    files: list[File] = field(default_factory=list)  # of that message
    repeated: bool = False  # the key was known: nothing was made, this is what it made the first time


def send(
    person: Person,
    *,
    text: str,
    wish: Wish,
    key: UUID,
    conversation: Conversation | None,
    parent: int | None,
    beginning: Beginning | None = None,
    files: Sequence[UUID] = (),
) -> Asked:
    """A new message under `parent`, a message's id, or at the root; with no conversation, in a new one."""

    def make() -> Asked:
        held = _held_files(person, files) if files else []
        words = text if text.strip() else " ".join(file.name for file in held)
        place = _held(conversation) if conversation else _new_conversation(person, words, beginning or Beginning())
        if parent is not None:
            _refuse_unsettled(place.messages.select_related("completion").get(pk=parent))
        message = place.messages.create(parent_id=parent, role=Message.Role.USER, text=text, key=key)
        Attachment.objects.bulk_create(Attachment(message=message, file=file) for file in held)
        index.put([message])
        return _queue(person, place, wish, parent=message, message=message)

    return _once(person, key, text, make, files)


def edit(
    person: Person, original: Message, *, text: str, wish: Wish, key: UUID, files: Sequence[UUID] | None = None
) -> Asked:
    """A sibling of a message of the person's own; the old thread stays. Without `files` it has the same."""
    if files is None:
        files = [file.pk for file in original.attached if file.is_ready]
    place = {"conversation": original.conversation, "parent": original.parent_id}
    return send(person, text=text, wish=wish, key=key, files=files, **place)


def _held_files(person: Person, pks: Sequence[UUID]) -> list[File]:
    """In their order, their rows locked: what is attached is not removed at the same moment."""
    mine = File.objects.ready().reachable().filter(person=person, pk__in=pks)
    found = mine.select_for_update().defer("text").in_bulk()
    if len(found) != len(set(pks)):
        raise FilesGone
    return [found[pk] for pk in dict.fromkeys(pks)]


def regenerate(person: Person, reply: Message, *, wish: Wish, key: UUID) -> Asked:
    """Another answer to the same message, beside the first."""

    def make() -> Asked:
        _held(reply.conversation)
        _refuse_unsettled(reply)
        if reply.parent is None:
            raise NothingAsked
        return _queue(person, reply.conversation, wish, parent=reply.parent, key=key)

    return _once(person, key, "", make)


def go_on(person: Person, reply: Message, *, key: UUID, cap: Decimal | None = None) -> Asked:
    """A sibling that begins with the kept text and continues it, by the same model and in the same way."""

    def make() -> Asked:
        _held(reply.conversation)
        _refuse_unsettled(reply)
        if not can_continue(reply):
            raise CannotContinue
        wish = Wish([reply.completion.model], streamed=reply.completion.streamed, cap=cap)
        return _queue(person, reply.conversation, wish, parent=reply.parent, key=key, prefix=reply.text)

    return _once(person, key, reply.text, make)


def can_continue(reply: Message) -> bool:
    """One that breaks off, of a model that can go on with it."""
    return breaks_off(reply) and bool(reply.completion and reply.completion.model.can_continue)


def breaks_off(reply: Message) -> bool:
    """A settled reply that is not whole, and of which some text was kept."""
    if not reply.completion or not reply.completion.is_settled or not reply.text:
        return False
    return reply.finish_reason in ("", "length")  # with another it has its end, confirmed or not


def _once(person: Person, key: UUID, text: str, make, files: Sequence[UUID] = ()) -> Asked:
    """Runs `make` in a transaction, unless the key has made something already: then it is that."""
    try:
        with transaction.atomic():
            return _earlier(person, key, text, files) or make()
    except budgets.Refused as refused:
        alerting.tell_refused(refused)
        raise
    except IntegrityError as error:
        # Two requests with one key at the same moment: the other one has committed.
        if earlier := _earlier(person, key, text, files):
            return earlier
        if Message.objects.filter(key=key).exists():
            raise KeyTaken from error
        raise


def _earlier(person: Person, key: UUID, text: str, files: Sequence[UUID]) -> Asked | None:
    known = Message.objects.filter(key=key, conversation__person=person).select_related("conversation").first()
    if known is None:
        return None
    is_same = known.text == text and {file.pk for file in known.attached} == set(files)
    if not is_same and known.role == Message.Role.USER:
        raise KeyReused(known)
    reply = known if known.completion_id else known.children.order_by("id").first()
    message = known if known.role == Message.Role.USER else None
    lineup = Completion.objects.filter(ask=reply.completion.ask).order_by("pk")
    choices = Message.objects.filter(completion__in=lineup).select_related(
        "completion__model__provider", "completion__price"
    )
    found = list(choices.order_by("pk"))
    return Asked(known.conversation, message, list(lineup), found, known.attached, repeated=True)


def _new_conversation(person: Person, text: str, beginning: Beginning) -> Conversation:
    persona = beginning.persona or Persona.nameless(person)
    return Conversation.objects.create(
        person=person,
        title=first_words(text),
        active=timezone.now(),
        persona=beginning.persona,
        system_prompt=persona.system_prompt if beginning.system_prompt is None else beginning.system_prompt,
        parameters=persona.parameters if beginning.parameters is None else beginning.parameters,
        temporary=beginning.temporary,
    )


def _held(conversation: Conversation) -> Conversation:
    """Its row locked: of two asks the second sees what the first has made, and none is made in what is deleted."""
    held = Conversation.objects.select_for_update().filter(pk=conversation.pk, deleted=None).first()
    if held is None:
        raise ConversationGone
    return held


def _refuse_unsettled(reply: Message) -> None:
    if reply.completion and not reply.completion.is_settled:
        raise ReplyUnsettled


def _queue(
    person: Person,
    conversation: Conversation,
    wish: Wish,
    *,
    parent: Message,
    message: Message | None = None,
    key: UUID | None = None,
    prefix: str = "",
) -> Asked:
    files = _refuse_unfit(parent, wish.models)
    account, now = Account.of(person), timezone.now()
    common = {"ask": uuid4(), "account": account, "person": person, "conversation": conversation}
    # Of this moment, whatever changes until it ends: what is held is what will be charged.
    common |= {"day": timezone.localdate(now), "group_id": account.group_id}
    prices = Price.current(wish.models, now)
    completions = [
        Completion.objects.create(
            model=model,
            n=n,
            streamed=model.streamed if wish.streamed is None else wish.streamed,
            **_asked_for(conversation.parameters, model),
            price=prices.get(model.pk),
            **common,
        )
        for model in wish.models
        for n in _shares(model, wish.n)
    ]
    choices = [
        Message(
            conversation=conversation,
            parent=parent,
            role=Message.Role.ASSISTANT,
            completion=completion,
            choice_index=index,
            text=prefix,
            prefix_length=len(prefix),
        )
        for completion in completions
        for index in range(completion.n)
    ]
    choices[0].key = key
    for choice in choices:
        choice.save()
    conversation.leaf, conversation.model, conversation.active = choices[0], wish.models[0], now
    conversation.left = None
    conversation.save(update_fields=["leaf", "model", "active", "left"])
    _hold(completions, account, wish.cap)  # last: the rows of budgets are what others wait for
    return Asked(conversation, message, completions, choices, files)


def _refuse_unfit(question: Message, models: list[LanguageModel]) -> list[File]:
    """The files of the question that is asked. What was attached earlier in the thread is left out where it must be."""
    attached = Attachment.objects.filter(message=question).select_related("file").defer("file__text")
    if not (files := [attachment.file for attachment in attached]):
        return []
    for model in models:
        if any(file.is_image and file.is_ready for file in files) and not model.can_see:
            raise CannotSee(model)
        most = room(model)
        if most is not None and (tokens := tokens_with(question.text, files, model)) > most:
            raise NoRoomForFiles(model, tokens, most)
    return files


def _hold(completions: list[Completion], account: Account, cap: Decimal | None) -> None:
    """Takes what they may cost from the budgets they count in, and lowers their longest answers to what is left."""
    day = completions[0].day
    counting = budgets.counting(account.pk, account.group_id, day)
    if not counting and cap is None:
        return
    prompts = {completion.model_id: completion for completion in completions}
    bounds = {model: prompt_bound(completion) for model, completion in prompts.items()}
    wanted = [Wanted(completion, bounds[completion.model_id]) for completion in completions]
    periods = budgets.periods_of(counting, day) if counting else []
    budgets.hold(wanted, periods, cap=cap, now=timezone.now())
    for completion in completions:
        if completion.cap is not None or completion.max_output != completion.model.max_output:
            completion.save(update_fields=["max_output", "cap"])


def name(pk: int) -> None:
    """Has a model name the conversation of a reply that has settled, if nobody has yet and its person wishes it.

    Once for a conversation. It costs what it costs; where a budget has no room for it, the first words stay.
    """
    reply = Completion.objects.select_related("conversation", "person", "model__provider").get(pk=pk)
    if not _is_to_be_named(reply):
        return
    model = _naming_model(reply)
    account, now = Account.of(reply.person), timezone.now()
    with suppress(budgets.Refused), transaction.atomic():
        completion = Completion.objects.create(
            purpose=Completion.Purpose.TITLE,
            model=model,
            streamed=False,
            max_output=min(model.max_output, TITLE_TOKENS),
            account=account,
            person=reply.person,
            conversation=reply.conversation,
            day=timezone.localdate(now),
            group_id=account.group_id,
            price=Price.current([model], now).get(model.pk),
        )
        _hold([completion], account, None)


def _is_to_be_named(reply: Completion) -> bool:
    conversation, person = reply.conversation, reply.person
    if reply.purpose != Completion.Purpose.REPLY or reply.status != Completion.Status.COMPLETE:
        return False
    if not (conversation and person) or conversation.deleted or conversation.temporary:
        return False
    wished = (person.titles or settings.TITLES) == Person.Titles.MODEL
    is_named = conversation.titled_by != Conversation.TitledBy.WORDS
    return wished and not is_named and not conversation.completion_set.filter(purpose=Completion.Purpose.TITLE).exists()


def _naming_model(reply: Completion) -> LanguageModel:
    """The site's model for it, if it has one that can answer."""
    named = LanguageModel.objects.usable().filter(name=settings.TITLE_MODEL).first() if settings.TITLE_MODEL else None
    return named or reply.model


def fitting(person: Person, refused: budgets.Refused) -> list[LanguageModel]:
    """The models that could still answer what was refused: one answer each, the longest first."""
    account, now = Account.of(person), timezone.now()
    counting = budgets.counting(account.pk, account.group_id, timezone.localdate(now))
    return budgets.fitting(list(LanguageModel.objects.usable()), refused.prompt, counting, now)


def _asked_for(wished: dict[str, object], model: LanguageModel) -> dict[str, object]:
    """The columns of what is wished for: as much of it as this model takes."""
    return {
        "max_output": parameters.longest_answer(wished, model.max_output),
        "parameters": parameters.sent(wished, model.provider.facts.parameters),
    }


def _shares(model: LanguageModel, n: int) -> list[int]:
    """One completion with n choices, whose prompt is billed once; n of one where the provider cannot."""
    return [n] if model.provider.facts.supports_n else [1] * n

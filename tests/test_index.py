"""The index holds the words of every final text, and of no other: whoever writes, whoever deletes."""

from datetime import UTC, datetime
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from chat import asking, index, settlement
from chat.archive import deletion
from chat.index import WORD, Wanted
from chat.models import Conversation, Message, Person
from chat.settlement import Ending
from chat.transcript import Transcript
from chat.upstream.contract import Delta, Opened
from chat.words import phrase
from tests.test_deletion import asked, purged, settled  # noqa: F401 - a fixture


@pytest.fixture(autouse=True)
def nothing_is_indexed(db) -> None:
    """Tests that commit leave their words: Django's flush knows no table but those of models."""
    index.empty()


@pytest.fixture
def alice(db) -> Person:
    return Person.objects.create_user("carol")


def write(person: Person, *texts: str, created: datetime | None = None) -> list[Message]:
    conversation = Conversation.objects.create(person=person, title="T", active=timezone.now())
    made = [conversation.messages.create(role="user", text=t, created=created or timezone.now()) for t in texts]
    index.put(made)
    return made


def found(person: Person, *typed: str, **bounds: int) -> list[int]:
    """The ids of messages that have all that is typed."""
    wanted = [[Wanted(WORD, phrase(each))] for each in typed]
    return [index.message_at(place) for place in index.matching(person.pk, wanted, limit=10, **bounds)]


def documents() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM chat_words_docsize")
        return cursor.fetchone()[0]


@pytest.mark.parametrize(
    "typed",
    [
        "热表",
        "有限元",
        "限元方",
        "元",
        "法",
        "GPU",
        "gpu加速",
        "ÉCLAIR",
        "ecl",
        "to_thread",
        "asyncio.to",
        "方法，热表",
    ],
)
def test_a_part_is_found(alice, typed):
    (message,) = write(alice, "有限元方法，热表。GPU加速的éclair: asyncio.to_thread(x)")
    write(alice, "別的 text")
    assert found(alice, typed) == [message.pk]


@pytest.mark.parametrize("typed", ["表热", "hread", "thread_to", "限方", "热 法"])
def test_what_is_not_there_is_not_found(alice, typed):
    write(alice, "有限元方法，热表。GPU加速的éclair: asyncio.to_thread(x)")
    assert found(alice, typed) == []


def test_all_words_must_be_there_in_any_order(alice):
    both, _one = write(alice, "the heat equation 热方程", "the heat")
    assert found(alice, "方程", "heat") == [both.pk]


def test_nobody_finds_what_others_wrote(alice):
    write(alice, "canary")
    assert found(Person.objects.create_user("bob"), "canary") == []


def test_the_newest_comes_first_however_late_it_was_imported(alice):
    (new,) = write(alice, "word")
    (old,) = write(alice, "word", created=datetime(2024, 5, 1, tzinfo=UTC))
    assert found(alice, "word") == [new.pk, old.pk]
    assert found(alice, "word", last=index.place_at(datetime(2024, 6, 1, tzinfo=UTC)) - 1) == [old.pk]
    assert found(alice, "word", first=index.place_at(datetime(2024, 6, 1, tzinfo=UTC))) == [new.pk]


def test_a_question_is_found_at_once_and_a_reply_when_it_is_settled(asked):  # noqa: F811
    alice = asked.conversation.person
    assert found(alice, "Hi") == [asked.message.pk]
    settled(asked, "The **answer** is 42")
    assert found(alice, "answer") == [asked.choices[0].pk]
    assert documents() == 2


def test_a_reply_that_is_continued_is_found_only_at_its_end(asked):  # noqa: F811
    settled(asked, "The kept beginning")
    alice, reply = asked.conversation.person, Message.objects.get(role="assistant")
    wish = asking.Wish([reply.completion.model])
    again = asking._queue(alice, asked.conversation, wish, parent=reply.parent, prefix=reply.text)
    assert found(alice, "kept") == [reply.pk]
    transcript = Transcript()
    transcript.fold([Opened(200, "terminator"), Delta(0, " and an end")], 0.1)
    settlement.settle(again.completions[0], transcript, Ending("stopped", "person"))
    assert found(alice, "kept") == [again.choices[0].pk, reply.pk]


def test_what_is_deleted_is_forgotten_whoever_deletes_it(alice, asked):  # noqa: F811
    kept, gone, *_others = write(alice, "one canary", "two canary", *["more of it"] * 300)
    gone.delete()
    assert found(alice, "canary") == [kept.pk]
    deletion.hide(kept.conversation)
    purged()
    assert found(alice, "canary") == [] and documents() == 1
    asked.conversation.person.delete()
    assert documents() == 0


def test_an_index_that_lacks_something_is_completed_and_can_be_made_anew(alice):
    messages = write(alice, *[f"word {n}" for n in range(450)])
    index.empty()
    index.put(messages[:7])
    for arguments in ([], [], ["--anew"]):
        call_command("reindex", *arguments, stdout=StringIO())
        assert documents() == 450 and found(alice, "449") == [messages[449].pk]


def test_titles_are_folded_again_when_the_index_is(alice):
    write(alice, "x")
    Conversation.objects.update(title="Éclair", folded_title="")
    call_command("reindex", stdout=StringIO())
    assert Conversation.objects.get().folded_title == "eclair"


def test_a_long_text_is_found_to_its_end(alice):
    (message,) = write(alice, "稳定 " * 30_000 + "needle 针 in the haystack")
    assert found(alice, "needle", "haystack") == found(alice, "针") == [message.pk]

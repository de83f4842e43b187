"""What is deleted can be had back for some days, then it is gone, in batches; what it used stays."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat import asking, index, settlement
from chat.archive import deletion, parting, retention, sharing
from chat.archive.importing.work import import_files
from chat.live.queueing import begin
from chat.models import (
    Account,
    Chore,
    Completion,
    Conversation,
    Folder,
    Import,
    LanguageModel,
    Message,
    Person,
    Process,
    Provider,
    Retention,
    Share,
    UsageDay,
    UsageEntry,
)
from chat.models.usage import LedgerIsAppendOnly
from chat.settlement import Ending
from chat.transcript import Transcript
from chat.upstream.contract import Delta, Opened


@pytest.fixture
def asked(db):
    provider = Provider.objects.create(name="P", profile="default", base_url="http://127.0.0.1:9/v1")
    model = LanguageModel.objects.create(provider=provider, name="tiny")
    alice = Person.objects.create_user("alice")
    wish = asking.Wish([model])
    return asking.send(alice, text="Hi", wish=wish, key="0" * 31 + "1", conversation=None, parent=None)


def settled(asked, text: str = "Hello") -> Completion:
    live = begin(asked.completions[0].pk, Process.objects.create().pk)
    transcript = Transcript()
    transcript.fold([Opened(200, "terminator"), Delta(0, text)], 0.1)
    assert settlement.settle(live.completion, transcript, Ending("stopped", "person"))
    return Completion.objects.get(pk=asked.completions[0].pk)


def run(work) -> None:
    for act in work:
        if act:
            act()


def purged() -> None:
    """All that was deleted, as if its days were over."""
    Conversation.objects.exclude(deleted=None).update(purge_at=timezone.now())
    run(deletion.purge())


def totals() -> list:
    """All that the ledger says, and its daily sums."""
    return [
        list(model.objects.order_by("pk").values_list(*(f.name for f in model._meta.fields if f.name != "created")))
        for model in (UsageEntry, UsageDay)
    ]


def test_a_purge_removes_every_text_and_keeps_the_ledger(asked):
    completion = settled(asked)
    Completion.objects.update(error="canary of the provider", arrivals=b"canary")
    conversation, before = asked.conversation, totals()
    parent = asked.choices[0]
    for n in range(250):
        parent = conversation.messages.create(parent=parent, role="user", text=f"message {n}")
    index.put(Message.objects.all())
    sharing.share(conversation, days=30, with_thoughts=False)
    deletion.hide(conversation)
    run(deletion.purge())
    assert Message.objects.count() == 252, "not before its days are over"
    purged()
    assert not Message.objects.exists() and not Conversation.objects.exists() and not Share.objects.exists()
    assert not index.matching(conversation.person_id, [[index.Wanted.fact(index.ROLE, "user")]], limit=1)
    completion.refresh_from_db()
    assert (completion.conversation_id, completion.error, bytes(completion.arrivals)) == (None, "", b"")
    assert totals() == before and UsageEntry.objects.get().output_tokens == completion.output_tokens > 0


def test_what_is_deleted_comes_back_until_its_days_are_over(asked):
    conversation, alice = asked.conversation, asked.conversation.person
    settled(asked)
    deletion.hide(conversation)
    assert not Conversation.objects.for_person(alice).exists()
    assert list(deletion.recoverable(alice)) == [conversation]
    assert deletion.restore(Person.objects.create_user("bob"), [conversation.pk]) == 0
    assert deletion.restore(alice, [conversation.pk]) == 1
    assert Conversation.objects.for_person(alice).get().messages.count() == 2
    deletion.hide(conversation)
    Conversation.objects.update(purge_at=timezone.now())
    assert deletion.restore(alice, [conversation.pk]) == 0 and not deletion.recoverable(alice)


def test_what_is_deleted_for_good_goes_with_the_next_purge(asked):
    settled(asked)
    deletion.hide(asked.conversation)
    assert deletion.delete_for_good(deletion.recoverable(asked.conversation.person)) == 1
    run(deletion.purge())
    assert not Conversation.objects.exists()


def test_a_conversation_whose_reply_still_ends_is_purged_after_its_end(asked):
    deletion.hide(asked.conversation)
    purged()
    assert Conversation.objects.exists(), "a settlement must find what to charge, and where"
    settled(asked)
    purged()
    assert not Conversation.objects.exists() and UsageEntry.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_no_act_of_a_purge_is_long(asked):
    """The write lock is held for 50 ms at most; here the acts are counted and their size, not a busy machine's time."""
    settled(asked)
    Message.objects.bulk_create(
        Message(conversation=asked.conversation, role="user", text=f"{n} " + "热表与冷表 " * 20) for n in range(1000)
    )
    index.put(Message.objects.select_related("conversation"))
    deletion.hide(asked.conversation)
    Conversation.objects.update(purge_at=timezone.now())
    with CaptureQueriesContext(connection) as seen:
        acts = [act() for act in deletion.purge() if act]
    begins = sum(query["sql"].startswith("BEGIN") for query in seen.captured_queries)
    assert len(acts) > 10 and begins >= 10


def test_a_settlement_that_finds_no_message_still_charges(asked):
    live = begin(asked.completions[0].pk, Process.objects.create().pk)
    Message.objects.all().delete()
    transcript = Transcript()
    transcript.fold([Opened(200, "terminator"), Delta(0, "Hello there")], 0.1)
    assert settlement.settle(live.completion, transcript, Ending("stopped", "deleted"))
    assert UsageEntry.objects.get().output_tokens > 0


def test_settling_twice_writes_once(asked):
    completion = settled(asked, "first")
    transcript = Transcript()
    transcript.fold([Opened(200, "terminator"), Delta(0, "second")], 0.1)
    assert not settlement.settle(completion, transcript, Ending("abandoned", "left"))
    assert Message.objects.get(completion=completion).text == "first"
    assert UsageEntry.objects.count() == 1


def test_a_ledger_line_cannot_be_changed_or_deleted(asked):
    settled(asked)
    line = UsageEntry.objects.get()
    for attempt in (
        line.save,
        line.delete,
        UsageEntry.objects.all().delete,
        lambda: UsageEntry.objects.update(number=1),
        lambda: UsageEntry.objects.bulk_update([line], ["number"]),
        lambda: UsageEntry.objects.bulk_create(
            [line], update_conflicts=True, unique_fields=["id"], update_fields=["day"]
        ),
    ):
        with pytest.raises(LedgerIsAppendOnly):
            attempt()


def test_deleting_a_person_leaves_their_account_in_the_ledger(asked):
    settled(asked)
    Person.objects.get().delete()
    line = UsageEntry.objects.get()
    assert line.account.label.startswith("deleted person") and "alice" not in line.account.label
    assert line.account.person is None and line.completion.person is None
    assert not Message.objects.exists()


def test_a_person_who_goes_is_nameless_at_once_and_gone_after_the_purge(asked):
    settled(asked)
    alice, before = asked.conversation.person, totals()
    Import.objects.create(person=alice, name="x", size=5).receive(b"12345", 0)
    Folder.objects.create(person=alice, name="canary")
    sharing.share(asked.conversation, days=30, with_thoughts=False)
    parting.part_with(alice)
    alice.refresh_from_db()
    assert not alice.is_active and "alice" not in alice.username and not alice.has_usable_password()
    assert Account.objects.get().label == f"deleted person {alice.pk}" and not Share.objects.exists()
    run(import_files(Process.objects.create().pk))  # sweeps the chunks
    run(deletion.purge())
    assert not Person.objects.exists() and not Message.objects.exists() and not Folder.objects.exists()
    assert not Import.objects.exists() and totals() == before and Completion.objects.get().person is None


def test_all_data_can_go_and_the_account_stay(asked):
    settled(asked)
    alice, before = asked.conversation.person, totals()
    parting.forget_data(alice)
    assert not deletion.recoverable(alice), "it cannot be had back"
    run(deletion.purge())
    assert Person.objects.get() == alice and alice.is_active
    assert not Conversation.objects.exists() and totals() == before


# --- retention


@pytest.fixture
def old(asked) -> dict[str, Conversation]:
    settled(asked)
    alice, now = asked.conversation.person, timezone.now()
    Retention.objects.create(days=90, by=Account.of(alice))
    ages = {"fresh": (10, False), "old": (100, False), "pinned": (100, True)}
    return {
        name: Conversation.objects.create(person=alice, title=name, active=now - timedelta(days=days), pinned=pinned)
        for name, (days, pinned) in ages.items()
    }


def listed() -> set[str]:
    return set(Conversation.objects.filter(deleted=None).exclude(title="Hi").values_list("title", flat=True))


def test_a_rule_takes_what_is_older_and_spares_what_is_pinned(old):
    run(retention.retire())
    assert listed() == {"fresh", "pinned"}
    assert [c.title for c in deletion.recoverable(old["old"].person)] == ["old"], "it can be had back"


def test_what_a_rule_took_and_somebody_wants_back_stays(old):
    run(retention.retire())
    assert deletion.restore(old["old"].person, [old["old"].pk]) == 1
    Chore.objects.all().delete()
    run(retention.retire())
    assert listed() == {"fresh", "pinned", "old"}


def test_a_rule_spares_where_a_reply_is_arriving(old, asked):
    Completion.objects.update(status="live", settled=None, conversation=old["old"])
    run(retention.retire())
    assert "old" in listed()


def test_a_preview_says_what_would_go_without_a_word_of_it(old):
    seen = retention.preview(90)
    assert (seen.conversations, seen.people, seen.pinned) == (1, 1, 1)
    assert seen.by_person == [("alice", 1)] and seen.oldest == old["old"].active
    assert retention.preview(5).conversations == 2 and retention.preview(3650).conversations == 0


def test_without_a_rule_everything_stays_and_one_process_does_it_once_an_hour(old):
    assert Chore.take("retire", timedelta(hours=1)) and not Chore.take("retire", timedelta(hours=1))
    run(retention.retire())
    Retention.objects.create(days=None, by=Account.objects.get())
    Chore.objects.all().delete()
    run(retention.retire())
    assert listed() == {"fresh", "pinned", "old"}

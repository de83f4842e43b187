"""What is deleted is gone after an hour, in batches; what it used stays."""

from datetime import timedelta

import pytest
from django.utils import timezone

from chat import asking, settlement
from chat.archive import deletion
from chat.live.queueing import begin
from chat.models import Completion, Conversation, LanguageModel, Message, Person, Process, Provider, UsageEntry
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


def test_a_purge_removes_the_text_and_keeps_the_ledger(asked):
    completion = settled(asked)
    conversation = asked.conversation
    parent = asked.choices[0]
    for n in range(1200):
        parent = conversation.messages.create(parent=parent, role="user", text=f"message {n}")
    deletion.hide(conversation)
    deletion.purge()
    assert Message.objects.count() == 1202, "not before an hour is over"
    Conversation.objects.update(deleted=timezone.now() - timedelta(hours=2))
    for _ in range(4):
        deletion.purge()
    assert not Message.objects.exists() and not Conversation.objects.exists()
    completion.refresh_from_db()
    assert completion.conversation_id is None
    assert UsageEntry.objects.get().output_tokens == completion.output_tokens > 0


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

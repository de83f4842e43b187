"""Titles made by a model: a completion of their own, that costs what it costs and never takes a person's name away."""

import pytest

from chat import asking, settlement
from chat.live.queueing import begin
from chat.models import Completion, Conversation, Person, Process, UsageEntry
from chat.settlement import Ending
from chat.titles import of_answer
from chat.transcript import Transcript
from chat.upstream.contract import Delta, Finish, Opened, Terminator
from tests.scripted import chat_stream, chat_whole
from tests.site import wait_for
from tests.test_deletion import asked  # noqa: F401 - a fixture


def complete(completion: Completion, text: str, status: str = "complete") -> None:
    live = begin(completion.pk, Process.objects.create().pk)
    transcript = Transcript()
    transcript.fold([Opened(200, "terminator"), Delta(0, text), Finish(0, "stop", "stop"), Terminator()], 0.1)
    assert settlement.settle(live.completion, transcript, Ending(status, ""))


@pytest.fixture
def title(asked) -> Completion:  # noqa: F811
    """What is asked for when the first reply of somebody who wishes it has settled."""
    Person.objects.update(titles="model")
    complete(asked.completions[0], "Hello there.")
    asking.name(asked.completions[0].pk)
    return Completion.objects.get(purpose="title")


def test_the_first_whole_reply_gets_its_conversation_a_name_once(title):
    assert not title.messages.exists() and (title.n, title.max_output) == (1, asking.TITLE_TOKENS)
    complete(title, '"Greetings"\n')
    (conversation,) = Conversation.objects.all()
    assert (conversation.title, conversation.folded_title, conversation.titled_by) == (
        "Greetings",
        "greetings",
        "model",
    )
    assert UsageEntry.objects.filter(completion=title).count() == 1
    asking.name(Completion.objects.get(purpose="reply").pk)
    assert Completion.objects.filter(purpose="title").count() == 1
    assert not conversation.unread or conversation.completion_set.count() == 2


def test_what_a_person_has_named_meanwhile_keeps_its_name(title):
    Conversation.objects.update(title="Mine", titled_by="person")
    complete(title, "Greetings")
    assert Conversation.objects.get().title == "Mine"


@pytest.mark.parametrize(("text", "status"), [("Greetings", "cut"), ("", "complete"), (' "" ', "complete")])
def test_a_title_that_failed_leaves_the_first_words(title, text, status):
    complete(title, text, status)
    assert (Conversation.objects.get().title, Conversation.objects.get().titled_by) == ("Hi", "words")


def test_a_title_whose_conversation_is_gone_still_charges(title):
    live = begin(title.pk, Process.objects.create().pk)
    Conversation.objects.all().delete()
    transcript = Transcript()
    transcript.fold([Opened(200, "terminator"), Delta(0, "Greetings")], 0.1)
    assert settlement.settle(live.completion, transcript, Ending("stopped", "deleted"))
    assert UsageEntry.objects.get(completion=title).output_tokens > 0


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"person": {"titles": "words"}}, "its person wishes the first words"),
        ({"person": {"titles": ""}}, "the site says the first words"),
        ({"conversation": {"titled_by": "person"}}, "it is named"),
        ({"conversation": {"temporary": True}}, "it is not kept"),
        ({"completion": {"status": "cut"}}, "the reply is not whole"),
    ],
)
def test_no_title_is_asked_for_where(asked, changes, sentence):  # noqa: F811
    Person.objects.update(titles="model")
    complete(asked.completions[0], "Hello there.")
    models = {"person": Person, "conversation": Conversation, "completion": Completion}
    for name, columns in changes.items():
        models[name].objects.update(**columns)
    asking.name(asked.completions[0].pk)
    assert not Completion.objects.filter(purpose="title").exists(), sentence


@pytest.mark.parametrize(
    ("answer", "title"),
    [
        ("Heat equation stability", "Heat equation stability"),
        ('"Heat equation."', "Heat equation"),
        ("\n\n**Title: Heat**\nIt is about heat.", "Heat"),
        ("标题：热方程的稳定性。", "热方程的稳定性"),
        ("《热方程》", "热方程"),
        ("", ""),
        ('""\n\n', ""),
        ("word " * 50, "word word word word word word word word word word word word…"),
    ],
)
def test_of_an_answer_only_the_title_is_taken(answer, title):
    assert of_answer(answer) == title


def test_the_page_is_told_of_the_name(make_site, upstream):
    upstream.script("tiny", chat_stream(["Hello ", "there."], usage=(9, 3)), chat_whole("Greetings", usage=(40, 2)))
    site = make_site("tiny", CHAT_TITLES="model")
    alice = site.visitor("alice")
    with alice.socket() as page:
        sent = alice.send("Hello", model="tiny")
        wait_for(lambda: site.rows("SELECT 1 FROM chat_conversation WHERE title = 'Greetings'"))
        while (
            page.next("changed")["conversation"] != sent.conversation
            or "Greetings" not in alice.http.get("/list/").text
        ):
            pass
    asked_for = [request.body for request in upstream.requests if request.path.endswith("/chat/completions")]
    assert (asked_for[1]["stream"], asked_for[1]["max_tokens"]) == (False, asking.TITLE_TOKENS)
    assert "Hello there." in asked_for[1]["messages"][-1]["content"]
    assert sorted(row["input_tokens"] for row in site.charges()) == [9, 40]

"""Search finds what a person has written and read: by words and filters, nobody else's, nothing deleted."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.utils import timezone

from chat import index
from chat.archive import filing, search
from chat.archive.query import WrongFilter, parse
from chat.models import Account, Completion, Conversation, LanguageModel, Person, Provider

NOW = timezone.now()


@pytest.fixture
def alice(db) -> Person:
    provider = Provider.objects.create(name="P", profile="default", base_url="http://127.0.0.1:9/v1")
    LanguageModel.objects.create(provider=provider, name="moonshotai/kimi-k2")
    return Person.objects.create_user("alice")


def said(
    person: Person, title: str, *texts: str, days_ago: float = 0, status: str = "complete", **filed
) -> Conversation:
    """A conversation: questions and answers by turns."""
    when = NOW - timedelta(days=days_ago)
    conversation = Conversation.objects.create(person=person, title=title, active=when, **filed)
    model = LanguageModel.objects.first()
    for place, text in enumerate(texts):
        completion = None
        if place % 2:
            common = {"account": Account.of(person), "person": person, "conversation": conversation, "model": model}
            completion = Completion.objects.create(max_output=9, status=status, **common)
        role = "assistant" if completion else "user"
        message = conversation.messages.create(role=role, text=text, completion=completion, created=when)
        index.put([message])
    return conversation


def titles(person: Person, typed: str, **options) -> list[str]:
    return [found.conversation.title for found in search.search(person, parse(typed), **options).found]


def test_words_in_both_languages_find_their_conversation(alice):
    said(alice, "heat", "why does the 显式格式 blow up", "von Neumann 稳定性分析 says so")
    said(alice, "other", "nothing of it")
    for typed in ("稳定", "稳定性 neum", "格式", '"blow up"', "neumann 分析"):
        assert titles(alice, typed) == ["heat"], typed


def test_words_of_different_messages_do_not_add_up(alice):
    said(alice, "heat", "alpha", "beta")
    assert titles(alice, "alpha beta") == []


def test_a_title_is_found_by_any_part_and_comes_before_a_mention(alice):
    said(alice, "about it", "the superstability of it", days_ago=1)
    said(alice, "Superstability", "x", days_ago=30)
    assert titles(alice, "superstab") == ["Superstability", "about it"]
    assert titles(alice, "perstab") == ["Superstability"]
    assert titles(alice, "in:title perstab") == ["Superstability"]


def test_more_mentions_and_later_ones_are_better_unless_the_newest_is_asked_for(alice):
    said(alice, "old", *["needle"] * 9, days_ago=10)
    said(alice, "new", "needle")
    said(alice, "ancient", *["needle"] * 9, days_ago=2000)
    assert titles(alice, "needle") == ["old", "new", "ancient"]
    assert titles(alice, "needle", newest_first=True) == ["new", "old", "ancient"]


def test_nothing_deleted_and_nobody_elses_is_found(alice):
    bob = Person.objects.create_user("bob")
    said(alice, "canary one", "canary", deleted=NOW)
    said(alice, "canary two", "canary")
    assert titles(bob, "canary") == []
    assert titles(alice, "canary") == ["canary two"]


@pytest.mark.parametrize(
    "typed, expected",
    [
        ("needle model:kimi", ["cut", "whole"]),
        ("needle status:cut", ["cut"]),
        ("needle status:cut status:complete", ["cut", "whole"]),
        ("needle from:me", ["ancient", "asked"]),
        ("needle has:code", ["whole"]),
        ("needle folder:teach", ["cut"]),
        ('needle folder:"Teaching notes" tag:maths', ["cut"]),
        ("needle is:pinned", ["whole"]),
        ("needle is:archived", ["asked"]),
        ("needle after:2020 before:2021", ["ancient"]),
        ("needle on:2020-05", ["ancient"]),
        ("status:cut", ["cut"]),
        ("model:kimi has:code", ["whole"]),
    ],
)
def test_filters(alice, typed, expected):
    cut = said(alice, "cut", "x", "needle 1", status="cut")
    filing.file(cut, filing.folder_named(alice, "Teaching notes"), filing.tags_named(alice, ["maths", "misc"]))
    said(alice, "whole", "x", "needle\n\n```\ncode\n```", pinned=True)
    said(alice, "asked", "needle", archived=True)
    days = (NOW - datetime(2020, 5, 6, tzinfo=UTC)).days
    said(alice, "ancient", "needle", days_ago=days)
    query = parse(typed)
    assert sorted(titles(alice, typed)) == sorted(expected), query


@pytest.mark.parametrize(
    "typed, sentence",
    [
        ("folder:x", "You have no folder “x”."),
        ("tag:x", "You have no tag “x”."),
        ("model:nix words", "No model has “nix” in its name."),
    ],
)
def test_what_is_not_there_is_named(alice, typed, sentence):
    with pytest.raises(WrongFilter, match=sentence):
        search.search(alice, parse(typed))


def test_bobs_folder_is_not_alices(alice):
    filing.folder_named(Person.objects.create_user("bob"), "Teaching")
    with pytest.raises(WrongFilter):
        search.search(alice, parse("words folder:teaching"))


def test_an_imported_message_is_found_by_its_models_name(alice):
    conversation = Conversation.objects.create(person=alice, title="imported", active=NOW)
    told = {"from": "ChatGPT", "model": "gpt-4o-mini", "status": "cut"}
    index.put([conversation.messages.create(role="assistant", text="needle", imported=told)])
    for typed in ("needle model:gpt-4o", "needle model:4o", "status:cut", "model:gpt needle"):
        assert titles(alice, typed) == ["imported"], typed


def test_a_conversation_shows_its_newest_finds_and_how_many_more_there_are(alice):
    conversation = said(alice, "many", *[f"needle {n}" for n in range(7)])
    (found,) = search.search(alice, parse("needle")).found
    assert [hit.message.text for hit in found.hits] == ["needle 6", "needle 5"] and found.more == 5
    (found,) = search.search(alice, parse("needle"), within=conversation.pk).found
    assert len(found.hits) == 7 and found.more == 0
    assert search.search(alice, parse("needle"), within=UUID(int=1)).found == []


def test_of_very_many_the_newest_are_looked_at_first_and_the_older_ones_on_demand(alice, monkeypatch):
    monkeypatch.setattr(search, "ENOUGH", 10)
    monkeypatch.setattr(search, "SHOWN", 4)
    for n in range(25):
        said(alice, f"c{n}", "needle", days_ago=n)
    seen, older, skip = [], None, 0
    while True:
        results = search.search(alice, parse("needle"), newest_first=True, older=older, skip=skip)
        seen += [found.conversation.title for found in results.found]
        if results.skip:
            skip = results.skip
        elif results.older:
            older, skip = results.older, 0
        else:
            break
    assert seen == [f"c{n}" for n in range(25)]


def test_filters_that_leave_many_conversations_look_only_there(alice, monkeypatch):
    monkeypatch.setattr(search, "MOST_NAMED", 3)
    for n in range(8):
        said(alice, f"c{n}", "needle", days_ago=n, pinned=n > 3)
    assert titles(alice, "needle is:pinned") == ["c4", "c5", "c6", "c7"]

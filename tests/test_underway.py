"""What is live is told by its rows: what it does, how fast, what it holds, in as many queries for many as for one."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat import underway
from chat.live.queueing import begin
from chat.models import Completion, Presence, Process, Provider, Segment
from chat.templatetags.underway_words import bars, lasting
from tests import books

pytestmark = pytest.mark.django_db
NOW = timezone.now()  # for all who look: no test is of elapsed time


def live(*saved: tuple[int, float], thinking: bool = False, who: str = "alice") -> Completion:
    """With segments that had so many tokens, so many seconds ago."""
    completion = books.ask(books.model(f"model-{Completion.objects.count()}"), who=who).completions[0]
    assert begin(completion.pk, Process.objects.create().pk)
    for number, (tokens, ago) in enumerate(saved, 1):
        when = NOW - timedelta(seconds=ago)
        row = {"number": number, "content": "{}", "output_tokens": tokens, "is_thinking": thinking, "saved": when}
        Segment.objects.create(completion=completion, **row)
    return completion


def seen() -> list[underway.Underway]:
    return underway.look(NOW).items


def test_each_says_what_it_does_and_how_fast_it_has_lately_been():
    live()
    live((10, 4), (60, 3), (110, 2))
    live((10, 2), (20, 1), thinking=True)
    live((500, 60), (900, 20))
    books.ask(books.model("waits"))
    items = seen()
    assert [item.state for item in items] == ["waiting", "arriving", "thinking", "silent", "queued"]
    assert [item.tokens for item in items] == [0, 110, 20, 900, 0]
    assert [item.rate and round(item.rate) for item in items] == [None, 50, 10, 0, None]


def test_its_pace_is_what_came_in_each_of_the_last_seconds():
    live((10, 14), (30, 2.5), (35, 2.2), (50, 0.5))
    live((100, 60), (900, 20))
    assert [item.pace[:2] + item.pace[-3:] for item in seen()] == [(10, 0, 25, 0, 15), (0, 0, 0, 0, 0)]
    assert bars((0, 10, 5)) == [(4, 0, 16), (8, 8, 8)] and bars(()) == []


def test_what_it_holds_counts_once_and_who_is_there_is_counted():
    books.budget("5", account=books.account())
    books.budget("9")
    books.budget("0.1", unit="tokens")
    completion = live((1, 1))
    (item,) = seen()
    held = max(hold.amount for hold in completion.holds.exclude(period__budget__unit="tokens"))
    assert item.held == {"USD": held} and held > Decimal(0) and item.sockets == 0
    Presence.record(completion.person_id, Process.objects.create().pk, 2)
    Presence.record(completion.person_id, Process.objects.create(dead=True).pk, 7)
    now = underway.look(NOW)
    assert (now.items[0].sockets, now.people, now.sockets, now.held) == (2, 1, 2, {"USD": held})


def test_places_are_those_of_the_queue():
    first = live((1, 1), who="alice")
    Provider.objects.update(max_streams=1)
    for who in ("alice", "bob"):
        books.ask(first.model, who=who)
    assert [(item.completion.account.label, item.place) for item in seen()[1:]] == [("alice", 2), ("bob", 1)]


def test_many_take_as_many_queries_as_one():
    Provider.objects.update(max_streams=2)
    counts = []
    for _ in range(2):
        for number in range(4):
            live((1, 1), who=f"person-{number}")
            books.ask(books.model(f"queued-{Completion.objects.count()}"), who=f"person-{number}")
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert len(seen()) % 8 == 0
        counts.append(len(queries))
    assert counts[0] == counts[1] < 12


def test_more_than_are_shown_are_counted(monkeypatch):
    monkeypatch.setattr(underway, "MOST", 2)
    for _ in range(3):
        live()
    now = underway.look(NOW)
    assert (len(now.items), now.live, now.unshown) == (2, 3, 1)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (72, "1 min 12 s"), (3600, "1 h"), (3659, "1 h"), (7500, "2 h 5 min")],
)
def test_how_long_something_lasts_is_said_without_zeros(seconds, said):
    assert lasting(timedelta(seconds=seconds)) == said

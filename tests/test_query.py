"""What is typed into the search box: words, phrases, filters, and what is said of a filter that cannot be."""

from datetime import timedelta

import pytest
from django.utils import timezone, translation

from chat.archive.query import WrongFilter, parse
from chat.words import Phrase


@pytest.mark.parametrize(
    "typed, terms",
    [
        ("stability 稳定性", ["stability", "稳定性"]),
        ('"von Neumann" CFL', ["von neumann", "cfl"]),
        ("“弯 引号” 「角」", ["弯 引号", "角"]),
        ("http://x.example/y 12:30 稳定性：分析", ["http://x.example/y", "12:30", "稳定性:分析"]),
        ('"model:kimi"', ["model:kimi"]),
        ("… -- ::", []),
    ],
)
def test_words_and_phrases(typed, terms):
    assert [term.text for term in parse(typed).terms] == terms


def test_a_quoted_word_does_not_go_on_but_one_whose_quote_is_still_open_does():
    assert [term.phrase for term in parse('"stab" "stab').terms] == [Phrase(("stab",)), Phrase(("stab",), open=True)]


def test_filters_may_stand_anywhere_and_hold_spaces():
    query = parse('热 model:Kimi status:stopped folder:"Teaching notes" tag:c++ is:pinned from:me has:code in:title 表')
    assert [term.text for term in query.terms] == ["热", "表"]
    assert (query.models, query.statuses, query.folders) == (["kimi"], ["stopped"], ["teaching notes"])
    assert (query.tags, query.states, query.writers, query.has) == (["c++"], ["pinned"], ["me"], ["code"])
    assert query.titles_only


@pytest.mark.parametrize(
    "typed, first, end",
    [
        ("on:2026", "2026-01-01", "2027-01-01"),
        ("on:2026-12", "2026-12-01", "2027-01-01"),
        ("on：2026年2月28日", "2026-02-28", "2026-03-01"),
        ("after:2026/11 before:2026.12.24", "2026-11-01", "2026-12-24"),
        ("after:2025 after:2026", "2026-01-01", None),
    ],
)
def test_dates_are_spans_in_the_sites_time_zone(typed, first, end):
    query = parse(typed)
    assert query.after.isoformat() == f"{first}T00:00:00+00:00"
    assert (query.before.isoformat() if query.before else None) == (end and f"{end}T00:00:00+00:00")


def test_today_and_yesterday_are_dates():
    today = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    assert parse("after:yesterday").after == today - timedelta(days=1)


@pytest.mark.parametrize(
    "typed, sentence",
    [
        ("model:", "What is to come after the colon? Such as model:kimi"),
        ("before:soon", "“soon” is no date. Dates are written so: before:2026, before:2026-11,"),
        ("on:2026-02-30", "“2026-02-30” is no date."),
        ("status:done", "“status:done” is not known. There are status:complete, status:stopped,"),
        ("is:red", "“is:red” is not known. There are is:pinned, is:archived, is:unread."),
        (" ".join(f"tag:t{n}" for n in range(11)), "No more than 10 tags can be looked for at once."),
        ("in:body", "“in:body” is not known. There is in:title."),
        ("modle:kimi", "There is no filter “modle:”. If you mean “model:”, change it;"),
    ],
)
def test_a_filter_that_cannot_be_is_told_why(typed, sentence):
    with pytest.raises(WrongFilter) as wrong:
        parse(f"words {typed}")
    assert str(wrong.value).startswith(sentence)


def test_a_status_may_be_named_as_the_reader_knows_it():
    with translation.override("zh-hans"):
        from chat.models import Completion

        assert parse(f"status:{Completion.Status.STOPPED.label}").statuses == ["stopped"]

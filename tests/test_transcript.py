"""Any cutting of a transcript into segments rebuilds it, equal in every field."""

import json
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from chat.transcript import Arrival, Transcript, thought_seconds
from chat.upstream.contract import BodyEnd, Delta, Failure, Finish, Garbled, Opened, Terminator, Usage, UsageSeen

count = st.none() | st.integers(0, 10_000)
usages = st.builds(Usage, count, count, count, count, st.none() | st.decimals("0", "9", places=4).map(Decimal))
index = st.integers(0, 3)
text = st.text(max_size=12)
events = st.one_of(
    st.builds(Delta, index, text, text, st.sampled_from(["", "assistant"])),
    st.builds(Delta, index, text),
    st.builds(Finish, index, st.sampled_from(["stop", "length", "error"]), text),
    st.builds(UsageSeen, usages, st.sampled_from(["final_chunk", "top_level"])),
    st.builds(UsageSeen, usages, st.just("per_choice"), index),
    st.builds(Failure, st.just("upstream"), text, st.none() | st.integers() | text, st.booleans()),
    st.builds(Opened, st.just(200), st.sampled_from(["terminator", "body", "whole"]), text),
    st.just(Terminator()),
    st.builds(Garbled, st.just("json")),
    st.builds(BodyEnd, st.booleans()),
)
batches = st.lists(st.tuples(st.lists(events, max_size=4), st.booleans(), st.booleans(), st.floats(0, 2)), max_size=20)


def everything(transcript: Transcript) -> dict:
    fields = {name: value for name, value in vars(transcript).items() if name not in ("_new_events", "_last_ms")}
    return fields | {"choices": transcript.choices, "_choices": None, "arrivals": list(transcript.timeline())}


@settings(max_examples=400, deadline=None)
@given(st.integers(1, 3), batches)
def test_segments_rebuild_the_transcript_in_every_field(n, batches):
    transcript, segments, at = Transcript(n), [], 0.0
    for arrived, look, save, waited in batches:
        at += waited
        transcript.fold(arrived, at)
        if look:
            assert transcript.choices is not None  # a watcher's look must not take anything from the next save
        if save:
            segments.append(transcript.cut_segment())
    segments.append(transcript.cut_segment())
    stored = [json.loads(json.dumps(segment)) for segment in segments if segment]
    rebuilt = Transcript.rebuild(n, stored)
    assert everything(rebuilt) == everything(transcript)
    assert rebuilt.usage() == transcript.usage()
    assert rebuilt.incomplete_reason() == transcript.incomplete_reason()


def test_nothing_new_makes_no_segment():
    transcript = Transcript()
    assert transcript.cut_segment() is None
    transcript.fold([Delta(0, "a")], 0)
    assert transcript.cut_segment()
    assert transcript.cut_segment() is None


def test_a_running_total_on_every_chunk_is_not_added_up():
    transcript = Transcript()
    transcript.fold([UsageSeen(Usage(9, tokens), "final_chunk") for tokens in range(1, 121)], 0)
    assert transcript.usage() == (Usage(9, 120), "final_chunk")


def test_one_final_usage_for_each_choice_is_added_up_and_the_prompt_counts_once():
    transcript = Transcript(2)
    transcript.fold([UsageSeen(Usage(9, 5), "final_chunk"), UsageSeen(Usage(9, 7), "final_chunk")], 0)
    assert transcript.usage() == (Usage(9, 12), "final_chunk")


def test_the_timeline_says_when_and_how_much():
    transcript = Transcript()
    transcript.fold([Delta(0, reasoning="hm")], 0.5)
    transcript.fold([Delta(0, "a" * 300)], 70.25)
    assert list(transcript.timeline()) == [Arrival(0.5, 0, True, 2), Arrival(70.25, 0, False, 300)]
    assert thought_seconds(transcript.timeline(), 0) == 69.75


def test_a_further_attempt_forgets_the_refusal_before_it():
    transcript = Transcript()
    transcript.fold([Opened(503, "whole"), Failure("overloaded", "busy", retryable=True), BodyEnd()], 0)
    transcript.fold([Opened(200, "terminator"), Delta(0, "hi"), Finish(0, "stop", "stop"), Terminator()], 1)
    assert transcript.incomplete_reason() is None


def test_a_character_that_no_database_stores_is_replaced():
    transcript = Transcript()
    transcript.fold([Delta(0, "a\0b")], 0)
    assert transcript.choice(0).text == "a\ufffdb"


def test_thousands_of_repeated_proofs_are_saved_as_what_they_come_to():
    transcript = Transcript(2)
    flips = [Finish(0, "stop", "a"), Finish(0, "length", "b"), Garbled("json"), Garbled("too_long")] * 500
    usages = [UsageSeen(Usage(1, number), "final_chunk") for number in range(500)]
    transcript.fold([Opened(200, "terminator"), Delta(0, "x"), *flips, *usages], 0)
    segment = transcript.cut_segment()
    assert len(segment["proofs"]) < 10
    rebuilt = Transcript.rebuild(2, [segment])
    assert rebuilt.choices == transcript.choices
    assert (rebuilt.usage(), rebuilt.garbled) == (transcript.usage(), transcript.garbled)

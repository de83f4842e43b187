"""The event decoder: the rules of its module's docstring, any cutting, and whatever bytes there are."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.upstream.sse import REFUSED, EventDecoder, SentEvent
from tests.samples import cut


def decoded(body: bytes, places: list[int] | None = None, max_event: int = 1000) -> list[SentEvent]:
    decoder = EventDecoder(max_event)
    events = [event for piece in cut(body, places or []) for event in decoder.feed(piece)]
    return events + decoder.end()


def data(*payloads: bytes) -> list[SentEvent]:
    return [SentEvent(payload) for payload in payloads]


@pytest.mark.parametrize(
    "body, events",
    [
        # 1: line ends
        (b"data: a\n\ndata: b\n\n", data(b"a", b"b")),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", data(b"a", b"b")),
        (b"data: a\r\rdata: b\r\r", data(b"a", b"b")),
        (b"data: a\r\n\ndata: b\n\r\n", data(b"a", b"b")),
        (
            "data: a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg\n\n".encode(),
            data("a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg".encode()),
        ),
        # 2: BOM, comments, other fields
        (b"\xef\xbb\xbfdata: a\n\n", data(b"a")),
        (b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\ndata: b\n\n", data(b"b")),
        (b"data: a\n\n\xef\xbb\xbfdata: b\n\n", data(b"a")),
        (b": hello\n\n:\n\n:data: a\n\ndata: a\n: in between\n\n", data(b"a")),
        (b"id: 1\nretry: 5\nfoo: bar\nfoo\n\ndata: a\nid: 2\n\n", data(b"a")),
        # 3: fields
        (b"data: a\ndata: b\n\n", data(b"a\nb")),
        (b"data:a\ndata:  b\ndata:\tc\n\n", data(b"a\n b\n\tc")),
        (b"data\n\n", data(b"")),
        (b"data\ndata\n\n", data(b"\n")),
        (b"event: x\n\n", []),
        (b"event: x\ndata: a\n\ndata: b\n\n", [SentEvent(b"a", "x"), SentEvent(b"b")]),
        (b"event: x\nevent: y\ndata: a\n\n", [SentEvent(b"a", "y")]),
        (b" data: a\n\nDATA: a\n\ndata : a\n\n", []),
        (b"\n\n\n\ndata: a\n\n\n\n", data(b"a")),
        # 4: pending at the end
        (b"data: [DONE]", data(b"[DONE]")),
        (b"data: a\n\ndata: b\n", data(b"a", b"b")),
        (b"data: a\r", data(b"a")),
        (b"event: x", []),
        # 5: bare JSON
        (b'{"a":1}', data(b'{"a":1}')),
        (b'{"a":1}\n', data(b'{"a":1}')),
        (b'data: a\n\n{"a":1}\ndata: b\n\n', data(b"a", b'{"a":1}', b"b")),
        (b'data: a\n{"a":1}\n\n', data(b"a", b'{"a":1}')),
        (b'[{\n  "a": "}]"\n\n}\n]\ndata: b\n\n', data(b'[{\n  "a": "}]"\n}\n]', b"b")),
        (b'{"a": "\\"}"\n}\n', data(b'{"a": "\\"}"\n}')),
        (b'{"a":\ndata: b\n\n', data(b'{"a":', b"b")),
        (b'{"a":\nevent: error\ndata: b\n\n', [SentEvent(b'{"a":'), SentEvent(b"b", "error")]),
        (b'event: error\n{"a":1}\n', [SentEvent(b'{"a":1}', "error")]),
        # 6: a field named error
        (b'error: {"code":500}\n\ndata: a\n\n', [SentEvent(b'{"code":500}', "error"), SentEvent(b"a")]),
        # 7: caps
        (b"data: " + b"x" * 994 + b"\n\n", data(b"x" * 994)),
        (b"data: " + b"x" * 995 + b"\n\ndata: a\n\n", [REFUSED, *data(b"a")]),
        (b": " + b"x" * 2000, [REFUSED]),
        (b"data: a\n" + b"x" * 2000 + b"\ndata: b\n\ndata: c\n\n", [REFUSED, *data(b"c")]),
        (b"data: 12345678\n" * 200 + b"\ndata: a\n\n", [REFUSED, *data(b"a")]),
        (b"{" * 700 + b"\n" + b"{" * 700 + b"\n\ndata: a\n\n", [REFUSED, *data(b"a")]),
    ],
)
def test_the_rules_hold_however_the_bytes_are_cut(body: bytes, events: list[SentEvent]) -> None:
    assert decoded(body) == events
    assert decoded(body, list(range(1, len(body)))) == events
    for place in range(1, len(body)):
        assert decoded(body, [place]) == events


def test_refused_is_told_when_the_cap_is_passed() -> None:
    decoder = EventDecoder(max_event=1000)
    assert decoder.feed(b"data: " + b"x" * 900) == []
    assert decoder.feed(b"x" * 900) == [REFUSED]
    assert decoder.feed(b"x" * 900) == []


def test_an_event_is_told_with_the_first_byte_that_ends_it() -> None:
    decoder = EventDecoder()
    assert decoder.feed(b"data: a\r\n\r") == data(b"a")
    assert decoder.feed(b"\ndata: b\n\n") == data(b"b")


FIELDS = [b"data: ", b"data", b":", b" ", b"event: error", b"error: ", b"[DONE]", b'{"a":1}', b"x" * 40]
ENDS = [b"\n", b"\r", b"\r\n", b"\n\n"]
MARKS = [b"{", b"}", b"[", b"]", b'"', b"\\", b"\xef\xbb\xbf", "😀\u2028".encode(), b"\xff"]
FRAGMENTS = st.sampled_from(FIELDS + ENDS + MARKS)
BODIES = st.one_of(st.binary(max_size=300), st.lists(FRAGMENTS, max_size=40).map(b"".join))


@given(BODIES, st.data())
def test_any_cutting_of_any_bytes_gives_the_same_events(body: bytes, draw: st.DataObject) -> None:
    places = draw.draw(st.lists(st.integers(0, len(body)), max_size=20))
    assert decoded(body, places, max_event=50) == decoded(body, max_event=50)


@given(BODIES)
def test_nothing_handed_out_is_over_the_cap(body: bytes) -> None:
    assert all(len(event.data) <= 50 for event in decoded(body, max_event=50))


@pytest.mark.parametrize(
    "piece",
    [
        b"x" * 65536,
        b"data: " + b"x" * 65536 + b"\n",
        b"data: ab\n" * 8000,
        b'{"k": ["v",\n' * 5400,
        b'{"\\"' * 16384,
        b": ping\n\n" * 8192,
        b"\r" * 65536,
    ],
    ids=[
        "a line",
        "an event",
        "an event of short lines",
        "bare JSON",
        "a string in bare JSON",
        "comments",
        "line ends",
    ],
)
def test_memory_is_bounded_in_any_flood(piece: bytes) -> None:
    decoder = EventDecoder()
    tracemalloc.start()
    for _ in range(24):  # 1.5 MB
        decoder.feed(piece)
    assert tracemalloc.get_traced_memory()[1] < 5 * 1024 * 1024
    tracemalloc.stop()


PIECES = [b"data: a\n\n", b"data: a\r\n\r\n", b"data: b\n", b"\n", b"event: x\n", b"data: c\r", b"x" * 60 + b"\n"]


@given(st.lists(st.sampled_from(PIECES)))
def test_reads_of_whole_events_give_what_all_in_one_read_gives(pieces: list[bytes]) -> None:
    decoder = EventDecoder(max_event=50)
    events = [event for piece in pieces for event in decoder.feed(piece)] + decoder.end()
    assert events == decoded(b"".join(pieces), max_event=50)

"""How the body of a response is read, whatever its dialect: streamed, whole, or an error's.

What its status and media type promise is not always what comes (Q7): a stream under another name is read as one, and
a page is never an answer.
"""

from collections.abc import Mapping

from chat.upstream.contract import BodyEnd, EndsBy, Event, Garbled, Opened, Reader, Terminator
from chat.upstream.failures import MAX_ERROR_BODY, failure_in, failure_of_body
from chat.upstream.payloads import FIELDS, Decoder, Payloads
from chat.upstream.sse import BOM, REFUSED, EventDecoder, SentEvent

STREAMED_TYPES = ("text/event-stream", "application/x-ndjson", "application/jsonl")
PAGE_TYPES = ("text/html", "application/xhtml+xml")
MAX_WHOLE = 16 * 1024 * 1024  # 2 M characters, each escaped
MAX_BEGINNING = 64 * 1024  # within this a stream under another name shows what it is
REQUEST_IDS = ("x-generation-id", "x-request-id", "msh-request-id", "request-id", "x-trace-id")


def reader_of(payloads: Payloads, *, status: int, headers: Mapping[str, str]) -> Reader:
    headers = {name.lower(): value for name, value in headers.items()}
    media_type = headers.get("content-type", "").split(";")[0].strip().lower()
    if not 200 <= status < 300:
        return ErrorReader(status, headers)
    if media_type in STREAMED_TYPES:
        return StreamedReader(payloads, payloads.decoder(), status, headers)
    return WholeReader(payloads, status, headers, is_page=media_type in PAGE_TYPES)


def opened(status: int, headers: Mapping[str, str], ends_by: EndsBy) -> Opened:
    request_id = next((headers[name] for name in REQUEST_IDS if headers.get(name)), "")
    return Opened(status, ends_by, request_id[:200])


class StreamedReader:
    def __init__(self, payloads: Payloads, decoder: Decoder, status: int, headers: Mapping[str, str]) -> None:
        self._payloads = payloads
        self._decoder = decoder
        self._opened = opened(status, headers, payloads.ends_by)

    def start(self) -> list[Event]:
        return [self._opened]

    def feed(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        for sent in self._decoder.feed(data):
            self._read(sent, events)
        return events

    def end(self) -> list[Event]:
        """An event without its end counts if it is whole (Q4); if not, the missing terminator tells already."""
        events: list[Event] = []
        for sent in self._decoder.end():
            self._read(sent, events)
        if events and isinstance(events[-1], Garbled) and self._payloads.ends_by == "terminator":
            events.pop()
        return [*events, *self._payloads.end(), BodyEnd()]

    def _read(self, sent: SentEvent, events: list[Event]) -> None:
        data = sent.data
        if sent is REFUSED:
            events.append(Garbled("too_long"))
        elif data[:1] != b"{" and data.strip() in (b"", b"[DONE]"):
            if data.strip() and self._payloads.done_ends:
                events.append(Terminator())
        elif sent.name == "error":
            self._payloads.read_error(data, events)
        elif sent.name != "ping":
            self._payloads.read(self._payloads.loads(data), events)


class WholeReader:
    """An answer that is one document. What is a stream under another name is read as one."""

    def __init__(self, payloads: Payloads, status: int, headers: Mapping[str, str], *, is_page: bool) -> None:
        self._payloads = payloads
        self._status, self._headers = status, headers
        self._is_page = is_page
        self._body = bytearray()
        self._stream: StreamedReader | None = None

    def start(self) -> list[Event]:
        return [opened(self._status, self._headers, "whole")]

    def feed(self, data: bytes) -> list[Event]:
        if self._stream:
            return self._stream.feed(data)
        is_beginning = len(self._body) < MAX_BEGINNING
        if len(self._body) <= MAX_WHOLE:
            self._body += data
        return self._decide() if is_beginning and not self._is_page else []

    def _decide(self) -> list[Event]:
        """Opened is said again if the body begins as a stream does, with what ends that."""
        beginning = bytes(self._body[:MAX_BEGINNING]).removeprefix(BOM).lstrip()
        decoder = self._payloads.decoder_of(beginning)
        if decoder is None:
            return []
        self._stream = StreamedReader(self._payloads, decoder, self._status, self._headers)
        return [*self._stream.start(), *self._stream.feed(bytes(self._body))]

    def end(self) -> list[Event]:
        if self._stream:
            return self._stream.end()
        events: list[Event] = []
        if len(self._body) > MAX_WHOLE:
            events.append(Garbled("too_long"))
        elif self._is_page:
            events.append(Garbled("not_an_answer"))
        elif body := bytes(self._body).removeprefix(BOM).strip():  # blank lines come first while it waits (Q24)
            self._read(self._payloads.loads(body), events)
        return [*events, *self._payloads.end(), BodyEnd()]

    def _read(self, payload: object, events: list[Event]) -> None:
        if self._payloads.is_answer(payload):
            self._payloads.read(payload, events, is_whole=True)
        else:
            failure = failure_in(payload, status=self._status, headers=self._headers)
            events.append(failure or Garbled("not_an_answer"))


class ErrorReader:
    """Of a status that is an error's: its text is not an answer, whatever it says."""

    def __init__(self, status: int, headers: Mapping[str, str]) -> None:
        self._status, self._headers = status, headers
        self._body = bytearray()

    def start(self) -> list[Event]:
        return [opened(self._status, self._headers, "whole")]

    def feed(self, data: bytes) -> list[Event]:
        self._body += data[: max(MAX_ERROR_BODY - len(self._body), 0)]
        return []

    def end(self) -> list[Event]:
        body = bytes(self._body).removeprefix(BOM).strip()
        if body.startswith(FIELDS):  # an error may be streamed, too
            decoder = EventDecoder()
            body = next((sent.data for sent in decoder.feed(body) + decoder.end()), body)
        return [failure_of_body(body, status=self._status, headers=self._headers), BodyEnd()]

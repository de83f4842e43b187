"""The words in which every dialect speaks to the rest of the project: what is asked, and what comes back.

Values only. A reader turns bytes into these events; a transcript folds them; nothing here does I/O.
"""

import secrets
from base64 import b64encode
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, Protocol

FinishReason = Literal["stop", "length", "content_filter", "tool_calls", "error"]

ErrorKind = Literal[
    "auth",
    "quota",
    "rate_limited",
    "overloaded",
    "busy",
    "bad_request",
    "context_too_long",
    "content_filter",
    "upstream",
    "unreachable",
]

# Where an upstream put its usage (wire-formats 2.4, in falling order of trust). `merged` is put together of several
# events, `last` stands on many of which the last counts: each is the one place of its dialects.
UsagePlace = Literal["final_chunk", "top_level", "merged", "last", "per_choice"]

EndsBy = Literal["terminator", "body", "whole"]


@dataclass(frozen=True, slots=True)
class Image:
    """A PNG or a JPEG, no larger than any provider takes; and what it takes of the model's prompt, as estimated.

    Without its bytes it can only be counted.
    """

    media_type: Literal["image/png", "image/jpeg"]
    content: bytes = field(default=b"", repr=False)
    tokens: int = 0
    low: int = 0
    high: int = 0

    @property
    def base64(self) -> str:
        return b64encode(self.content).decode()

    @property
    def data_uri(self) -> str:
        return f"data:{self.media_type};base64,{self.base64}"


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a prompt. Only the user's have images."""

    role: Literal["system", "user", "assistant"]
    text: str
    images: tuple[Image, ...] = ()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a provider listens and how it speaks. The key never appears in a repr, so not in a log either.

    `local`: it may be on this machine or its network. `key_lost`: it has a key that cannot be read any more.
    """

    base_url: str
    profile: str
    key: str = field(default="", repr=False)
    local: bool = False
    key_lost: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """One answer asked of one upstream. `continues`: the last turn is an assistant's and is to be gone on with.

    `window`: the length of the context that its model is to be run with, of upstreams that can be told.
    `tag` is ours and random: by it an upstream can be told which of its answers to end.
    """

    endpoint: Endpoint
    model: str
    turns: tuple[Turn, ...]
    n: int = 1
    streamed: bool = True
    max_output: int | None = None
    window: int | None = None
    parameters: dict = field(default_factory=dict)
    continues: bool = False
    tag: str = field(default_factory=lambda: secrets.token_hex(8), compare=False)


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What a dialect wants sent. Headers hold the key, and the body the text: neither is in a repr."""

    method: Literal["GET", "POST"]
    url: str
    headers: dict[str, str] = field(repr=False)
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model as its provider lists it. Prices are per million tokens; None is unknown, never free."""

    id: str
    context_length: int | None = None
    max_output: int | None = None
    input_mtok: Decimal | None = None
    output_mtok: Decimal | None = None
    cached_mtok: Decimal | None = None
    currency: str | None = None
    sees: bool | None = None  # None: the list does not say


@dataclass(slots=True)
class Delta:
    """An increment of one choice; an empty one says that the choice exists, and is no progress.

    Text is whole code points, without lone surrogates: it can always be encoded as UTF-8.
    """

    index: int
    text: str = ""
    reasoning: str = ""
    role: str = ""


@dataclass(slots=True)
class Finish:
    """A choice's finish_reason, mapped to ours; `raw` is the upstream's word."""

    index: int
    reason: FinishReason
    raw: str


@dataclass(slots=True)
class Usage:
    """Tokens of one call. None is unknown; cached and reasoning tokens are included in input and output."""

    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost: Decimal | None = None


@dataclass(slots=True)
class UsageSeen:
    """A usage as it stood on the wire; `index` is its choice where it hung on one (place per_choice)."""

    usage: Usage
    place: UsagePlace
    index: int | None = None


@dataclass(slots=True)
class Failure:
    """An error, said by the upstream or met on the way to it. `retry_after` in seconds."""

    kind: ErrorKind
    message: str
    code: str | int | None = None
    retryable: bool = False
    retry_after: float | None = None


@dataclass(slots=True)
class Opened:
    """The response's headers are here; always the first event. `request_id` is the upstream's own, for its support.

    `ends_by` says what proves the end: the dialect's terminator; the body's end, where a dialect has no terminator;
    or `whole`, when the answer is one document that was not streamed.
    """

    status: int
    ends_by: EndsBy
    request_id: str = ""


@dataclass(slots=True)
class Terminator:
    """The dialect's own end came: `[DONE]`, `message_stop`, `done: true`."""


@dataclass(slots=True)
class Garbled:
    """Something came that cannot be read, so text may be missing: undecodable JSON, HTML, a line over the cap."""

    what: Literal["json", "not_an_answer", "too_long"]


@dataclass(slots=True)
class BodyEnd:
    """The body is over; `reset` when the transport broke, not the upstream closed."""

    reset: bool = False


Event = Delta | Finish | UsageSeen | Failure | Opened | Terminator | Garbled | BodyEnd


class Reader(Protocol):
    """Bytes in, events out; no I/O. Any cutting of the same bytes gives the same events' sum."""

    def start(self) -> list[Event]:
        """What the headers alone say: Opened."""
        ...

    def feed(self, data: bytes) -> list[Event]: ...

    def end(self) -> list[Event]:
        """The body ended cleanly: what a pending, unterminated last event still holds, then BodyEnd."""
        ...

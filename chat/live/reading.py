"""One live completion: calls, retries, folds, and settles. Its task belongs to the registry and is never cancelled."""

import asyncio
import logging
from contextlib import aclosing
from dataclasses import replace
from time import monotonic

from django.conf import settings
from django.db import OperationalError

from chat.live.allowance import Allowance
from chat.live.threads import in_writer
from chat.live.watched import Watched
from chat.models import Completion
from chat.prompts import window_of
from chat.settlement import Ending, proved_end, settle
from chat.tokens import Estimate, Ratio, TokenMeter
from chat.upstream.client import answer, counted_tokens
from chat.upstream.contract import Call, Delta, Event, Failure
from chat.upstream.profiles import profile

logger = logging.getLogger(__name__)

MOST_ATTEMPTS = 3
# Nothing has been worked on, so nothing is paid twice. After an internal error that cannot be known.
SAFE_TO_REPEAT = ("unreachable", "rate_limited", "overloaded", "busy")
LONGEST_RETRY_WAIT = 60.0
ANSWER_CAP = 2_000_000  # characters, all choices together
CLOSE_SECONDS = 0.8  # Stop must have closed the upstream within a second
SETTLE_AGAIN_SECONDS = 0.5

Status = Completion.Status


class LiveCompletion(Watched):
    """What is read from one upstream, from the claim to the settlement."""

    def __init__(
        self,
        completion: Completion,
        call: Call,
        messages: dict[int, int],
        prefixes: dict[int, str],
        ratio: Ratio | None = None,
        prompt: Estimate | None = None,
    ) -> None:
        """`prompt`: what its prompt is estimated at, where that is to be looked at before it is sent."""
        super().__init__(completion.n, messages, prefixes)
        self.completion = completion
        self.is_shown_growing = completion.streamed
        self.call = call
        self.began = self.progressed = monotonic()
        self.timers = replace(profile(call.endpoint.profile).timers, **settings.TIMERS)
        self.prompt = prompt
        self.meter = TokenMeter(ratio)
        self.allowance = Allowance(completion)
        self.segments_cut = 0
        self.left_at: float | None = None  # since when its person is gone
        self.retry_at: float | None = None  # a refused call waits for its next attempt
        self.closing = False  # its settlement has begun: no segment of it is saved any more
        self.done = asyncio.Event()
        self._ending: Ending | None = None
        self._wished_at = 0.0
        self._ended = asyncio.Event()

    @property
    def pk(self) -> int:
        return self.completion.pk

    @property
    def person(self) -> int | None:
        return self.completion.person_id

    def end(self, status: str, reason: str) -> None:
        """Asks it to end. The first reason wins."""
        if self._ending is None:
            self._ending, self._wished_at = Ending(status, reason), monotonic()
            self._ended.set()

    def check_deadlines(self, now: float) -> None:
        """Only deltas and finishes are progress: a provider's comments and pings would let it live for ever."""
        patience = self.timers.progress if self.transcript.has_begun else self.timers.first_delta
        if now - self.began > self.timers.total:
            self.end(Status.CUT, "deadline")
        elif self.retry_at is None and now - self.progressed > patience:
            self.end(Status.CUT, "stalled")

    def cut_segment(self) -> dict | None:
        """What is new since the last save."""
        return self.transcript.cut_segment()

    async def run(self) -> None:
        """To the settlement, whatever happens."""
        try:
            await self._settle(await self._read_to_the_end())
        finally:
            self.settled = True
            self.done.set()
            self.growth.tell()

    async def _read_to_the_end(self) -> Ending:
        reading = asyncio.create_task(self._read())
        ended = asyncio.create_task(self._ended.wait())
        await asyncio.wait({reading, ended}, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        if reading.done():
            return self._end_of(reading)
        reading.cancel()
        await asyncio.wait({reading}, timeout=CLOSE_SECONDS)
        if self.transcript.incomplete_reason() is None:
            return self._timed(proved_end(self.transcript))
        return self._timed(self._ending, closing=monotonic() - self._wished_at)

    def _end_of(self, reading: asyncio.Task) -> Ending:
        if error := reading.exception():
            logger.error("completion %s: reading failed", self.pk, exc_info=error)
            return self._timed(Ending(Status.FAILED, "upstream"))
        return self._timed(self._ending or proved_end(self.transcript))

    def _timed(self, ending: Ending, closing: float | None = None) -> Ending:
        return replace(
            ending,
            duration_ms=int((monotonic() - self.began) * 1000),
            closing_ms=None if closing is None else int(closing * 1000),
        )

    async def _read(self) -> None:
        if failure := await self._would_be_cut():
            self._take([failure])
            return
        for attempt in range(1, MOST_ATTEMPTS + 1):
            if attempt > 1:
                await in_writer(Completion.begin_attempt, self.pk)
            await self._attempt()
            failure = self.transcript.failure
            if attempt == MOST_ATTEMPTS or failure is None or (wait := self._retry_wait(failure, attempt)) is None:
                return
            self.retry_at = monotonic() + wait
            self.growth.tell()
            await asyncio.sleep(wait)
            self.retry_at, self.progressed = None, monotonic()

    async def _would_be_cut(self) -> Failure | None:
        """Of an upstream that cuts a prompt without a word: one that does not fit is not sent.

        Asked of the upstream's own tokenizer, where it has one and our bounds do not tell.
        """
        window, facts = window_of(self.completion.model), self.completion.model.provider.facts
        if not (facts.cuts_prompts and window and self.prompt and self.prompt.high > window):
            return None
        counted = await counted_tokens(self.call)
        tokens = self.prompt.tokens if counted is None else counted
        if tokens <= window:
            return None
        return Failure("context_too_long", f"{tokens} tokens are too many for a context of {window}.", "would_be_cut")

    async def _attempt(self) -> None:
        async with aclosing(answer(self.call)) as batches:
            async for events in batches:
                self._take(events)

    def _retry_wait(self, failure: Failure, attempt: int) -> float | None:
        """Seconds until the next attempt; None where there must be none: once anything of an answer has come."""
        if not failure.retryable or failure.kind not in SAFE_TO_REPEAT or self.transcript.is_answered:
            return None
        wait = failure.retry_after if failure.retry_after is not None else 2.0 ** (attempt - 1)
        return wait if wait <= LONGEST_RETRY_WAIT else None

    def _take(self, events: list[Event]) -> None:
        now, finished = monotonic(), len(self.transcript.finished)
        self.transcript.fold(events, now - self.began)
        deltas = [event for event in events if type(event) is Delta]
        has_more = any(delta.text or delta.reasoning for delta in deltas)
        if has_more or len(self.transcript.finished) > finished:
            self.progressed = now
        self.feed(deltas)
        for delta in deltas:
            self.meter.feed(delta.reasoning + delta.text)
        if self.transcript.size > ANSWER_CAP:
            self.end(Status.CUT, "too_long")
        elif self.allowance.is_used_up(self.transcript, self.meter):
            self.end(Status.STOPPED, "cap")
        self.growth.tell()

    async def _settle(self, ending: Ending) -> None:
        """However long the database is busy: until then the whole transcript is in memory."""
        self.closing = True
        while True:
            try:
                await in_writer(settle, self.completion, self.transcript, ending)
                return
            except OperationalError as error:
                logger.warning("completion %s: cannot settle yet: %s", self.pk, error)
                await asyncio.sleep(SETTLE_AGAIN_SECONDS)

"""A watcher: one socket following one completion. It is a cursor, not a mailbox: late, slow, second and returning
watchers run the same lines, and what a watcher has missed it is simply owed with its next frame.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from time import monotonic

import orjson

from chat.document import Cursor, in_parts
from chat.live.growth import Growth
from chat.live.reading import LiveCompletion
from chat.live.registry import registry
from chat.live.threads import in_reader
from chat.live.watched import Part, Watched
from chat.markdown import Labels
from chat.models import Completion
from chat.upstream.contract import Delta

DISPLAY_FRAME = 1 / 60  # seconds
LONGEST_INTERVAL = 0.5
RENDER_SHARE = 33  # of its time, one watcher spends at most a 33rd rendering
SMOOTHED_OVER = 8  # frames: the first code of a language takes 27 ms, which is no reason to show nothing for 0.5 s
SHARE_OF_LOAD = 0.00025  # seconds of interval for each watcher of the process: 4,000 frames a second in all
LINE_SECONDS = 1.0
SILENT_SECONDS = 5.0  # then the page says so
POLL_SECONDS = 0.3
ASK_EVERY_FRAMES, ASK_EVERY_BYTES = 16, 128 * 1024
MOST_FRAMES_BEHIND, MOST_BYTES_BEHIND = 64, 1024 * 1024
MOST_IN_FRAME = 128 * 1024  # characters; a page that does not acknowledge is owed no more than this beyond the limit
PATIENCE_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Frame:
    """What brings one text of one message up to date on a page."""

    message: int
    part: Part
    ops: list


@dataclass(frozen=True, slots=True)
class Line:
    """What the quiet line says while a reply arrives. Times in seconds; `rate` in tokens per second.

    `place` in the queue of a provider that allows few streams at once; 0 where nothing is waited for.
    """

    messages: list[int]
    state: str  # queued · waiting · retrying · thinking · arriving · silent
    seconds: int = 0
    input_tokens: int = 0
    output: tuple[int, int, int] = (0, 0, 0)  # estimate, low, high
    rate: float = 0.0
    place: int = 0


@dataclass(frozen=True, slots=True)
class Settled:
    """Its end is written: the page fetches these messages."""

    messages: list[int]


News = Frame | Line | Settled


class PageTooSlow(Exception):
    """The page has not applied what it was sent for 20 s."""


class Outbox:
    """What one page has been sent and has not yet acknowledged: memory is bounded, whatever lies between."""

    def __init__(self, send: Callable) -> None:
        self._send = send
        self._asked: list[tuple[int, int, int]] = []  # number, frames, bytes at each question
        self._frames = self._bytes = self._number = 0
        self._applied = (0, 0)  # frames, bytes
        self._acknowledged = Growth()

    async def send_frame(self, payload: dict) -> None:
        """Waits while the page is too far behind. Raises PageTooSlow."""
        await self._room()
        _number, frames, size = self._asked[-1] if self._asked else (0, *self._applied)
        text = orjson.dumps(payload)
        if self._frames - frames >= ASK_EVERY_FRAMES or self._bytes + len(text) - size >= ASK_EVERY_BYTES:
            self._number += 1
            self._asked.append((self._number, self._frames + 1, self._bytes + len(text)))
            text = orjson.dumps({**payload, "ack": self._number})
        self._frames += 1
        self._bytes += len(text)
        await self._send(text.decode())

    def acknowledge(self, number: int) -> None:
        applied = [asked for asked in self._asked if asked[0] <= number]
        if applied:
            self._applied = applied[-1][1:]
            del self._asked[: len(applied)]
            self._acknowledged.tell()

    @property
    def is_full(self) -> bool:
        frames, size = self._applied
        return self._frames - frames >= MOST_FRAMES_BEHIND or self._bytes - size >= MOST_BYTES_BEHIND

    async def _room(self) -> None:
        deadline = monotonic() + PATIENCE_SECONDS
        while self.is_full:
            if monotonic() >= deadline:
                raise PageTooSlow
            await self._acknowledged.after(self._acknowledged.version, deadline - monotonic())


watchers = 0  # of this process


async def watch(pk: int, labels: Labels) -> AsyncIterator[News]:
    """All that one page is owed of one completion, from now to its end. Each step waits for the page's socket."""
    global watchers
    watchers += 1
    try:
        while (found := registry.live.get(pk)) is None:
            claimed = registry.claimed.version  # before the look: what is claimed during it is not waited for
            completion, messages, turn = await in_reader(_saved, pk)
            if completion.is_settled:
                yield Settled(messages)
                return
            if completion.status == Completion.Status.LIVE and completion.process_id != registry.process:
                found = await Followed.begin(completion)
                break
            yield Line(messages, "queued", place=turn)
            await registry.claimed.after(claimed, 1.0)
        async for news in _follow(found, labels):
            yield news
    finally:
        watchers -= 1


def _saved(pk: int) -> tuple[Completion, list[int], int]:
    completion = Completion.objects.get(pk=pk)
    turn = completion.turn() if completion.status == Completion.Status.QUEUED else 0
    return completion, list(completion.messages.values_list("pk", flat=True)), turn


async def _follow(watched: Watched, labels: Labels) -> AsyncIterator[News]:
    cursors: dict[tuple[int, Part], Cursor] = {}
    line_due, state, cost = 0.0, "", 0.0
    while True:
        version, began = watched.growth.version, monotonic()
        settled = watched.settled
        for message, part, document in watched.documents(labels):
            if settled:
                document.finish()
            if document.heavy:
                await asyncio.to_thread(document.render)
            cursor = cursors.setdefault((message, part), Cursor())
            if ops := document.frame(cursor):
                cost += (document.cpu - cost) / SMOOTHED_OVER
                for owed in in_parts(ops, MOST_IN_FRAME):
                    yield Frame(message, part, owed)
        if settled:
            yield Settled(list(watched.messages.values()))
            return
        if began >= line_due or _state(watched, began) != state:
            line_due, state = began + LINE_SECONDS, _state(watched, began)
            yield line_of(watched, state)
        # Nothing is shown before the first word, which need not wait.
        rest = _interval(cost) if watched.transcript.has_begun else 0.0
        await asyncio.sleep(began + rest - monotonic())
        await watched.growth.after(version, line_due - monotonic())


def _interval(render_seconds: float) -> float:
    wanted = max(DISPLAY_FRAME, RENDER_SHARE * render_seconds, SHARE_OF_LOAD * watchers)
    return min(wanted, LONGEST_INTERVAL)


def _state(watched: Watched, now: float) -> str:
    if not isinstance(watched, LiveCompletion):
        return "arriving"
    if watched.retry_at:
        return "retrying"
    if not watched.transcript.has_begun:
        return "waiting"
    if now - watched.progressed >= SILENT_SECONDS:
        return "silent"
    return "arriving" if watched.transcript.has_text else "thinking"


def line_of(watched: Watched, state: str) -> Line:
    messages = list(watched.messages.values())
    if not isinstance(watched, LiveCompletion):
        return Line(messages, state)
    now = monotonic()
    if state == "retrying":
        return Line(messages, state, seconds=max(int((watched.retry_at or now) - now + 0.5), 0))
    if state == "waiting":
        return Line(messages, state, seconds=int(now - watched.progressed))
    since = now - watched.began - next(watched.transcript.timeline()).at  # the first delta
    return Line(
        messages,
        state,
        seconds=int(now - watched.progressed if state == "silent" else since),
        input_tokens=watched.completion.own_input_tokens,
        output=watched.meter.bounds,
        rate=watched.meter.tokens / max(since, 0.5),
    )


class Followed(Watched):
    """A completion that is live in another process, seen through its segments, and at its end through its messages."""

    @classmethod
    async def begin(cls, completion: Completion) -> "Followed":
        rows = await in_reader(lambda: list(completion.messages.values_list("choice_index", "pk", "text")))
        prefixes = {index: text for index, _pk, text in rows if text}
        followed = cls(completion.n, {index: pk for index, pk, _text in rows}, prefixes)
        registry.keep(followed._poll(completion))
        return followed

    async def _poll(self, completion: Completion) -> None:
        seen, settled = 0, False
        while not settled:
            settled, segments = await in_reader(_news_of, completion, seen)
            for number, content in segments:
                self._take(orjson.loads(content))
                seen = number
            if settled:  # its last segments may be gone
                self._take({"deltas": self._missing(await in_reader(_final_texts, completion))})
            self.settled = settled
            self.growth.tell()
            await asyncio.sleep(POLL_SECONDS)

    def _missing(self, finals: list[tuple[int, str, str]]) -> list[list]:
        """What the final texts have beyond what was seen, as a segment's deltas."""
        deltas = []
        for index, text, reasoning in finals:
            choice, prefix = self.transcript.choice(index), self.prefixes.get(index, "")
            deltas.append([index, text[len(prefix + choice.text) :], reasoning[len(choice.reasoning) :], ""])
        return deltas

    def _take(self, segment: dict) -> None:
        self.transcript.add_segment(segment)
        self.feed(Delta(*delta) for delta in segment.get("deltas", ()))


def _news_of(completion: Completion, seen: int) -> tuple[bool, list[tuple[int, str]]]:
    settled = Completion.objects.get(pk=completion.pk).is_settled
    new = completion.segments.filter(number__gt=seen).order_by("number")
    return settled, list(new.values_list("number", "content"))


def _final_texts(completion: Completion) -> list[tuple[int, str, str]]:
    return list(completion.messages.values_list("choice_index", "text", "reasoning"))

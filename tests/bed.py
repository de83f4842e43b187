"""A test bed of the books: completions of every outcome, against upstreams whose own books are the truth.

Each upstream writes down what it bills: the tokens of a prompt when it is asked, and those of each piece of an answer
when it sends it. What it sends are texts whose tokens are known (o200k). `Bed.run` sends, stops, leaves and kills;
`Bed.findings` compares the upstreams' books with the ledger, completion by completion, and sums up what it found.
"""

import random
import re
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx

from tests.scripted import (
    DONE,
    Answer,
    Close,
    Reset,
    ScriptedUpstream,
    SeenRequest,
    Send,
    Stall,
    Wait,
    error,
    sse,
    whole,
)
from tests.site import Site, Visitor, free_port, wait_for
from tests.test_tokens import SAMPLES

PIECES = [(text + "\n\n", tokens) for text, tokens, _older in SAMPLES.values() if tokens < 100]
INPUT_MTOK, OUTPUT_MTOK = 3, 15
UNIT = 10**9  # of money in the database
ESTIMATED = ("estimated", "counted")
IN_FLIGHT = 4  # pieces that an upstream may have sent when it is stopped, left, cut or killed, and we never saw
PROMPT_OVERHEAD = 7  # of a message and of what begins the answer
NUMBERED = re.compile(r"^\[(\d+) ")


@dataclass
class Book:
    """What an upstream bills for one completion, over all calls of it."""

    input: int = 0
    output: int = 0
    calls: int = 0
    pieces: int = 0


@dataclass
class Ask:
    """One call, as its case answers it."""

    bed: "Bed"
    number: int
    n: int
    streamed: bool
    prompt: int
    chance: random.Random

    @property
    def book(self) -> Book:
        return self.bed.books[self.number]

    def bill_prompt(self) -> None:
        self.book.input += self.prompt

    def pieces(self, count: int | None = None) -> list[tuple[str, int]]:
        return [self.chance.choice(PIECES) for _ in range(count or self.chance.randint(1, 5))]

    def send(self, piece: tuple[str, int], index: int = 0, usage: bool = False) -> Send:
        """Billed at the moment when it is sent; with `usage`, what is billed so far stands beside it."""

        def data() -> bytes:
            self.book.output += piece[1]
            self.book.pieces += 1
            payload = {"choices": [{"index": index, "delta": {"content": piece[0]}, "finish_reason": None}]}
            return sse(payload | ({"usage": self.usage()} if usage else {}))

        return Send(data)

    def usage(self) -> dict:
        book = self.book
        figures = {"prompt_tokens": book.input, "completion_tokens": book.output}
        return figures | {"total_tokens": book.input + book.output}

    def finish(self, index: int = 0, usage: Callable[[], dict] | None = None) -> Send:
        def data() -> bytes:
            choice = {"index": index, "delta": {}, "finish_reason": "stop"}
            return sse({"choices": [choice]} | ({"usage": usage()} if usage else {}))

        return Send(data)

    def usage_chunk(self, figures: Callable[[], dict]) -> Send:
        return Send(lambda: sse({"choices": [], "usage": figures()}))


def spoken(ask: Ask, *, every: float = 0.08, running: bool = False, count: int | None = None) -> list:
    """Pieces for each choice, interleaved."""
    steps = []
    for piece in ask.pieces(count):
        steps += [ask.send(piece, index, running) for index in range(ask.n)]
        steps.append(Wait(every))
    return steps


def ended(ask: Ask) -> list:
    return [ask.finish(index) for index in range(ask.n)]


# The cases: how an upstream answers


def final_chunk(ask: Ask) -> Answer:
    ask.bill_prompt()
    return Answer([*spoken(ask), *ended(ask), ask.usage_chunk(ask.usage), Send(DONE)])


def hidden_reasoning(ask: Ask) -> Answer:
    """Billed, and not sent."""
    ask.bill_prompt()

    def figures() -> dict:
        ask.book.output += 120
        details = {"completion_tokens_details": {"reasoning_tokens": 120}}
        return ask.usage() | details | {"prompt_tokens_details": {"cached_tokens": ask.book.input // 2}}

    return Answer([*spoken(ask), *ended(ask), ask.usage_chunk(figures), Send(DONE)])


def beside_the_finish(ask: Ask) -> Answer:
    ask.bill_prompt()
    return Answer([*spoken(ask), ask.finish(0, ask.usage), Send(DONE)])


def running_total(ask: Ask) -> Answer:
    ask.bill_prompt()
    return Answer([*spoken(ask, running=True), *ended(ask), Send(DONE)])


def repeated(ask: Ask) -> Answer:
    ask.bill_prompt()
    return Answer([*spoken(ask), *ended(ask), *[ask.usage_chunk(ask.usage)] * 3, Send(DONE)])


def in_each_choice(ask: Ask) -> Answer:
    """As Kimi has it: the prompt with each, and its own answer, which are equally long here."""
    ask.bill_prompt()

    def finish(index: int) -> bytes:
        figures = {"prompt_tokens": ask.book.input, "completion_tokens": ask.book.output // ask.n}
        return sse({"choices": [{"index": index, "delta": {}, "finish_reason": "stop", "usage": figures}]})

    finishes = [Send(lambda index=index: finish(index)) for index in range(ask.n)]
    return Answer([*spoken(ask), *finishes, Send(DONE)])


def at_once(ask: Ask) -> Answer:
    ask.bill_prompt()
    own = [ask.pieces() for _ in range(ask.n)]
    texts = ["".join(text for text, _tokens in pieces) for pieces in own]
    ask.book.output += sum(tokens for pieces in own for _text, tokens in pieces)
    choices = [
        {"index": index, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        for index, text in enumerate(texts)
    ]
    return whole({"id": "chatcmpl-1", "object": "chat.completion", "choices": choices, "usage": ask.usage()})


def saying(**figures: int) -> Callable[[Ask], Answer]:
    """A usage that is none."""

    def answer(ask: Ask) -> Answer:
        ask.bill_prompt()
        return Answer([*spoken(ask), *ended(ask), ask.usage_chunk(lambda: figures), Send(DONE)])

    return answer


def silent(ask: Ask) -> Answer:
    ask.bill_prompt()
    return Answer([*spoken(ask), *ended(ask), Send(DONE)])


def slow(ask: Ask) -> Answer:
    ask.bill_prompt()
    return Answer([*spoken(ask, every=0.15, count=200), *ended(ask), Send(DONE)])


def cut(step: object, *, running: bool = False) -> Callable[[Ask], Answer]:
    def answer(ask: Ask) -> Answer:
        ask.bill_prompt()
        return Answer([*spoken(ask, running=running), Wait(0.05), step])

    return answer


def broken(ask: Ask) -> Answer:
    ask.bill_prompt()
    said = sse({"error": {"message": "The engine stopped.", "type": "server_error", "code": 500}})
    return Answer([*spoken(ask), Send(said)])


def refused(ask: Ask) -> Answer:
    return error(400, "no", kind="invalid_request_error")


def retried(ask: Ask) -> Answer:
    if ask.book.calls == 1:
        return error(429, "later", kind="rate_limit_error", headers={"Retry-After": "1"})
    return final_chunk(ask)


def billed_later(ask: Ask) -> Answer:
    """Cut; OpenRouter's generation endpoint says afterwards what it has billed."""
    ask.bill_prompt()
    return Answer([*spoken(ask), Wait(0.05), Close()], headers={"X-Generation-Id": f"gen-{ask.number}"})


@dataclass(frozen=True)
class Case:
    """`ends`: statuses that it may end with. `sources`: who says its usage then."""

    answer: Callable[[Ask], Answer]
    ends: str
    sources: str
    upstream: str = "openai"
    model: str = "tiny"
    n: int = 1
    streamed: bool = True
    stop: bool = False
    weight: int = 4


CASES = {
    "final chunk": Case(final_chunk, "complete", "reported", weight=12),
    "final chunk, 3 choices": Case(final_chunk, "complete", "reported", n=3),
    "hidden reasoning, cached input": Case(hidden_reasoning, "complete", "reported"),
    "beside the finish": Case(beside_the_finish, "complete", "reported"),
    "running total": Case(running_total, "complete", "reported"),
    "said three times": Case(repeated, "complete", "reported"),
    "in each choice": Case(in_each_choice, "complete", "reported", upstream="moonshot", n=2),
    "whole": Case(at_once, "complete", "reported", streamed=False, weight=8),
    "whole, 2 choices": Case(at_once, "complete", "reported", streamed=False, n=2),
    "retried": Case(retried, "complete", "reported", weight=2),
    "not reported": Case(silent, "complete", "estimated", weight=6),
    "negative": Case(saying(prompt_tokens=-3, completion_tokens=-1), "complete", "estimated"),
    "absurd": Case(saying(prompt_tokens=9, completion_tokens=2**40), "complete", "estimated"),
    "a constant": Case(saying(prompt_tokens=1, completion_tokens=1), "complete", "estimated", upstream="kimi_free"),
    "stopped": Case(slow, "stopped", "estimated", stop=True, weight=6),
    "stopped, 2 choices": Case(slow, "stopped", "estimated", n=2, stop=True),
    "left": Case(slow, "abandoned", "estimated", model="leaving", weight=4),
    "cut, closed": Case(cut(Close()), "cut", "estimated"),
    "cut, reset": Case(cut(Reset()), "cut", "estimated"),
    "cut, with a running total": Case(cut(Close(), running=True), "cut", "estimated"),
    "timed out": Case(cut(Stall()), "cut", "estimated", weight=2),
    "failed": Case(broken, "failed", "estimated"),
    "refused": Case(refused, "failed", "reported"),
    "unreachable": Case(refused, "failed", "not sent", upstream="nowhere", weight=1),
    "looked up": Case(billed_later, "cut", "looked up", upstream="openrouter"),
    "counted": Case(cut(Close()), "cut", "counted", upstream="moonshot"),
}


@dataclass
class Bed:
    """A site, its upstreams, and what was done. `kill_after`: the share of the sends after which the process dies."""

    make_site: Callable[..., Site]
    sends: int
    kill_after: float | None = 0.5
    people: int = 6
    at_once: int = 12
    seed: int = 7
    books: dict[int, Book] = field(default_factory=dict)
    cases: dict[int, str] = field(default_factory=dict)
    live_when_killed: set[int] = field(default_factory=set)
    upstreams: dict[str, ScriptedUpstream] = field(default_factory=dict)

    def run(self, stack: ExitStack, **environment: str) -> "Bed":
        for name in {case.upstream for case in CASES.values()} - {"nowhere"}:
            self.upstreams[name] = stack.enter_context(ScriptedUpstream())
            for model in {case.model for case in CASES.values() if case.upstream == name}:
                self.upstreams[name].script(f"{name}-{model}", self._answer)
        self.upstreams["openrouter"].script("/v1/generation", self._billed)
        self.upstreams["moonshot"].script("/v1/tokenizers/estimate-token-count", self._counted)
        self.site = self.make_site(
            **{
                "OPENAI_BASE_URL": self.upstreams["openai"].base_url,
                "MOONSHOT_BASE_URL": self.upstreams["moonshot"].base_url,
                "OPENROUTER_BASE_URL": self.upstreams["openrouter"].base_url,
                "KIMI_FREE_BASE_URL": self.upstreams["kimi_free"].base_url,
                **{f"{name}_API_KEY": "sk-1" for name in ("OPENAI", "MOONSHOT", "OPENROUTER", "KIMI_FREE")},
                "CHAT_PROGRESS_SECONDS": "5",
                **environment,
            }
        )
        self._prepare()
        self.visitors = [self.site.visitor() for _ in range(self.people)]
        chance = random.Random(self.seed)
        names = [name for name, case in CASES.items() for _ in range(case.weight)]
        drawn = [*CASES, *chance.choices(names, k=self.sends)][: self.sends]
        self.cases = dict(enumerate(drawn, 1))
        self.books = {number: Book() for number in self.cases}
        self._send_all()
        self._wait_for_the_end()
        return self

    # Doing

    def _prepare(self) -> None:
        site = self.site
        for upstream in self.upstreams:
            for model in {case.model for case in CASES.values() if case.upstream == upstream}:
                name = f"{upstream}-{model}"
                wait_for(lambda name=name: site.rows("SELECT 1 FROM chat_languagemodel WHERE name = ?", name), 30)
        local = site.rows("SELECT * FROM chat_provider WHERE base_url = ?", self.upstreams["openai"].base_url)[0]
        site.change("UPDATE chat_provider SET profile = 'openai' WHERE id = ?", local["id"])
        site.change(
            "INSERT INTO chat_provider (name, profile, base_url, key_variable, sealed_key, key_ending, local, enabled,"
            " trouble, trouble_kind, trouble_code) VALUES ('nowhere', 'default', ?, '', '', '', ?, ?, '', '', '')",
            *(f"http://127.0.0.1:{free_port()}/v1", True, True),
        )
        site.change(
            "INSERT INTO chat_languagemodel (provider_id, name, max_output, streamed, template, enabled)"
            " SELECT id, 'nowhere-tiny', 4096, ?, '', ? FROM chat_provider WHERE name = 'nowhere'",
            *(True, True),
        )
        site.change("UPDATE chat_languagemodel SET grace_seconds = 0 WHERE name = 'openai-leaving'")
        now = datetime.now(UTC)
        for row in site.rows("SELECT id FROM chat_languagemodel"):
            site.change(
                "INSERT INTO chat_price (model_id, valid_from, currency, input_mtok, output_mtok, origin, created) "
                "VALUES (?, ?, 'USD', ?, ?, 'hand', ?)",
                *(row["id"], datetime(2020, 1, 1, tzinfo=UTC), INPUT_MTOK * UNIT, OUTPUT_MTOK * UNIT, now),
            )

    def _send_all(self) -> None:
        with ThreadPoolExecutor(self.at_once) as pool:
            slow_first = sorted(self.cases, key=lambda number: CASES[self.cases[number]].model != "leaving")
            futures = [pool.submit(self._send, number) for number in slow_first]
            if self.kill_after is not None:
                wanted = int(self.sends * self.kill_after)
                wait_for(lambda: sum(future.done() for future in futures) >= wanted, 600)
                self._kill()
            for future in futures:
                future.result()

    def _kill(self) -> None:
        live = "SELECT 1 FROM chat_completion WHERE status = 'live'"
        wait_for(lambda: len(self.site.rows(live)) > 3, 60, every=0.001)
        self.site.kill()
        self.live_when_killed = {row["id"] for row in self._unsettled()}
        self.site.start()

    def _unsettled(self) -> list[Mapping]:
        return self.site.rows("SELECT id FROM chat_completion WHERE status IN ('queued', 'live')")

    def _send(self, number: int) -> None:
        """The same key again until the site answers: it makes one message."""
        case, visitor = CASES[self.cases[number]], self.visitors[number % len(self.visitors)]
        chance = random.Random(number)
        text, _tokens = chance.choice(PIECES)
        fields = {
            "text": f"[{number} x] {text.strip()}",
            "key": str(uuid.uuid4()),
            "model": visitor.model_id(f"{case.upstream}-{case.model}"),
            "n": case.n,
            "streamed": "yes" if case.streamed else "no",
        }
        while True:
            with suppress(httpx.TransportError):
                answer = visitor.post("/c/", **fields)
                if answer.status_code != 503:  # busy: it asks to try again
                    assert answer.status_code < 400, (number, answer.status_code, answer.text[-500:])
                    break
            time.sleep(0.3)
        if case.stop:
            self._stop(number, visitor)

    def _stop(self, number: int, visitor: Visitor) -> None:
        completion = self._completion_of(number)
        wait_for(lambda: self.books[number].pieces >= 2 * CASES[self.cases[number]].n or self._is_over(completion), 60)
        while not self._is_over(completion):
            with suppress(httpx.TransportError):
                visitor.post(f"/completions/{completion}/stop/")
            time.sleep(0.05)

    def _completion_of(self, number: int) -> int:
        return self.site.rows(
            "SELECT reply.completion_id AS id FROM chat_message reply JOIN chat_message asked"
            " ON asked.id = reply.parent_id WHERE asked.text LIKE ? AND reply.completion_id IS NOT NULL",
            f"[{number} x]%",
        )[0]["id"]

    def _is_over(self, completion: int) -> bool:
        return self.site.completion(completion)["status"] not in ("queued", "live")

    def _wait_for_the_end(self) -> None:
        wait_for(lambda: not self._unsettled(), 120)
        waiting = "SELECT 1 FROM chat_completion WHERE lookups_left > 3 OR recounts_left > 0"
        wait_for(lambda: not self.site.rows(waiting), 60)

    # Answering

    def _answer(self, request: SeenRequest) -> Answer:
        said = request.body["messages"][-1]["content"]
        number = int(NUMBERED.match(said)[1])
        self.books[number].calls += 1
        ask = Ask(
            self,
            number,
            request.body.get("n", 1),
            request.body["stream"],
            truth(said) + PROMPT_OVERHEAD,
            random.Random(number * 31 + 1),
        )
        return CASES[self.cases[number]].answer(ask)

    def _billed(self, request: SeenRequest) -> Answer:
        """What stands in the book by now, of the generation that the query names."""
        number = int(re.search(r"gen-(\d+)", request.query)[1])
        book = self.books[number]
        figures = {"native_tokens_prompt": book.input, "native_tokens_completion": book.output, "total_cost": 0.001}
        return whole({"data": figures})

    def _counted(self, request: SeenRequest) -> Answer:
        counted = sum(truth(message["content"]) + 4 for message in request.body["messages"]) + 3
        return whole({"data": {"total_tokens": counted}})

    # Comparing

    def findings(self) -> "Findings":
        return Findings(self).compare()


def truth(text: str) -> int:
    """Its tokens: those of the pieces that it is made of, and of its number."""
    tokens = 0
    if numbered := NUMBERED.match(text):
        tokens += 5
        text = text[numbered.end() :].removeprefix("x] ")
    while text:
        piece = next(
            ((one, count) for one, count in PIECES if text.startswith(one) or text == one.strip()),
            None,
        )
        assert piece, f"nobody has sent this: {text[:60]!r}"
        tokens += piece[1]
        text = text[len(piece[0]) :]
    return tokens


class Findings:
    """What the upstreams' books and the ledger say. `off`: what does not agree, a sentence each."""

    def __init__(self, bed: Bed) -> None:
        self.bed, self.site = bed, bed.site
        self.off: list[str] = []
        self.ends: Counter = Counter()
        self.sources: dict[str, Counter] = {}
        self.in_flight: Counter = Counter()
        self.bounds: Counter = Counter()  # by source, and whether the truth lay within them

    def compare(self) -> "Findings":
        charges = Counter(row["completion_id"] for row in self.site.charges())
        texts = self._texts()
        rows = {self._number(row): row for row in self._completions()}
        self.missing = set(self.bed.cases) - set(rows)
        if self.missing:
            self.off.append(f"never asked for: {sorted(self.missing)}")
        for number, row in sorted(rows.items()):
            if charges[row["id"]] != 1:
                self.off.append(f"{number}: {charges[row['id']]} charges")
            self._compare(number, row, texts[row["id"]])
        audit = self.site.manage("auditusage")
        self.proved = audit.stdout.strip()
        if audit.returncode:
            self.off.append(audit.stderr[-2000:])
        return self

    def _completions(self) -> list[Mapping]:
        return self.site.rows(
            "SELECT DISTINCT c.id, c.status, c.reason, c.attempts, c.usage_source, c.input_tokens, c.input_low,"
            " c.input_high, c.output_tokens, c.output_low, c.output_high, c.amount, asked.text FROM chat_completion c"
            " JOIN chat_message reply ON reply.completion_id = c.id"
            " JOIN chat_message asked ON asked.id = reply.parent_id"
        )

    def _texts(self) -> dict[int, list[str]]:
        found: dict[int, list[str]] = {}
        for row in self.site.rows("SELECT completion_id, text FROM chat_message WHERE completion_id IS NOT NULL"):
            found.setdefault(row["completion_id"], []).append(row["text"])
        return found

    def _number(self, row: Mapping) -> int:
        return int(NUMBERED.match(row["text"])[1])

    def _compare(self, number: int, row: Mapping, texts: list[str]) -> None:
        name = self.bed.cases[number]
        case, book, source = CASES[name], self.bed.books[number], row["usage_source"]
        was_killed = row["id"] in self.bed.live_when_killed
        lost = was_killed and row["status"] == "lost"
        waited = was_killed and name == "retried" and row["status"] == "failed"  # refused, and killed before its turn
        self.ends["lost" if lost else name] += 1
        if row["status"] != case.ends and not lost and not waited:
            self.off.append(f"{number}, {name}: {row['status']} ({row['reason']}), not {case.ends}")
        never_left = source == "not sent" and row["attempts"] == book.calls == 0  # its grace was over before its turn
        if source != case.sources and not lost and not never_left:
            self.off.append(f"{number}, {name}: {source}, not {case.sources}")
        self._sum_up(source, row, book)
        ours = row["input_tokens"], row["output_tokens"]
        if source not in ESTIMATED:
            if ours != (book.input, book.output) and not lost:
                self.off.append(f"{number}, {name}: {ours}, theirs {(book.input, book.output)}")
        else:
            self._compare_estimate(f"{number}, {name}", row, book, texts, case.n, lost)
        cost = ours[0] * INPUT_MTOK * UNIT // 10**6 + ours[1] * OUTPUT_MTOK * UNIT // 10**6
        if row["amount"] != cost:
            self.off.append(f"{number}, {name}: costs {row['amount']}, not {cost}")

    def _compare_estimate(self, where: str, row: Mapping, book: Book, texts: list[str], n: int, lost: bool) -> None:
        received = sum(truth(text) for text in texts)
        most = max(tokens for _text, tokens in PIECES) * n * IN_FLIGHT
        self.in_flight[row["status"]] += book.output - received
        if not 0 <= book.output - received <= (most * 2 if lost else most):
            self.off.append(f"{where}: {received} tokens came of {book.output} that were sent")
        for part, right in (("input", book.input or None), ("output", received)):
            low, high = row[f"{part}_low"], row[f"{part}_high"]
            within = right is None or low <= right <= high
            self.bounds[row["usage_source"], within] += 1
            if not within and row["usage_source"] == "counted":
                self.off.append(f"{where}: {part} {right} is not within {low} and {high}")

    def _sum_up(self, source: str, row: Mapping, book: Book) -> None:
        sums = self.sources.setdefault(source, Counter())
        sums["completions"] += 1
        for part in ("input", "output"):
            sums[f"{part} theirs"] += getattr(book, part)
            sums[f"{part} ours"] += row[f"{part}_tokens"]

    @property
    def bounded(self) -> float:
        """Which share of what is estimated lies within its bounds: they are made for nine in ten."""
        right, wrong = self.bounds["estimated", True], self.bounds["estimated", False]
        return right / (right + wrong)

    def lines(self) -> list[str]:
        found = [
            f"{sum(self.ends.values())} completions: " + ", ".join(f"{n} {end}" for end, n in sorted(self.ends.items()))
        ]
        for source, sums in sorted(self.sources.items()):
            theirs, ours = (
                f"{sums[f'input {whose}']:,} in, {sums[f'output {whose}']:,} out" for whose in ("theirs", "ours")
            )
            found.append(f"{source}: {sums['completions']} completions; the upstreams bill {theirs}; we say {ours}")
        flown = ", ".join(f"{status} {tokens:,}" for status, tokens in sorted(self.in_flight.items()) if tokens)
        found.append(f"tokens that were sent and never came: {flown or 'none'}")
        found.append(f"estimates whose bounds hold: {self.bounded:.1%} of {self.bounds.total()}")
        found.append(f"queued or live when the process was killed: {len(self.bed.live_when_killed)}")
        found.append(self.proved)
        return [*found, *(f"OFF: {each}" for each in self.off)]

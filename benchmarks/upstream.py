"""An upstream made for load: the OpenAI chat dialect, each token with the time it was sent, paced without drift.

    python -m benchmarks.upstream PORT

The last message of a request says what to answer: "rate=50 tokens=1000 burst=500", the burst at once. Without `tokens`
it goes on until somebody asks for /end, which lets every stream end in order. The answer is Markdown with all that
answers have: headings, emphasis, lists, code, a table.
"""

import asyncio
import re
import sys

import orjson

from benchmarks.stamps import units, word

MODEL = "paced"

# What stands before each stamped word; one answer walks through this again and again.
PIECES = (
    ["## ", " ", " ", " "]
    + ["\n\n", " ", " ", ", ", " ", " **", "** ", " ", " ", ". "] * 3
    + [" ", " `", "` ", " ", " [", "](https://example.org/) ", ".\n\n"]
    + ["- ", " ", " ", " ", " **", "**: ", " ", "\n"] * 4
    + ["\n\n", " ", " ", "; ", " ", " *", "* ", " ", ". "] * 3
    + [
        "\n\n```python\ndef ",
        "(",
        "):\n    return ",
        " + ",
        "\n\n\n",
        " = ",
        "(",
        ")\n",
        " = [",
        ", ",
        "]\n",
        "\n```\n\n",
    ]
    + [" ", " ", ", ", " ", " ", ". "] * 4
    + ["\n\n| ", " | ", " |\n|---|---|\n| ", " | ", " |\n| ", " | ", " |\n| ", " | ", " |\n\n"]
    + ["1. ", " ", " ", " ", "\n2. ", " ", " ", " ", "\n3. ", " ", "\n\n"]
)
CHUNK = {
    "id": "chatcmpl-CtN4Yp8Qk2Zr6Jw1Lx0Vb7Hs3Fd9G",
    "object": "chat.completion.chunk",
    "created": 1764547200,
    "model": "paced-2025-08-07",
    "service_tier": "default",
    "system_fingerprint": "fp_9c1f2d7e3b",
}
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def event(**fields) -> bytes:
    body = b"data: " + orjson.dumps({**CHUNK, **fields}) + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(body), body)


def delta(text: str) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "logprobs": None, "finish_reason": None}
    return event(choices=[choice], usage=None)


def end(tokens: int) -> bytes:
    last = event(choices=[{"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}])
    usage = {"prompt_tokens": 9, "completion_tokens": tokens, "total_tokens": tokens + 9}
    return last + event(choices=[], usage=usage) + b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"


class Stream:
    """One answer under way."""

    def __init__(self, transport: asyncio.Transport, rate: float = 50, tokens: int = 0, burst: int = 1) -> None:
        self.transport = transport
        self.rate, self.tokens, self.burst = rate, tokens, burst
        self.loop = asyncio.get_running_loop()
        self.began = self.loop.time()
        self.sent = self.last = 0
        self.ending = False
        transport.write(HEAD)
        self.send()

    def send(self) -> None:
        """All that is due, and a timer for the next one: due by the beginning, so that nothing drifts."""
        if self.transport.is_closing():
            return
        due = int((self.loop.time() - self.began) * self.rate) + self.burst
        while self.sent < due and not self.ending:
            self.send_one()
        if self.ending:
            self.transport.write(end(self.sent))
        else:
            self.loop.call_at(self.began + (self.sent - self.burst + 1) / self.rate, self.send)

    def send_one(self) -> None:
        self.last = max(units(), self.last + 1)
        self.transport.write(delta(PIECES[self.sent % len(PIECES)] + word(self.last)))
        self.sent += 1
        self.ending = self.sent == self.tokens


class Connection(asyncio.Protocol):
    streams: set["Connection"] = set()  # all connections that have one

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.received = b""
        self.stream: Stream | None = None

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, found, body = self.received.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.I)
        if found and len(body) >= (int(length[1]) if length else 0):
            self.received = b""
            self.answer(head.split(b" ")[1], body)

    def connection_lost(self, error: Exception | None) -> None:
        self.streams.discard(self)

    def answer(self, path: bytes, body: bytes) -> None:
        if path.endswith(b"/chat/completions"):
            text = orjson.loads(body)["messages"][-1]["content"]
            wishes = {name: int(number) for name, number in re.findall(r"(rate|tokens|burst)=(\d+)", text)}
            self.stream = Stream(self.transport, **wishes)
            self.streams.add(self)
            return
        if path == b"/end":
            for connection in self.streams:
                connection.stream.ending = True
        document = orjson.dumps({"object": "list", "data": [{"id": MODEL, "object": "model"}]})
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        self.transport.write(head % len(document) + document)


async def main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", port, backlog=512)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))

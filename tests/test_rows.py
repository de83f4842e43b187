"""Every row of docs/upstreams.md over TCP: of a server that behaves as its row says all is read."""

import asyncio
import json
from dataclasses import dataclass

import pytest

from chat.transcript import Transcript
from chat.upstream import client
from chat.upstream.contract import Call, Delta, Endpoint, Turn
from chat.upstream.profiles import PROFILES, profile
from tests.scripted import Answer, ScriptedUpstream, Send, Stall, Wait
from tests.test_upstreams_page import rows

CHAT = "/v1/chat/completions"
USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
DONE = "data: [DONE]\n\n"


@dataclass(frozen=True)
class Row:
    """What it sends: pieces, of which the first two hold text; after them a client may go."""

    pieces: list[str]
    whole: dict
    path: str = CHAT
    whole_path: str = ""
    kind: str = "text/event-stream; charset=utf-8"
    framing: str = "chunked"
    thoughts: str = ""
    usage: tuple[int, int] | None = (9, 3)
    whole_usage: tuple[int, int] | None = (9, 3)
    incomplete: str | None = None
    base: str = "/v1"


def sse(payload: dict, end: str = "\n\n", before: str = "data: ") -> str:
    return f"{before}{json.dumps(payload, ensure_ascii=False)}{end}"


def chunk(content: str | None = None, finish: str | None = None, **more) -> dict:
    """`more` beside the choice; what begins with `reasoning` belongs to the delta."""
    delta = {name: more.pop(name) for name in list(more) if name.startswith("reasoning")}
    delta |= {} if content is None else {"content": content}
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}


def chats(
    *, thoughts: str = "", place: str = "", end: str = "\n\n", done: str | None = DONE, between: str = "", **more
) -> Row:
    """A server of the OpenAI dialect. `thoughts`: the field they come in. `place`: of its usage."""
    pieces = [sse(chunk("Hel"), end), between + sse(chunk("lo"), end)]
    message = {"role": "assistant", "content": "Hello"}
    if thoughts == "<think>":
        pieces.insert(0, sse(chunk("<think>hm</think>\n\n"), end))
        message["content"] = "<think>hm</think>\n\nHello"
    elif thoughts:
        pieces.insert(0, sse(chunk(None, **{thoughts: "hm"}), end))
        message[thoughts] = "hm"
    beside = {"usage": USAGE} if place == "beside" else {}
    pieces.append(sse(chunk(None, "stop", **beside), end))
    if place == "end":
        pieces.append(sse({"choices": [], "usage": USAGE}, end))
    whole = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": USAGE}
    seen = {"usage": (9, 3) if place else None, "thoughts": "hm" if thoughts else ""}
    return Row([*pieces, *([done] if done else [])], whole, **(seen | more))


def anthropic() -> Row:
    events = [
        {"type": "message_start", "message": {"role": "assistant", "usage": {"input_tokens": 9, "output_tokens": 1}}},
        {"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": "hm"}},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Hello"}},
        {"type": "ping"},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}},
        {"type": "message_stop"},
    ]
    blocks = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Hello"}]
    whole = {"type": "message", "role": "assistant", "content": blocks, "stop_reason": "end_turn"}
    whole["usage"] = {"input_tokens": 9, "output_tokens": 3}
    pieces = [sse(event, before=f"event: {event['type']}\ndata: ") for event in events]
    return Row(pieces, whole, "/v1/messages", thoughts="hm", base="")


def gemini() -> Row:
    def part(parts: list[dict], **more) -> dict:
        figures = {"promptTokenCount": 9, "candidatesTokenCount": 2, "thoughtsTokenCount": 1}
        return {"candidates": [{"content": {"parts": parts, "role": "model"}, **more}], "usageMetadata": figures}

    thought, text = {"text": "hm", "thought": True}, {"text": "Hello"}
    pieces = [sse(part([thought]), "\r\n\r\n"), sse(part([text]), "\r\n\r\n")]
    pieces.append(sse(part([], finishReason="STOP"), "\r\n\r\n"))
    path = "/v1beta/models/tiny:"
    more = {"whole_path": f"{path}generateContent", "thoughts": "hm", "base": "/v1beta"}
    return Row(pieces, part([thought, text], finishReason="STOP"), f"{path}streamGenerateContent", **more)


def ollama() -> Row:
    def line(message: dict, **more) -> dict:
        return {"model": "tiny", "message": {"role": "assistant", "content": ""} | message, "done": False} | more

    end = {"done": True, "done_reason": "stop", "prompt_eval_count": 9, "eval_count": 3}
    lines = [line({"thinking": "hm"}), line({"content": "Hello"}), line({}, **end)]
    whole = line({"content": "Hello", "thinking": "hm"}, **end)
    pieces = [sse(one, "\n", "") for one in lines]
    return Row(pieces, whole, "/api/chat", kind="application/x-ndjson", thoughts="hm", base="")


def kobold(*, streams: bool) -> Row:
    tokens = [{"token": "<think>hm</think>"}, {"token": "Hello"}, {"token": "", "finish_reason": "stop"}]
    result = {"text": "<think>hm</think>Hello"} | ({"finish_reason": "stop"} if streams else {})
    return Row(
        [sse(token, before="event: message\ndata: ") for token in tokens] if streams else [],
        {"results": [result]},
        "/api/extra/generate/stream" if streams else "/api/v1/generate",
        "/api/v1/generate",
        framing="close",
        thoughts="hm",
        usage=None,
        whole_usage=None,
        incomplete=None if streams else "ended_without_reason",
        base="",
    )


ROWS = {
    "openai": chats(place="end"),
    "azure": chats(place="end"),
    "anthropic": anthropic(),
    "gemini": gemini(),
    "gemini_compat": chats(place="beside"),
    "moonshot": chats(thoughts="reasoning_content", place="end"),
    "deepseek": chats(
        thoughts="reasoning_content", place="beside", between=": keep-alive\n\n", path="/chat/completions", base=""
    ),
    "openrouter": chats(thoughts="reasoning", place="beside", between=": OPENROUTER PROCESSING\n\n"),
    "ollama": ollama(),
    "ollama_v1": chats(thoughts="reasoning", place="end"),
    "llamacpp": chats(thoughts="reasoning_content", place="end", between=":\n\n"),
    "llamacpp_python": chats(thoughts="<think>"),
    "transformers": chats(thoughts="reasoning_content", place="beside", done=None),
    "litellm": chats(thoughts="reasoning_content", place="beside"),
    "vllm": chats(thoughts="reasoning", place="end"),
    "lmstudio": chats(thoughts="reasoning", place="end"),
    "koboldcpp": chats(thoughts="reasoning_content", place="end", done="data: [DONE]", framing="close"),
    "kobold_native": kobold(streams=True),
    "koboldai_united": kobold(streams=False),
    "openllm": chats(thoughts="<think>", end="\r\n\r\n", done="data: [DONE]\r\n\r\n", between=": ping - 12:00\r\n\r\n"),
    "kimi_free": chats(place="beside"),
    "freegpt35": chats(done=None),
}  # fmt: skip
every_row = pytest.mark.parametrize("name", sorted(ROWS))


def asked(upstream: ScriptedUpstream, name: str, *, streamed: bool = True) -> Call:
    root = upstream.base_url.removesuffix("/v1")
    endpoint = Endpoint(root + ROWS[name].base, name, "key", local=True)
    return Call(endpoint, "tiny", (Turn("user", "Hi"),), streamed=streamed)


def read(call: Call) -> Transcript:
    async def reading() -> Transcript:
        transcript = Transcript(call.n)
        async for events in client.answer(call):
            transcript.fold(events, 0.0)
        await client.aclose()
        return transcript

    return asyncio.run(asyncio.wait_for(reading(), 20))


def assert_read(transcript: Transcript, row: Row, usage: tuple[int, int] | None) -> None:
    choice, seen = transcript.choice(0), transcript.usage()
    assert (choice.text, choice.reasoning) == ("Hello", row.thoughts)
    assert (seen and (seen[0].input_tokens, seen[0].output_tokens)) == usage
    assert transcript.incomplete_reason() == row.incomplete


def test_each_row_of_the_table_is_tried() -> None:
    assert set(ROWS) == set(rows()) == set(PROFILES) - {"default", "demo"}


@every_row
def test_it_is_read_streamed(name: str, upstream: ScriptedUpstream) -> None:
    row = ROWS[name]
    if not row.pieces:
        assert not profile(name).streams
        return
    steps = [Send(piece.encode()) for piece in row.pieces]
    upstream.script(row.path, Answer(steps, content_type=row.kind, framing=row.framing))
    assert_read(read(asked(upstream, name)), row, row.usage)
    body = upstream.requests[0].body
    assert ("stream_options" in body) is profile(name).include_usage
    assert "n" not in body


@every_row
def test_it_is_read_whole(name: str, upstream: ScriptedUpstream) -> None:
    row = ROWS[name]
    steps = [Send(json.dumps(row.whole, ensure_ascii=False).encode())]
    answer = Answer(steps, content_type="application/json", framing="content-length")
    upstream.script(row.whole_path or row.path, answer)
    assert_read(read(asked(upstream, name, streamed=False)), row, row.whole_usage)


@every_row
def test_stopping_closes_its_connection_and_tells_it_if_needed(name: str, upstream: ScriptedUpstream) -> None:
    row = ROWS[name]
    steps = [Send(piece.encode()) for piece in row.pieces[:2]] + [Wait(0.01), Stall()]
    upstream.script(row.path, Answer(steps, content_type=row.kind, framing=row.framing))
    call = asked(upstream, name)

    async def begin_and_stop() -> None:
        answer = client.answer(call)
        async for events in answer:
            if not row.pieces or any(isinstance(event, Delta) for event in events):
                break
        await answer.aclose()
        await client.aclose()

    if row.pieces:
        asyncio.run(asyncio.wait_for(begin_and_stop(), 20))
        upstream.requests[0].wait_closed(5)
        told = [request for request in upstream.requests if request.path == "/api/extra/abort"]
        assert bool(told) == (profile(name).cancelling == "koboldcpp")
        assert all(request.body == {"genkey": call.tag} for request in told)

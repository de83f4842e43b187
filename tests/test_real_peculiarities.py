"""What real servers do and no document says (docs/upstreams.md), as `make try-real` has shown it."""

import asyncio
from decimal import Decimal

import pytest

from chat.connecting import _spoken_at
from chat.prompts import _better_streamed
from chat.transcript import Transcript
from chat.upstream import client, openai_chat
from chat.upstream.contract import Call, Endpoint, Turn
from chat.upstream.failures import failure_of_body
from chat.upstream.profiles import profile
from tests.scripted import ScriptedUpstream, chat_stream, chat_whole, whole

KEPT = "the kept beginning"


def asked(upstream: ScriptedUpstream, name: str, kept: str = "", **more: object) -> Transcript:
    """The answer, or what follows the kept text."""
    turns = (Turn("user", "Hello"), *([Turn("assistant", kept)] if kept else []))
    endpoint = Endpoint(upstream.base_url, name, "key", local=True)
    call = Call(endpoint, "tiny", turns, continues=bool(kept), **more)

    async def ask() -> Transcript:
        transcript = Transcript(call.n)
        async for events in client.answer(call):
            transcript.fold(events, 0.0)
        await client.aclose()
        return transcript

    return asyncio.run(ask())


def test_llamacpp_closes_after_a_stream_so_it_is_asked_to_say_so(upstream):
    upstream.script("tiny", chat_stream(["Hi"]))
    asked(upstream, "llamacpp")
    asked(upstream, "vllm")
    assert [request.headers.get("connection") for request in upstream.requests] == ["close", "keep-alive"]


@pytest.mark.parametrize("answer", [chat_stream([f"{KEPT} and", " more"]), chat_whole(f"{KEPT} and more")])
def test_llamacpp_says_the_kept_text_again(upstream, answer):
    upstream.script("tiny", answer)
    assert asked(upstream, "llamacpp", KEPT).choice(0).text == " and more"


def test_several_whole_answers_of_llamacpp_are_streamed_inside_since_only_one_is_counted():
    assert _better_streamed(profile("llamacpp"), 2) and not _better_streamed(profile("llamacpp"), 1)
    assert not _better_streamed(profile("vllm"), 2)


def test_a_stream_of_transformers_is_complete_without_a_terminator(upstream):
    upstream.script("tiny", chat_stream(["Hi"], done=False))
    assert asked(upstream, "transformers").incomplete_reason() is None
    upstream.script("tiny", chat_stream(["Hi"], done=False, finish=None))
    assert asked(upstream, "transformers").incomplete_reason() is not None


def test_litellm_tells_the_cost_of_a_whole_answer_in_a_header(upstream):
    body = {
        "choices": [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 1},
    }
    upstream.script("tiny", whole(body, headers={"x-litellm-response-cost": "0.00022500000000000002"}))
    usage, _place = asked(upstream, "litellm", streamed=False).usage()
    assert usage.cost == Decimal("0.00022500000000000002")


def test_litellm_without_a_database_refuses_a_key_so():
    body = b'{"error":{"message":"No connected db.","type":"no_db_connection","param":null,"code":"400"}}'
    assert failure_of_body(body, status=400, headers={}).kind == "auth"


def test_litellm_lists_how_much_a_model_takes_and_gives():
    body = b'{"data":[{"id":"a","max_input_tokens":128000,"max_output_tokens":16384}]}'
    (listed,) = openai_chat.models(profile("litellm"), body)
    assert (listed.context_length, listed.max_output) == (128000, 16384)


def test_llama_cpp_python_is_not_asked_to_count_since_that_would_end_what_streams(upstream):
    endpoint = Endpoint(upstream.base_url, "llamacpp_python", local=True)
    assert client.count_tokens(endpoint, "tiny", "abc") is None
    assert upstream.requests == []


@pytest.mark.parametrize(
    "address, name",
    [
        ("http://127.0.0.1:8000/v1", "default"),  # several listen there
        ("http://127.0.0.1:5001/v1", "koboldcpp"),
        ("https://api.moonshot.cn/v1", "moonshot"),
        ("https://models.example/v1", "default"),
    ],
)
def test_a_known_host_is_spoken_to_as_it_speaks(address, name):
    assert _spoken_at(address, "openai") == name

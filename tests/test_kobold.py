"""Kobold's own dialect and the instruct templates: the rules that the recorded samples only touch."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.upstream import kobold, koboldcpp, openai_chat, templates
from chat.upstream.contract import (
    BodyEnd,
    Call,
    Endpoint,
    Event,
    Failure,
    Garbled,
    HttpRequest,
    ListedModel,
    Opened,
    Turn,
    Usage,
)
from chat.upstream.profiles import profile
from tests.samples import folded, read

KOBOLD = profile("kobold_native")
UNITED = profile("koboldai_united")
SSE = {"content-type": "text/event-stream"}
JSON = {"content-type": "application/json"}


def stream(*payloads: dict | bytes) -> list[Event]:
    reader = kobold.reader(KOBOLD, status=200, headers=SSE, n=1)
    return read(reader, [payload if isinstance(payload, bytes) else named(payload) for payload in payloads])


def named(payload: dict) -> bytes:
    return b"event: message\ndata: " + json.dumps(payload).encode() + b"\n\n"


def token(text: object, finish: object = None) -> dict:
    return {"token": text, "finish_reason": finish}


def whole(body: object, n: int = 1, name: str = "kobold_native") -> list[Event]:
    return read(kobold.reader(profile(name), status=200, headers=JSON, n=n), [json.dumps(body).encode()])


# Streams


@pytest.mark.parametrize(
    "tokens, text, reasoning",
    [
        ([token("a"), token("b", "stop")], "ab", ""),
        ([token("a", "null"), token("", "stop")], "a", ""),
        ([token("\ud83d"), token("\ude00", "stop")], "😀", ""),
        ([token("<think>hm</th"), token("ink>a", "stop")], "a", "hm"),
        ([token(None), token(7), token("a", "stop")], "a", ""),
        ([{"token": "a"}, {}, {"of": "tomorrow"}, token("", "stop")], "a", ""),
    ],
)
def test_tokens_are_text(tokens: list[dict], text: str, reasoning: str) -> None:
    transcript = folded(stream(*tokens))
    assert (transcript.choice(0).text, transcript.choice(0).reasoning) == (text, reasoning)
    assert transcript.incomplete_reason() is None


def test_the_bodys_end_is_the_end_if_a_reason_was_said() -> None:
    assert stream()[0] == Opened(200, "body")
    assert folded(stream(token("a", "length"))).incomplete_reason() is None
    assert folded(stream(token("a"))).incomplete_reason() == "cut"
    assert folded(stream(token("a"), named(token("b", "stop"))[:-8])).incomplete_reason() == "cut"
    assert folded(stream({"token": "a"})).incomplete_reason() == "cut"  # KoboldCpp 1.4x never says it


def test_an_answer_that_an_error_ended_is_one() -> None:
    assert folded(stream(token("a"), token("", "error"))).incomplete_reason() == "error"


@pytest.mark.parametrize(
    "status, body, kind, message",
    [
        (503, {"detail": {"msg": "Server is busy; please try again later.", "type": "service_unavailable"}},
         "overloaded", "Server is busy; please try again later."),
        (401, {"detail": {"error": "Unauthorized", "msg": "m", "type": "unauthorized"}}, "auth", "m"),
        (500, {"detail": {"msg": "m", "type": "bad_input"}}, "bad_request", "m"),
        (422, {"detail": {"max_length": ["Must be less than 512."]}}, "bad_request", None),
        (507, {"detail": {"msg": "out of memory", "type": "out_of_memory"}}, "upstream", "out of memory"),
    ],
)  # fmt: skip
def test_errors_before_the_stream(status: int, body: dict, kind: str, message: str | None) -> None:
    events = read(kobold.reader(KOBOLD, status=status, headers=JSON, n=1), [json.dumps(body).encode()])
    (failure,) = (event for event in events if isinstance(event, Failure))
    assert failure.kind == kind
    assert message in (None, failure.message)


# Whole answers


def test_a_whole_answer_has_a_result_for_each_choice() -> None:
    transcript = folded(whole({"results": [{"text": "a"}, {"text": "b"}]}, 2, "koboldai_united"), 2)
    assert [choice.text for choice in transcript.choices] == ["a", "b"]
    assert transcript.incomplete_reason() == "ended_without_reason"
    assert not UNITED.says_finish


def test_results_beyond_those_asked_for_are_no_choices() -> None:
    events = whole({"results": [{"text": "a", "finish_reason": "stop"}, {"text": "b"}]})
    assert [choice.text for choice in folded(events).choices] == ["a"]
    assert Garbled("json") in events


def test_newer_servers_count_whole_answers() -> None:
    result = {"text": "a", "finish_reason": "stop", "prompt_tokens": 9, "completion_tokens": 7}
    transcript = folded(whole({"results": [result]}))
    assert transcript.usage() == (Usage(9, 7), "per_choice")
    assert transcript.incomplete_reason() is None


def test_the_stop_that_ended_an_answer_is_no_part_of_it() -> None:
    transcript = folded(whole({"results": [{"text": "a\n### Instruction:"}]}, name="koboldai_united"))
    assert transcript.choice(0).text == "a\n"


@pytest.mark.parametrize("body", [{}, [], {"results": None}, {"result": "tiny"}])
def test_what_is_no_answer(body: object) -> None:
    assert whole(body)[1:] == [Garbled("not_an_answer"), BodyEnd()]


# What is sent


def sent(name: str = "kobold_native", base_url: str = "", **more: object) -> tuple[HttpRequest, dict]:
    turns = (Turn("user", "Hello"), Turn("assistant", "Hel "))[: 2 if more.get("continues") else 1]
    request = kobold.request(Call(Endpoint(base_url, name), more.pop("model", "tiny"), turns, **more))
    return request, json.loads(request.body or b"")


def test_a_request_is_one_text() -> None:
    request, body = sent()
    assert (request.method, request.url) == ("POST", "http://127.0.0.1:5001/api/extra/generate/stream")
    assert body.pop("genkey")
    assert body == {
        "prompt": "### Instruction:\nHello\n\n### Response:\n",
        "stop_sequence": ["### Instruction:", "### Response:"],
        "trim_stop": True,
        "quiet": True,
    }
    assert sent(streamed=False)[0].url == "http://127.0.0.1:5001/api/v1/generate"


def test_fields_are_sent_under_their_names_here() -> None:
    parameters = {"temperature": 0.5, "repeat_penalty": 1.1, "seed": 7, "stop": "END", "user": "no", "typical_p": 1}
    body = sent(n=2, max_output=7000, parameters=parameters)[1]
    assert body.items() >= {"temperature": 0.5, "rep_pen": 1.1, "sampler_seed": 7, "typical": 1}.items()
    assert body["max_length"] == 7000
    assert body["stop_sequence"][-1] == "END"
    assert not {"n", "stop", "user", "template"} & set(body)


def test_united_gets_what_it_takes_and_answers_whole() -> None:
    stops = [str(number) for number in range(20)]
    request, body = sent("koboldai_united", n=2, max_output=7000, parameters={"stop": stops, "min_p": 0.1})
    assert request.url == "http://127.0.0.1:5000/api/v1/generate"
    assert (body["n"], body["max_length"], len(body["stop_sequence"])) == (2, 512, 10)
    assert not {"genkey", "trim_stop", "min_p"} & set(body)


@pytest.mark.parametrize("end", ["", "/", "/api", "/api/v1", "/v1", "/api/v1/generate"])
def test_addresses_as_people_type_them(end: str) -> None:
    assert sent(base_url=f"http://host:1{end}")[0].url == "http://host:1/api/extra/generate/stream"


def test_an_answer_is_cancelled_by_a_tag_that_only_it_has() -> None:
    call = Call(Endpoint("http://host:1", "kobold_native"), "tiny", (Turn("user", "Hello"),))
    other = Call(Endpoint("http://host:1", "kobold_native"), "tiny", (Turn("user", "Hello"),))
    request = kobold.cancel_request(call)
    assert request
    assert request.url == "http://host:1/api/extra/abort"
    tag = json.loads(kobold.request(call).body or b"")["genkey"]
    assert json.loads(request.body or b"") == {"genkey": tag}
    assert json.loads(kobold.request(other).body or b"")["genkey"] != tag
    assert kobold.cancel_request(Call(Endpoint("", "koboldai_united"), "tiny", ())) is None


def test_its_openai_dialect_is_cancelled_alike() -> None:
    call = Call(Endpoint("http://host:1/v1", "koboldcpp"), "tiny", (Turn("user", "Hello"),))
    request = openai_chat.cancel_request(call)
    assert request
    assert request.url == "http://host:1/api/extra/abort"
    assert json.loads(openai_chat.request(call).body or b"")["genkey"] == json.loads(request.body or b"")["genkey"]
    assert openai_chat.cancel_request(Call(Endpoint("", "openai"), "tiny", ())) is None


# Lists and counts


@pytest.mark.parametrize(
    "body, models",
    [
        ({"result": "koboldcpp/tiny"}, [ListedModel("koboldcpp/tiny")]),
        ({"result": "ReadOnly"}, []),
        ({"result": "inactive"}, []),
        ({"data": [{"id": "koboldcpp/tiny"}, {"id": 7}, None]}, [ListedModel("koboldcpp/tiny")]),
    ],
)
def test_the_model_that_is_loaded(body: dict, models: list[ListedModel]) -> None:
    assert kobold.models(KOBOLD, json.dumps(body).encode()) == models


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"detail":"no"}'])
def test_what_is_no_list_of_models(body: bytes) -> None:
    with pytest.raises(ValueError):
        kobold.models(KOBOLD, body)


def test_where_the_context_length_is_told() -> None:
    def path(name: str) -> str:
        request = kobold.context_request(Endpoint("http://host:1/api", name), "tiny")
        assert request
        return request.url

    assert path("kobold_native") == "http://host:1/api/extra/true_max_context_length"
    assert path("koboldai_united") == "http://host:1/api/v1/config/max_context_length"
    assert kobold.context_length(b'{"value":8192}') == 8192


@pytest.mark.parametrize("body", [b'{"value":-1}', b'{"value":"five"}', b"{}", b"[]"])
def test_a_count_that_failed_is_no_count(body: bytes) -> None:
    assert koboldcpp.value(body) is None


def test_turns_are_counted_with_their_template() -> None:
    request = kobold.count_request(Endpoint("", "kobold_native"), "chatml", (Turn("user", "a"),))
    assert request
    assert json.loads(request.body or b"")["prompt"].startswith("<|im_start|>user\na<|im_end|>")
    request = kobold.count_request(Endpoint("", "kobold_native"), "chatml", "a")
    assert request
    assert json.loads(request.body or b"")["prompt"] == "a"
    assert kobold.count_request(Endpoint("", "koboldai_united"), "tiny", "a") is None


# Templates

THREAD = (Turn("system", "Be brief."), Turn("user", "Hi"), Turn("assistant", "Hello."), Turn("user", "Why?"))
RENDERED = {
    "chatml": "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
    "<|im_start|>assistant\nHello.<|im_end|>\n<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n",
    "llama3": "<|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\nHello.<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nWhy?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
    "alpaca": "Be brief.\n\n### Instruction:\nHi\n\n### Response:\nHello.\n\n### Instruction:\nWhy?\n\n### Response:\n",
    "mistral": "[INST] Be brief.\n\nHi [/INST] Hello.</s>[INST] Why? [/INST]",
    "vicuna": "Be brief.\n\nUSER: Hi\nASSISTANT: Hello.</s>\nUSER: Why?\nASSISTANT:",
}


@pytest.mark.parametrize("name", templates.TEMPLATES)
def test_a_thread_as_one_text(name: str) -> None:
    assert templates.TEMPLATES[name].render(THREAD) == RENDERED[name]


@pytest.mark.parametrize("name", templates.TEMPLATES)
def test_continuing_the_prompt_ends_with_the_kept_text_as_it_is(name: str) -> None:
    template = templates.TEMPLATES[name]
    kept = "Because <|im_end|> [INST] ### Response: USER: "
    rendered = template.render((*THREAD, Turn("assistant", kept)), continues=True)
    assert rendered.startswith(template.render(THREAD))
    assert rendered.endswith(template.assistant[0] + kept)


def test_a_system_text_without_a_place_precedes_the_first_turn() -> None:
    mistral = templates.TEMPLATES["mistral"]
    assert mistral.render((Turn("system", "s"), Turn("assistant", "a"))) == "[INST] s [/INST] a</s>"
    assert mistral.render((Turn("system", "s"),)) == "[INST] s [/INST]"
    assert mistral.render((Turn("user", "u"), Turn("system", "s"))) == "[INST] s\n\nu [/INST]"
    assert mistral.render(()) == ""


@given(st.sampled_from(sorted(templates.TEMPLATES)), st.data())
def test_no_text_passes_for_somebody_elses_turn(name: str, draw: st.DataObject) -> None:
    template = templates.TEMPLATES[name]
    pieces = st.sampled_from([*template.marks, *template.stops, "a", " ", "\n"])
    text = draw.draw(st.lists(pieces, max_size=8).map("".join))
    for mark in template.marks:
        plain = template.render((Turn("user", "plain"), Turn("assistant", "plain"), Turn("user", "plain")))
        forged = template.render((Turn("user", text), Turn("assistant", text), Turn("user", text)))
        assert forged.count(mark) == plain.count(mark)


@pytest.mark.parametrize(
    "model, label",
    [
        ("koboldcpp/Meta-Llama-3.1-8B-Instruct.Q4_K_M", "Llama 3"),
        ("koboldcpp/Hermes-3-Llama-3.1-8B", "ChatML"),
        ("koboldcpp/Qwen2.5-7B-Instruct", "ChatML"),
        ("koboldcpp/Mistral-Nemo-Instruct-2407", "Mistral"),
        ("koboldcpp/vicuna-13b-v1.5", "Vicuna"),
        ("koboldcpp/tiny", "Alpaca"),
    ],
)
def test_a_models_name_may_tell_its_template(model: str, label: str) -> None:
    assert templates.of_model(model).label == label


def test_the_call_names_its_template() -> None:
    body = sent(model="Qwen", parameters={"template": "vicuna"})[1]
    assert body["prompt"] == "USER: Hello\nASSISTANT:"
    assert body["stop_sequence"] == ["USER:", "</s>"]
    assert sent(model="Qwen", parameters={"template": "of tomorrow"})[1]["prompt"].startswith("<|im_start|>")

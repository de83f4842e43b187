"""Images in each dialect's own form; which models see; what an image takes of a prompt."""

import json

import pytest

from chat.upstream.client import DIALECTS
from chat.upstream.contract import Call, Endpoint, Image, Turn
from chat.upstream.profiles import profile
from chat.upstream.seeing import image_tokens, known_to_see

PNG = Image("image/png", b"PNG")
JPEG = Image("image/jpeg", b"JPEG")
B64_PNG, B64_JPEG = "UE5H", "SlBFRw=="
TURNS = (Turn("system", "s"), Turn("user", "What?", (PNG, JPEG)), Turn("assistant", "A."), Turn("user", "And?"))


def body(name: str, turns: tuple[Turn, ...] = TURNS) -> dict:
    call = Call(Endpoint("http://host:1", name, "key"), "m", turns)
    return json.loads(DIALECTS[profile(name).dialect].request(call).body)


def test_openai_takes_images_as_data_addresses() -> None:
    system, question, answer, last = body("openai")["messages"]
    assert question["content"] == [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{B64_PNG}"}},
        {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{B64_JPEG}"}},
        {"type": "text", "text": "What?"},
    ]
    assert [turn["content"] for turn in (system, answer, last)] == ["s", "A.", "And?"]


def test_anthropic_takes_them_as_sources() -> None:
    question, answer, last = body("anthropic")["messages"]
    assert question["content"] == [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": B64_PNG}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": B64_JPEG}},
        {"type": "text", "text": "What?"},
    ]
    assert [answer["content"], last["content"]] == ["A.", "And?"]


def test_gemini_takes_them_as_inline_data() -> None:
    question, *rest = body("gemini")["contents"]
    assert question["parts"] == [
        {"inlineData": {"mimeType": "image/png", "data": B64_PNG}},
        {"inlineData": {"mimeType": "image/jpeg", "data": B64_JPEG}},
        {"text": "What?"},
    ]
    assert [turn["parts"] for turn in rest] == [[{"text": "A."}], [{"text": "And?"}]]


def test_ollama_and_koboldcpp_take_them_beside_the_text() -> None:
    _system, question, *rest = body("ollama")["messages"]
    assert question == {"role": "user", "content": "What?", "images": [B64_PNG, B64_JPEG]}
    assert all("images" not in turn for turn in rest)
    assert body("kobold_native")["images"] == [B64_PNG, B64_JPEG]
    assert "images" not in body("koboldai_united")


@pytest.mark.parametrize("name", ["openai", "anthropic", "gemini", "ollama", "kobold_native"])
def test_an_image_needs_no_words(name: str) -> None:
    sent = json.dumps(body(name, (Turn("user", "", (PNG,)),)))
    assert B64_PNG in sent
    assert '"text": ""' not in sent


@pytest.mark.parametrize("name", ["anthropic", "gemini"])
def test_turns_that_are_joined_keep_their_images(name: str) -> None:
    sent = json.dumps(body(name, (Turn("user", "a", (PNG,)), Turn("user", " ", (JPEG,)), Turn("user", "b"))))
    assert B64_PNG in sent and B64_JPEG in sent
    assert r"a\n\nb" in sent


@pytest.mark.parametrize("name", ["llamacpp", "koboldcpp", "vllm", "kobold_native"])
def test_what_counts_text_only_is_not_asked_about_images(name: str) -> None:
    count = DIALECTS[profile(name).dialect].count_request
    assert count(Endpoint("http://host:1", name), "m", TURNS) is None
    assert count(Endpoint("http://host:1", name), "m", TURNS[-1:]) is not None


def test_an_image_is_not_in_a_repr() -> None:
    assert "PNG" not in repr(Image("image/jpeg", b"PNG"))


SEE = """gpt-4o gpt-4o-mini gpt-4.1 gpt-4-turbo gpt-5.1 o1 o3 o4-mini chatgpt-4o-latest claude-3-5-sonnet-20241022
claude-sonnet-4-5 claude-haiku-4-5 anthropic/claude-opus-4.1 gemini-2.5-flash google/gemini-3-pro gemma3:4b
llama3.2-vision:11b llama-4-scout llava:7b moondream qwen2.5-vl-72b-instruct qwen3-vl:8b qwen2.5-omni-7b kimi-k2.5
kimi-vl-a3b kimi-latest moonshot-v1-8k-vision-preview glm-4.5v mistral-small-3.2 pixtral-12b grok-4 step-1v-8k
minicpm-v:8b phi-4-multimodal-instruct some/new-vision-model"""
BLIND = """gpt-4 gpt-3.5-turbo gpt-oss-120b o1-mini o1-preview o3-mini claude-2.1 claude-instant-1.2 gemma3:1b
llama3.2:3b llama-3.3-70b qwen3:8b qwen2.5-coder kimi-k2 kimi-k2-thinking moonshot-v1-8k deepseek-chat deepseek-r1
glm-4.6 grok-3 mistral-nemo mixtral-8x7b phi-4 demo tiny text-embedding-3-small revisionist"""


def test_names_tell_which_models_see() -> None:
    assert [name for name in SEE.split() if not known_to_see(name)] == []
    assert [name for name in BLIND.split() if known_to_see(name)] == []


@pytest.mark.parametrize(
    "model, size, tokens",
    [
        ("gpt-4o", (1024, 1024), 765),  # the examples of OpenAI's own page
        ("gpt-4o", (2048, 4096), 1105),
        ("openai/gpt-4o-mini", (1024, 1024), 25501),
        ("gpt-4.1-mini", (1024, 1024), 1659),
        ("claude-sonnet-4-5", (1000, 1000), 1334),  # of Anthropic's
        ("claude-sonnet-4-5", (1568, 1568), 1600),
        ("gemini-2.5-flash", (384, 384), 258),  # of Google's
        ("gemini-2.5-flash", (768, 1536), 516),
        ("gemma3:4b", (1568, 1568), 256),
    ],
)
def test_an_image_takes_what_its_vendor_says(model: str, size: tuple[int, int], tokens: int) -> None:
    found = image_tokens(model, *size)
    assert found.tokens == tokens
    assert found.low <= found.tokens <= found.high


@pytest.mark.parametrize("size", [(0, 0), (1, 1), (1568, 1), (1568, 1568)])
@pytest.mark.parametrize("model", ["gpt-5", "o4-mini", "llava", "nobody knows"])
def test_bounds_hold_of_any_size(model: str, size: tuple[int, int]) -> None:
    found = image_tokens(model, *size)
    assert 0 < found.low <= found.tokens <= found.high

"""What is refused most often has words of its own: no model, no such path, a redirect, too little money."""

import pytest

from chat.upstream.failures import failure_of_body, names_missing_model, names_missing_path
from tests.scripted import Answer, chat_stream, error, whole

NO_MODEL = [
    "The model `gpt-9` does not exist or you do not have access to it.",  # OpenAI, vLLM
    "Model Not Exist",  # DeepSeek
    'model "nope" not found, try pulling it first',  # Ollama
    "models/nope is not found for API version v1beta, or is not supported for generateContent.",  # Gemini
    "model: claude-9",  # Anthropic
    "Not found the model nope or Permission denied",  # Moonshot
    "nope is not a valid model ID",  # OpenRouter
    "/chat/completions: Invalid model name passed in model=nope.",  # litellm
    "The API deployment for this resource does not exist.",  # Azure
    "Server is pinned to '/models/one'; requested 'other'.",  # transformers serve
]
NO_PATH = [
    "HTTP 404",
    "404 page not found",
    "Not Found",
    "404 Not Found",
    "Cannot POST /chat/completions",
    "Invalid URL",
]
OTHERS = [
    "This model's maximum context length is 4096 tokens.",
    "Unsupported parameter: 'max_tokens' is not supported with this model.",
    "The model is overloaded.",
    "Field required",
    "",
]


@pytest.mark.parametrize("message", NO_MODEL)
def test_a_missing_model_is_told_from_other_refusals(message):
    assert names_missing_model("", message) and not names_missing_path(message)


@pytest.mark.parametrize("message", NO_PATH)
def test_a_missing_path_is_told_from_other_refusals(message):
    assert names_missing_path(message) and not names_missing_model("", message)


@pytest.mark.parametrize("message", OTHERS)
def test_what_names_neither_is_neither(message):
    assert not names_missing_model("", message) and not names_missing_path(message)


def test_openais_code_tells_it_whatever_the_message():
    assert names_missing_model("model_not_found", "Nope.")


def test_a_redirect_says_where_to_and_is_not_repeated():
    failure = failure_of_body(b"<title>Moved</title>", status=302, headers={"location": "https://elsewhere.example/v1"})
    assert (failure.kind, failure.code, failure.retryable) == ("bad_request", "redirected", False)
    assert failure.message == "https://elsewhere.example/v1"


def test_an_error_holds_nothing_that_no_database_stores():
    failure = failure_of_body(b'{"error":{"message":"a\\u0000b","code":"c\\u0000d\\ud800"}}', status=400, headers={})
    assert (failure.message, failure.code) == ("a\ufffdb", "c\ufffdd\ufffd")


@pytest.mark.parametrize(
    "answer, title, sentence",
    [
        (error(404, 'model "tiny" not found'), "no such model", "It has no model of this name"),
        (whole({"detail": "Not Found"}, status=404), "not found", "check the path of its base URL"),
        (Answer([], 307, {"Location": "http://169.254.169.254/"}), "redirected", "redirects to “http://169.254"),
        (error(413, "Too big"), "conversation too long", "does not fit this model’s context"),
        (error(400, "Your credit balance is too low"), "no credit left", "top up the account"),
    ],
)
def test_it_is_told_under_the_message_which_stays(answer, title, sentence, site, alice, upstream):
    upstream.script("tiny", answer)
    sent = alice.send("My long and careful question", model="tiny")
    assert site.settled(sent.completion)["status"] == "failed"
    page = alice.http.get(f"/c/{sent.conversation}/").text
    assert title in page and sentence in page and "My long and careful question" in page


def test_fewer_answers_than_were_asked_for_are_told_as_that(make_site, upstream):
    upstream.script("kimi", chat_stream(["Only one"], usage=(7, 2)))
    site = make_site("kimi", MOONSHOT_BASE_URL=upstream.base_url, MOONSHOT_API_KEY="sk-moon", OPENAI_BASE_URL="")
    alice = site.visitor("alice")
    sent = alice.send("Hi", model="kimi", n=3)
    site.settled(sent.completion)
    page = alice.http.get(f"/c/{sent.conversation}/").text
    assert "Fewer answers than asked for" in page and "3 answers were asked for, and the provider sent 1." in page


def test_where_nothing_can_be_continued_the_reply_says_so_and_offers_another(site, alice, upstream):
    upstream.script("tiny", chat_stream(["Half "], finish="length"))
    sent = alice.send("Go", model="tiny")
    site.settled(sent.completion)
    page = alice.http.get(f"/c/{sent.conversation}/").text
    assert "OpenAI-compatible cannot go on with a reply of this model: regenerate it." in page
    assert f"/messages/{sent.reply}/regenerate/" in page and f"/messages/{sent.reply}/continue/" not in page

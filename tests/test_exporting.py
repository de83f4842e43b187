"""Taking conversations along: what the files hold, that they hold it whole, and that they hurt nobody."""

import csv
import html
import json
import zipfile
from datetime import UTC, datetime
from io import BytesIO, StringIO

import pytest

from chat.accounting import ledger
from chat.archive.exporting import FORMATS
from chat.archive.exporting.everything import everything
from chat.archive.exporting.json import COST, OTHERWISE, OURS_ALONE, TOLD, USAGE, document
from chat.archive.exporting.markdown import closed
from chat.archive.exporting.naming import file_name
from chat.archive.exporting.zipped import zipped
from chat.markdown.plain import plain
from chat.models import Account, Completion, Conversation, LanguageModel, Message, Person, Provider
from chat.views.exports import words
from tests.corpus import ANSWER, BOMBS, HOSTILE

MOMENT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


@pytest.fixture
def alice(db) -> Person:
    return Person.objects.create_user("alice")


@pytest.fixture
def model(db) -> LanguageModel:
    provider = Provider.objects.create(name="Moonshot", profile="default", base_url="http://127.0.0.1:9/v1")
    return LanguageModel.objects.create(provider=provider, name="moonshotai/kimi-k2")


@pytest.fixture
def conversation(alice, model) -> Conversation:
    """A question with two answers; the first was stopped, the second is shown and was gone on with."""
    made = Conversation.objects.create(person=alice, title="Caches & tables", active=MOMENT, created=MOMENT)
    question = made.messages.create(role="user", text="How does **it** work?", created=MOMENT)
    stopped = reply(made, model, question, "It be", status="stopped", reason="person")
    shown = reply(made, model, question, ANSWER, reasoning="Let me *think*.", thought_ms=3000)
    thanks = made.messages.create(parent=shown, role="user", text="谢谢！", created=MOMENT)
    made.leaf = thanks
    made.save()
    assert stopped
    return made


def reply(conversation, model, parent, text, *, status="complete", reason="", **fields) -> Message:
    completion = Completion.objects.create(
        account=Account.of(conversation.person),
        person=conversation.person,
        conversation=conversation,
        model=model,
        max_output=4096,
        status=status,
        reason=reason,
        settled=MOMENT,
        duration_ms=3200,
        first_delta_ms=210,
        arrivals=b"\x01\x02\x03",
        usage_source="reported",
        input_tokens=12,
        output_tokens=40,
    )
    finish = "stop" if status == "complete" else ""
    fields = {"text": text, "finish_reason": finish, "created": MOMENT, **fields}
    return conversation.messages.create(role="assistant", parent=parent, completion=completion, **fields)


def written(conversation: Conversation, form: str) -> str:
    return b"".join(FORMATS[form].write(conversation, words())).decode()


# --- what the files hold


def test_markdown_holds_the_shown_thread_in_the_models_own_words(conversation):
    text = written(conversation, "markdown")
    assert text.startswith("# Caches & tables\n")
    assert "## You\n" in text and "## kimi-k2\n" in text and "12 in · 40 out, exact · 3.2 s" in text
    assert ANSWER.strip() in text and "> Let me *think*." in text and "谢谢！" in text
    assert "It be" not in text, "the other branch is not shown"


def test_plain_text_has_no_marks(conversation):
    text = written(conversation, "text")
    assert "How does it work?" in text and "[Thought for 3 s]\n\nLet me think." in text
    assert "the docs (https://docs.example.org/cache.html)" in text and "    class Cache:" in text
    assert "get | O(1) | promotes the key" in text and "average cost is $O(1)$" in text


def test_html_is_one_page_without_script_or_anything_to_fetch(conversation):
    page = html.unescape(written(conversation, "html"))
    assert "<script" not in page and "<link" not in page and "<button" not in page and "src=" not in page
    assert "default-src 'none'; style-src 'sha256-" in page and 'name="robots" content="noindex' in page
    assert "<strong>it</strong>" in page and "<math" in page and "<i class=k>class" in page


@pytest.mark.parametrize("form", ["markdown", "text", "html"])
def test_an_end_that_is_not_whole_is_told(conversation, form):
    conversation.leaf = conversation.messages.get(text="It be")
    assert "Stopped. What you saw is what is saved." in written(conversation, form)


def test_a_reply_that_arrives_is_exported_as_far_as_it_is_saved(conversation, model):
    live = reply(conversation, model, conversation.leaf, "", status="live")
    live.completion.segments.create(number=1, content='{"deltas": [[0, "half an ans", "", ""]]}', output_tokens=3)
    conversation.leaf = live
    conversation.save()
    assert all("half an ans" in written(conversation, form) for form in FORMATS)


# --- JSON: everything


def test_json_holds_the_tree_and_every_figure(conversation):
    (told,) = json.loads(written(conversation, "json"))["conversations"]
    messages, completions = told["messages"], told["completions"]
    assert [(m["id"], m["parent"], m["role"], m["completion"]) for m in messages] == [
        (1, None, "user", None),
        (2, 1, "assistant", 0),
        (3, 1, "assistant", 1),
        (4, 3, "user", None),
    ]
    assert told["shown"] == 4 and messages[2]["text"] == ANSWER and messages[2]["thought_ms"] == 3000
    assert [c["status"] for c in completions] == ["stopped", "complete"]
    assert completions[0]["model"] == "moonshotai/kimi-k2" and completions[0]["provider"] == "Moonshot"
    assert completions[0]["usage"]["output_tokens"] == 40 and completions[0]["usage"]["source"] == "reported"
    assert completions[0]["arrivals"] == "AQID" and completions[0]["first_delta_ms"] == 210


def test_every_column_of_a_completion_is_told_or_ours_alone():
    columns = {field.name for field in Completion._meta.concrete_fields}
    assert columns == {*TOLD, *USAGE, *COST, *OTHERWISE, *OURS_ALONE}


def test_json_of_a_long_conversation_is_written_in_pieces(conversation, model):
    parent = conversation.leaf
    for n in range(250):
        parent = reply(conversation, model, parent, f"answer {n}")
    pieces = list(document([conversation]))
    assert len(pieces) > 500 and max(map(len, pieces)) < 10_000
    (told,) = json.loads(b"".join(pieces))["conversations"]
    assert len(told["messages"]) == 254 and [m["completion"] for m in told["messages"][4:]] == list(range(2, 252))


# --- many, and all


def test_a_zip_of_many_has_a_file_for_each_by_day_and_title(alice, conversation):
    other = Conversation.objects.create(person=alice, title="Caches & tables", active=MOMENT)
    members = [(file_name(c, "md"), FORMATS["markdown"].write(c, words())) for c in (conversation, other, other)]
    archive = zipfile.ZipFile(BytesIO(b"".join(zipped(members))))
    names = archive.namelist()
    assert names[0] == f"2026-11-20 Caches & tables {conversation.pk.hex[:8]}.md" and len(set(names)) == 3
    assert archive.testzip() is None and archive.read(names[0]).decode() == written(conversation, "markdown")


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("../../etc/passwd", "2026-11-20 etc passwd"),
        ('a<b>:"|?*\\c', "2026-11-20 a b c"),
        ("x\u202egpj.exe", "2026-11-20 x gpj.exe"),
        ("\0\n\t", "2026-11-20"),
        ("热表" * 100, "2026-11-20 " + "热表" * 30),
        ("CON.", "2026-11-20 CON"),
    ],
)
def test_a_file_name_fits_every_system(alice, title, shown):
    conversation = Conversation(person=alice, title=title, active=MOMENT)
    assert file_name(conversation, "md") == f"{shown} {conversation.pk.hex[:8]}.md"


def test_all_data_has_the_conversations_the_usage_and_the_person(alice, conversation, model):
    completion = Completion.objects.first()
    ledger.charge(completion, "reported", ledger.Tokens.exactly(12, 40))
    Conversation.objects.create(person=Person.objects.create_user("bob"), title="bob's", active=MOMENT)
    archive = zipfile.ZipFile(BytesIO(b"".join(zipped(everything(alice)))))
    chats = [name for name in archive.namelist() if name.startswith("conversations/")]
    assert [json.loads(archive.read(name))["conversations"][0]["title"] for name in chats] == ["Caches & tables"]
    assert json.loads(archive.read("person.json"))["username"] == "alice"
    (row,) = csv.DictReader(StringIO(archive.read("usage.csv").decode("utf-8-sig")))
    (line,) = json.loads(archive.read("usage.json"))
    assert row["model"] == line["model"] == "moonshotai/kimi-k2"
    assert (row["output_tokens"], line["output_tokens"]) == ("40", 40)
    assert b"bob" not in b"".join(archive.read(name) for name in archive.namelist())


# --- texts that are odd


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("```py\nx = 1", "```py\nx = 1\n```"),
        ("```py\nx\n```\ny", "```py\nx\n```\ny"),
        ("~~~~\n```\nx", "~~~~\n```\nx\n~~~~"),
        ("````\n```\nx", "````\n```\nx\n````"),
        ("a ``` b", "a ``` b"),
        ("    ```\nx", "    ```\nx"),
    ],
)
def test_a_fence_that_was_cut_is_closed(text, shown):
    assert closed(text) == shown


@pytest.mark.parametrize("name", BOMBS)
def test_plain_text_of_a_bomb_comes_out(name):
    plain(BOMBS[name](20_000))


def test_hostile_titles_and_names_stay_text(alice, conversation):
    conversation.title = "</title><script>alert(1)</script>"
    page = written(conversation, "html")
    assert "<script>" not in page and "&lt;script&gt;alert(1)" in page


def test_plain_text_of_what_is_hostile_is_text():
    assert "<script>alert(1)</script>" in "\n".join(map(plain, HOSTILE))

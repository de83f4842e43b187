"""Bringing conversations in: each program's export, our own there and back, files that are broken, and bombs."""

import io
import json
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat import index
from chat.archive.exporting.everything import everything
from chat.archive.exporting.json import document
from chat.archive.exporting.zipped import zipped
from chat.archive.importing import chatgpt, reading
from chat.archive.importing.foreign import Foreign, ForeignMessage
from chat.archive.importing.problems import sentence_of
from chat.archive.importing.splitting import EndsEarly, NotJson, TooLong, split
from chat.archive.importing.storing import BATCH
from chat.archive.importing.work import import_files
from chat.models import Completion, Conversation, Folder, Import, Message, Person, Process, Tag, UsageEntry
from chat.models.imports import CHUNK_BYTES, ImportChunk
from chat.words import phrase
from tests.corpus import HOSTILE
from tests.test_exporting import alice, conversation, model  # noqa: F401 - fixtures

EXPORTS = Path(__file__).parent / "exports"
CHATGPT = (EXPORTS / "chatgpt.json").read_bytes()


def brought(person: Person, data: bytes, name: str = "conversations.json", *, acts: int | None = None) -> Import:
    """Received in chunks, and imported; with `acts` only as far as so many transactions lead."""
    upload = Import.objects.create(person=person, name=name, size=len(data))
    for start in range(0, len(data), CHUNK_BYTES):
        assert upload.receive(data[start : start + CHUNK_BYTES], start)
    work(acts)
    upload.refresh_from_db()
    return upload


def work(acts: int | None = None) -> None:
    process = Process.objects.create()
    done = 0
    for act in import_files(process.pk):
        if act:
            act()
            done += 1
            if done == acts:
                Process.objects.filter(pk=process.pk).update(dead=True)
                return


def counts(upload: Import) -> tuple[int, int, int, int]:
    return upload.made, upload.continued, upload.known, upload.bad


def exported(*conversations: Conversation) -> list[dict]:
    return json.loads(b"".join(document(conversations)))["conversations"]


def archive(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as made:
        for name, data in members.items():
            made.writestr(name, data)
    return file.getvalue()


# --- ChatGPT


@pytest.fixture
def tree(alice) -> dict[str, Message]:  # noqa: F811
    """The first conversation of the sample, by its nodes."""
    upload = brought(alice, CHATGPT)
    assert (upload.status, counts(upload)) == ("done", (2, 0, 0, 1))
    found = Conversation.objects.get(title="Rolling back a deploy")
    return {message.imported["id"]: message for message in found.messages.all()}


def test_hidden_and_system_nodes_are_passed_over_and_the_tree_stays(tree):
    parents = {node: message.parent and message.parent.imported["id"] for node, message in tree.items()}
    assert parents == {"q1": None, "a1": "q1", "a2": "q1", "q2": "a2", "q2b": "a2", "a3": "q2b"}
    assert [tree[node].role for node in ("q1", "a1", "a2", "a3")] == ["user", "assistant", "assistant", "assistant"]
    shown = Conversation.objects.get(title="Rolling back a deploy")
    assert shown.leaf == tree["a3"] and shown.pinned and not shown.archived


def test_what_was_said_is_the_text_and_what_was_thought_or_done_is_folded_away(tree):
    answer = tree["a2"]
    assert answer.text == "Run `helm rollback staging 3`. ([helm.sh](https://helm.sh/docs))"
    assert "**Looking at the chart**\n\nA rollback needs a revision." in answer.reasoning
    assert "→ **python**\n\n````\nprint(```1```)\n````" in answer.reasoning
    assert "**python**\n\n```\nrevision 3\n```" in answer.reasoning and "*Thought for 12s*" in answer.reasoning
    drawn = tree["a3"]
    assert drawn.text.startswith(
        "I will draw it.\n\n*[image, 1792 × 1024, not part of the import]*\n\n> A ship at anchor."
    )
    assert drawn.text.endswith("There it is.") and '{"prompt": "a ship"}' in drawn.reasoning


def test_files_and_images_are_told_of(tree):
    told = tree["q1"].text
    assert told.startswith("*[image, 1024 × 768, not part of the import]*\n\nHow do I roll back? 怎么回滚？")
    assert told.endswith("*[values.yaml, not part of the import]*") and "shot.png" not in told


def test_a_reply_keeps_its_model_its_time_and_how_it_ended(tree):
    assert tree["a2"].imported["model"] == "o4-mini" and tree["a2"].finish_reason == "stop"
    assert tree["a1"].imported["status"] == "stopped" and tree["a3"].finish_reason == "length"
    assert tree["a2"].created.timestamp() == 1756000014 and tree["a2"].completion is None
    assert tree["q1"].conversation.active.timestamp() == pytest.approx(1756000400.654321)


def test_a_conversation_without_a_title_is_called_by_its_first_words(tree):
    made = Conversation.objects.exclude(title="Rolling back a deploy").get()
    assert made.title == "周末面食" and made.archived and made.leaf.text == "Puttanesca."
    assert made.leaf.imported["model"] == "gpt-5"


def test_a_bad_conversation_says_why_and_the_others_come_in(tree):
    (problem,) = Import.objects.get().problems.all()
    assert (problem.position, problem.title, problem.kind) == (2, "Corrupted entry", "unknown")
    assert sentence_of(problem.kind, problem.detail).startswith("It is no conversation of ChatGPT")


def test_imported_messages_are_found_and_counted_by_nobody(tree, alice):  # noqa: F811
    assert not Completion.objects.exists() and not UsageEntry.objects.exists()
    (place,) = index.matching(alice.pk, [[index.Wanted(index.WORD, phrase("回滚"))]], limit=10)
    assert index.message_at(place) == tree["q1"].pk


def test_the_same_file_twice_makes_nothing_twice(tree, alice):  # noqa: F811
    before = exported(*Conversation.objects.order_by("pk"))
    again = brought(alice, CHATGPT)
    assert counts(again) == (0, 0, 2, 1) and again.messages == 0
    assert exported(*Conversation.objects.order_by("pk")) == before


def test_a_later_export_adds_what_is_new_and_takes_nothing_back(tree, alice, model):  # noqa: F811
    here = tree["a3"].conversation
    mine = here.messages.create(parent=tree["a3"], role="user", text="Mine", conversation=here)
    here.leaf, here.pinned = mine, False
    here.save()
    told = json.loads(CHATGPT)
    told[0]["mapping"]["q3"] = {"parent": "a3", "message": said("user", "Later")}
    told[0]["current_node"] = "q3"
    assert counts(brought(alice, json.dumps(told).encode())) == (0, 1, 1, 1)
    later = here.messages.get(text="Later")
    assert later.parent == tree["a3"]
    here.refresh_from_db()
    assert here.leaf == mine and not here.pinned, "what was done here stays"


def test_two_people_can_bring_in_the_same_file(tree):
    bob = Person.objects.create_user("bob")
    assert brought(bob, CHATGPT).made == 2
    assert Conversation.objects.filter(person=bob).count() == 2


def test_what_is_deleted_here_is_not_brought_back_unasked(tree, alice):  # noqa: F811
    Conversation.objects.update(deleted=Conversation.objects.first().created)
    again = brought(alice, CHATGPT)
    assert counts(again) == (0, 0, 0, 3) and {"deleted", "unknown"} == {p.kind for p in again.problems.all()}


def test_a_zip_is_read_like_the_files_in_it_and_its_other_files_are_not(alice):  # noqa: F811
    other = {
        "user.json": b'{"email": "x"}',
        "message_feedback.json": b"[]",
        "chat.html": b"<html>",
        "x/file-1.png": b"\x89PNG",
    }
    halves = json.loads(CHATGPT)
    parts = {f"export/conversations-{n:03}.json": json.dumps([half]).encode() for n, half in enumerate(halves)}
    upload = brought(alice, archive({**other, **parts}), "export.zip")
    assert counts(upload) == (2, 0, 0, 1) and upload.percent == 100


# --- other programs


def test_open_webui_comes_in_with_its_thoughts_folded(alice):  # noqa: F811
    assert counts(brought(alice, (EXPORTS / "open-webui.json").read_bytes())) == (2, 0, 0, 0)
    answer = Message.objects.get(text="255")
    assert answer.reasoning == "Let me break this down:\n15 * 17 < 300" and answer.thought_ms == 3000
    assert answer.imported["model"] == "deepseek-r1" and answer.imported["usage"]["output_tokens"] == 40
    assert {tag.name for tag in answer.conversation.tags.all()} == {"maths", "general"}
    stopped, chosen = Message.objects.filter(parent__text="Which?").order_by("pk")
    assert stopped.imported["status"] == "stopped" and stopped.conversation.leaf == chosen
    assert "```\nParis: 18C\n```" in chosen.reasoning


@pytest.mark.parametrize("name", ["libre-chat.json", "libre-chat-recursive.json"])
def test_libre_chat_comes_in_flat_or_recursive(alice, name):  # noqa: F811
    assert counts(brought(alice, (EXPORTS / name).read_bytes())) == (1, 0, 0, 0)
    (made,) = Conversation.objects.all()
    assert made.title == "A long story" and made.messages.count() == 4
    first, second = Message.objects.filter(parent__text="tell me a long story").order_by("pk")
    assert first.imported["status"] == "stopped" and second.finish_reason == "stop"
    assert second.reasoning.startswith("A tale then.") and "**search**" in second.reasoning
    assert made.leaf.text == "thanks" and made.leaf.parent == second


# --- our own, there and back


@pytest.fixture
def filed(conversation, alice):  # noqa: F811
    conversation.folder = Folder.objects.create(person=alice, name="Work")
    conversation.tags.add(Tag.objects.create(person=alice, name="缓存"))
    conversation.pinned = True
    conversation.system_prompt, conversation.parameters = "Be brief.", {"temperature": 0.5, "stop": ["END"]}
    conversation.save()
    return conversation


def test_our_own_json_comes_back_equal_in_every_field(filed, alice):  # noqa: F811
    before = exported(filed)
    pk, data = filed.pk, b"".join(document([filed]))
    filed.delete()
    Folder.objects.all().delete()
    Tag.objects.all().delete()
    upload = brought(alice, data)
    assert counts(upload) == (1, 0, 0, 0) and upload.messages == 4
    (back,) = Conversation.objects.all()
    assert exported(back) == before and back.pk == pk
    assert back.messages.exclude(completion=None).count() == 0, "no completion: nothing to charge"


def test_names_that_no_database_takes_spoil_no_conversation(filed, alice):  # noqa: F811
    told = json.loads(b"".join(document([filed])))
    (one,) = told["conversations"]
    filed.delete()
    one |= {"folder": "Wo\ud800rk\0", "tags": ["\0\ud83d"], "parameters": {"stop": ["END\ud800\0"]}}
    one["messages"][-1]["finish_reason"] = "st\0op\ud800"
    assert counts(brought(alice, json.dumps(told).encode())) == (1, 0, 0, 0)
    (back,) = exported(*Conversation.objects.all())
    assert (back["folder"], back["tags"], back["parameters"]) == ("Wo?rk\ufffd", ["\ufffd?"], {"stop": ["END?\ufffd"]})


def test_what_came_from_elsewhere_comes_back_equal_too(tree, alice):  # noqa: F811
    made = tree["q1"].conversation
    pk, before, data = made.pk, exported(made), b"".join(document([made]))
    made.delete()
    brought(alice, data)
    assert exported(Conversation.objects.get(pk=pk)) == before


def test_the_zip_of_all_data_can_be_brought_in(filed, alice):  # noqa: F811
    data = b"".join(zipped(everything(alice)))
    assert counts(brought(alice, data, "all.zip")) == (0, 0, 1, 0)
    bob = Person.objects.create_user("bob")
    assert counts(brought(bob, data, "all.zip")) == (1, 0, 0, 0)
    (copy,) = Conversation.objects.filter(person=bob)
    assert copy.pk != filed.pk, "one's own keeps its id; nobody gets somebody else's"
    (mine,), (theirs,) = exported(filed), exported(copy)
    assert {**theirs, "id": mine["id"]} == mine


def test_a_newer_format_is_refused_with_a_sentence(filed, alice):  # noqa: F811
    data = b"".join(document([filed])).replace(b'"version":1', b'"version":2')
    upload = brought(alice, data)
    (problem,) = upload.problems.all()
    assert "newer version of this site: format 2" in sentence_of(problem.kind, problem.detail)


# --- stopping, dying, going on


def said(role: str, text: str) -> dict:
    return {"author": {"role": role}, "content": {"content_type": "text", "parts": [text]}}


def many(count: int, messages: int = 3) -> bytes:
    nodes = {
        f"n{n}": {"parent": f"n{n - 1}" if n else None, "message": said("assistant" if n % 2 else "user", f"text {n}")}
        for n in range(messages)
    }
    return json.dumps([{"id": f"chat-{n}", "title": f"Chat {n}", "mapping": nodes} for n in range(count)]).encode()


@pytest.mark.parametrize("acts", [1, 2, 5, 9, 14])
def test_an_import_goes_on_where_its_process_died(alice, acts):  # noqa: F811
    data = many(5, messages=2 * BATCH + 10)
    upload = brought(alice, data, acts=acts)
    assert upload.status == "running"
    work()
    upload.refresh_from_db()
    assert upload.status == "done" and counts(upload) == (5, 0, 0, 0)
    assert [c.messages.count() for c in Conversation.objects.all()] == [2 * BATCH + 10] * 5
    assert all(c.leaf.text == f"text {2 * BATCH + 9}" for c in Conversation.objects.all())


def test_one_that_is_stopped_stops_and_leaves_no_chunks(alice):  # noqa: F811
    upload = brought(alice, many(20), acts=8)
    made = Conversation.objects.count()
    assert 0 < made < 20 and upload.end("stopped")
    work()
    assert Conversation.objects.count() == made and not ImportChunk.objects.exists()


def test_a_small_import_does_not_wait_for_a_large_one(alice):  # noqa: F811
    bob = Person.objects.create_user("bob")
    for person, data in ((alice, many(200)), (bob, many(1))):
        upload = Import.objects.create(person=person, name="x", size=len(data))
        assert upload.receive(data, 0)
    process = Process.objects.create()
    for act in import_files(process.pk):
        if act:
            act()
        if Import.objects.get(person=bob).status == "done":
            break
    assert Conversation.objects.filter(person=alice).count() < 20


def test_chunks_come_in_their_order_and_only_once(alice):  # noqa: F811
    data = bytes(2 * CHUNK_BYTES + 5)
    upload = Import.objects.create(person=alice, name="x", size=len(data))
    assert not upload.receive(data[:10], 0), "short, and not the last"
    assert upload.receive(data[:CHUNK_BYTES], 0)
    assert not upload.receive(data[:CHUNK_BYTES], 0), "twice"
    assert not upload.receive(data[:5], 2 * CHUNK_BYTES), "too early"
    assert upload.receive(data[:CHUNK_BYTES], CHUNK_BYTES) and upload.status == "receiving"
    assert upload.receive(data[:5], 2 * CHUNK_BYTES) and upload.status == "waiting"
    file = upload.open()
    assert file.read() == data and file.seek(-7, io.SEEK_END) == len(data) - 7 and len(file.read(100)) == 7


# --- files that are broken, or meant to break something


def told_of(upload: Import) -> list[str]:
    return [problem.kind for problem in upload.problems.all()]


def test_of_a_file_that_was_cut_what_came_before_is_kept(alice):  # noqa: F811
    upload = brought(alice, many(3)[:-400])
    assert upload.status == "done" and counts(upload) == (2, 0, 0, 1) and told_of(upload) == ["ends_early"]


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"<html>", "not_text"),
        (b"", "nothing"),
        (b"[]", "nothing"),
        (b"PK\x03\x04rubbish", "bad_zip"),
        (archive({"user.txt": b"x"}), "no_conversations"),
        (archive({"conversations.json": b"x"}, zipfile.ZIP_LZMA), "packed_otherwise"),
    ],
)
def test_a_file_that_holds_nothing_fails_with_a_sentence(alice, data, complaint):  # noqa: F811
    upload = Import.objects.create(person=alice, name="x", size=len(data), status="waiting")
    if data:
        upload.chunks.create(number=0, content=data)
    work()
    upload.refresh_from_db()
    assert (upload.status, upload.complaint) == ("failed", complaint)
    assert not sentence_of(complaint, "").startswith("An error of ours")


def test_a_zip_whose_bytes_are_damaged_keeps_what_came_before(alice):  # noqa: F811
    data = bytearray(archive({"conversations-0.json": many(1), "conversations-1.json": many(2)}, zipfile.ZIP_STORED))
    spot = data.rindex(b"Chat 1")
    data[spot : spot + 6] = b"Chat X"
    upload = brought(alice, bytes(data))
    assert "damaged" in told_of(upload) and upload.made >= 1


def test_an_encrypted_zip_says_so(alice):  # noqa: F811
    data = bytearray(archive({"conversations.json": many(1)}))
    for mark in (b"PK\x03\x04", b"PK\x01\x02"):
        flags = data.index(mark) + (6 if mark.endswith(b"\x04") else 8)
        data[flags] |= 1
    assert brought(alice, bytes(data)).complaint == "encrypted"


def test_a_bomb_is_read_no_further_than_conversations_reach(alice, monkeypatch):  # noqa: F811
    monkeypatch.setattr(reading, "UNSUSPICIOUS", 2**20)
    bomb = archive({"conversations.json": b"[" + b" " * 40_000_000 + b"]"})
    assert len(bomb) < 100_000 and brought(alice, bomb).complaint == "bomb"


def test_a_zip_may_not_lie_about_its_size(alice, monkeypatch):  # noqa: F811
    monkeypatch.setattr(reading, "UNSUSPICIOUS", 2**20)
    data = bytearray(archive({"conversations.json": b"[" + b" " * 40_000_000 + b"]"}))
    entry = data.index(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = struct.pack("<I", 10)
    assert brought(alice, bytes(data)).status == "failed"


def test_a_zip_that_is_all_directory_is_not_taken_into_memory(alice):  # noqa: F811
    entry = b"PK\x01\x02" + bytes(24) + struct.pack("<HHH", 1, 0, 0) + bytes(12) + b"x"
    entries = entry * 120_000
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 65535, 65535, len(entries), 4, 0)
    assert brought(alice, b"PK\x03\x04" + entries + end).complaint == "bad_zip"


def ugly(**changes) -> bytes:
    (chat,) = json.loads(many(1))
    return json.dumps([{**chat, **changes}, *json.loads(many(1).replace(b"chat-0", b"good"))]).encode()


@pytest.mark.parametrize(
    ("data", "problems"),
    [
        (ugly(mapping={}), ["empty"]),
        (ugly(mapping=[]), ["unknown"]),
        (ugly(mapping={"a": None, "b": 5, "c": {"message": []}}), ["empty"]),
        (ugly(title=["x"], create_time="soon", update_time=-1, current_node={}), []),
        (ugly(create_time=1e300, id=7), []),
        (ugly(title="x" * 1000, pinned_time=5), []),
        (b'[{"mapping": {]}, ' + many(1)[1:], ["not_json"]),
        (many(1).replace(b"text 1", b"\\ud83d\\u0000\xff"), []),
        (many(1).replace(b"n0", b"\\ud83d"), []),
        (b'["x", 5, null, ' + many(1)[1:], []),
        (b'[{"a": ' * 3000 + b"1" + b"}]" * 3000, ["nested"]),
    ],
)  # fmt: skip
def test_ugly_conversations_come_in_or_say_why_and_spoil_no_other(alice, data, problems):  # noqa: F811
    upload = brought(alice, data)
    assert told_of(upload) == problems
    assert Conversation.objects.filter(title="Chat 0").exists() or problems == ["nested"]


def test_circles_and_orphans_are_kept_where_they_can_stand():
    messages = [
        ForeignMessage("a", "c", "user", "a"),
        ForeignMessage("b", "a", "user", "b"),
        ForeignMessage("c", "b", "user", "c"),
        ForeignMessage("d", "gone", "user", "d"),
        ForeignMessage("e", "e", "user", "e"),
    ]
    ordered = Foreign("x", "1", "t", messages).ordered().messages
    assert {m.id: m.parent for m in ordered} == {"d": None, "a": None, "b": "a", "c": "b", "e": None}
    places = [m.id for m in ordered]
    assert all(m.parent is None or places.index(m.parent) < places.index(m.id) for m in ordered)


def test_a_circle_of_chatgpt_is_kept():
    def node(parent: str, role: str) -> dict:
        return {"parent": parent, "message": {"author": {"role": role}, "content": {"parts": ["x"]}}}

    told = {"mapping": {"a": node("b", "user"), "b": node("a", "assistant"), "c": node("c", "user")}}
    assert len(chatgpt.foreign(told).messages) == 3


def test_a_long_chain_of_thoughts_with_many_ends_does_not_multiply_without_bound(alice):  # noqa: F811
    def node(n: int, kind: str, parent: str | None) -> dict:
        content = {"content_type": kind, "parts": ["x"], "thoughts": [{"content": "y" * 10_000}]}
        return {"parent": parent, "message": {"author": {"role": "assistant"}, "content": content, "end_turn": True}}

    chain = {f"t{n}": node(n, "thoughts", f"t{n - 1}" if n else None) for n in range(100)}
    ends = {f"e{n}": node(n, "text", "t99") for n in range(200)}
    upload = brought(alice, json.dumps([{"id": "x", "mapping": chain | ends}]).encode())
    assert told_of(upload) == ["tangled"]


def test_hostile_texts_come_in_as_they_are(alice):  # noqa: F811
    chats = [
        {"id": str(n), "title": text, "mapping": {"a": {"message": said("user", text)}}}
        for n, text in enumerate(HOSTILE)
    ]
    upload = brought(alice, json.dumps(chats).encode())
    assert upload.made == len(HOSTILE) and not upload.bad


# --- the splitter


ODD = st.sampled_from(['"', "\\", "[{", "}]", "conversations", "é\u2028"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | ODD,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ODD, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(
    items=st.lists(st.dictionaries(st.just("k"), JSON), max_size=4),
    around=st.sampled_from(["array", "object", "lines", "mixed"]),
    ascii_only=st.booleans(),
    sizes=st.lists(st.sampled_from([1, 2, 3, 7, 50]), min_size=1, max_size=9),
)
def test_whatever_the_pieces_the_conversations_are_the_same(items, around, ascii_only, sizes):
    told = {
        "array": items,
        "object": {"format": "x", "n": ["{"], "conversations": items, "after": [{"a": 1}]},
        "mixed": [1, "x", None, *items, [{"b": 2}]],
    }
    if around == "lines":
        text = "\n".join(json.dumps(item, ensure_ascii=ascii_only) for item in items)
    else:
        text = "\ufeff " + json.dumps(told[around], ensure_ascii=ascii_only)
    data = text.encode("utf-8", "surrogatepass")
    assert [json.loads(item) for item in split(pieces(data, sizes))] == items


def pieces(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    at, n = 0, 0
    while at < len(data):
        yield data[at : at + sizes[n % len(sizes)]]
        at, n = at + sizes[n % len(sizes)], n + 1


def test_one_that_is_too_long_is_passed_over_in_bounded_memory():
    data = b'[{"a": 1}, {"z": [' + b"1, " * 500_000 + b'1]}, {"a": 2}]'
    found = list(split(pieces(data, [4096]), most=100_000))
    assert found[0] == b'{"a": 1}' and isinstance(found[1], TooLong) and found[2] == b'{"a": 2}'


def test_one_string_that_never_ends_is_no_conversation():
    with pytest.raises(NotJson):
        list(split(pieces(b'[{"a": "' + b"x" * 1_000_000, [4096]), most=100_000))


@pytest.mark.parametrize("data", [b'[{"a": 1', b'{"conversations": [{"a": 1}', b'[{"a": "x'])
def test_a_text_that_ends_early_is_noticed(data):
    with pytest.raises(EndsEarly):
        list(split([data]))

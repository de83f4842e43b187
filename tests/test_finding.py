"""Finding and filing over HTTP, as a browser without scripts does it; on SQLite and on PostgreSQL."""

import html
import re
import uuid

import pytest

from tests.corpus import HOSTILE
from tests.scripted import chat_stream
from tests.site import Site, Visitor

REPLY = ["The von Neumann ", "稳定性分析", " says: `asyncio.to_thread`"]


@pytest.fixture(params=["sqlite", "postgres"])
def site(request, make_site, upstream) -> Site:
    upstream.script("tiny", chat_stream(REPLY, usage=(9, 3)))
    if request.param == "sqlite":
        return make_site("tiny")
    postgres = request.getfixturevalue("postgres")
    return make_site("tiny", DATABASE_URL=postgres.create(f"site-{uuid.uuid4().hex[:8]}", template="prepared"))


def text_of(page: str) -> str:
    return html.unescape(re.sub("<[^>]+>", "", page))


def found(visitor: Visitor, typed: str, **more) -> list[str]:
    """The conversations on the page, by their ids."""
    answer = visitor.http.get("/search/", params={"q": typed, **more})
    assert answer.status_code == 200
    return re.findall(r'<li id="found-([0-9a-f-]{36})"', answer.text)


def listed(visitor: Visitor) -> list[str]:
    return re.findall(r'id="entry-([0-9a-f-]{36})"', visitor.http.get("/list/").text)


def begun(visitor: Visitor, text: str) -> str:
    sent = visitor.send(text, model="tiny")
    visitor.site.settled(sent.completion)
    return sent.conversation


def file(visitor: Visitor, act: str, *conversations: str, **fields):
    return visitor.post("/file/", act=act, conversation=list(conversations), htmx=False, next="/search/", **fields)


def test_a_half_remembered_sentence_is_found_and_opens_at_its_message(site, alice):
    conversation = begun(alice, "Why does the 显式格式 blow up?")
    begun(alice, "Something else")
    for typed in ("显式", "格式 blow", '"does the"'):
        assert found(alice, typed) == [conversation], typed
    for typed in ("稳定", "定性分析 neum", "to_thread", "status:complete 分析", "model:tiny 稳定", "from:models 稳定"):
        assert conversation in found(alice, typed), typed
    page = alice.http.get("/search/", params={"q": "稳定"}).text
    link = html.unescape(re.search(rf'href="(/c/{conversation}/\?at=\d+#message-\d+)"', page)[1])
    assert "<mark>稳定</mark>" in page
    assert f'id="{link.partition("#")[2]}"' in alice.http.get(link).text


def test_a_rename_is_found_by_its_new_title_alone(site, alice):
    conversation = begun(alice, "First words")
    alice.post(f"/c/{conversation}/rename/", title="Überschrift 標題")
    assert found(alice, "in:title uberschr") == found(alice, "in:title 題") == [conversation]
    assert found(alice, "in:title first") == []


def test_bob_finds_nothing_of_alices_and_can_file_nothing_of_hers(site, alice):
    conversation, bob = begun(alice, "canary 金丝雀"), site.visitor("bob")
    file(alice, "move", conversation, folder="Secret")
    begun(bob, "mine")
    for typed in ("canary", "金丝", "金", "in:title canary", "", "is:pinned"):
        page = bob.http.get("/search/", params={"q": typed}).text
        assert conversation not in page and "Secret" not in page
    assert conversation not in bob.http.get("/switch/", params={"q": "canary"}).text
    assert bob.http.get("/search/", params={"q": "稳定", "in": conversation}).status_code == 404
    for act in ("pin", "move", "tag", "delete", "restore"):
        assert file(bob, act, conversation, folder="x", tags="x").status_code in (404, 409)
    pk = site.rows("SELECT id FROM chat_folder WHERE name = 'Secret'")[0]["id"]
    assert bob.post(f"/folders/{pk}/", act="remove").status_code == 404
    file(alice, "tag", conversation, tags="hers")
    pk = site.rows("SELECT id FROM chat_tag WHERE name = 'hers'")[0]["id"]
    assert bob.post(f"/tags/{pk}/", name="his").status_code == 404
    assert found(alice, "folder:secret tag:hers canary") == [conversation]


def test_several_are_pinned_archived_moved_and_tagged_at_once(site, alice):
    first, second, third = (begun(alice, f"conversation {n}") for n in range(3))
    assert file(alice, "pin", first, second).status_code == 302
    assert listed(alice) == [second, first, third]
    file(alice, "archive", second, third)
    assert listed(alice) == [first] and sorted(found(alice, "is:archived")) == sorted([second, third])
    file(alice, "move", first, third, folder="  Teaching   notes ")
    file(alice, "tag", first, second, tags="#maths, 数学，maths")
    file(alice, "untag", second, tags="MATHS")
    assert sorted(found(alice, 'folder:"teaching notes"')) == sorted([first, third])
    assert found(alice, "tag:maths") == [first] and sorted(found(alice, "tag:数学")) == sorted([first, second])
    file(alice, "move", third)
    assert found(alice, "folder:teaching conversation") == [first]


def test_what_a_database_cannot_hold_or_join_is_looked_for_all_the_same(site, alice):
    conversation = begun(alice, "heat 温度")
    file(alice, "tag", conversation, tags="hot\0cold")
    for typed in ("heat\0", '"\0温度"', "tag:hot\0", "tag:cold " * 100):
        assert found(alice, typed) == [conversation], typed
    assert alice.http.get("/switch/", params={"q": "heat\0温度"}).status_code == 200
    many = ",".join(f"tag {n}" for n in range(101))
    assert "These are 101 tags; 100 can be given at once." in file(alice, "tag", conversation, tags=many).text


def test_what_was_deleted_comes_back_by_undo(site, alice):
    pair = [begun(alice, f"conversation {n}") for n in range(2)]
    file(alice, "delete", *pair)
    page = alice.http.get("/search/").text
    assert found(alice, "") == [] and found(alice, "conversation") == []
    assert "2 conversations deleted." in page and 'value="restore"' in page
    file(alice, "restore", *pair)
    assert found(alice, "conversation") == pair[::-1] and listed(alice) == pair[::-1]


def test_a_wrong_filter_is_told_and_the_words_stay_in_the_box(site, alice):
    page = alice.http.get("/search/", params={"q": 'before:soon "kept"'}).text
    assert "“soon” is no date." in text_of(page) and 'value="before:soon &quot;kept&quot;"' in page
    assert "You have no folder “x”." in text_of(alice.http.get("/search/", params={"q": "folder:x"}).text)


def test_hostile_texts_are_found_and_harmless(site, alice, upstream):
    for text in HOSTILE[:12]:
        begun(alice, f"needle {text}")
    page = alice.http.get("/search/", params={"q": "needle <script>"}).text + alice.http.get("/switch/?q=needle").text
    page += alice.http.get("/search/", params={"q": "needle"}).text
    inside = re.sub(r"<script (type|src)[^>]*></script>", "", page)
    assert "needle</mark> &lt;script&gt;alert(1)" in inside
    for tag in ("<script", "<img", "<iframe", "<object", "<embed", "<base", "<math", "onerror=alert(1)>"):
        assert tag not in inside, tag


@pytest.mark.parametrize("site", ["sqlite"], indirect=True)
def test_what_cannot_be_filed_is_said(site, alice):
    own = begun(alice, "x")
    for fields, status, sentence in [
        ({"act": "pin"}, 422, "Nothing is selected"),
        ({"act": "fly", "conversation": own}, 404, ""),
        ({"act": "tag", "tags": " , ", "conversation": own}, 422, "Which tag?"),
        (
            {"act": "move", "folder": "x" * 61, "conversation": own},
            422,
            "A name can have 60 characters; this one has 61.",
        ),
        ({"act": "tag", "tags": "y" * 61, "conversation": own}, 422, "A tag can have 60 characters"),
        ({"act": "restore", "conversation": own}, 409, "It is too late"),
        ({"act": "pin", "conversation": "x"}, 404, ""),
        ({"act": "pin", "conversation": str(uuid.UUID(int=5))}, 404, ""),
    ]:
        answer = alice.post("/file/", htmx=False, **fields)
        assert answer.status_code == status and sentence in text_of(answer.text), fields


def test_folders_and_tags_are_renamed_and_removed_and_conversations_stay(site, alice):
    conversation = begun(alice, "x")
    alice.post(f"/c/{conversation}/filing/", folder="One", tags="a, b", htmx=False)
    alice.post(f"/c/{conversation}/filing/", folder="Two", tags="b, c", htmx=False)
    assert found(alice, "folder:two tag:b tag:c") == [conversation]
    one, two = (row["id"] for row in site.rows("SELECT id FROM chat_folder ORDER BY name"))
    assert alice.post(f"/folders/{one}/", name="TWO", htmx=False).status_code == 409
    assert alice.post(f"/folders/{two}/", name="Zwei", htmx=False).status_code == 302
    assert found(alice, "folder:zwei") == [conversation]
    alice.post(f"/folders/{two}/", act="remove", htmx=False)
    page = alice.http.get("/folders/").text
    assert "Zwei" not in page and found(alice, "x") == [conversation]


def test_a_reply_that_ended_elsewhere_is_unread_until_it_is_looked_at(site, alice):
    conversation = begun(alice, "Hello")
    assert 'class="dot unread"' in alice.http.get("/list/").text
    assert found(alice, "is:unread") == [conversation]
    alice.http.get(f"/c/{conversation}/")
    assert 'class="dot unread"' not in alice.http.get("/list/").text and found(alice, "is:unread") == []


def test_the_list_comes_in_parts_without_gaps_or_repetitions(site, alice):
    begun(alice, "x")
    person = site.rows("SELECT id FROM chat_person WHERE username = 'alice'")[0]["id"]
    columns = "id, person_id, title, folded_title, active, created, pinned, archived, unread, temporary"
    columns += ", titled_by, system_prompt, parameters"
    for n in range(150):
        site.change(
            f"INSERT INTO chat_conversation ({columns}) VALUES (?, ?, 'c', 'c', ?, ?, ?, ?, ?, ?, 'words', '', '{{}}')",
            *(uuid.UUID(int=n).hex, person, f"2024-0{1 + n // 50}-01 00:00:00", "2024-01-01 00:00:00"),
            *(n % 10 == 0, False, False, False),
        )
    seen, headings, address = [], [], "/list/"
    while address:
        part = alice.http.get(address).text
        seen += re.findall(r'id="entry-([0-9a-f-]{36})"', part)
        headings += re.findall("<h2>(.*?)</h2>", part)
        address = html.unescape(next(iter(re.findall('hx-get="([^"]*)"', part)), ""))
    assert len(seen) == len(set(seen)) == 151
    assert headings == ["Pinned", "Today", "March 2024", "February 2024", "January 2024"]
    assert len(re.findall("entry-", alice.http.get("/list/", headers={"X-Listed": "120"}).text)) >= 120


def test_a_crafted_address_is_answered(site, alice):
    begun(alice, "x")
    for address in (
        "/list/?after=x",
        "/list/?after=1.99999999999999.5.x",
        "/search/?q=x&skip=x&older=99999999999999999999&in=x",
        "/search/?q=x&older=9223372036854775807&skip=9999999999",
        "/search/?after=0.1.1.0",
        "/search/?q=" + "%00%22%27*()" * 9,
        "/search/?q=" + "x" * 3000,
        "/switch/?q=%22*",
    ):
        assert alice.http.get(address).status_code == 200, address
    assert "Traceback" not in site.log.read_text()

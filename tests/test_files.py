"""Files in messages: taken in, sent to models, kept with the conversation and gone with it; nobody else's."""

import io
import json
import os
import re
import uuid
import zipfile
from base64 import b64decode, b64encode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests import hostile_files as made
from tests.scripted import chat_stream
from tests.site import Sent, Site, Visitor, wait_for
from tests.test_taking_along import bring_in, done

RED = made.image("PNG", (640, 480))


@pytest.fixture
def site(make_site, upstream) -> Site:
    for model in ("tiny", "gpt-4o"):
        upstream.script(model, chat_stream(["Hello ", "there", "."], usage=(9, 3)))
    return make_site("tiny", "gpt-4o")


def upload(person: Visitor, content: bytes, name: str = "file") -> httpx.Response:
    headers = {"X-CSRFToken": person.http.cookies["csrftoken"], "Origin": person.site.url, "HX-Request": "true"}
    return person.http.post("/files/", files={"file": (name, content)}, headers=headers)


def attach(person: Visitor, content: bytes, name: str = "file") -> str:
    """Its id."""
    answer = upload(person, content, name)
    assert answer.status_code == 201, answer.text[-300:]
    return re.search(r'value="([0-9a-f-]{36})"', answer.text)[1]


def send(person: Visitor, *files: str, text: str = "What is it?", model: str = "gpt-4o", **more: object) -> Sent:
    fields = {"text": text, "key": str(uuid.uuid4()), "model": person.model_id(model), "file": files, **more}
    conversation = fields.pop("conversation", "")
    return Sent(person.post(f"/c/{conversation}/send/" if conversation else "/c/", **fields), person.site)


def prompts(upstream) -> list[list[dict]]:
    """The messages of each call that has come."""
    return [request.body["messages"] for request in upstream.requests if request.method == "POST"]


def bytes_on_disk(site: Site) -> list[Path]:
    return [path for path in (site.folder / "files").rglob("*") if path.is_file()]


def purge(site: Site) -> None:
    site.change("UPDATE chat_conversation SET purge_at = '2000-01-01' WHERE deleted IS NOT NULL")
    done = site.manage("purge")
    assert done.returncode == 0, done.stderr


# To the model


def test_an_image_and_a_text_reach_a_model_that_sees(site, alice, upstream):
    sent = send(alice, attach(alice, RED, "red.png"), attach(alice, b"print('hi')", "heat.py"))
    site.settled(sent.completion)
    image, text = prompts(upstream)[-1][0]["content"]
    assert image["image_url"]["url"].startswith("data:image/png;base64,")
    assert re.fullmatch(r'<file-(\w{12}) name="heat.py">\nprint\(\'hi\'\)\n</file-\1>\n\nWhat is it\?', text["text"])
    completion = site.completion(sent.completion)
    assert completion["images"] == 1 and completion["own_input_tokens"] > 425  # by OpenAI's rule, of the image alone


def test_a_model_that_does_not_see_is_not_asked(site, alice, upstream):
    refused = send(alice, attach(alice, RED, "red.png"), model="tiny")
    assert refused.response.status_code == 409
    assert "tiny does not see images" in refused.response.text
    assert not prompts(upstream) and not site.rows("SELECT 1 FROM chat_message")
    assert send(alice, attach(alice, b"x = 1", "a.py"), model="tiny").response.status_code == 200


def test_an_administrator_knows_better_than_a_name_whether_a_model_sees(site, alice):
    image, tiny = attach(alice, RED, "red.png"), alice.model_id("tiny")
    site.change("UPDATE chat_person SET is_superuser = 1")
    form = {"max_output": 4096, "grace_seconds": 60, "streamed": "on"}
    assert alice.post(f"/models/{tiny}/", **form, htmx=False).status_code == 302
    assert site.rows("SELECT sees FROM chat_languagemodel WHERE name = 'tiny'")[0]["sees"] is None  # as its name says
    assert send(alice, image, model="tiny").response.status_code == 409
    assert alice.post(f"/models/{tiny}/", **form, sees="on", htmx=False).status_code == 302
    assert send(alice, image, model="tiny").response.status_code == 200


def test_what_was_shown_earlier_is_left_out_for_a_model_that_does_not_see(site, alice, upstream):
    first = send(alice, attach(alice, RED, "red.png"))
    site.settled(first.completion)
    second = alice.send("And now?", model="tiny", conversation=first.conversation, parent=first.reply)
    assert site.settled(second.completion)["files_left_out"] == 1
    told = prompts(upstream)[-1][0]["content"]
    assert "red.png” was attached here; this model does not see images" in told
    assert "without a file" in alice.http.get(f"/messages/{second.reply}/").text


def test_files_that_do_not_fit_the_window_are_refused_before_anything_is_sent(site, alice, upstream):
    site.change("UPDATE chat_languagemodel SET context_length = 1000")
    refused = send(alice, attach(alice, b"word " * 2000, "long.txt"))
    assert refused.response.status_code == 409
    assert "gpt-4o has room for 750" in refused.response.text
    assert not prompts(upstream)


def test_a_conversation_that_outgrows_the_window_loses_files_first(site, alice, upstream):
    first = send(alice, attach(alice, b"word " * 400, "long.txt"), text="Read this.")
    site.settled(first.completion)
    site.change("UPDATE chat_languagemodel SET context_length = 1100")
    second = send(alice, attach(alice, b"other " * 400, "b.txt"), conversation=first.conversation, parent=first.reply)
    row = site.settled(second.completion)
    assert (row["left_out"], row["files_left_out"]) == (0, 1)
    told = prompts(upstream)[-1][0]["content"]
    assert told == "[The file “long.txt” was attached here; there is no room for it here.]\n\nRead this."


def test_a_file_needs_no_words_and_gives_the_conversation_its_name(site, alice):
    sent = send(alice, attach(alice, RED, "red.png"), text="")
    assert site.settled(sent.completion)["status"] == "complete"
    assert site.rows("SELECT title FROM chat_conversation")[0]["title"] == "red.png"
    assert send(alice, text=" ").response.status_code == 422


def test_a_budget_holds_what_files_may_cost(site, alice):
    budget = "Budget.objects.create(unit='tokens', hard='0.002', period='once', begins='2020-01-01')"  # of a million
    assert site.manage("shell", "-c", f"from chat.models import Budget; {budget}").returncode == 0
    assert send(alice, text="Hello", model="tiny").response.status_code == 200
    refused = send(alice, attach(alice, b"word " * 3000, "long.txt"), model="tiny")
    assert refused.response.status_code == 409 and "budget" in refused.response.text


# Taken in, or not


def test_each_refusal_is_a_sentence_with_the_name_of_the_file_and_keeps_nothing(site, alice):
    refused = {
        "empty": b"",
        "archive": made.zipped(a_txt="x"),
        "pages are pictures": made.pdf(""),
        "password": made.pdf("x", password="y"),
        "damaged": b"%PDF-" + bytes(100),
        "megapixels": made.png_that_claims(60_000, 60_000),
    }
    for words, content in refused.items():
        answer = upload(alice, content, "some name")
        assert answer.status_code == 422
        assert words in answer.text and "“some name”" in answer.text
    assert "is a PDF" in upload(alice, made.pdf("x"), "photo.png").text
    assert not bytes_on_disk(site) and not site.rows("SELECT 1 FROM chat_file")


def test_a_name_is_shown_as_text_and_is_nowhere_on_the_disk(site, alice):
    pk = attach(alice, b"words", "../../<img src=x onerror=x()>\u202egpj.txt")
    page = alice.http.get(f"/files/{pk}/").text
    assert "<img src=x" not in page and "&lt;img src=x onerror=x()&gt;gpj.txt" in page
    assert [path.name for path in bytes_on_disk(site)] == [uuid.UUID(pk).hex]
    assert (bytes_on_disk(site)[0].stat().st_mode & 0o777, (site.folder / "files").stat().st_mode & 0o077) == (0o600, 0)


def test_too_large_too_many_and_too_much_are_said(make_site, upstream):
    site = make_site(CHAT_FILES_MIB="1")
    alice = site.visitor("alice")
    noise = os.urandom(450_000).hex().encode()
    attach(alice, noise, "a.txt")
    assert "your files together can have 1.0" in upload(alice, noise, "b.txt").text
    site.manage("shell", "-c", "from django.conf import settings")
    eleven = [str(uuid.uuid4()) for _ in range(11)]
    refused = alice.post("/c/", text="x", key=str(uuid.uuid4()), file=eleven)
    assert refused.status_code == 422 and "11 files; 10 can be sent" in refused.text


def test_several_at_once_are_all_taken_in(site, alice):
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda n: upload(alice, f"text {n}".encode(), f"{n}.txt"), range(6)))
    assert [answer.status_code for answer in answers] == [201] * 6
    assert len(bytes_on_disk(site)) == 6


def test_a_reader_that_is_killed_leaves_the_site_whole(site, alice):
    """Whatever becomes of the child process: a sentence, and the next file is read."""
    import psutil

    def kill_readers() -> bool:
        for child in psutil.Process(site.process.pid).children(recursive=True):
            child.kill()
            return True
        return False

    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(upload, alice, made.image("PNG", (7000, 7000)), "big.png")
        wait_for(kill_readers)
        assert slow.result().status_code == 422
    assert "takes too long" in slow.result().text
    assert not bytes_on_disk(site)
    attach(alice, b"words")


# Whose


def test_nobody_else_can_see_send_or_remove_a_file(site, alice):
    bob = site.visitor("bob")
    image, text = attach(alice, RED, "canary.png"), attach(alice, b"canary", "canary.txt")
    for sent in (False, True):
        if sent:
            send(alice, image, text)
        for pk in (image, text):
            for place in ("", "image/", "preview/", "text/", "download/"):
                answer = bob.http.get(f"/files/{pk}/{place}")
                assert answer.status_code == 404 and "canary" not in answer.text
            assert bob.post(f"/files/{pk}/remove/").status_code == 404
            assert "canary" not in bob.http.get(f"/files/waiting/?file={pk}").text
            assert send(bob, pk).response.status_code == 409
    assert len(bytes_on_disk(site)) == 3
    assert len(site.rows("SELECT 1 FROM chat_message")) == 2


def test_what_is_served_can_do_nothing_in_a_browser(site, alice):
    page = attach(alice, b"<script>x()</script>", "a.html")
    image = attach(alice, RED, "a.png")
    for address in (f"{page}/text/", f"{page}/download/", f"{image}/image/", f"{image}/preview/", f"{image}/download/"):
        headers = alice.http.get(f"/files/{address}").headers
        assert headers["content-security-policy"].startswith("sandbox; default-src 'none'")
        assert headers["x-content-type-options"] == "nosniff"
        assert "html" not in headers["content-type"] and "no-store" in headers["cache-control"]
    assert alice.http.get(f"/files/{page}/download/").headers["content-disposition"].startswith("attachment")
    assert alice.http.get(f"/files/{page}/image/").status_code == 404


# With the conversation


def test_an_edit_and_a_fork_keep_the_files(site, alice, upstream):
    first = send(alice, attach(alice, b"words", "a.txt"))
    site.settled(first.completion)
    edited = Sent(
        alice.post(
            f"/messages/{first.messages[0]}/edit/", text="Again", key=str(uuid.uuid4()), model=alice.model_id("tiny")
        ),
        site,
    )
    wait_for(lambda: len(prompts(upstream)) == 2)
    assert 'name="a.txt"' in prompts(upstream)[-1][0]["content"]
    assert "a.txt" in edited.response.text
    alice.post(f"/messages/{first.reply}/fork/", key=str(uuid.uuid4()))
    assert [row["n"] for row in site.rows("SELECT count(*) AS n FROM chat_attachment")] == [3]
    without = {"text": "Bare", "files": "yes", "key": str(uuid.uuid4()), "model": alice.model_id("tiny")}
    alice.post(f"/messages/{first.messages[0]}/edit/", **without)
    wait_for(lambda: len(prompts(upstream)) == 3)
    assert prompts(upstream)[-1][0]["content"] == "Bare"


def test_the_same_key_with_other_files_is_another_message(site, alice):
    key, one, two = str(uuid.uuid4()), attach(alice, b"one"), attach(alice, b"two")
    assert send(alice, one, key=key).response.status_code == 200
    assert send(alice, one, key=key).response.status_code == 200
    assert send(alice, two, key=key).response.status_code == 409
    assert len(site.rows("SELECT 1 FROM chat_message WHERE role = 'user'")) == 1


def test_files_go_with_the_last_conversation_that_has_them(site, alice):
    first = send(alice, attach(alice, RED, "a.png"))
    site.settled(first.completion)
    fork = alice.post(f"/messages/{first.reply}/fork/", key=str(uuid.uuid4())).headers["HX-Redirect"].split("/")[2]
    ledger = site.charges()
    alice.post(f"/c/{first.conversation}/delete/")
    purge(site)
    assert len(bytes_on_disk(site)) == 2  # the image and its preview
    alice.post(f"/c/{fork}/delete/")
    pk = str(uuid.UUID(site.rows("SELECT id FROM chat_file")[0]["id"]))
    assert alice.http.get(f"/files/{pk}/").status_code == 404  # hidden already
    assert send(alice, pk).response.status_code == 409
    purge(site)
    assert not bytes_on_disk(site) and not site.rows("SELECT 1 FROM chat_file")
    assert [dict(row) for row in site.charges()] == [dict(row) for row in ledger]


def test_what_is_never_sent_goes_after_a_day_and_what_a_crash_left_after_an_hour(site, alice):
    attach(alice, b"waits", "a.txt")
    old = attach(alice, b"forgotten", "b.txt")
    site.change("UPDATE chat_file SET created = '2000-01-01' WHERE name = 'b.txt'")
    stray, torn = site.folder / "files/ab" / uuid.uuid4().hex, site.folder / "files/incoming/x.part"
    for path in (stray, torn):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"canary")
        os.utime(path, (0, 0))
    site.change("UPDATE chat_chore SET due = '2000-01-01'")  # the site has looked when it started
    purge(site)
    assert [row["name"] for row in site.rows("SELECT name FROM chat_file")] == ["a.txt"]
    assert len(bytes_on_disk(site)) == 1 and uuid.UUID(old).hex not in str(bytes_on_disk(site))


def test_deleting_all_of_ones_data_deletes_the_files(site, alice):
    send(alice, attach(alice, RED, "a.png"))
    attach(alice, b"waits", "a.txt")
    wait_for(lambda: site.completion()["status"] == "complete")
    page = alice.http.get("/your-data/delete/").text
    assert "delete" in page
    alice.post("/your-data/delete/now/", what="data", password="correct-horse-battery", htmx=False)
    purge(site)
    assert not bytes_on_disk(site) and not site.rows("SELECT 1 FROM chat_file")


# Without a script


def test_a_form_without_a_script_brings_its_files(site, alice, upstream):
    fields = {"text": "Read", "key": str(uuid.uuid4()), "model": alice.model_id("tiny")}
    headers = {"X-CSRFToken": alice.http.cookies["csrftoken"], "Origin": site.url}
    answer = alice.http.post("/c/", data=fields, files=[("attach", ("a.txt", b"words"))], headers=headers)
    assert answer.status_code == 302
    wait_for(lambda: prompts(upstream))
    assert "words" in prompts(upstream)[-1][0]["content"]
    fields["key"] = str(uuid.uuid4())
    refused = alice.http.post(
        "/c/", data=fields, files=[("attach", ("a.zip", made.zipped(a_txt="x")))], headers=headers
    )
    assert refused.status_code == 422 and "is an archive" in refused.text and "Back button" in refused.text


# Found


def test_files_are_found_by_their_names_and_by_having_them(site, alice):
    sent = send(alice, attach(alice, RED, "heat-equation.png"), text="Plain words")
    site.settled(sent.completion)
    for query in ("equation", "has:file", "has:image words"):
        assert sent.conversation in alice.http.get("/search/", params={"q": query}).text, query
    assert sent.conversation not in alice.http.get("/search/", params={"q": "has:code"}).text
    alice.post(f"/c/{sent.conversation}/delete/")
    purge(site)
    assert site.rows("SELECT count(*) AS n FROM chat_words_docsize")[0]["n"] == 0


# Taken along


def test_our_own_export_brings_files_back(site, alice, make_site):
    """Into the account of somebody else: their id is not theirs there."""
    sent = send(alice, attach(alice, RED, "red.png"), attach(alice, made.word("Words."), "letter.docx"))
    site.settled(sent.completion)
    exported = alice.http.get(f"/c/{sent.conversation}/export/json/").content
    bob = site.visitor("bob")
    bring_in(bob, exported)
    assert done(site)["made"] == 1
    columns = "name, kind, sha256, size, text, tokens, width, height, status"
    rows = site.rows(f"SELECT {columns} FROM chat_file ORDER BY name, created")
    assert len(rows) == 4 and dict(rows[0]) == dict(rows[1]) and dict(rows[2]) == dict(rows[3])
    again = bob.http.get(f"/c/{only_conversation_of(site, bob)}/export/json/").json()["conversations"][0]
    assert [file["name"] for file in again["files"]] == ["red.png", "letter.docx"]
    assert [len(message["files"]) for message in again["messages"]] == [2, 0]


def only_conversation_of(site: Site, person: Visitor) -> uuid.UUID:
    found = site.rows(
        "SELECT c.id FROM chat_conversation c JOIN chat_person p ON p.id = c.person_id WHERE p.username = ?",
        person.name,
    )
    return uuid.UUID(found[0]["id"])


def test_a_file_of_an_import_is_read_anew_and_only_named_if_it_cannot_be(site, alice):
    sent = send(alice, attach(alice, b"words", "a.txt"))
    site.settled(sent.completion)
    told = alice.http.get(f"/c/{sent.conversation}/export/json/").json()
    conversation = told["conversations"][0]
    conversation["id"] = str(uuid.uuid4())
    conversation["files"][0] |= {"content": b64encode(made.png_that_claims(60_000, 60_000)).decode(), "name": "<b>.png"}
    bring_in(alice, json.dumps(told).encode())
    assert done(site)["made"] == 1
    page = alice.http.get(f"/c/{conversation['id']}/").text
    assert "&lt;b&gt;.png" in page and "megapixels" in page
    assert len(bytes_on_disk(site)) == 1


def test_what_people_read_names_files_and_a_share_only_names_them(site, alice):
    sent = send(alice, attach(alice, RED, "red.png"), attach(alice, b"canary", "notes`.txt"))
    site.settled(sent.completion)
    page, markdown, text = (
        alice.http.get(f"/c/{sent.conversation}/export/{form}/").text for form in ("html", "markdown", "text")
    )
    assert "data:image/png;base64," in page and "notes`.txt" in page and "canary" not in page
    assert "`red.png` (640 × 480" in markdown and "`notes'.txt`" in markdown
    assert "[Files: red.png" in text
    link = alice.post(f"/c/{sent.conversation}/share/", days="7", htmx=False).text
    shared = httpx.get(site.url + re.search(r"/s/[\w-]+/", link)[0])
    assert "red.png" in shared.text and "base64" not in shared.text and "640" not in shared.text
    assert "Files are named, but not shared." in shared.text
    assert "/files/" not in shared.text


def test_a_share_does_not_tell_that_files_were_sent_after_it_or_on_another_thread(site, alice):
    sent = send(alice, text="Hello")
    site.settled(sent.completion)
    page = alice.post(f"/c/{sent.conversation}/share/", days="7", htmx=False).text
    link = site.url + re.search(r"/s/[\w-]+/", page)[0]
    before = httpx.get(link).text
    for parent in (sent.reply, None):
        later = send(alice, attach(alice, b"x = 1", "a.py"), conversation=sent.conversation, parent=parent)
        site.settled(later.completion)
    assert httpx.get(link).text == before


def test_all_of_ones_data_holds_the_files(site, alice):
    sent = send(alice, attach(alice, RED, "red.png"))
    site.settled(sent.completion)
    attach(alice, b"never sent", "draft.txt")
    archive = zipfile.ZipFile(io.BytesIO(alice.http.get("/your-data/everything/").content))
    assert archive.read("files/draft.txt") == b"never sent"
    (told,) = [json.loads(archive.read(name)) for name in archive.namelist() if name.startswith("conversations/")]
    assert b64decode(told["conversations"][0]["files"][0]["content"]).startswith(b"\x89PNG")


# On PostgreSQL, in several processes


def test_processes_that_share_the_folder_share_the_files(make_site, upstream, postgres, redis, tmp_path):
    upstream.script("gpt-4o", chat_stream(["Red."], usage=(9, 3)))
    shared = {
        "DATABASE_URL": postgres.create(f"site-{uuid.uuid4().hex[:8]}", template="prepared"),
        "REDIS_URL": redis.url,
        "SECRET_KEY": "the same for both",
        "CHAT_FILES": str(tmp_path / "shared"),
    }
    one, other = make_site("gpt-4o", **shared), make_site("gpt-4o", **shared)
    alice = one.visitor("alice")
    image, text = attach(alice, RED, "red.png"), attach(alice, b"words", "a.txt")
    alice.http.base_url, alice.site = other.url, other
    sent = send(alice, image, text)
    other.settled(sent.completion)
    assert isinstance(prompts(upstream)[0][0]["content"], list)
    assert alice.http.get(f"/files/{image}/preview/").status_code == 200
    assert sent.conversation in alice.http.get("/search/", params={"q": "has:image red"}).text
    told = alice.http.get(f"/c/{sent.conversation}/export/json/").json()["conversations"][0]
    assert [len(file["content"]) > 0 for file in told["files"]] == [True, True]
    alice.post(f"/c/{sent.conversation}/delete/")
    purge(other)
    assert not [path for path in (tmp_path / "shared").rglob("*") if path.is_file()]
    assert not other.rows("SELECT 1 FROM chat_file")

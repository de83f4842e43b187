"""Alice owns, Bob must not see: every address with an object of hers in it is 404 for others."""

import re
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pytest
from django.urls import get_resolver

from tests.scripted import chat_stream
from tests.site import PASSWORD, wait_for
from tests.test_stopping import WORDS

OPEN = {"sign-in/", "sign-up/", "csp-report", "health", "i18n/", "sign-out/", "first/<str:token>/", "s/<str:token>/"}


def patterns(prefix: str = "", resolver=None) -> list[str]:
    """Every address of ours, admin apart."""
    found = []
    for entry in (resolver or get_resolver()).url_patterns:
        path = prefix + str(entry.pattern)
        if path.startswith("admin/"):
            continue
        found += patterns(path, entry) if hasattr(entry, "url_patterns") else [path]
    return found


@pytest.fixture
def secret(site, alice, upstream):
    """A conversation of Alice's with a settled reply, and one with a reply that arrives."""
    upstream.script("tiny", chat_stream(["Hello"], usage=(1, 1)), chat_stream(WORDS))
    settled = alice.send("canary", model="tiny")
    site.settled(settled.completion)
    return settled, alice.send("canary", model="tiny")


def addresses(sent) -> list[str]:
    """Each pattern that names an object, filled with Alice's."""
    objects = {"<uuid:pk>": sent.conversation, "messages/<int:pk>": f"messages/{sent.reply}"}
    objects["completions/<int:pk>"] = f"completions/{sent.completion}"
    filled = []
    for pattern in patterns():
        for placeholder, value in objects.items():
            if placeholder in pattern:
                filled.append("/" + pattern.replace(placeholder, value).replace("<str:form>", "json"))
    assert len(filled) >= 10
    return filled


def test_nobody_else_can_reach_read_change_or_stop(site, alice, secret):
    bob = site.visitor("bob")
    for sent in secret:
        for address in addresses(sent):
            for answer in (bob.http.get(address), bob.post(address, key=str(uuid.uuid4()), text="x", title="x")):
                assert answer.status_code in (404, 405), address
                assert "canary" not in answer.text
            assert {bob.http.get(address).status_code, bob.post(address).status_code} & {404}, address
    assert site.completion(secret[1].completion)["status"] in ("queued", "live")
    assert len(site.rows("SELECT 1 FROM chat_message")) == 4


def test_bob_cannot_answer_under_alices_message_in_his_own_conversation(site, alice, secret):
    bob = site.visitor("bob")
    mine = bob.send("Mine", model="tiny")
    refused = bob.send("Yours", model="tiny", conversation=mine.conversation, parent=secret[0].reply)
    assert refused.response.status_code == 409
    assert not site.rows("SELECT 1 FROM chat_message WHERE text = 'Yours'")


def filled(pattern: str, sent) -> str:
    """An address that leads somewhere."""
    parts = {"<uuid:pk>": sent.conversation, "<int:pk>": "1", "<str:token>": "x", "<slug:name>": "people"}
    return "/" + re.sub("<.*?>", lambda part: parts.get(part[0], part[0]), pattern)


def test_who_is_not_signed_in_is_sent_to_the_sign_in_page(site, alice, secret):
    with httpx.Client(base_url=site.url) as nobody:
        for pattern in patterns():
            if any(pattern.startswith(name) for name in OPEN):
                continue
            address = filled(pattern, secret[0])
            answer = nobody.get(address)
            assert answer.status_code in (302, 405), address
            if answer.status_code == 302:
                assert answer.headers["location"].startswith("/sign-in/")


def test_every_unsafe_request_needs_its_token(site, alice, secret):
    cookies = dict(alice.http.cookies)
    with httpx.Client(base_url=site.url, cookies=cookies) as forged:
        for pattern in patterns():
            if pattern == "csp-report":
                continue
            address = filled(pattern, secret[0])
            assert forged.post(address, headers={"Origin": site.url}).status_code in (403, 405), address
            elsewhere = {"Origin": "http://evil.example", "X-CSRFToken": cookies["csrftoken"]}
            assert forged.post(address, headers=elsewhere).status_code in (403, 405), address


def test_every_answer_carries_the_policy(site, alice, secret):
    for address in ["/", f"/c/{secret[0].conversation}/", "/sign-in/", "/nowhere/", f"/messages/{secret[0].reply}/"]:
        headers = alice.http.get(address).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "style-src 'self'" in policy and "unsafe" not in policy, address
        assert re.search(r"script-src 'self'( 'nonce-[^']+')?;", policy), address
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert "no-store" in headers["cache-control"]


def test_a_guessed_password_is_locked_out_after_five_tries(site, alice):
    guess = site.visitor("guesser")
    guess.http.cookies.clear()
    guess.http.get("/sign-in/")
    answers = [guess.post("/sign-in/", htmx=False, username="alice", password=f"wrong-{n}") for n in range(6)]
    assert [answer.status_code for answer in answers[:4]] == [200] * 4
    assert answers[-1].status_code == 429
    assert guess.post("/sign-in/", htmx=False, username="alice", password="correct-horse-battery").status_code == 429


def test_the_first_visitor_with_the_link_becomes_the_administrator_and_only_the_first(make_site, upstream):
    site = make_site()
    (link,) = wait_for(lambda: re.findall(r"/first/\S+", site.log.read_text()))
    with httpx.Client(base_url=site.url) as first:
        first.get(link)
        form = {"username": "root", "password1": "correct-horse-battery", "password2": "correct-horse-battery"}
        token = {"X-CSRFToken": first.cookies["csrftoken"], "Origin": site.url}
        assert first.post(link, data=form, headers=token).status_code == 302
        assert first.get("/admin/").status_code == 200
    with httpx.Client(base_url=site.url) as second:
        assert second.get(link).headers["location"] == "/sign-in/"
        assert second.get("/first/guess/").status_code == 404
    assert [row["is_superuser"] for row in site.rows("SELECT * FROM chat_person")] == [1]


def test_sign_up_can_be_closed(make_site):
    site = make_site(CHAT_SIGN_UP="closed")
    with httpx.Client(base_url=site.url) as nobody:
        assert nobody.get("/sign-up/").status_code == 403
        assert "sign-up" not in nobody.get("/sign-in/").text


def test_crafted_requests_get_a_sentence_and_leave_no_traceback(site, alice, secret):
    settled, _live = secret
    question = site.message(settled.reply)["parent_id"]
    key = site.message(question)["key"]
    bob = site.visitor("bob")
    answers = [
        (alice.post("/c/", key=str(uuid.uuid4()), text="x", parent=settled.reply), 409),
        (bob.post("/c/", key=str(uuid.UUID(key)), text="x"), 409),
        (alice.post("/c/", key=str(uuid.uuid4()), text="x", model=10**30), 422),
        (alice.post("/c/", key=str(uuid.uuid4()), text="x", parent=10**30), 409),
        (alice.post(f"/messages/{question}/continue/", key=str(uuid.uuid4())), 404),
        (alice.post(f"/messages/{question}/regenerate/", key=str(uuid.uuid4())), 404),
        (alice.post(f"/messages/{settled.reply}/edit/", key=str(uuid.uuid4()), text="x"), 404),
        (alice.http.get("/", headers={"Host": "evil.example"}), 400),
        (alice.post("/csp-report", report="x" * 3_000_000), 204),
    ]
    assert [answer.status_code for answer, _status in answers] == [status for _answer, status in answers]
    assert "Traceback" not in site.log.read_text()


def test_the_link_is_good_until_there_is_an_administrator(make_site, upstream):
    site = make_site()
    (link,) = wait_for(lambda: re.findall(r"/first/\S+", site.log.read_text()))
    site.visitor("stranger")
    with httpx.Client(base_url=site.url) as first:
        assert first.get(link).status_code == 200


def test_many_guesses_at_once_take_little_memory(site, alice):
    """Anybody may try to sign in, in parallel: hashing a password must not take the machine."""
    process = psutil.Process(site.process.pid)

    def guess(n: int) -> int:
        with httpx.Client(base_url=site.url, timeout=60) as nobody:
            nobody.get("/sign-in/")
            token = {"X-CSRFToken": nobody.cookies["csrftoken"], "Origin": site.url}
            form = {"username": f"nobody-{n}", "password": "wrong-horse-battery"}
            return nobody.post("/sign-in/", data=form, headers=token).status_code

    before = process.memory_info().rss
    most, over = before, threading.Event()

    def look() -> None:
        nonlocal most
        while not over.wait(0.01):
            most = max(most, process.memory_info().rss)

    looking = threading.Thread(target=look)
    looking.start()
    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(guess, range(16))) == {200}
    over.set()
    looking.join()
    assert most - before < 200e6


def test_names_that_differ_in_case_only_are_one_person(site, alice):
    with httpx.Client(base_url=site.url) as other:
        other.get("/sign-up/")
        token = {"X-CSRFToken": other.cookies["csrftoken"], "Origin": site.url}
        form = {"username": "Alice", "password1": PASSWORD, "password2": PASSWORD}
        assert other.post("/sign-up/", data=form, headers=token).status_code == 200
        answer = other.post("/sign-in/", data={"username": "ALICE", "password": PASSWORD}, headers=token)
        assert answer.status_code == 302
    assert len(site.rows("SELECT 1 FROM chat_person")) == 1


def test_the_address_of_a_form_says_that_it_is_no_page(site, alice):
    answer = alice.http.get("/c/")
    assert answer.status_code == 405
    assert "only takes what a form sends" in answer.text

"""Who may open the page socket, and what it does with junk and with readers that do not read."""

from contextlib import suppress

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.scripted import chat_stream
from tests.site import Visitor, wait_for
from tests.test_stopping import WORDS, asked


@pytest.mark.parametrize(
    "origin",
    [
        "https://127.0.0.1:{port}",
        "http://127.0.0.1",
        "http://127.0.0.1:9",
        "http://evil.example",
        "http://evil.example:{port}",
        "http://127.0.0.1:{port}.evil.example",
        "null",
        "file://",
        "http://localhost:{port}",
        "",
    ],
)
def test_a_foreign_origin_is_refused(shared_site, somebody, origin):
    with pytest.raises(InvalidStatus) as refused:
        somebody.socket(Origin=origin.format(port=shared_site.port))
    assert refused.value.response.status_code in (400, 403)


def test_no_origin_is_refused(somebody):
    with pytest.raises(InvalidStatus):
        somebody.socket(Origin=None)


@pytest.mark.parametrize("cookie", ["", "sessionid=guess", "sessionid", "=;=", "\xff"])
def test_nobody_gets_in_without_signing_in(somebody, cookie):
    with somebody.socket(Cookie=cookie) as page:
        assert page.closed() == 4401


def test_an_unknown_path_is_refused_without_a_traceback(shared_site):
    from websockets.sync.client import connect

    with pytest.raises(InvalidStatus):
        connect(shared_site.url.replace("http", "ws") + "/elsewhere/", origin=shared_site.url)
    assert "Traceback" not in shared_site.log.read_text()


def test_somebody_elses_completion_cannot_be_watched(site, alice, upstream):
    upstream.script("tiny", chat_stream(WORDS))
    sent = alice.send("Secret", model="tiny")
    with site.visitor("bob").socket() as page:
        page.watch(sent.completion)
        assert page.next() == {"type": "gone", "completion": sent.completion}


@pytest.mark.parametrize(
    "junk", ["", "{", "[]", '"watch"', '{"type": "watch"}', '{"type": "watch", "completion": "1"}', "é"]
)
def test_junk_closes_the_socket_and_nothing_else(shared_site, somebody, junk):
    with somebody.socket() as page:
        page.socket.send(junk)
        assert page.closed() == 4400
    assert "Traceback" not in shared_site.log.read_text()
    with somebody.socket():
        pass


def test_binary_junk_too(somebody):
    with somebody.socket() as page:
        page.socket.send(b"\xff\x00")
        assert page.closed() == 4400


def test_signing_out_closes_the_persons_sockets(site, alice):
    with alice.socket() as page:
        alice.post("/sign-out/", htmx=False)
        assert page.closed(3) == 4401


def test_a_person_who_is_deactivated_is_out_within_two_seconds(site, alice):
    root = administrator(site)
    (row,) = site.rows("SELECT id FROM chat_person WHERE username = 'alice'")
    with alice.socket() as page:
        form = {"username": "alice", "date_joined_0": "2026-01-01", "date_joined_1": "00:00"}
        answer = root.post(f"/admin/chat/person/{row['id']}/change/", htmx=False, **form)
        assert answer.status_code == 302, answer.text
        assert page.closed(2) == 4401


def test_deleting_a_person_stops_their_reply_closes_their_page_and_keeps_the_charge(site, alice, upstream):
    upstream.script("tiny", chat_stream(WORDS))
    root = administrator(site)
    (row,) = site.rows("SELECT id FROM chat_person WHERE username = 'alice'")
    with alice.socket() as page:
        sent = alice.send("Go", model="tiny")
        page.watch(sent.completion)
        page.next("frame")
        root.post(f"/admin/chat/person/{row['id']}/delete/", htmx=False, post="yes")
        assert page.closed(3) == 4401
    asked(upstream)[0].wait_closed(10)
    assert site.settled(sent.completion)["reason"] == "deleted"
    wait_for(lambda: not site.rows("SELECT 1 FROM chat_message"))
    assert len(site.charges()) == 1


def administrator(site) -> Visitor:
    root = site.visitor("root")
    site.change("UPDATE chat_person SET is_staff = 1, is_superuser = 1 WHERE username = 'root'")
    return root


def test_a_page_that_never_acknowledges_is_dropped_and_the_reply_goes_on(site, alice, upstream):
    upstream.script("tiny", chat_stream(WORDS, every=0.005, usage=(5, 2000)))
    page = alice.socket()
    sent = alice.send("Go", model="tiny")
    page.watch(sent.completion)
    frames = 0
    with pytest.raises(ConnectionClosed) as closed:
        while True:
            frames += '"frame"' in page.socket.recv(timeout=40)
    assert closed.value.rcvd.code == 4408
    assert frames <= 64
    assert site.settled(sent.completion)["status"] == "complete"


def test_a_page_that_asks_to_watch_without_end_is_closed(site, alice, upstream):
    upstream.script("tiny", chat_stream(WORDS, every=0.01))
    with alice.socket() as page:
        sent = alice.send("Go", model="tiny")
        with suppress(ConnectionClosed):  # it may be closed before all is said
            for _ in range(200):
                page.watch(sent.completion)
        assert page.closed() == 4409
    wait_for(lambda: site.completion(sent.completion)["status"] == "live")


def test_two_tabs_show_the_same_reply(site, alice, upstream):
    upstream.script("tiny", chat_stream(WORDS[:100], every=0.01))
    with alice.socket() as one, alice.socket() as two:
        sent = alice.send("Go", model="tiny")
        one.watch(sent.completion)
        wait_for(lambda: asked(upstream) and len(asked(upstream)[0].sent) > 20)
        two.watch(sent.completion)
        assert shown(one) == shown(two)


def shown(page) -> list[str]:
    """The page's blocks when the reply has settled, by the operations that chat.document defines."""
    blocks = [""]
    while (message := page.next())["type"] != "settled":
        for op in message.get("ops", ()):
            match op:
                case None:
                    blocks.append("")
                case str():
                    blocks[-1] += op
                case int():
                    blocks[-1] = blocks[-1].encode("utf-16-le")[: -2 * op].decode("utf-16-le")
                case {"whole": whole}:
                    blocks = list(whole)
                case {"drop": index}:
                    del blocks[index:]
                case {"replace": [index, html]}:
                    blocks[index] = html
    return blocks

"""A shared link: who has it reads one thread as it stood, without a session, and nothing else."""

import re

import httpx
import pytest

from tests.scripted import Stall, chat_stream
from tests.site import Site, Visitor


@pytest.fixture
def sent(site, alice, upstream):
    upstream.script("tiny", chat_stream(["The answer ", "is **42**."], reasoning=["Let me think"], usage=(9, 3)))
    sent = alice.send("What is it?", model="tiny")
    site.settled(sent.completion)
    return sent


def link_to(alice: Visitor, conversation: str, **fields) -> str:
    answer = alice.post(f"/c/{conversation}/share/", htmx=False, **{"days": 30, **fields})
    assert answer.status_code == 200, answer.text
    (link,) = re.findall(r'id="link" readonly value="http://[^/]+(/s/[^"]+/)"', answer.text)
    return link


def opened(site: Site, link: str) -> httpx.Response:
    with httpx.Client(base_url=site.url) as stranger:
        answer = stranger.get(link)
        assert answer.status_code == 404 or not stranger.cookies, "a reader has no session, and gets none"
        return answer


def test_who_has_the_link_reads_the_thread_without_name_figures_or_times(site, alice, sent):
    page = opened(site, link_to(alice, sent.conversation))
    assert page.status_code == 200 and "<strong>42</strong>" in page.text and "What is it?" in page.text
    assert "tiny" in page.text, "which model answered"
    shown = page.text.partition("</style>")[2]
    assert not re.search(r"alice|Let me think|exact|\d s<|<time|/c/|/messages/", shown)
    assert "Let me think" in opened(site, link_to(alice, sent.conversation, with_thoughts="on")).text


def test_the_page_is_not_indexed_tells_no_other_site_and_may_do_nothing(site, alice, sent):
    page = opened(site, link_to(alice, sent.conversation))
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-") and "script" not in policy
    assert "frame-ancestors 'none'" in policy and "form-action 'none'" in policy
    assert "noindex" in page.headers["x-robots-tag"] and '<meta name="robots" content="noindex' in page.text
    assert page.headers["referrer-policy"] == "no-referrer" and page.headers["cache-control"] == "no-store"


def test_what_is_asked_later_is_not_in_it(site, alice, sent):
    link = link_to(alice, sent.conversation)
    before = opened(site, link).text
    later = alice.send("And later?", model="tiny", conversation=sent.conversation, parent=sent.reply)
    site.settled(later.completion)
    alice.post(f"/c/{sent.conversation}/rename/", title="Another title")
    assert opened(site, link).text == before


def test_a_reply_that_arrives_is_left_out(site, alice, upstream, sent):
    upstream.script("tiny", chat_stream(["Half "], then=[Stall()]))
    alice.send("And now?", model="tiny", conversation=sent.conversation, parent=sent.reply)
    page = opened(site, link_to(alice, sent.conversation))
    assert "And now?" in page.text and "Half" not in page.text


def test_a_guess_and_a_link_that_ended_are_the_same_nothing(site, alice, sent):
    revoked, expired, deleted = (link_to(alice, sent.conversation) for _ in range(3))
    first, second, _third = site.rows("SELECT id FROM chat_share ORDER BY id")
    assert alice.post(f"/shares/{first['id']}/revoke/", htmx=False).status_code == 302
    site.change("UPDATE chat_share SET expires = '2020-01-01 00:00:00' WHERE id = ?", second["id"])
    assert opened(site, deleted).status_code == 200
    alice.post(f"/c/{sent.conversation}/delete/")
    answers = [opened(site, link) for link in (revoked, expired, deleted, "/s/guess/", f"/s/{'A' * 43}/")]
    assert {answer.status_code for answer in answers} == {404}
    alike = {re.sub(r'value="[^"]*"', "", answer.text) for answer in answers}  # of the form that sets the language
    assert len(alike) == 1


def test_only_the_hash_of_a_link_is_kept(site, alice, sent):
    token = link_to(alice, sent.conversation).split("/")[2]
    assert len(token) >= 43
    assert token not in str([dict(row) for row in site.rows("SELECT * FROM chat_share")])
    assert token not in alice.http.get(f"/c/{sent.conversation}/share/").text
    assert token.encode() not in site.database.read_bytes() and token not in site.log.read_text()


def test_open_links_are_listed_for_their_owner_only(site, alice, sent):
    link_to(alice, sent.conversation)
    assert "What is it?" in alice.http.get("/your-data/").text
    bob = site.visitor("bob")
    assert "What is it?" not in bob.http.get("/your-data/").text
    (row,) = site.rows("SELECT id FROM chat_share")
    assert bob.post(f"/shares/{row['id']}/revoke/").status_code == 404
    assert bob.post(f"/c/{sent.conversation}/share/", days=30).status_code == 404
    assert site.rows("SELECT 1 FROM chat_share")


def test_reading_a_shared_page_counts_nothing(site, alice, sent):
    tables = ("chat_usageentry", "chat_completion", "chat_share", "django_session")
    link = link_to(alice, sent.conversation)
    before = [site.rows(f"SELECT * FROM {table}") for table in tables]
    for _ in range(3):
        opened(site, link)
    assert [site.rows(f"SELECT * FROM {table}") for table in tables] == before


def test_a_link_opens_for_as_long_as_is_offered(site, alice, sent):
    assert alice.post(f"/c/{sent.conversation}/share/", htmx=False, days=1000).status_code == 422
    assert not site.rows("SELECT 1 FROM chat_share")

"""Administrators watch: what is queued and arriving, of which they may stop any, and whether the books agree."""

import shutil
import uuid

from playwright.sync_api import expect

from tests.browser import PHONE
from tests.scripted import Answer, Stall, chat_stream
from tests.servers import PostgresServer
from tests.site import wait_for
from tests.test_stopping import WORDS


def administrator(site, name: str = "root"):
    visitor = site.visitor(name)
    site.change("UPDATE chat_person SET is_superuser = true, is_staff = true WHERE username = ?", name)
    return visitor


def arriving(site, upstream, who, model: str = "tiny"):
    upstream.script("tiny", chat_stream(WORDS))
    sent = who.send("canary", model=model)
    wait_for(lambda: site.rows("SELECT 1 FROM chat_segment WHERE completion_id = ?", sent.completion))
    return sent


def test_who_waits_for_what_is_shown_and_no_word_of_it(site, upstream, alice):
    root = administrator(site)
    arriving(site, upstream, alice)
    page = root.http.get("/live/").text
    assert "alice" in page and "tiny" in page and "canary" not in page
    assert WORDS[0].strip() not in page.split("<tbody>")[1].split("</tbody>")[0]
    assert alice.http.get("/live/").status_code == 404


def test_an_administrator_stops_it_and_its_person_sees_who_did(site, upstream, alice, sit_down):
    root = administrator(site)
    upstream.script("tiny", chat_stream(WORDS))
    hers = sit_down(alice).connected().send()
    page = sit_down(root, "/live/")
    page.page.get_by_role("button", name="Stop the reply to alice").click()
    expect(page.page.get_by_text("The reply to alice is stopped.")).to_be_visible()
    expect(hers.settled("stopped")).to_contain_text("An administrator stopped this reply.")
    expect(page.page.get_by_text("Nobody waits for a reply at this moment.")).to_be_visible()
    expect(page.page.get_by_role("list").filter(has_text="alice, tiny: Stopped")).to_be_visible()
    (entry,) = site.rows("SELECT * FROM chat_auditentry WHERE deed = 'reply stopped'")
    assert entry["key"] == f"completion {site.completion()['id']}"


def test_nobody_else_stops_it(site, upstream, alice):
    sent = arriving(site, upstream, alice)
    for who in (alice, site.visitor("bob")):
        assert who.post(f"/live/{sent.completion}/stop/").status_code == 404
    assert site.completion(sent.completion)["status"] == "live"
    assert not site.rows("SELECT 1 FROM chat_auditentry WHERE deed = 'reply stopped'")


def test_it_stops_what_lives_in_another_process(two_processes, upstream):
    first, second = two_processes
    alice, root = first.visitor("alice"), administrator(second)
    upstream.script("tiny", chat_stream(WORDS))
    with alice.socket():
        sent = alice.send("Hello", model="tiny")
        wait_for(lambda: first.rows("SELECT 1 FROM chat_segment WHERE completion_id = ?", sent.completion))
        assert "1 page open" in root.http.get("/live/").text
        assert "is stopped" in root.post(f"/live/{sent.completion}/stop/").text
    settled = first.completion(sent.completion)
    assert (settled["status"], settled["reason"]) == ("stopped", "administrator")


def test_what_has_ended_meanwhile_is_not_said_to_be_stopped(site, alice):
    root = administrator(site)
    sent = alice.send("Hello", model="tiny")
    site.settled(sent.completion)
    assert "had ended already" in root.post(f"/live/{sent.completion}/stop/").text
    assert root.post(f"/live/{sent.completion}/stop/", htmx=False).status_code == 302
    assert not site.rows("SELECT 1 FROM chat_auditentry WHERE deed = 'reply stopped'")


def test_it_says_what_each_does_and_follows_it_without_a_reload(site, upstream, alice, sit_down):
    root = administrator(site)
    site.change("UPDATE chat_provider SET max_streams = 1 WHERE profile != 'demo'")
    upstream.script("tiny", chat_stream(["One ", "two "], then=[Stall()]))
    page = sit_down(root, "/live/", viewport=PHONE).page
    first = alice.send("Hello", model="tiny")
    row = page.locator(f"#underway-{first.completion}")
    expect(row).to_contain_text("arriving")
    second = site.visitor("bob").send("Hello", model="tiny")
    expect(page.locator(f"#underway-{second.completion}")).to_contain_text("queued at the provider, place 1")
    expect(row).to_contain_text("left; it ends within 1 min")
    expect(row).to_contain_text("no data for", timeout=10_000)


def test_a_hidden_page_does_not_look(site, alice, sit_down):
    root = administrator(site)
    page = sit_down(root, "/live/")
    page.page.evaluate("Object.defineProperty(document, 'hidden', { get: () => true, configurable: true })")
    page.requests.clear()
    page.page.wait_for_timeout(2500)
    assert not [request for request in page.requests if "/live/" in request]
    with page.page.expect_request("**/live/"):
        page.page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")


# Alerts


def refused(site, upstream, root, alice) -> None:
    """A refusal, of which a webhook of the upstream is to be told."""
    hook = {"webhook_url": upstream.base_url.removesuffix("/v1") + "/hook", "webhook_local": "on"}
    root.post("/alerts/rules/", failing_count="5", failing_of="10", estimates_percent="20", htmx=False, **hook)
    root.post(f"/prices/{alice.model_id('tiny')}/", currency="USD", input_mtok="1000", output_mtok="1000", htmx=False)
    root.post("/budgets/new/", whose="everybody", period="month", unit="USD", hard="0.0001", htmx=False)
    for _ in range(3):
        assert alice.send("Hello", model="tiny").response.status_code == 409
    assert [row["kind"] for row in site.rows("SELECT kind FROM chat_alert")] == ["hard"]


def calls(upstream) -> list:
    return [request for request in upstream.requests if request.path == "/hook"]


def wake(root, *sites) -> None:
    """What takes long begins at once."""
    for site in sites:
        root.site, root.http.base_url = site, site.url
        root.post("/books/prove/", htmx=False)


def test_a_refusal_reaches_the_webhook_once_though_two_processes_could_tell_it(two_processes, upstream):
    first, second = two_processes
    root, alice = administrator(first), first.visitor("alice")
    upstream.script("/hook", Answer([], content_type="text/plain"))
    refused(first, upstream, root, alice)
    shutil.copy(first.folder / "keys", second.folder / "keys")  # as CHAT_KEYS is the same for all processes
    wake(root, first, second, first)
    wait_for(lambda: first.rows("SELECT 1 FROM chat_delivery WHERE done IS NOT NULL"))
    assert len(calls(upstream)) == 1
    assert "refuses" in root.http.get("/alerts/").text


def test_what_was_being_told_when_the_process_was_killed_is_told_after_the_restart(site, upstream, alice):
    root = administrator(site)
    upstream.script("/hook", Answer([Stall()], framing="raw"), Answer([], content_type="text/plain"))
    refused(site, upstream, root, alice)
    wake(root, site)
    wait_for(lambda: calls(upstream))
    site.kill()
    site.start()
    assert len(calls(upstream)) == 1
    site.change("UPDATE chat_delivery SET due = '2020-01-01 00:00:00'")
    wake(root, site)
    wait_for(lambda: site.rows("SELECT 1 FROM chat_delivery WHERE done IS NOT NULL"))
    numbers = [{name.lower(): value for name, value in call.headers.items()}["webhook-id"] for call in calls(upstream)]
    assert len(numbers) == 2 and len(set(numbers)) == 1


# The books


def test_the_site_proves_it_while_one_looks(site, alice, sit_down):
    root = administrator(site)
    site.settled(alice.send("Hello", model="tiny").completion)
    reader = sit_down(root, "/books/")
    reader.button("Prove it now").click()
    expect(reader.page.get_by_text("1 lines of 1 replies")).to_be_visible(timeout=15_000)
    expect(reader.page.get_by_text("All agrees")).to_be_visible()
    assert reader.axe() == []


def test_it_is_proved_on_postgresql_too(make_site, postgres: PostgresServer, upstream):
    site = make_site(DATABASE_URL=postgres.create(f"site-{uuid.uuid4().hex[:8]}", template="prepared"))
    root = administrator(site)
    assert root.post("/books/prove/", htmx=False).status_code == 302
    wait_for(lambda: site.rows("SELECT 1 FROM chat_proof WHERE status = 'agrees' AND is_open IS NULL"))
    assert "All agrees" in root.http.get("/books/").text

"""The pages of providers: who may see them, what they take and refuse, and what they never show."""

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser import PHONE, WIDE, at_a_page
from tests.scripted import Answer, ScriptedUpstream, Send, chat_stream, error, whole
from tests.site import ROOT, Site, Visitor, free_port, wait_for
from tests.test_check import behaving

CANARY = "sk-canary-9876543210-wxyz"


@pytest.fixture
def root(site: Site) -> Visitor:
    root = site.visitor("root")
    site.change("UPDATE chat_person SET is_staff = ?, is_superuser = ? WHERE username = 'root'", True, True)
    return root


@pytest.fixture
def other() -> Iterator[ScriptedUpstream]:
    """Another upstream, which the site does not know yet."""
    with ScriptedUpstream() as other:
        other.script("big", behaving(usage=(9, 3)))
        yield other


def typed(other: ScriptedUpstream, **changes: str | None) -> dict:
    fields = {"profile": "llamacpp", "name": "Lab", "base_url": other.base_url, "key": CANARY, "local": "on"}
    return fields | changes


def provider_of(site: Site, name: str = "Lab"):
    found = site.rows("SELECT * FROM chat_provider WHERE name = ?", name)
    return found[0] if found else None


def complaint(page) -> str:
    return " ".join(re.findall(r'<p class="note bad" role="alert">(.*?)</p>', page.text))


@pytest.fixture
def lab(site: Site, root: Visitor, other: ScriptedUpstream) -> int:
    """A provider that was added on the page; its id."""
    assert root.post("/providers/new/", htmx=False, **typed(other)).status_code == 302
    return provider_of(site)["id"]


# Who may


def test_bob_gets_nothing(site, alice, root, lab):
    model = alice.model_id("big")
    for path in (
        "",
        "new/",
        f"{lab}/",
        f"{lab}/models/",
        f"{lab}/offer/",
        f"{lab}/check/",
        f"{lab}/remove/",
        "nearby/",
    ):
        for answer in (alice.http.get(f"/providers/{path}"), alice.post(f"/providers/{path}", name="Mine")):
            assert answer.status_code in (404, 405), path
            assert "Lab" not in answer.text
    assert {alice.http.get(f"/models/{model}/").status_code, alice.post(f"/models/{model}/").status_code} == {404}
    assert provider_of(site)["enabled"]
    assert "/providers/" not in alice.http.get("/").text


def test_an_administrator_without_the_admin_site_gets_the_pages(site, root, lab):
    site.change("UPDATE chat_person SET is_staff = ? WHERE username = 'root'", False)
    assert root.http.get("/providers/").status_code == 200


# Adding


def test_a_provider_is_added_and_its_models_can_be_chosen(site, root, lab, other):
    assert [request.headers["authorization"] for request in other.requests] == [f"Bearer {CANARY}"]
    row = provider_of(site)
    assert (row["profile"], row["key_ending"], bool(row["local"])) == ("llamacpp", "wxyz", True)
    page = root.http.get("/providers/")
    assert "Lab" in page.text and "•••wxyz" in page.text and "1 of 1" in page.text
    sent = root.send(model="big")
    assert site.settled(sent.completion)["status"] == "complete"
    assert other.requests[-1].headers["authorization"] == f"Bearer {CANARY}"


def test_what_is_left_empty_is_the_presets(site, root):
    page = root.http.get("/providers/new/?profile=deepseek").text
    assert 'value="https://api.deepseek.com"' in page and 'value="DeepSeek"' in page
    fields_only = root.http.get("/providers/new/?profile=ollama", headers={"HX-Request": "true"}).text
    assert "http://127.0.0.1:11434" in fields_only and "checked" in fields_only and "<html" not in fields_only


BAD = [
    ({"profile": ""}, "Choose who serves the models."),
    ({"profile": "demo"}, "Choose who serves the models."),
    ({"profile": "default", "base_url": ""}, "Its base URL is missing."),
    ({"base_url": "gpu-01:8000"}, "begins with http:// or https://"),
    ({"base_url": "file:///etc/passwd"}, "begins with http:// or https://"),
    ({"base_url": "http://[::1"}, "This is not an address."),
    ({"base_url": "http://me:secret@host/v1"}, "Put it into its own field."),
    ({"key": "sk-密钥"}, "characters that no key has"),
    ({"max_streams": "0"}, "A whole number from 1, or nothing."),
    ({"models": "a" * 201}, "has at most 200 characters"),
    ({"name": "OpenAI-compatible ({old})"}, "Another provider has this name."),
    ({"local": None}, "is an address in a private network. Tick “on this machine or network” if that is meant."),
    ({"base_url": "http://169.254.169.254/v1"}, "is an address where no provider can be"),
    ({"base_url": "http://127.1/v1"}, "is not an http or https address"),
    ({"base_url": "http://127.0.0.1:{closed}/v1"}, "Nothing listens at 127.0.0.1:{closed}."),
    ({"base_url": "http://no-such-name.invalid/v1"}, "The name of no-such-name.invalid is not known."),
]


@pytest.mark.parametrize("htmx", [True, False])
def test_bad_input_is_told_and_nothing_typed_is_lost(site, root, other, upstream, htmx):
    known = {"old": f"127.0.0.1:{upstream.port}", "closed": str(free_port())}
    for changes, sentence in BAD:
        filled = {name: value and value.format(**known) for name, value in changes.items()}
        answer = root.post("/providers/new/", htmx=htmx, **typed(other, **filled))
        assert answer.status_code == 422, sentence
        assert sentence.format(**known) in complaint(answer)
        assert CANARY not in answer.text
        if htmx:  # the page keeps its fields: only the sentence comes
            assert "<input" not in answer.text
        elif "name" not in changes:
            assert 'value="Lab"' in answer.text and "paste it again" in answer.text
    assert provider_of(site) is None


def page_of(html: str) -> Answer:
    return Answer([Send(html.encode())], content_type="text/html")


ANSWERS = [
    (error(401, f"Incorrect API key provided: {CANARY}"), "refuses the key"),
    (error(402, "Insufficient Balance"), "out of money or quota"),
    (page_of("<html><title>Welcome</title>"), "not as an API does: with a web page, perhaps"),
    (whole({"hello": "world"}), "lists no models. If it has no list, type a model’s name."),
    (whole({"data": []}), "lists no models. If it has no list, type a model’s name."),
    (error(404, "no such path"), "answers with an error: “no such path”"),
    (Answer([], 302, {"Location": "http://169.254.169.254/"}), "and redirects are not followed"),
]


def test_what_the_server_answers_is_told(site, root, other):
    for answer, sentence in ANSWERS:
        other.script("/v1/models", answer)
        refused = root.post("/providers/new/", **typed(other))
        assert refused.status_code == 422 and sentence in complaint(refused)
        assert "canary" not in refused.text
    assert provider_of(site) is None


def test_a_provider_without_a_list_is_added_with_the_names_that_were_typed(site, root, other):
    other.script("/v1/models", error(404))
    assert root.post("/providers/new/", htmx=False, **typed(other, models="big, small big")).status_code == 302
    rows = site.rows("SELECT name FROM chat_languagemodel WHERE provider_id = ?", provider_of(site)["id"])
    assert sorted(row["name"] for row in rows) == ["big", "small"]


def test_typed_names_do_not_hide_a_wrong_key(site, root, other):
    other.script("/v1/models", error(401))
    assert "refuses the key" in complaint(root.post("/providers/new/", **typed(other, models="big")))


# The key


def test_the_key_is_nowhere_in_clear(site, root, lab, other):
    pages = [
        root.http.get(path) for path in ("/providers/", f"/providers/{lab}/", f"/admin/chat/provider/{lab}/change/")
    ]
    other.script("big", error(401, f"Wrong key: {CANARY}"))
    sent = root.send(model="big")
    site.settled(sent.completion)
    pages += [root.http.get(f"/c/{sent.conversation}/"), root.post(f"/providers/{lab}/check/", model="big")]
    assert [page.status_code for page in pages] == [200] * 5
    dumped = manage(site, "dumpdata", "chat")
    files = [path.read_bytes() for path in site.folder.glob("chat.sqlite3*")]
    for text in [*(page.text for page in pages), dumped, site.log.read_text()]:
        assert "canary" not in text
    assert all(b"canary" not in data for data in files) and any(b"Lab" in data for data in files)


def test_a_pasted_key_replaces_the_old_one_and_an_empty_field_keeps_it(site, root, lab, other):
    fields = {"name": "Lab", "base_url": other.base_url, "local": "on", "enabled": "on"}
    root.post(f"/providers/{lab}/", htmx=False, **fields, key="")
    assert provider_of(site)["key_ending"] == "wxyz"
    root.post(f"/providers/{lab}/", htmx=False, **fields, key="sk-another-0123456789-abcd")
    assert provider_of(site)["key_ending"] == "abcd"
    root.post(f"/providers/{lab}/", htmx=False, **fields, forget_key="on")
    assert (provider_of(site)["key_ending"], provider_of(site)["sealed_key"]) == ("", "")


def test_the_key_does_not_follow_to_another_server(site, root, lab, upstream):
    fields = {"name": "Lab", "base_url": upstream.base_url, "local": "on", "enabled": "on"}
    answer = root.post(f"/providers/{lab}/", **fields)
    assert answer.status_code == 422 and "pasted for another server" in complaint(answer)
    assert provider_of(site)["base_url"] != upstream.base_url


def test_a_key_that_cannot_be_read_any_more_is_told_and_breaks_nothing(site, root, lab, other):
    (site.folder / "keys").unlink()
    before = len(other.requests)
    page = root.http.get(f"/providers/{lab}/")
    assert "Paste the key again." in complaint(page)
    assert root.http.get("/providers/").status_code == 200
    sent = root.send(model="big")
    assert site.settled(sent.completion)["status"] == "failed"
    assert "cannot be read any more" in site.completion(sent.completion)["error"]
    assert "cannot be read any more" in root.post(f"/providers/{lab}/check/", model="big").text
    assert len(other.requests) == before


# Its models


def test_which_models_are_offered_is_chosen(site, root, lab, other):
    other.script("small", chat_stream(["a"]))
    root.post(f"/providers/{lab}/models/", htmx=False)
    big, small = root.model_id("big"), root.model_id("small")

    def offered() -> list[int]:
        rows = site.rows("SELECT id FROM chat_languagemodel WHERE enabled AND provider_id = ?", lab)
        return sorted(row["id"] for row in rows)

    assert offered() == [big, small]
    root.post(f"/providers/{lab}/offer/", htmx=False, model=str(small))
    assert offered() == [small]
    root.post(f"/providers/{lab}/offer/", htmx=False, which="none")
    assert offered() == []
    root.post(f"/providers/{lab}/offer/", htmx=False, which="all")
    assert offered() == [big, small]


def test_a_model_that_is_not_listed_is_added(site, root, lab):
    root.post(f"/providers/{lab}/models/", htmx=False, name="hidden")
    assert root.model_id("hidden")


@pytest.mark.parametrize("name", ["a" * 201, "two\nlines"])
def test_what_cannot_be_a_models_name_is_told(site, root, lab, name):
    root.post(f"/providers/{lab}/models/", htmx=False, name=name)
    assert "has at most 200 characters, all of them visible" in root.http.get(f"/providers/{lab}/").text
    assert len(site.rows("SELECT 1 FROM chat_languagemodel WHERE provider_id = ?", lab)) == 1


def test_an_odd_list_of_models_is_taken_without_the_odd(site, root, other):
    entries = [None, {"id": 7}, {"id": "\ud800"}, {"id": "a" * 300}, {"id": "twice"}, {"id": "twice"}, {"id": "once"}]
    other.script("/v1/models", whole({"data": entries}))
    page = root.post("/providers/new/", htmx=False, **typed(other))
    assert page.status_code == 302, complaint(page)
    rows = site.rows("SELECT name FROM chat_languagemodel WHERE provider_id = ?", provider_of(site)["id"])
    assert sorted(row["name"] for row in rows) == ["once", "twice"]


def test_of_an_endless_list_the_page_says_how_much_it_took(site, root, other):
    other.script("/v1/models", whole({"data": [{"id": f"m{number}"} for number in range(1001)]}))
    root.post("/providers/new/", htmx=False, **typed(other))
    page = root.http.get(f"/providers/{provider_of(site)['id']}/").text
    assert "the first 1,000 models are taken" in page
    assert page.count('name="model" value=') == 1000


def test_listing_again_tells_its_trouble(site, root, lab, other):
    other.script("/v1/models", error(401))
    root.post(f"/providers/{lab}/models/", htmx=False)
    assert "refuses the key" in root.http.get(f"/providers/{lab}/").text
    assert provider_of(site)["trouble"]


def test_a_models_settings_are_saved(site, root, lab):
    model = root.model_id("big")
    fields = {"context_length": "8192", "max_output": "512", "grace_seconds": "", "template": ""}
    assert root.post(f"/models/{model}/", htmx=False, **fields).status_code == 302
    (row,) = site.rows("SELECT * FROM chat_languagemodel WHERE id = ?", model)
    assert (row["context_length"], row["max_output"], row["grace_seconds"], row["streamed"]) == (8192, 512, None, 0)


def test_a_models_settings_that_do_not_fit_are_told_beside_them(site, root, lab):
    fields = {"context_length": "0", "max_output": "", "grace_seconds": "3", "template": "nonsense"}
    answer = root.post(f"/models/{root.model_id('big')}/", htmx=False, **fields)
    assert answer.status_code == 422
    for sentence in ("A whole number from 1.", "An answer needs a limit.", "At least 5 seconds"):
        assert sentence in answer.text
    assert 'value="3"' in answer.text


def test_a_text_only_endpoint_gets_the_template_that_was_chosen(site, root, other):
    other.script("/api/v1/model", whole({"result": "koboldcpp/some-model"}))
    other.script("/api/v1/generate", whole({"results": [{"text": "Hi", "finish_reason": "stop"}]}))
    base_url = other.base_url.removesuffix("/v1")
    answer = root.post("/providers/new/", htmx=False, **typed(other, profile="koboldai_united", base_url=base_url))
    assert answer.status_code == 302, complaint(answer)
    (row,) = site.rows("SELECT id, name FROM chat_languagemodel WHERE provider_id = ?", provider_of(site)["id"])
    assert "Vicuna" in root.http.get(f"/models/{row['id']}/").text
    root.post(f"/models/{row['id']}/", htmx=False, max_output="100", grace_seconds="60", template="vicuna")
    site.settled(root.send("Hello", model=row["name"]).completion)
    assert other.requests[-1].body["prompt"] == "USER: Hello\nASSISTANT:"


# Removing


def test_a_provider_that_answered_is_disabled_and_its_key_forgotten(site, root, lab):
    site.settled(root.send(model="big").completion)
    root.post(f"/providers/{lab}/remove/", htmx=False)
    row = provider_of(site)
    assert (row["enabled"], row["sealed_key"], row["key_ending"]) == (0, "", "")
    assert "is disabled" in root.http.get("/providers/").text


def test_a_provider_that_never_answered_is_gone(site, root, lab):
    root.post(f"/providers/{lab}/remove/", htmx=False)
    assert provider_of(site) is None
    assert site.rows("SELECT 1 FROM chat_languagemodel WHERE name = 'big'") == []


def test_a_provider_that_lists_prices_is_gone_with_them(site, root, other):
    pricing = {"prompt": "0.0000004", "completion": "0.0000022"}
    other.script("/v1/models", whole({"data": [{"id": "big", "pricing": pricing}]}))
    root.post("/providers/new/", htmx=False, **typed(other))
    lab = provider_of(site)["id"]
    assert site.rows("SELECT 1 FROM chat_price JOIN chat_languagemodel m ON m.id = model_id WHERE m.name = 'big'")
    assert root.post(f"/providers/{lab}/remove/", htmx=False).status_code == 302
    assert provider_of(site) is None


def test_a_provider_of_the_environment_survives_a_new_address_and_a_restart(make_site, upstream):
    site = make_site()
    name = f"OpenAI-compatible (127.0.0.1:{upstream.port})"
    wait_for(lambda: provider_of(site, name))
    site.change("UPDATE chat_provider SET base_url = 'http://127.0.0.1:9/v1' WHERE name = ?", name)
    site.stop()
    site.start()
    wait_for(lambda: provider_of(site, f"{name} 2"))


# Checking


def manage(site: Site, *command: str) -> str:
    environment = site.environment | {"CHAT_DATA": str(site.folder), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "manage.py", *command], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    return done.stdout + done.stderr


def test_the_check_is_shown_step_by_step(site, root, lab):
    report = root.post(f"/providers/{lab}/check/", model="big")
    assert "<html" not in report.text
    steps = re.findall(r'<li class="(\w+)">.*?<span>(.*?)</span>', report.text)
    assert steps[0] == ("ok", "Answers, and accepts the key")
    assert ("ok", "Gives several answers to one call") in steps
    assert ("ok", "Continues an answer from its beginning") in steps
    whole_page = root.post(f"/providers/{lab}/check/", model="big", htmx=False)
    assert whole_page.status_code == 200 and "<html" in whole_page.text and "9 in, 3 out" in whole_page.text


def test_the_check_of_a_terminal_says_the_same(site, root, lab, other):
    said = manage(site, "checkprovider", "Lab")
    assert "✓ Answers, and accepts the key" in said and "✓ Continues an answer" in said
    other.script("big", error(401, f"Wrong: {CANARY}"))
    refused = manage(site, "checkprovider", "Lab", "--model", "big")
    assert "refuses the key" in refused and "canary" not in refused
    assert "No provider is named Nobody" in manage(site, "checkprovider", "Nobody")


def test_keys_rotate_while_the_site_runs(site, root, lab, other):
    before = provider_of(site)["sealed_key"]
    assert "1 keys sealed anew" in manage(site, "rotatekeys")
    assert provider_of(site)["sealed_key"] != before
    site.settled(root.send(model="big").completion)
    assert other.requests[-1].headers["authorization"] == f"Bearer {CANARY}"


# In a browser


def test_an_administrator_adds_a_provider_checks_it_and_chats(browser, site, root, other):
    other.script("/v1/models", error(401), whole({"data": [{"id": "big"}]}))
    with at_a_page(browser, root, site.url) as reader:
        page = reader.open("/providers/").page
        page.get_by_role("link", name="Add a provider").click()
        page.get_by_role("radio", name="vLLM").check()
        expect(page.get_by_label("Base URL")).to_have_value("http://127.0.0.1:8000/v1")
        expect(page.get_by_label("On this machine or network")).to_be_checked()
        page.get_by_label("Name").fill("Lab")
        page.get_by_label("Base URL").fill(other.base_url)
        page.get_by_label("Key").fill(CANARY)
        reader.button("Check and connect").click()
        expect(page.get_by_role("alert")).to_contain_text("refuses the key")
        expect(page.get_by_label("Key")).to_have_value(CANARY)
        expect(page.get_by_label("Name")).to_have_value("Lab")
        reader.button("Check and connect").click()
        expect(page.get_by_role("heading", name="Lab", level=1)).to_be_visible()
        expect(page.get_by_text("Connected. 1 model is offered.")).to_be_visible()
        reader.button("Check").click()
        expect(page.locator(".steps li").nth(5)).to_be_visible(timeout=20_000)
        assert reader.axe() == []
        page.get_by_role("link", name="Conversations").click()
        reader.connected().send("Hello").settled()
        assert reader.complaints == []
    assert CANARY not in site.log.read_text()


def test_what_the_server_cannot_do_is_said_and_nothing_typed_is_lost(browser, site, root, lab):
    with at_a_page(browser, root, site.url) as reader:
        page = reader.open(f"/providers/{lab}/").page
        page.get_by_label("Name", exact=True).fill("Other")

        def said(sentence: str) -> None:
            reader.button("Save").click()
            expect(page.get_by_role("alert")).to_contain_text(sentence)
            expect(page.get_by_label("Name", exact=True)).to_have_value("Other")

        site.change("ALTER TABLE chat_provider RENAME TO elsewhere")
        said("could not do this")
        site.change("ALTER TABLE elsewhere RENAME TO chat_provider")
        site.kill()
        said("cannot be reached")
        site.start()
        site.change("DELETE FROM django_session")
        said("Your session has ended")


def test_a_check_that_cannot_be_made_is_said_where_its_report_would_stand(browser, site, root, lab):
    with at_a_page(browser, root, site.url) as reader:
        page = reader.open(f"/providers/{lab}/").page
        root.post(f"/providers/{lab}/remove/", htmx=False)
        reader.button("Check").click()
        expect(page.locator("#report").get_by_role("alert")).to_contain_text("not there any more")
        assert reader.complaints == []


def test_hundreds_of_models_are_filtered_and_stay_ticked(browser, site, root, other):
    pricing = {"prompt": "0.0000004", "completion": "0.0000022"}
    names = [f"vendor-{number % 7}/model-{number}" for number in range(300)]
    other.script("/v1/models", whole({"data": [{"id": name, "pricing": pricing} for name in names]}))
    root.post("/providers/new/", htmx=False, **typed(other))
    with at_a_page(browser, root, site.url) as reader:
        page = reader.open(f"/providers/{provider_of(site)['id']}/").page
        rows = page.locator("#models-table tbody tr:visible")
        expect(rows).to_have_count(300)
        expect(rows.first).to_contain_text("$0.40 / $2.20")
        page.get_by_label("Filter the models").fill("vendor-3 17")
        expect(rows).to_have_count(3)
        expect(page.get_by_text("Shown: 3.")).to_be_visible()
        rows.first.get_by_role("checkbox").uncheck()
        reader.button("Offer those ticked").click()
        expect(page.get_by_text("Saved.")).to_be_visible()
        assert reader.axe() == [] and reader.complaints == []
    assert len(site.rows("SELECT 1 FROM chat_languagemodel WHERE enabled AND name LIKE 'vendor%'")) == 299


@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_on_these_pages_is_out_of_reach(browser, site, root, lab, viewport, scheme):
    site.change("UPDATE chat_provider SET trouble = 'No.' WHERE id = ?", lab)
    model = root.model_id("big")
    with at_a_page(browser, root, site.url, viewport=viewport, color_scheme=scheme) as reader:
        for path in ("/providers/", "/providers/new/?profile=ollama", f"/providers/{lab}/", f"/models/{model}/"):
            reader.open(path)
            assert reader.axe() == [], path
            assert reader.page.evaluate("document.documentElement.scrollWidth") <= viewport["width"], path
        assert reader.complaints == []


def test_the_form_works_without_a_script(browser, site, root, other):
    with at_a_page(browser, root, site.url, java_script_enabled=False) as reader:
        page = reader.open("/providers/new/").page
        page.get_by_role("radio", name="llama.cpp").check()
        page.get_by_label("Base URL").fill(other.base_url)
        reader.button("Check and connect").click()
        expect(page.get_by_role("alert")).to_contain_text("private network")
        expect(page.get_by_label("Base URL")).to_have_value(other.base_url)
        page.get_by_label("On this machine or network").check()
        reader.button("Check and connect").click()
        expect(page.get_by_text("Connected. 1 model is offered.")).to_be_visible()
        page.get_by_role("link", name="Settings of big").click()
        page.get_by_label("Longest answer, tokens").fill("99")
        reader.button("Save").click()
        expect(page.get_by_role("cell", name="99")).to_be_visible()

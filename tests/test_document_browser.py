"""document.js in Chromium: after every frame the page is what one rendering gives; what the reader does there survives.

The page's own Content-Security-Policy holds, and a report of it fails the test. BROWSER_DOCUMENTS=2000 tries more.
"""

import json
import os
import random
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from chat import markdown
from chat.document import Cursor, Document, in_parts
from tests.corpus import ANSWER, CHARACTERS, DEFINITIONS, HOSTILE, LINES

DOCUMENTS = int(os.environ.get("BROWSER_DOCUMENTS", "200"))
SCRIPT = Path(__file__).parent.parent / "static/chat/document.js"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; object-src 'none'"
)
HARNESS = """
import { GrowingDocument } from "./document.js";
window.reports = [];
addEventListener("securitypolicyviolation", event => reports.push(event.violatedDirective + " " + event.blockedURI));
for (const name of ["alert", "confirm", "prompt"]) window[name] = () => reports.push(name);
const box = document.getElementById("box");
window.begin = html => { box.innerHTML = html; window.grows = new GrowingDocument(box) };
const wrapped = blocks => blocks.map(html => {
  const block = document.createElement("div");
  block.className = "block";
  block.innerHTML = html;
  return block;
});
const outer = nodes => nodes.map(node => node.outerHTML).join("");
// Each frame with the blocks that it should lead to; the first that it does not is returned.
window.play = frames => {
  for (const [number, [operations, blocks]] of frames.entries()) {
    grows.apply(operations);
    const want = wrapped(blocks), have = [...box.children];
    if (want.length !== have.length || want.some((block, i) => !block.isEqualNode(have[i]) || fragmented(have[i])))
      return { number, operations, want: outer(want), have: outer(have) };
  }
  return null;
};
// A text node beside another would look the same and break selections and searches.
const fragmented = node => {
  const walker = document.createTreeWalker(node, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) if (walker.currentNode.previousSibling?.nodeType === 3) return true;
  return false;
};
window.stable = html => {
  box.innerHTML = html;
  const once = box.innerHTML;
  box.innerHTML = once;
  return box.innerHTML === once;
};
document.documentElement.dataset.ready = "";
"""
FILES = {
    "/": (
        "text/html",
        '<!doctype html><meta charset="utf-8"><script type="module" src="harness.js"></script><div id="box">',
    ),
    "/document.js": ("text/javascript", SCRIPT.read_text()),
    "/harness.js": ("text/javascript", HARNESS),
}


@pytest.fixture(scope="module")
def browser_page():
    options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=[*options, "--disable-sync"])
        page = browser.new_page()
        page.requests_elsewhere = []
        page.route("**/*", lambda route: serve(page, route))
        page.goto("http://chat.test/")
        page.wait_for_selector("[data-ready]", state="attached")
        yield page
        browser.close()


def serve(page: Page, route) -> None:
    host, _, path = route.request.url.removeprefix("http://").partition("/")
    if host != "chat.test" or f"/{path}" not in FILES:
        page.requests_elsewhere.append(route.request.url)
        return route.abort()
    kind, body = FILES[f"/{path}"]
    route.fulfill(content_type=kind, body=body, headers={"Content-Security-Policy": POLICY})


@pytest.fixture
def page(browser_page):
    """Fails at the end if the policy was broken or anything else was asked for."""
    browser_page.evaluate("begin('')")
    yield browser_page
    assert browser_page.evaluate("reports.splice(0)") == []
    assert browser_page.requests_elsewhere == []


def shown(document: Document) -> list[str]:
    cursor = Cursor()
    (operation,) = document.frame(cursor)
    return operation["whole"]


def frames(text: str, cuts: list[int]) -> list[tuple[list, list[str]]]:
    """The frames of one watcher, each with the blocks that somebody who comes new would see."""
    document, cursor, found = Document(), Cursor(), []
    for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        document.feed(text[start:end])
        found.append((document.frame(cursor), shown(document)))
    document.finish()
    found.append((document.frame(cursor), markdown.blocks(text)))
    return found


def random_text(dice: random.Random) -> str:
    if dice.random() < 0.2:
        return "".join(dice.choice(CHARACTERS) for _ in range(dice.randint(1, 80)))
    pool = LINES + DEFINITIONS * (2 if dice.random() < 0.3 else 0) + (HOSTILE if dice.random() < 0.3 else [])
    return "\n".join(dice.choice(pool) for _ in range(dice.randint(1, 14)))


def test_after_every_frame_the_page_is_what_one_rendering_gives(page):
    dice = random.Random(7)
    for number in range(DOCUMENTS):
        text = ANSWER if number == 0 else random_text(dice)
        count = len(text) if number % 10 == 0 else dice.randint(0, 25)
        cuts = sorted(dice.randrange(len(text)) for _ in range(count))
        page.evaluate("begin('')")
        wrong = page.evaluate("play", frames(text, cuts))
        assert wrong is None, (text, cuts, json.dumps(wrong, indent=1, ensure_ascii=False))


def test_a_page_that_holds_an_older_rendering_becomes_the_new_one(page):
    dice = random.Random(8)
    for _ in range(DOCUMENTS // 3):
        text = random_text(dice)
        document = Document()
        document.feed(text)
        page.evaluate("html => begin(html)", markdown.render(text[: dice.randrange(len(text) + 1)]))
        assert page.evaluate("play", [([{"whole": shown(document)}], shown(document))]) is None, text


def test_a_frame_that_is_cut_anywhere_gives_the_same_page(page):
    dice = random.Random(9)
    for number in range(DOCUMENTS // 3):
        text = ANSWER if number == 0 else random_text(dice)
        document = Document()
        document.feed(text)
        page.evaluate("begin('')")
        *parts, last = in_parts(document.frame(Cursor()), dice.randint(1, 30))
        for part in parts:
            page.evaluate("operations => grows.apply(operations)", part)
        assert page.evaluate("play", [(last, shown(document))]) is None, text


def test_what_was_saved_is_not_touched_where_it_stays(page):
    text = "# Title\n\nSome *words*.\n\n```python\nx = 1\n```\n\n- a\n- b"
    page.evaluate("html => begin(html)", markdown.render(text))
    page.evaluate("window.before = [...document.querySelectorAll('#box *')]")
    document, cursor = Document(), Cursor()
    document.feed(text)
    page.evaluate("play", [(document.frame(cursor), shown(document))])
    document.feed(" and more\n\nNew")
    assert page.evaluate("play", [(document.frame(cursor), shown(document))]) is None
    assert page.evaluate("before.every(node => node.isConnected)")


SELECT = """([text]) => {
  const walker = document.createTreeWalker(document.getElementById("box"), NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const at = walker.currentNode.data.indexOf(text);
    if (at >= 0) return getSelection().setBaseAndExtent(walker.currentNode, at, walker.currentNode, at + text.length);
  }
}"""


@pytest.mark.parametrize(
    ("text", "selected"),
    [
        ("One two three four five six seven.\n\nAnother paragraph, and **bold** words.\n\n- a\n- b", "two"),
        ("Words before **bold words and more** and `code` after [a link](https://a.b/c) end\n\nnext", "before"),
        ("- first item\n- second item\n- third item\n\nand then text, [^1]\n\n[^1]: note", "first"),
        ("Intro text:\n\n1. one two\n   - inner item\n   - inner more\n\n2. last", "Intro"),
        ("Before code\n\n```python\nx = 1\ny = 2\nz = 3\n```\n\nAfter", "Before"),
        ("Open code\n\n```python\nx = 1\ny = 2\nif x: z = 3", "x = 1"),
        ("A head\n\n| a | b |\n|---|---|\n| cell one | 2 |\n| 3 | 4 |\n| 5 | 6 |\n\nend", "cell one"),
    ],
)
def test_a_selection_survives_every_frame(page, text, selected):
    document, cursor = Document(), Cursor()
    start = text.index(selected) + len(selected) + 1
    document.feed(text[:start])
    page.evaluate("play", [(document.frame(cursor), shown(document))])
    if "|" in text[:start]:  # the row must be complete before it is selected
        start = text.index("\n", start)
        document.feed(text[text.index(selected) + len(selected) + 1 : start])
        page.evaluate("play", [(document.frame(cursor), shown(document))])
    page.evaluate(SELECT, [selected])
    assert page.evaluate("String(getSelection())") == selected
    for character in text[start:]:
        document.feed(character)
        assert page.evaluate("play", [(document.frame(cursor), shown(document))]) is None
        assert page.evaluate("String(getSelection())") == selected
    if selected != "x = 1":  # highlighted at the end
        document.finish()
        page.evaluate("play", [(document.frame(cursor), markdown.blocks(text))])
        assert page.evaluate("String(getSelection())") == selected


def test_focus_and_what_the_reader_has_set_survive(page):
    document, cursor = Document(), Cursor()
    document.feed("See [a link](https://a.b) here.\n\n```python\nx = 1\n")
    page.evaluate("play", [(document.frame(cursor), shown(document))])
    page.evaluate("""() => {
        const button = document.querySelector("[data-act=wrap]");
        button.ariaPressed = "true";
        button.closest("figure").dataset.wrap = "";
        document.querySelector("[data-act=copy-code]").focus();
    }""")
    for piece in ("y = 2\n", "if x: pass\n", "```\n", "\nAfter the code.", "\n\nMore."):
        document.feed(piece)
        page.evaluate("operations => grows.apply(operations)", document.frame(cursor))
    document.finish()
    page.evaluate("operations => grows.apply(operations)", document.frame(cursor))
    assert page.evaluate("document.activeElement.dataset.act") == "copy-code"
    assert page.evaluate("document.querySelector('figure').dataset.wrap") == ""
    assert page.evaluate("document.querySelector('[data-act=wrap]').ariaPressed") == "true"
    assert page.evaluate("document.querySelectorAll('figure i').length") > 0
    # and so after the page has lost its connection, and begins anew
    page.evaluate("operations => grows.apply(operations)", [{"whole": shown(document)}])
    assert page.evaluate("document.activeElement.dataset.act") == "copy-code"
    assert page.evaluate("document.querySelector('figure').dataset.wrap") == ""


def test_plain_text_goes_into_one_text_node(page):
    page.evaluate("""() => {
        grows.apply([{ whole: ["<p>One"] }]);
        window.node = document.querySelector("p").firstChild;
        for (const word of [" two", " &lt;three&gt;", " &amp; four", " 😀"]) grows.apply([word]);
    }""")
    assert page.evaluate("[node.isConnected, node.data, node.nextSibling]") == [True, "One two <three> & four 😀", None]


def test_a_page_that_does_not_know_the_whole_says_so(page):
    assert page.evaluate("grows.apply([' more', null])") is False
    assert page.evaluate("document.querySelector('#box').innerHTML") == ""
    assert page.evaluate("grows.apply([{ whole: [] }]) && grows.apply([null, '<p>a'])") is True
    assert page.evaluate("document.querySelector('#box').innerHTML") == '<div class="block"><p>a</p></div>'


def test_text_after_an_element_without_content_stands_beside_it(page):
    page.evaluate("grows.apply([{ whole: ['<p>a<br>'] }]); grows.apply(['b'])")
    assert page.evaluate("document.querySelector('#box p').innerHTML") == "a<br>b"


def test_a_character_of_two_units_is_cut_whole(page):
    page.evaluate("grows.apply([{ whole: ['<p>a 😀😀'] }]); grows.apply([2, '中'])")
    assert page.evaluate("document.querySelector('#box').textContent") == "a 😀中"


def test_nothing_hostile_runs_loads_or_changes_its_meaning(page):
    """mXSS: what the browser writes of what it has parsed must parse to the same again."""
    for text in HOSTILE:
        for place in (
            "{}",
            "- {}",
            "> {}",
            "| a |\n|---|\n| {} |",
            "```\n{}\n```",
            "$\\text{{{}}}$",
            "![{}](https://a.b)",
        ):
            html = markdown.render(place.replace("{{{}}}", "{" + text + "}").replace("{}", text))
            assert page.evaluate("html => stable(html)", html), html
    page.wait_for_timeout(200)


def test_the_page_is_small():
    assert len(SCRIPT.read_bytes()) < 6_000

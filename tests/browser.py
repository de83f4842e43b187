"""A person at a page, in Chromium."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.site import PATIENCE, Visitor

AXE = Path(__file__).parent / "vendor" / "axe.min.js"
WIDE, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
expect.set_options(timeout=PATIENCE * 1000)
SAID_BY_CHROMIUM = re.compile(r"^Failed to load resource: the server responded with a status of 4\d\d")


class Reader:
    """One tab. What its console says that it should not is kept in `complaints`."""

    def __init__(self, page: Page, site_url: str) -> None:
        self.page, self.url = page, site_url
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on(
            "request", lambda request: self.requests.append(f"{request.method} {request.url.removeprefix(site_url)}")
        )

    def _heard(self, message) -> None:
        if message.type in ("error", "warning") and not SAID_BY_CHROMIUM.match(message.text):
            self.complaints.append(message.text)

    def open(self, path: str = "/") -> "Reader":
        self.page.goto(self.url + path)
        return self

    def connected(self) -> "Reader":
        expect(self.page.locator("html")).to_have_attribute("data-connection", "open")
        return self

    @property
    def box(self) -> Locator:
        return self.page.get_by_role("textbox", name="Message")

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    @property
    def replies(self) -> Locator:
        return self.page.locator("article[data-role=assistant]")

    def send(self, text: str = "Hello") -> "Reader":
        self.box.fill(text)
        self.box.press("Enter")
        return self

    def settled(self, status: str = "complete") -> Locator:
        """The last reply, once it has ended so."""
        reply = self.replies.last
        expect(reply).to_have_attribute("data-status", status)
        return reply

    def axe(self) -> list[str]:
        """Every violation, of whatever weight."""
        self.page.evaluate(AXE.read_text())
        found = self.page.evaluate("axe.run({resultTypes: ['violations']}).then(r => r.violations)")
        return [
            f"{rule['id']}: {node['html'][:200]} {node['failureSummary']}" for rule in found for node in rule["nodes"]
        ]


@contextmanager
def at_a_page(browser: Browser, visitor: Visitor | None, site_url: str, **options) -> Iterator[Reader]:
    context = context_of(browser, visitor, site_url, **options)
    reader = Reader(context.new_page(), site_url)
    try:
        yield reader
    finally:
        context.close()


def context_of(browser: Browser, visitor: Visitor | None, site_url: str, **options) -> BrowserContext:
    options.setdefault("viewport", WIDE)
    if options["viewport"] == PHONE:
        options.update(has_touch=True, is_mobile=True)
    context = browser.new_context(**options)
    if visitor:
        cookies = visitor.http.cookies.items()
        context.add_cookies([{"name": name, "value": value, "url": site_url} for name, value in cookies])
    return context

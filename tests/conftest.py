import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser import Reader, at_a_page
from tests.scripted import ScriptedUpstream, chat_stream
from tests.servers import PostgresServer, RedisServer
from tests.site import Site, Visitor, copy_of, prepared_database, wait_for


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepared_database(tmp_path_factory.mktemp("prepared"))


@pytest.fixture
def upstream():
    """A scripted upstream; the site lists its models under the provider OpenAI-compatible."""
    with ScriptedUpstream() as server:
        yield server


@pytest.fixture
def make_site(prepared: Path, tmp_path: Path, upstream):
    """Starts a site that knows `models` of the scripted upstream."""
    sites = []

    def make(*models: str, **environment: str) -> Site:
        environment = {
            "OPENAI_BASE_URL": upstream.base_url,
            "OPENAI_API_KEY": "sk-canary-0123456789",
            "CHAT_STATIC": str(prepared / "static"),
            **environment,
        }
        site = Site(copy_of(prepared, tmp_path / f"site-{len(sites)}"), environment)
        sites.append(site)
        site.start()
        for model in models:
            wait_for(lambda model=model: site.rows("SELECT 1 FROM chat_languagemodel WHERE name = ?", model))
        return site

    yield make
    for site in sites:
        site.stop()


@pytest.fixture
def site(make_site, upstream) -> Site:
    """A site with the model "tiny", which answers in three words; a test may script another answer."""
    upstream.script("tiny", chat_stream(["Hello ", "there", "."], usage=(9, 3)))
    return make_site("tiny")


@pytest.fixture(scope="module")
def shared_site(prepared: Path, tmp_path_factory: pytest.TempPathFactory):
    """One site for the tests of a file that leave nothing behind which others could meet."""
    site = Site(copy_of(prepared, tmp_path_factory.mktemp("site")), {"CHAT_STATIC": str(prepared / "static")})
    yield site.start()
    site.stop()


@pytest.fixture(scope="module")
def somebody(shared_site: Site) -> Visitor:
    return shared_site.visitor()


@pytest.fixture
def alice(site: Site) -> Visitor:
    return site.visitor("alice")


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory):
    """A PostgreSQL server whose database "prepared" is migrated."""
    server = PostgresServer().start()
    prepared_database(tmp_path_factory.mktemp("prepared-postgres"), DATABASE_URL=server.create("prepared"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory):
    server = RedisServer(tmp_path_factory.mktemp("redis")).start()
    yield server
    server.stop()


@pytest.fixture
def two_processes(make_site, upstream, postgres: PostgresServer, redis: RedisServer) -> tuple[Site, Site]:
    """Two processes of one site, on PostgreSQL and Redis."""
    upstream.script("tiny", chat_stream(["Hello ", "there", "."], usage=(9, 3)))
    shared = {
        "DATABASE_URL": postgres.create(f"site-{uuid.uuid4().hex[:8]}", template="prepared"),
        "REDIS_URL": redis.url,
        "SECRET_KEY": "the same for both",
    }
    return make_site("tiny", **shared), make_site("tiny", **shared)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Not for the whole session: while it is open, asyncio.run fails in this thread.
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        yield browser
        browser.close()


@pytest.fixture
def sit_down(browser, site) -> Iterator[Callable[..., Reader]]:
    """Opens a tab for somebody; afterwards nothing may have complained, popped up, or asked another host."""
    tabs: list[Reader] = []
    with ExitStack() as stack:

        def sit_down(visitor, path: str = "/", **options) -> Reader:
            reader = stack.enter_context(at_a_page(browser, visitor, site.url, **options))
            reader.page.on("dialog", lambda dialog: (reader.complaints.append(dialog.message), dialog.dismiss()))
            tabs.append(reader)
            return reader.open(path)

        yield sit_down
        assert [complaint for tab in tabs for complaint in tab.complaints] == []
        foreign = [request for tab in tabs for request in tab.requests if "://" in request]
        assert [request for request in foreign if "file://" not in request] == []

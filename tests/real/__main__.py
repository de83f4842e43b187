"""python -m tests.real [SERVER…]: all of them, or those that are named."""

import sys
import traceback
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import sync_playwright

from tests.real.deeds import DEEDS, GRACE, LONGEST, Sitting
from tests.real.servers import SERVERS, CannotBeHad, RealServer
from tests.site import Site, copy_of, prepared_database


def main(names: list[str]) -> int:
    failed = 0
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        prepared = prepared_database(Path(folder))
        browser = playwright.chromium.launch(executable_path=chromium())
        for server in [SERVERS[name] for name in names or SERVERS]:
            site = Site(copy_of(prepared, Path(folder) / server.name), {"CHAT_STATIC": str(prepared / "static")})
            try:
                server.install()
                server.start(Path(folder))
                failed += try_deeds(Sitting(browser, site.start(), server))
            except CannotBeHad as reason:
                failed += 1
                say(server, "cannot be had", str(reason), "✗")
            finally:
                server.stop()
                site.stop()
    return failed


def try_deeds(sitting: Sitting) -> int:
    failed = 0
    for deed in DEEDS:
        if reason := sitting.server.cannot.get(deed.__name__):
            say(sitting.server, deed.__name__, reason, "–")
            continue
        try:
            sitting.set_model(max_output=LONGEST, grace_seconds=GRACE)
            say(sitting.server, deed.__name__, deed(sitting), "✓")
        except Exception:
            failed += 1
            say(sitting.server, deed.__name__, traceback.format_exc(limit=-3), "✗")
            sitting.calm_down()
    return failed


def say(server: RealServer, deed: str, seen: str, mark: str) -> None:
    print(f"{mark} {server.label:<18} {deed.replace('_', ' '):<22} {seen}", flush=True)


def chromium() -> str | None:
    from shutil import which

    return which("chromium")


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1:]) else 0)

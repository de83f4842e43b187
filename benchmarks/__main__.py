"""Measures what design.md, section 8 promises, the baseline beside it: `python -m benchmarks` all, or those named.

`--entries N`: how large the ledger of `usage` is. `--completions N`: how many `books` sends.
"""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import archive, books, browser, dying, footprint, pressure, servers, streams, thread, ttft, usage

BENCHMARKS: dict[str, Callable[[Path], None]] = {
    "streams": streams.run,
    "ttft": ttft.run,
    "browser": browser.run,
    "footprint": footprint.run,
    "pressure": pressure.run,
    "dying": dying.run,
    "thread": thread.run,
    "archive": archive.run,
    "usage": usage.run,
    "books": books.run,
}


def main(names: list[str]) -> None:
    unknown = set(names) - set(BENCHMARKS)
    if unknown:
        sys.exit(f"No benchmark {', '.join(sorted(unknown))}. There are: {', '.join(BENCHMARKS)}.")
    print("Medians of a few short rounds. Figures of a machine that others use differ by a fifth from run to run.")
    with servers.prepared() as prepared:
        for name in names or BENCHMARKS:
            BENCHMARKS[name](prepared)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--entries", type=int)
    parser.add_argument("--completions", type=int)
    asked = parser.parse_args()
    for variable, number in (("USAGE_ENTRIES", asked.entries), ("BOOKS_COMPLETIONS", asked.completions)):
        if number:
            os.environ[variable] = str(number)
    main(asked.names)

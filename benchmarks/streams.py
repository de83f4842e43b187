"""What streams cost, and how late they are: 1, 10, 50 and 200 at 50 tokens a second, the server on one core."""

from contextlib import suppress
from pathlib import Path

from benchmarks import servers
from benchmarks.load import Reading, Target, measure
from benchmarks.tables import at, milliseconds, table

STREAMS = (1, 10, 50, 200)
SECONDS = 5.0
ROUNDS = 2  # of each, interleaved: the machine is shared
TARGETS = {
    10: "CPU <= 0.20 s",
    50: "CPU <= 0.15 s, p50 <= 3 ms, p99 <= 9 ms",
    200: "p99 <= 60 ms",
}


def run(prepared: Path) -> None:
    relayed: dict[int, list[Reading]] = {count: [] for count in STREAMS}
    stored: dict[int, list[Reading]] = {count: [] for count in STREAMS}
    with servers.upstream() as upstream:
        for _ in range(ROUNDS):
            with servers.relay(upstream) as server:
                bare = read_all(Target.relay(server, upstream), relayed)
            with servers.ours(prepared, upstream) as site:
                empty = read_all(Target.site(site.start(), upstream), stored)
    rows = []
    for count in STREAMS:
        rows.append(row(f"{count} streams, relay", relayed[count], bare, count, ""))
        rows.append(row(f"{count} streams, ours", stored[count], empty, count, TARGETS.get(count, "")))
    table(
        "Streams of 50 tokens/s; lag is upstream -> socket. The relay stores nothing; ours stores all (SQLite, WAL,"
        "\nFULL). Of the half seconds only the calmer half counts, in which others left us most of the machine;"
        "\n`waited` is how much of these server and load were kept from their cores nevertheless.",
        ["", "CPU / 1,000 tokens", "p50", "p95", "p99", "memory / stream", "frames/s", "busy", "load", "waited", ""],
        rows,
    )


def read_all(target: Target, readings: dict[int, list[Reading]]) -> float:
    """What the server takes before the first stream, in MiB."""
    before = target.server.memory()
    for count in STREAMS:
        prompt = "rate=50" if target.people or count < 200 else "rate=50 pause=50"
        with suppress(TimeoutError):  # one core cannot carry so many
            readings[count].append(measure(target, count, SECONDS, prompt))
    return before


def row(name: str, readings: list[Reading], before: float, streams: int, target: str) -> list[str]:
    if not readings:
        return [name, "too much", *[""] * 8, target]
    reading = Reading.calmest(readings)
    lags = reading.lags
    return [
        name,
        f"{reading.cpu_per_thousand:.3f} s",
        *(milliseconds(at(share, lags)) for share in (0.5, 0.95, 0.99)),
        f"{max(reading.memory - before, 0) * 1024 / streams:.0f} kB",
        f"{reading.per_second('frames'):.0f}",
        *(f"{reading.per_second(share):.0%}" for share in ("cpu", "load_cpu", "waited")),
        target,
    ]

"""What streams cost, and how late they are: 1, 10, 50 and 200 at 50 tokens a second, the server on one core."""

from pathlib import Path
from statistics import median

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
                base_relay = read_all(Target.relay(server, upstream), relayed)
            with servers.ours(prepared, upstream) as site:
                base_ours = read_all(Target.site(site.start(), upstream), stored)
    head = ["", "relay", "ours", "", "relay p50", "p95", "p99", "ours p50", "p95", "p99", "", "relay", "ours"]
    head += ["", "frames/s", "load", "target"]
    rows = [row(count, relayed[count], stored[count], base_relay, base_ours) for count in STREAMS]
    table(
        "Streams of 50 tokens/s: CPU per 1,000 tokens | lag upstream -> socket | memory per stream | ours: frames/s of"
        "\nall, CPU of the load's own process. The relay stores nothing; ours stores everything (SQLite, WAL, FULL).",
        head,
        rows,
    )


def read_all(target: Target, readings: dict[int, list[Reading]]) -> float:
    """What the server takes before the first stream, in MiB."""
    before = target.server.memory()
    for count in STREAMS:
        prompt = "rate=50" if target.people or count < 200 else "rate=50 pause=50"
        readings[count].append(measure(target, count, SECONDS, prompt))
    return before


def row(count: int, relay: list[Reading], ours: list[Reading], base_relay: float, base_ours: float) -> list[str]:
    return [
        f"{count} streams",
        cpu(relay),
        cpu(ours),
        "|",
        *lags(relay),
        *lags(ours),
        "|",
        memory(relay, base_relay),
        memory(ours, base_ours),
        "|",
        f"{median(reading.frames / reading.seconds for reading in ours):.0f}",
        f"{median(reading.load_cpu / reading.seconds for reading in ours):.0%}",
        TARGETS.get(count, ""),
    ]


def cpu(readings: list[Reading]) -> str:
    return f"{median(reading.cpu_per_thousand for reading in readings):.3f} s"


def lags(readings: list[Reading]) -> list[str]:
    return [milliseconds(median(at(share, reading.lags) for reading in readings)) for share in (0.5, 0.95, 0.99)]


def memory(readings: list[Reading], base: float) -> str:
    return f"{(min(reading.memory for reading in readings) - base) * 1024 / readings[0].streams:.0f} kB"

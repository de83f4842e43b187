"""docs/upstreams.md says of each upstream what the profiles say."""

from pathlib import Path

import pytest

from chat.upstream.profiles import PROFILES, Profile

PAGE = Path(__file__).parent.parent / "docs" / "upstreams.md"
USAGE = {
    None: "none",
    "final_chunk": "at the end",
    "top_level": "beside a choice",
    "merged": "first and last event",
    "last": "yes, the last counts",
}
CLOSING = {True: "ends work and cost", False: "ends neither", None: "not known"}


def rows() -> dict[str, dict[str, str]]:
    """By profile."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    header = cells[0]
    table = [dict(zip(header, row, strict=False)) for row in cells[2:] if len(row) == len(header)]
    return {row["profile"].strip("`"): row for row in table if row.get("profile")}


def told(name: str, facts: Profile) -> dict[str, str]:
    usage = USAGE[facts.usage_place] + (", not to be believed" if name == "kimi_free" else "")
    going_on = "by model" if facts.continues_model else "yes" if facts.continuation else "no"
    return {
        "streamed": "yes" if facts.streams else "no",
        "whole": "better not" if facts.streams_best else "yes",
        "n": "yes" if facts.supports_n else "no",
        "thoughts": ", ".join(f"`{place}`" for place in facts.reasoning) or "none",
        "usage in streams": usage,
        "continue": going_on,
        "count": "yes" if facts.counting else "no",
        "closing": CLOSING[facts.close_stops] + (", abort first" if facts.cancelling else ""),
    }


def test_each_upstream_has_its_row() -> None:
    assert set(rows()) == set(PROFILES) - {"default", "demo"}


@pytest.mark.parametrize("name", sorted(set(PROFILES) - {"default", "demo"}))
def test_a_row_says_what_the_profile_says(name: str) -> None:
    row = rows()[name]
    expected = told(name, PROFILES[name])
    assert {column: row[column] for column in expected} == expected
    assert row["upstream"].startswith(PROFILES[name].label)

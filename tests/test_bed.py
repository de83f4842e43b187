"""Upstreams that keep books of their own, and a process that dies in the middle: the ledger says what they say."""

from contextlib import ExitStack

from tests.bed import CASES, Bed

COMPLETIONS = 160  # python -m benchmarks books: thousands, on both databases


def test_the_ledger_says_what_the_upstreams_bill_whatever_ends_how(make_site):
    with ExitStack() as stack:
        found = Bed(make_site, COMPLETIONS).run(stack).findings()
    print(*found.lines(), sep="\n")
    assert found.off == []
    assert set(found.ends) >= {*CASES} - {"left", "unreachable"} and sum(found.ends.values()) == COMPLETIONS
    assert found.bounded > 0.9, "bounds are made for nine in ten"

"""Each thing that is known of a wire, as a small body and what must be read of it: `wire/facts.jsonl`, one on a line.

What it wants is less what every answer has: one is whole, says nothing, costs nothing, and ends with its terminator.
"""

import json

import pytest

from chat.management.commands.readstream import KINDS, told
from chat.upstream import profiles
from chat.upstream.client import DIALECTS
from tests.samples import WIRE, cut, folded, read

FACTS = [json.loads(line) for line in (WIRE / "facts.jsonl").read_text().split("\n") if line]
ANSWERS = [fact for fact in FACTS if "kind" not in fact]
DOCUMENTS = [fact for fact in FACTS if "kind" in fact]
CHOICE = {"index": 0, "role": "assistant", "content": "", "reasoning": "", "finish_reason": None, "usage": None}
WHOLE = {
    "choices": [],
    "usage": None,
    "usage_source": "none",
    "cost": None,
    "terminator": True,
    "incomplete_reason": None,
    "error": None,
}


def wanted(fact: dict) -> dict:
    wants = WHOLE | fact["wants"]
    wants["choices"] = [CHOICE | {"finish_reason_raw": one.get("finish_reason")} | one for one in wants["choices"]]
    return {"usage_trusted": wants["usage"] is not None, "complete": wants["incomplete_reason"] is None} | wants


@pytest.mark.parametrize("fact", ANSWERS, ids=lambda fact: fact["name"])
def test_an_answer_is_read_as_its_wire_means_it_however_it_is_cut(fact: dict) -> None:
    body, n, profile = fact["body"].encode(), fact.get("n", 1), profiles.PROFILES[fact["profile"]]
    headers = {"Content-Type": fact.get("type", "text/event-stream")}
    for size in (len(body) or 1, 7, 1):
        reader = DIALECTS[profile.dialect].reader(profile, status=fact.get("status", 200), headers=headers, n=n)
        transcript = folded(read(reader, cut(body, range(size, len(body), size))), n)
        assert told(transcript, profile) == wanted(fact)


@pytest.mark.parametrize("fact", DOCUMENTS, ids=lambda fact: fact["name"])
def test_a_list_or_a_count_is_read_as_its_wire_means_it(fact: dict) -> None:
    assert KINDS[fact["kind"]](fact["body"].encode(), profiles.PROFILES[fact["profile"]], {}) == fact["wants"]

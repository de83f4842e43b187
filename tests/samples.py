"""The recorded bytes in wire/, and what each must be read as (wire-formats section 6)."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

from chat.transcript import Transcript
from chat.upstream import payloads, profiles
from chat.upstream.client import DIALECTS
from chat.upstream.contract import Event, Failure, Reader, Usage

WIRE = Path(__file__).parent / "wire"


@dataclass(frozen=True)
class Sample:
    name: str
    body: bytes
    facts: dict

    @property
    def profile(self) -> str:
        return self.facts["profile"]

    @property
    def n(self) -> int:
        return self.facts["requested_n"]

    @property
    def status(self) -> int:
        return self.facts["http"]["status"]

    @property
    def headers(self) -> dict[str, str]:
        content_type = self.facts["http"]["content_type"]
        return self.facts["http"]["extra_headers"] | ({"Content-Type": content_type} if content_type else {})

    @property
    def expected(self) -> dict:
        return self.facts["expected"]

    def reader(self) -> Reader:
        profile = profiles.profile(self.profile)
        return DIALECTS[profile.dialect].reader(profile, status=self.status, headers=self.headers, n=self.n)

    def pieces(self) -> list[bytes]:
        """Cut where it hurts."""
        return cut(self.body, self.facts["split_at"])


def load(name: str) -> Sample:
    facts = json.loads((WIRE / f"{name}.json").read_text())
    return Sample(name, (WIRE / facts["sample"]).read_bytes(), facts)


def all_samples(kind: str = "") -> list[Sample]:
    names = sorted(path.stem for path in WIRE.glob("*.json"))
    return [sample for sample in map(load, names) if sample.facts.get("kind", "") == kind]


def cut(body: bytes, places: Iterable[int]) -> list[bytes]:
    ends = [0, *sorted(places), len(body)]
    return [body[start:end] for start, end in pairwise(ends)]


def read(reader: Reader, pieces: Iterable[bytes]) -> list[Event]:
    events = reader.start()
    for piece in pieces:
        events += reader.feed(piece)
    return events + reader.end()


def folded(events: Iterable[Event], n: int = 1) -> Transcript:
    transcript = Transcript(n)
    transcript.fold(events, 0)
    return transcript


def assert_as_expected(sample: Sample, transcript: Transcript) -> None:
    assert told(transcript, profiles.profile(sample.profile)) == expectation(sample.expected)


def expectation(expected: dict) -> dict:
    """The sample's words for it, less what no decoder need say."""
    wanted = {name: value for name, value in expected.items() if name not in ("payloads", "comments", "warnings")}
    wanted["cost"] = None if wanted["cost"] is None else Decimal(str(wanted["cost"]))
    return wanted


def told(transcript: Transcript, profile: profiles.Profile) -> dict:
    """A transcript in the samples' words."""
    usage, place = transcript.usage() or (None, "none")
    opened = transcript.opened
    assert opened
    reason = transcript.incomplete_reason()
    return {
        "choices": [
            {
                "index": choice.index,
                "role": choice.role or None,
                "content": choice.text,
                "reasoning": choice.reasoning,
                "finish_reason": choice.finish_reason or None,
                "finish_reason_raw": choice.finish_reason_raw or None,
                "usage": choice.usage and figures(choice.usage),
            }
            for choice in transcript.choices
        ],
        "usage": usage and figures(usage),
        "usage_source": place,
        "usage_trusted": payloads.trusted(profile, usage),
        "cost": usage and usage.cost,
        "terminator": None if opened.ends_by == "whole" else transcript.terminated,
        "complete": reason is None,
        "incomplete_reason": reason,
        "error": transcript.failure and error(transcript.failure),
    }


def figures(usage: Usage) -> dict:
    told = {
        "prompt_tokens": usage.input_tokens or 0,  # as on the wire, where what is unknown is left out
        "completion_tokens": usage.output_tokens or 0,
        "total_tokens": (usage.input_tokens or 0) + (usage.output_tokens or 0),
        "reasoning_tokens": usage.reasoning_tokens,
        "cached_tokens": usage.cached_tokens,
    }
    return {name: value for name, value in told.items() if value is not None}


def error(failure: Failure) -> dict:
    return {
        "kind": failure.kind,
        "message": failure.message,
        "code": failure.code,
        "retryable": failure.retryable,
    }

"""The recorded bytes in wire/, and what each must be read as (wire-formats section 6)."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from chat.management.commands.readstream import told
from chat.transcript import Transcript
from chat.upstream import profiles
from chat.upstream.client import DIALECTS
from chat.upstream.contract import Event, Reader

WIRE = Path(__file__).parent / "wire"
# Of samples that name no profile: the lists of models and the token counts.
PROFILE_OF = {
    "Anthropic": "anthropic",
    "Gemini": "gemini",
    "Google Gemini": "gemini",
    "KoboldCpp": "koboldcpp",
    "LM Studio 0.4+": "lmstudio",
    "Moonshot": "moonshot",
    "Moonshot Kimi API": "moonshot",
    "Ollama": "ollama",
    "OpenAI (also FreeGPT35-less compat servers)": "openai",
    "OpenRouter": "openrouter",
    "api-for-open-llm": "openllm",
    "kimi-free-api": "kimi_free",
    "llama.cpp": "llamacpp",
    "llama.cpp server": "llamacpp",
    "vLLM": "vllm",
}


@dataclass(frozen=True)
class Sample:
    name: str
    body: bytes
    facts: dict

    @property
    def profile(self) -> str:
        return self.facts.get("profile") or PROFILE_OF[self.facts["upstream"]]

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
    def expected(self) -> dict | list | int:
        return self.facts["expected"]

    @property
    def wanted(self) -> dict:
        """What is expected of an answer, less what no decoder need say."""
        unsaid = ("payloads", "comments", "warnings")
        return {name: value for name, value in self.facts["expected"].items() if name not in unsaid}

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
    assert told(transcript, profiles.profile(sample.profile)) == sample.wanted

"""Shows what is read of a captured response body, by the very code that reads live answers."""

import json
import zlib
from argparse import ArgumentTypeError
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError, CommandParser

from chat.transcript import Choice, Transcript
from chat.upstream.bodies import PAGE_TYPES, STREAMED_TYPES
from chat.upstream.client import DIALECTS
from chat.upstream.contract import Failure, ListedModel, Usage
from chat.upstream.payloads import FIELDS, trusted
from chat.upstream.profiles import PROFILES, Profile
from chat.upstream.sse import BOM

PIECE = 64 * 1024
GZIP = b"\x1f\x8b"
MOST_UNPACKED = 256 * 1024 * 1024
SUFFIXES = {".sse": STREAMED_TYPES[0], ".ndjson": STREAMED_TYPES[1]}


class Command(BaseCommand):
    help = "Print as JSON what is read of a captured response body: an answer, a list of models, or a token count."
    requires_system_checks = []  # needs neither a database nor a site

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="the bytes of the body, as they came")
        parser.add_argument("--profile", required=True, help=f"who sent it: {', '.join(PROFILES)}")
        parser.add_argument("--kind", choices=["answer", "models", "token_count"], default="answer")
        parser.add_argument("--n", type=_choices, default=1, help="how many choices were asked for")
        parser.add_argument("--status", type=int, default=200, help="the response's HTTP status")
        parser.add_argument("--content-type", help="its Content-Type; by default what its name or the body looks like")

    def handle(self, *, file: Path, profile: str, kind: str, **options) -> None:
        known = PROFILES.get(profile)
        if known is None:
            raise CommandError(f"No profile is named {profile}. Known are: {', '.join(PROFILES)}.", returncode=2)
        body = _body(file)
        options["content_type"] = options["content_type"] or SUFFIXES.get(file.suffix) or content_type(body, known)
        try:
            seen = KINDS[kind](body, known, options)
        except ValueError as error:
            raise CommandError(f"{file} cannot be read as {kind}: {error}.", returncode=2) from None
        self.stdout.write(json.dumps(seen, ensure_ascii=False, indent=1))


def _choices(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text} is no number of choices")
    return int(text)


def _body(file: Path) -> bytes:
    try:
        body = file.read_bytes()
    except OSError as error:
        raise CommandError(f"{file} cannot be opened: {error.strerror}.", returncode=2) from None
    return _unpacked(body) if body.startswith(GZIP) else body


def _unpacked(body: bytes) -> bytes:
    """Of one that came compressed, and perhaps broke off."""
    packed = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        return packed.decompress(body, MOST_UNPACKED)
    except zlib.error:
        return body


def _answer(body: bytes, profile: Profile, options: dict) -> dict:
    headers = {"content-type": options["content_type"]}
    reader = DIALECTS[profile.dialect].reader(profile, status=options["status"], headers=headers, n=options["n"])
    transcript = Transcript(options["n"])
    transcript.fold(reader.start(), 0)
    for piece in _pieces(body):
        transcript.fold(reader.feed(piece), 0)
    transcript.fold(reader.end(), 0)
    return told(transcript, profile)


def _models(body: bytes, profile: Profile, options: dict) -> list[dict]:
    return [told_model(model) for model in DIALECTS[profile.dialect].models(profile, body)]


def _token_count(body: bytes, profile: Profile, options: dict) -> int | None:
    return DIALECTS[profile.dialect].token_count(profile, body)


KINDS = {"answer": _answer, "models": _models, "token_count": _token_count}


def _pieces(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), PIECE):
        yield body[start : start + PIECE]


def content_type(body: bytes, profile: Profile) -> str:
    """What its upstream would have called it: where a body was captured without its headers."""
    beginning = body.removeprefix(BOM).lstrip()
    if not beginning or beginning.startswith(FIELDS):
        return STREAMED_TYPES[0]
    if beginning.startswith(b"<"):
        return PAGE_TYPES[0]
    if profile.dialect == "ollama_chat" and b'"done":false' in beginning.partition(b"\n")[0].replace(b" ", b""):
        return STREAMED_TYPES[1]
    return "application/json"


# In the words of the samples (wire-formats section 6)


def told(transcript: Transcript, profile: Profile) -> dict:
    usage, place = transcript.usage() or (None, "none")
    opened, failure = transcript.opened, transcript.failure
    reason = transcript.incomplete_reason()
    return {
        "choices": [_told_choice(choice) for choice in transcript.choices],
        "usage": usage and _told_usage(usage),
        "usage_source": place,
        "usage_trusted": trusted(profile, usage),
        "cost": _told_cost(usage.cost if usage else None),
        "terminator": None if opened and opened.ends_by == "whole" else transcript.terminated,
        "complete": reason is None,
        "incomplete_reason": reason,
        "error": failure and _told_failure(failure),
    }


def _told_choice(choice: Choice) -> dict:
    return {
        "index": choice.index,
        "role": choice.role or None,
        "content": choice.text,
        "reasoning": choice.reasoning,
        "finish_reason": choice.finish_reason or None,
        "finish_reason_raw": choice.finish_reason_raw or None,
        "usage": choice.usage and _told_usage(choice.usage),
    }


def _told_usage(usage: Usage) -> dict:
    """What is unknown is zero here, as on the wire; what of it is optional is left out."""
    figures = {
        "prompt_tokens": usage.input_tokens or 0,
        "completion_tokens": usage.output_tokens or 0,
        "total_tokens": (usage.input_tokens or 0) + (usage.output_tokens or 0),
        "reasoning_tokens": usage.reasoning_tokens,
        "cached_tokens": usage.cached_tokens,
    }
    return {name: figure for name, figure in figures.items() if figure is not None}


def _told_cost(cost: Decimal | None) -> float | None:
    return None if cost is None else float(cost)


def _told_failure(failure: Failure) -> dict:
    return {
        "kind": failure.kind,
        "message": failure.message,
        "code": failure.code,
        "retryable": failure.retryable,
    }


def told_model(model: ListedModel) -> dict:
    return {
        "id": model.id,
        "context_length": model.context_length,
        "max_output": model.max_output,
        "price_in_per_mtok": _told_price(model.input_mtok),
        "price_out_per_mtok": _told_price(model.output_mtok),
        "currency": model.currency,
    }


def _told_price(price: Decimal | None) -> str | None:
    """Without the zeros at its end, and never with an exponent."""
    return None if price is None else f"{price.normalize():f}"

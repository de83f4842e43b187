"""Reads a file in a child process of its own group, which is killed when it takes too long, and believed no further
than it can be checked."""

import json
import os
import selectors
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from time import monotonic
from typing import get_args

from chat.extraction.contract import Complaint, Extract, Kind, Limits, Unreadable

ROOT = Path(__file__).resolve().parent.parent.parent
PIECE = 64 * 1024
MOST_HEAD = 4096
HEADS = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff"}
LAST_WORDS_SECONDS = 1


def extract(path: Path, name: str, limits: Limits) -> Extract:
    """Raises Unreadable."""
    with open(path, "rb") as file:
        child = subprocess.Popen(  # noqa: S603 - our own module; the name is one argument, and no shell reads it
            [sys.executable, "-s", "-E", "-B", "-m", "chat.extraction.child", name, json.dumps(asdict(limits))],
            stdin=file,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8"},
            start_new_session=True,
        )
    try:
        told = _told(child, limits)
    finally:
        # It is not waited for before: until then nobody else can have its number.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    return _checked(told, limits)


def _told(child: subprocess.Popen, limits: Limits) -> bytes:
    deadline, most = monotonic() + limits.seconds, MOST_HEAD + 4 * limits.characters + 4 * limits.image_bytes
    pieces, size = [], 0
    with child.stdout, selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while size <= most:
            if not selector.select(max(deadline - monotonic(), 0)):
                raise Unreadable("slow")
            if not (piece := os.read(child.stdout.fileno(), PIECE)):
                break
            pieces.append(piece)
            size += len(piece)
    if not pieces:
        raise Unreadable(_end_of(child))
    return b"".join(pieces)


def _end_of(child: subprocess.Popen) -> Complaint:
    """Of one that said nothing: its time was over, or a library has crashed, for want of memory mostly."""
    with suppress(subprocess.TimeoutExpired):
        child.wait(LAST_WORDS_SECONDS)
    return "slow" if child.returncode in (-signal.SIGXCPU, -signal.SIGKILL) else "memory"


def _checked(told: bytes, limits: Limits) -> Extract:
    line, _newline, rest = told.partition(b"\n")
    try:
        head = json.loads(line)
        if complaint := head.get("complaint"):
            raise Unreadable(complaint if complaint in get_args(Complaint) else "damaged", head.get("detail", ""))
        text, image, small = _cut(rest, head.pop("lengths"))
        found = Extract(**head, text=text.decode("utf-8", "replace"), image=image, small=small)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Unreadable("damaged") from error
    if found.kind not in get_args(Kind) or len(found.text) > limits.characters:
        raise Unreadable("damaged")
    if found.kind == "image" and not (found.image.startswith(_head_of(found)) and found.small.startswith(b"\xff\xd8")):
        raise Unreadable("damaged")
    return found


def _head_of(found: Extract) -> bytes:
    if found.media_type not in HEADS:
        raise Unreadable("damaged")
    return HEADS[found.media_type]


def _cut(rest: bytes, lengths: list[int]) -> list[bytes]:
    """The parts, which must be all that there is."""
    parts, start = [], 0
    for length in lengths:
        parts.append(rest[start : start + length])
        start += length
    if start != len(rest):
        raise ValueError("torn")
    return parts

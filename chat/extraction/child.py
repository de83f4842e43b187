"""The child process: reads one file from its standard input and tells what is in it, within limits that it sets itself.

It answers with a line of JSON that says how long the parts are which follow it: text, image, preview. It begins by
giving up what it may not need: from then on it can write no file, and has little memory and time.
"""

import json
import os
import resource
import sys
from dataclasses import asdict
from typing import BinaryIO

from chat.extraction.contract import Extract, Limits, Unreadable

PARTS = ("text", "image", "small")


def confine(limits: Limits) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_seconds, limits.cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))  # it starts nothing
    os.nice(10)


def read(file: BinaryIO, name: str, limits: Limits) -> Extract:
    from chat.extraction import documents, images, kinds, plain_text

    kind = kinds.kind_of(file, name, limits)
    file.seek(0)
    if kind == "image":
        return images.read(file, limits)
    if kind == "text":
        return plain_text.read(file, limits)
    return documents.read(kind, file, limits)


def answer(file: BinaryIO, name: str, limits: Limits) -> tuple[dict, list[bytes]]:
    try:
        found = asdict(read(file, name, limits))
    except Unreadable as unreadable:
        return {"complaint": unreadable.complaint, "detail": unreadable.detail}, []
    except MemoryError:
        return {"complaint": "memory"}, []
    except Exception:  # whatever a library stumbles over: the file is to blame
        return {"complaint": "damaged"}, []
    found["text"] = found["text"].encode("utf-8", "replace")
    parts = [found.pop(part) for part in PARTS]
    return found | {"lengths": [len(part) for part in parts]}, parts


def main() -> None:
    name, limits = sys.argv[1], Limits(**json.loads(sys.argv[2]))
    confine(limits)
    head, parts = answer(sys.stdin.buffer, name, limits)
    out = sys.stdout.buffer
    out.write(json.dumps(head).encode() + b"\n")
    for part in parts:
        out.write(part)
    out.flush()


if __name__ == "__main__":
    main()

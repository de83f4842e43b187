"""Plain text of whatever usual encoding."""

import codecs
import re
import unicodedata
from typing import BinaryIO

from chat.extraction.contract import Extract, Limits, Unreadable

SAMPLE = 256 * 1024  # bytes that tell an encoding
MOST_CONTROLS = 0.01  # of all characters: text has tabs and line ends, and next to nothing else of the kind
MOST_ALONE = 0.75
_HIGH = re.compile(rb"[\x80-\xff]+")
_ACCENTED = re.compile(rb"[\x85\x91-\x97\xa0-\xff]")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read(file: BinaryIO, limits: Limits) -> Extract:
    file.seek(0)
    content = file.read()
    text = _decoded(content).replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    controls = sum(unicodedata.category(char) == "Cc" and char not in "\t\n\f\x1b" for char in text[:SAMPLE])
    if controls > MOST_CONTROLS * max(len(text[:SAMPLE]), 100):
        raise Unreadable("unknown")
    if not text.strip():
        raise Unreadable("blank")
    if len(text) > limits.characters:
        raise Unreadable("many_characters", limits.characters)
    return Extract(kind="text", media_type="text/plain", text=text.strip("\n"))


def _decoded(content: bytes) -> str:
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content.decode(encoding, "replace")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode(_encoding(content), "replace")
    if "\0" in text:
        return content.decode(_wide(content), "replace")
    return text


def _wide(content: bytes) -> str:
    """UTF-16 without a mark: of mostly Latin text every second byte is zero. Else it is no text."""
    sample = content[:SAMPLE]
    half = len(sample) // 2
    for start, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        zeros = sample[start::2].count(0)
        if zeros > 0.4 * half and sample[1 - start :: 2].count(0) < 0.05 * half:
            return encoding
    raise Unreadable("unknown")


def _is_western(sample: bytes) -> bool:
    """Letters with accents stand alone among others. Statistics of a short text take them, with a letter, for Han."""
    runs = _HIGH.findall(sample)
    return sum(map(bool, map(_ACCENTED.fullmatch, runs))) > MOST_ALONE * len(runs)


def _encoding(content: bytes) -> str:
    from charset_normalizer import from_bytes

    if b"\0" in content[:SAMPLE]:
        return _wide(content)
    if _is_western(content[:SAMPLE]):
        return "cp1252"
    best = from_bytes(content[:SAMPLE]).best()
    if best is None:
        raise Unreadable("unknown")
    # What is within GB 2312 is within its successors, which have what the sample may not have shown.
    return {"gb2312": "gb18030", "gbk": "gb18030"}.get(best.encoding, best.encoding)

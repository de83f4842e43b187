"""Answers that are made while they are sent, in steps, in a thread of their own: no request holds a whole archive."""

from collections.abc import AsyncIterator, Iterator
from time import monotonic

from django.http import StreamingHttpResponse
from django.utils import translation
from django.utils.http import content_disposition_header

from chat.live.threads import in_labourer

STEP_BYTES = 64 * 1024
STEP_SECONDS = 0.02  # then somebody else's step comes


def streamed(parts: Iterator[bytes], content_type: str, *, file_name: str = "") -> StreamingHttpResponse:
    """To be kept as a file of this name, or, without one, to be shown."""
    response = StreamingHttpResponse(_steps(parts, translation.get_language()), content_type=content_type)
    if file_name:
        response["Content-Disposition"] = content_disposition_header(True, file_name)
    return response


async def _steps(parts: Iterator[bytes], language: str) -> AsyncIterator[bytes]:
    while step := await in_labourer(_step, parts, language):
        yield step


def _step(parts: Iterator[bytes], language: str) -> bytes:
    """Empty at the end only."""
    taken, size, deadline = [], 0, monotonic() + STEP_SECONDS
    with translation.override(language):
        for part in parts:
            taken.append(part)
            size += len(part)
            if size >= STEP_BYTES or (size and monotonic() > deadline):
                break
    return b"".join(taken)

"""How fast replies come, in buckets that can be added up: percentiles of any sum of days are read from the counts.

Bucket 0 holds what is below its first bound; each of the others is √2 times as wide as the one before it, and the last
one is open. So a percentile is known within a fifth.
"""

import math

from django.db.models import Case, F, FloatField, IntegerField, Q, When
from django.db.models.functions import Cast
from django.db.models.lookups import GreaterThanOrEqual, LessThan

from chat.models.usage import BUCKETS

FIRST = {"ttft": 0.1, "speed": 1.0}  # seconds to the first token; tokens per second
LEAST_SECONDS = 0.05  # what came in less says nothing of a speed


def bucket(kind: str, figure: float) -> str:
    """The column of UsageDay that counts it."""
    steps = math.floor(2 * math.log2(figure / FIRST[kind])) + 1 if figure > 0 else 0
    return f"{kind}_{min(max(steps, 0), BUCKETS - 1)}"


def bounds(kind: str, number: int) -> tuple[float, float]:
    """Of a bucket: at least, and less than."""
    low = 0.0 if number == 0 else FIRST[kind] * 2 ** ((number - 1) / 2)
    return low, math.inf if number == BUCKETS - 1 else FIRST[kind] * 2 ** (number / 2)


def buckets_of(first_delta_ms: int | None, duration_ms: int | None, output_tokens: int) -> list[str]:
    """The columns in which one reply counts."""
    if first_delta_ms is None:
        return []
    found = [bucket("ttft", first_delta_ms / 1000)]
    seconds = ((duration_ms or 0) - first_delta_ms) / 1000
    if seconds >= LEAST_SECONDS and output_tokens > 0:
        found.append(bucket("speed", output_tokens / seconds))
    return found


# The same in SQL, for who proves many at once


def ttft_number(first_delta_ms: str) -> Case:
    """The bucket of a column, by number; None where nothing came."""
    steps = [When(**{f"{first_delta_ms}__lt": _least_ms(number + 1)}, then=number) for number in range(BUCKETS - 1)]
    nothing = When(**{f"{first_delta_ms}__isnull": True}, then=None)
    return Case(nothing, *steps, default=BUCKETS - 1, output_field=IntegerField())


def _least_ms(number: int) -> int:
    """The first whole millisecond that lies in a bucket."""
    near = math.floor(bounds("ttft", number)[0] * 1000)
    return next(ms for ms in range(near - 1, near + 3) if bucket("ttft", ms / 1000) == f"ttft_{number}")


def speed_number(first_delta_ms: str, duration_ms: str, output_tokens: str) -> Case:
    """The bucket of columns, by number; None where they tell no speed.

    Of whole tokens and milliseconds none lies so near a bound, and not on it, that it falls to its other side.
    """
    took = Cast(F(duration_ms), FloatField()) - Cast(F(first_delta_ms), FloatField())
    thousands = Cast(F(output_tokens), FloatField()) * 1000.0
    steps = [When(LessThan(thousands, took * bounds("speed", number)[1]), then=number) for number in range(BUCKETS - 1)]
    tells = Q(GreaterThanOrEqual(took, LEAST_SECONDS * 1000)) & Q(**{f"{output_tokens}__gt": 0})
    told = Case(*steps, default=BUCKETS - 1, output_field=IntegerField())
    return Case(When(tells, then=told), default=None, output_field=IntegerField())

"""Days as people write them."""

from datetime import date

# Around a day in between months and midnights can be reckoned, in every time zone.
FIRST, LAST = date(1970, 1, 1), date(2999, 12, 31)


def day_written(text: str) -> date:
    """As in 2026-11-30. Raises ValueError, also where the year is none of ours."""
    day = date.fromisoformat(text)
    if not is_ours(day):
        raise ValueError(f"{day} is too far away")
    return day


def is_ours(day: date) -> bool:
    return FIRST <= day <= LAST

"""How long something lasts, in words."""

from datetime import timedelta

from django.utils.translation import pgettext


def lasting(time: timedelta) -> str:
    """14 s, 1 min, 1 min 12 s, 2 h, 2 h 5 min."""
    whole = int(time.total_seconds())
    parts = {"hours": whole // 3600, "minutes": whole // 60 % 60, "seconds": whole % 60}
    match parts["hours"], parts["minutes"], parts["seconds"]:
        case 0, 0, _seconds:
            words = pgettext("duration", "%(seconds)d s")
        case 0, _minutes, 0:
            words = pgettext("duration", "%(minutes)d min")
        case 0, _minutes, _seconds:
            words = pgettext("duration", "%(minutes)d min %(seconds)d s")
        case _hours, 0, _seconds:
            words = pgettext("duration", "%(hours)d h")
        case _:
            words = pgettext("duration", "%(hours)d h %(minutes)d min")
    return words % parts

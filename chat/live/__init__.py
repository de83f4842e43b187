"""Live completions: claimed, read, saved, watched, and settled, in tasks that belong to no socket."""

from chat.live.dying import AlreadyServed
from chat.live.hints import hint_changed, hint_labour, hint_queued, hint_revoked, stop, stop_all
from chat.live.registry import person_group, registry

__all__ = [
    "AlreadyServed",
    "hint_changed",
    "hint_labour",
    "hint_queued",
    "hint_revoked",
    "person_group",
    "registry",
    "stop",
    "stop_all",
]

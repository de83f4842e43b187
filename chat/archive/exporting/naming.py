"""What exported files are called: names that every system takes, and that say which conversation it is."""

import re

from django.utils.timezone import localtime

from chat.models import Conversation

TITLE_LENGTH = 60  # characters; of Chinese 180 bytes, and a name may have 255

# What systems forbid in names, what is not seen, and what turns the direction of text: no "exe" shall pass for a "txt".
_UNFIT = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]+')


def file_name(conversation: Conversation, suffix: str) -> str:
    """ "2026-11-20 Title 1a2b3c4d.md": by day, and unique by the conversation's id."""
    day = localtime(conversation.active).date().isoformat()
    title = " ".join(_UNFIT.sub(" ", conversation.title).split())[:TITLE_LENGTH].strip(" .")
    return f"{' '.join(filter(None, [day, title, conversation.pk.hex[:8]]))}.{suffix}"

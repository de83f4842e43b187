"""What the reading of a file comes to, and how much of everything it may take."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["image", "text", "pdf", "document", "sheet", "slides"]

# Why a file is not taken. `detail` of Unreadable is the figure or the word that the sentence names.
Complaint = Literal[
    "empty",  # 0 bytes
    "blank",  # nothing but spaces in it
    "unknown",  # of no kind that is read
    "mismatch",  # it is not what its name says; detail: what it is
    "packed",  # an archive
    "old_office",
    "recording",  # sound or film
    "heic",
    "encrypted",
    "no_text",  # scanned pages
    "damaged",
    "bomb",  # it unpacks to far more than it is
    "many_pixels",
    "many_characters",
    "memory",
    "slow",
]


@dataclass(frozen=True, slots=True)
class Limits:
    seconds: float = 45  # by the wall; then it is killed
    cpu_seconds: int = 30
    memory_bytes: int = 1024 * 2**20  # of addresses, which are more than what is used
    characters: int = 1_000_000
    pixels: int = 60_000_000
    side: int = 1568  # pixels; the largest that no provider makes smaller
    small_side: int = 360  # of the preview
    image_bytes: int = 3_500_000  # in Base64 under 5 MB
    unpacked_bytes: int = 200 * 2**20  # of what is a zip inside


@dataclass(frozen=True, slots=True)
class Extract:
    """An image has been written anew, without what it told besides its pixels; `small` is its preview, a JPEG."""

    kind: Kind
    media_type: str
    text: str = ""
    image: bytes = b""
    small: bytes = b""
    width: int = 0
    height: int = 0
    pages: int = 0


class Unreadable(Exception):
    """Why nothing can be made of a file."""

    def __init__(self, complaint: Complaint, detail: object = "") -> None:
        super().__init__(complaint, detail)
        self.complaint: Complaint = complaint
        self.detail = str(detail)

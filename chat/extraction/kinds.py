"""Of what kind a file is: its first bytes decide, never its name; a name that says otherwise is a reason to refuse."""

from pathlib import PurePath
from typing import BinaryIO
from zipfile import BadZipFile, ZipFile

from chat.extraction.contract import Kind, Limits, Unreadable

HEAD = 4096
MOST_MEMBERS = 10_000
MOST_RATIO = 200  # of unpacked to packed; XML comes to 20, a bomb to 1,000
UNSUSPICIOUS = 20 * 2**20  # bytes that may unpack from anything

# Image formats by Pillow's names: no others are tried.
IMAGES = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "AVIF")
_IMAGE_HEADS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"BM", b"II*\0", b"MM\0*")
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"7z\xbc\xaf\x27\x1c", b"Rar!", b"\x28\xb5\x2f\xfd")
_RECORDINGS = (b"ID3", b"\xff\xfb", b"\xff\xf3", b"OggS", b"fLaC", b"\x1aE\xdf\xa3", b"MThd", b"FLV")
_OOXML = {"word/document.xml": "document", "xl/workbook.xml": "sheet", "xl/workbook.bin": "sheet",
          "ppt/presentation.xml": "slides"}  # fmt: skip
_OPEN = {"text": "document", "spreadsheet": "sheet", "presentation": "slides"}
# What a name promises. Text may be called anything.
_PROMISES: dict[Kind, tuple[str, ...]] = {
    "image": ("png", "jpg", "jpeg", "jpe", "gif", "webp", "bmp", "tif", "tiff", "avif"),
    "pdf": ("pdf",),
    "document": ("docx", "odt"),
    "sheet": ("xlsx", "xlsm", "xlsb", "xls", "ods"),
    "slides": ("pptx", "odp"),
    "text": (
        "txt",
        "md",
        "csv",
        "tsv",
        "json",
        "xml",
        "html",
        "svg",
        "py",
        "js",
        "ts",
        "c",
        "h",
        "java",
        "log",
        "yaml",
    ),
}


def kind_of(file: BinaryIO, name: str, limits: Limits) -> Kind:
    """Raises Unreadable. Text is what is nothing else: whether it is text its reader finds out."""
    file.seek(0)
    kind = _kind(file, file.read(HEAD), limits)
    promised = _promised(name)
    if promised and promised != kind:
        raise Unreadable("mismatch", kind)
    return kind


def _promised(name: str) -> Kind | None:
    suffix = PurePath(name).suffix.lower().lstrip(".")
    return next((kind for kind, suffixes in _PROMISES.items() if suffix in suffixes), None)


def _kind(file: BinaryIO, head: bytes, limits: Limits) -> Kind:
    if not head:
        raise Unreadable("empty")
    if head.startswith(b"%PDF-"):
        return "pdf"
    if head.startswith(b"PK"):
        return _packed_kind(file, limits)
    if head.startswith(_OLE):
        return _old_kind(file)
    if head.startswith(_PACKED) or head[257:262] == b"ustar":
        raise Unreadable("packed")
    if head.startswith(_IMAGE_HEADS) or (head.startswith(b"RIFF") and head[8:12] == b"WEBP"):
        return "image"
    if head[4:8] == b"ftyp":
        return _container_kind(head[8:12])
    if head.startswith((*_RECORDINGS, b"RIFF")):
        raise Unreadable("recording")
    if head.startswith(b"{\\rtf"):
        raise Unreadable("old_office")
    return "text"


def _container_kind(brand: bytes) -> Kind:
    if brand in (b"avif", b"avis"):
        return "image"
    raise Unreadable("heic" if brand in (b"heic", b"heix", b"hevc", b"heim", b"mif1", b"msf1") else "recording")


def _packed_kind(file: BinaryIO, limits: Limits) -> Kind:
    """An office file, by the parts that it must have. What a zip says of its size may be a lie: memory is limited."""
    try:
        members = ZipFile(file).infolist()
    except (BadZipFile, ValueError, OSError, NotImplementedError, OverflowError) as error:
        raise Unreadable("damaged") from error
    unpacked, packed = sum(m.file_size for m in members), sum(m.compress_size for m in members)
    if len(members) > MOST_MEMBERS or unpacked > limits.unpacked_bytes:
        raise Unreadable("bomb")
    if unpacked > UNSUSPICIOUS and unpacked > MOST_RATIO * packed:
        raise Unreadable("bomb")
    names = {member.filename for member in members}
    if any(member.flag_bits & 1 for member in members):
        raise Unreadable("encrypted")
    for part, kind in _OOXML.items():
        if part in names:
            return kind
    if {"mimetype", "content.xml"} <= names:
        said = ZipFile(file).read("mimetype")[:100].decode("ascii", "replace")
        if found := next((kind for word, kind in _OPEN.items() if f"opendocument.{word}" in said), None):
            return found
    raise Unreadable("packed")


def _old_kind(file: BinaryIO) -> Kind:
    """Compound files: old Excel can be read; old Word cannot; an encrypted office file of today looks so, too."""
    file.seek(0)
    content = file.read(2**20)
    if "EncryptedPackage".encode("utf-16-le") in content:
        raise Unreadable("encrypted")
    if any(name.encode("utf-16-le") in content for name in ("Workbook", "Book")):
        return "sheet"
    raise Unreadable("old_office")

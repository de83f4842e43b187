"""Files are read in a child process: what is in them comes out, and no file, however made, harms who reads it."""

import io
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from PIL import Image

from chat.extraction import Extract, Limits, Unreadable, extract
from tests import hostile_files as made


@pytest.fixture
def read(tmp_path: Path):
    def read(content: bytes, name: str = "file", **limits: float) -> Extract:
        path = tmp_path / "a"
        path.write_bytes(content)
        return extract(path, name, Limits(**limits))

    return read


def why(read, *args, **limits) -> str:
    with pytest.raises(Unreadable) as refused:
        read(*args, **limits)
    return refused.value.complaint


# Text


@pytest.mark.parametrize(
    "content",
    [
        "Grüße, 世界\n".encode(),
        "Grüße, 世界\n".encode("utf-8-sig"),
        "Grüße, 世界\n".encode("utf-16"),
        "Grüße, 世界\r\n".encode("utf-32"),
        b"Gr\xfc\xdfe aus dem Schwarzwald, sch\xf6ne Gr\xfc\xdfe auch an die anderen, und bis bald.",
        "Grüße, kurz, und ça".encode("latin-1"),
        "今天天气很好，我们去公园散步吧。数据结构与算法分析，操作系统原理。".encode("gb18030"),
        "plain ascii, which is nearly every program".encode("utf-16-le"),
    ],
)
def test_text_of_usual_encodings_is_text(read, content: bytes) -> None:
    found = read(content, "notes.txt")
    assert found.kind == "text"
    assert any(words in found.text for words in ("Grüße", "数据结构", "plain ascii"))
    assert "\ufeff" not in found.text and "\r" not in found.text and "\0" not in found.text


def test_what_a_browser_would_run_is_text_like_any_other(read) -> None:
    for name, content in (
        ("a.svg", b"<svg onload='x()'/>"),
        ("a.html", b"<script>x()</script>"),
        ("a", b"#!/bin/sh\n"),
    ):
        found = read(content, name)
        assert (found.kind, found.media_type, found.text) == ("text", "text/plain", content.decode().strip())


# Documents


def test_office_files_come_out_as_text(read) -> None:
    assert read(made.word("First.", "Second."), "a.docx").text == "# Results\n\nFirst.\n\nSecond.\n\nalpha | beta"
    assert read(made.excel(), "a.xlsx").text == '# Data\n\n"name, unit",2\n温度,1.5'
    assert read(made.slides("One", "Two"), "a.pptx").text == "--- 1 ---\n\nOne\n\n--- 2 ---\n\nTwo"
    assert read(made.open_document("Words"), "a.odt").text == "# Head\n\nWords"


def test_a_pdf_tells_its_pages(read) -> None:
    found = read(made.pdf("Hello", "World"), "a.pdf")
    assert (found.kind, found.pages, found.text) == ("pdf", 2, "--- 1 ---\n\nHello\n\n--- 2 ---\n\nWorld")
    assert read(made.pdf("Alone")).text == "Alone"


# Images


WAYS = ["PNG RGB", "PNG I;16", "PNG 1", "PNG LA", "GIF P", "WEBP RGB", "BMP RGB", "TIFF CMYK"]


@pytest.mark.parametrize("written", WAYS)
def test_an_image_is_written_anew(read, written: str) -> None:
    form, mode = written.split()
    found = read(made.image(form, mode=mode), f"a.{form.lower()}")
    assert (found.kind, found.width, found.height) == ("image", 64, 48)
    assert Image.open(io.BytesIO(found.image)).get_format_mimetype() == found.media_type
    assert Image.open(io.BytesIO(found.small)).format == "JPEG"


def test_an_image_stands_upright_and_tells_nothing_else(read) -> None:
    found = read(made.photograph(), "a.jpg")
    assert (found.width, found.height) == (100, 200)
    assert made.SECRET.encode() not in found.image + found.small
    assert not Image.open(io.BytesIO(found.image)).getexif()


def test_an_image_is_no_larger_than_providers_take(read) -> None:
    found = read(made.image("JPEG", (4000, 1000)), "a.jpg", side=1568)
    assert (found.width, found.height) == (1568, 392)
    assert Image.open(io.BytesIO(found.small)).size == (360, 90)
    assert read(made.image("PNG", (3000, 1)), "a.png").height == 1


def test_what_is_transparent_stays_so(read) -> None:
    found = read(made.image("PNG", mode="RGBA"), "a.png")
    assert Image.open(io.BytesIO(found.image)).mode == "RGBA"


# What is refused


REFUSED = {
    "empty": (b"", "a.txt"),
    "blank": (b" \n\t\n", "a.txt"),
    "unknown": (bytes(range(256)) * 40, "a.bin"),
    "packed": (made.zipped(a_txt="x"), "a.zip"),
    "old_office": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1000), "a.doc"),
    "recording": (b"ID3" + bytes(100), "a.mp3"),
    "heic": (b"\0\0\0\x18ftypheic" + bytes(100), "a.heic"),
    "encrypted": (made.pdf("secret", password="x"), "a.pdf"),
    "no_text": (made.pdf("", ""), "scan.pdf"),
    "damaged": (b"%PDF-1.7\n" + bytes(500), "a.pdf"),
    "bomb": (made.zip_bomb(), "a.docx"),
    "many_pixels": (made.png_that_claims(50_000, 50_000), "a.png"),
    "many_characters": (b"x" * 1_000_001, "a.txt"),
}


@pytest.mark.parametrize("complaint", REFUSED)
def test_each_thing_that_cannot_be_read_has_its_own_reason(read, complaint: str) -> None:
    assert why(read, *REFUSED[complaint]) == complaint


@pytest.mark.parametrize(
    "content, name, kind",
    [
        (made.pdf("Hello"), "photo.png", "pdf"),
        (b"plain", "photo.jpg", "text"),
        (made.image(), "letter.docx", "image"),
        (made.word(), "table.xlsx", "document"),
        (made.image("GIF"), "notes.txt", "image"),
    ],
)
def test_what_is_not_what_its_name_says_is_refused(read, content: bytes, name: str, kind: str) -> None:
    with pytest.raises(Unreadable) as refused:
        read(content, name)
    assert (refused.value.complaint, refused.value.detail) == ("mismatch", kind)


HOSTILE = {
    "a tree of pages that goes round": (made.pdf_that_goes_round(), "a.pdf"),
    "deep XML": (made.deep_xml(), "a.docx"),
    "entities within entities": (made.billion_laughs(), "a.odt"),
    "a zip that lies about its size": (made.lying_zip(), "a.docx"),
    "half an image": (made.image("JPEG", (500, 500))[:-200], "a.jpg"),
    "a PNG that promises more than it has": (made.png_that_claims(7000, 7000), "a.png"),
    "a sheet of nothing": (made.zipped(xl__workbook_xml="<a/>"), "a.xlsx"),
    "a document of nothing": (made.zipped(word__document_xml="<a/>"), "a.docx"),
}


@pytest.fixture
def nobody_left() -> Iterator[None]:
    """No process that the test has begun is there after it, not even as a zombie."""
    before = psutil.Process().children(recursive=True)
    yield
    assert [child for child in psutil.Process().children(recursive=True) if child not in before] == []


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_and_leaves_nobody_behind(read, nobody_left, name: str) -> None:
    assert why(read, *HOSTILE[name]) in ("damaged", "bomb", "memory", "slow", "no_text")


def test_who_takes_too_long_or_too_much_is_ended(read, nobody_left) -> None:
    large = made.image("PNG", (6000, 6000))
    assert why(read, large, "a.png", seconds=0.05) == "slow"
    assert why(read, large, "a.png", memory_bytes=120 * 2**20) == "memory"
    endless = made.word(*["word " * 500] * 4000)
    assert why(read, endless, "a.docx", cpu_seconds=1, characters=10**9) == "slow"


def test_a_polyglot_is_only_what_its_first_bytes_say(read) -> None:
    """A page that holds a PDF is text, and an image with a script behind it an image without."""
    assert read(made.pdf("Hello", before="<script>x()</script>\n"), "a.html").kind == "text"
    found = read(made.image() + b"<script>x()</script>", "a.png")
    assert b"<script>" not in found.image + found.small


def test_names_are_only_names(read, tmp_path: Path) -> None:
    for name in ("../../etc/passwd", "-c import os", "a\nb.txt", "$(touch x)", "--help"):
        assert read(b"words", name).text == "words"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]

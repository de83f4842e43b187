"""Files as they come, and as nobody should send them: made here, so that none of them lies about."""

import io
import struct
import zipfile
import zlib

from docx import Document
from PIL import Image
from pypdf import PdfWriter

SECRET = "taken at home"


def image(form: str = "PNG", size: tuple[int, int] = (64, 48), mode: str = "RGB", **options: object) -> bytes:
    packed = io.BytesIO()
    Image.new(mode, size, "red" if mode == "RGB" else None).save(packed, form, **options)
    return packed.getvalue()


def photograph() -> bytes:
    """A JPEG that stands on its side and tells where it was made."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, SECRET
    return image("JPEG", (200, 100), exif=exif, comment=SECRET.encode())


def png_that_claims(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def zipped(**members: bytes | str) -> bytes:
    """`word__document_xml` is `word/document.xml`."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), content)
    return packed.getvalue()


def word(*paragraphs: str) -> bytes:
    document, packed = Document(), io.BytesIO()
    document.add_heading("Results", 1)
    for paragraph in paragraphs:
        document.add_paragraph(paragraph)
    table = document.add_table(1, 2)
    table.cell(0, 0).text, table.cell(0, 1).text = "alpha", "beta"
    document.save(packed)
    return packed.getvalue()


SCHEMAS = "http://schemas.openxmlformats.org"
MAIN, REL = f"{SCHEMAS}/spreadsheetml/2006/main", f"{SCHEMAS}/officeDocument/2006/relationships"
SHEET = f"""<worksheet xmlns="{MAIN}"><sheetData>
<row r="1"><c r="A1" t="inlineStr"><is><t>name, unit</t></is></c><c r="B1"><v>2</v></c></row>
<row r="2"><c r="A2" t="inlineStr"><is><t>温度</t></is></c><c r="B2"><v>1.5</v></c></row></sheetData></worksheet>"""


def excel() -> bytes:
    def relation(kind: str, target: str) -> str:
        relations = f"{SCHEMAS}/package/2006/relationships"
        one = f'<Relationship Id="rId1" Type="{REL}/{kind}" Target="{target}"/>'
        return f'<Relationships xmlns="{relations}">{one}</Relationships>'

    sheets = '<sheets><sheet name="Data" sheetId="1" r:id="rId1"/></sheets>'
    members = {
        "_rels/.rels": relation("officeDocument", "xl/workbook.xml"),
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{REL}">{sheets}</workbook>',
        "xl/_rels/workbook.xml.rels": relation("worksheet", "worksheets/sheet1.xml"),
        "xl/worksheets/sheet1.xml": SHEET,
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, '<?xml version="1.0" encoding="UTF-8"?>' + content)
    return packed.getvalue()


def slides(*texts: str) -> bytes:
    a = "http://schemas.openxmlformats.org/drawingml/2006/main"
    parts = {
        f"ppt__slides__slide{n}_xml": f'<s xmlns:a="{a}"><a:p><a:r><a:t>{text}</a:t></a:r></a:p></s>'
        for n, text in enumerate(texts, 1)
    }
    return zipped(ppt__presentation_xml="<p/>", **parts)


def open_document(text: str) -> bytes:
    t = "urn:oasis:names:tc:opendocument:xmlns:text:1.0"
    content = f'<o xmlns:text="{t}"><text:h>Head</text:h><text:p>{text}</text:p></o>'
    return zipped(mimetype="application/vnd.oasis.opendocument.text", content_xml=content)


def pdf(*pages: str, password: str = "", before: str = "") -> bytes:
    """Written by hand: a page for each text, which may be empty, as of a scan."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", ""]
    kids = []
    for text in pages:
        stream = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET" if text else ""
        kids.append(f"{len(objects) + 1} 0 R")
        font = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {len(objects) + 2} 0 R "
            f"/Resources << /Font << /F1 {font} >> >> >>"
        )
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>"
    written, places = "%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(written))
        written += f"{number} 0 obj\n{content}\nendobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    size = len(objects) + 1
    written += f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n<< /Size {size} /Root 1 0 R >>\n"
    written += f"startxref\n{written.index('xref')}\n%%EOF\n"
    if not password:
        return before.encode() + written.encode("latin-1")
    writer, packed = PdfWriter(io.BytesIO(written.encode("latin-1"))), io.BytesIO()
    writer.encrypt(password, algorithm="AES-256")
    writer.write(packed)
    return packed.getvalue()


def pdf_that_goes_round() -> bytes:
    """Its pages' tree has itself as a child."""
    return pdf("round").replace(b"/Kids [3 0 R]", b"/Kids [2 0 R]")


def deep_xml(depth: int = 100_000) -> bytes:
    return zipped(word__document_xml="<a>" * depth + "</a>" * depth)


def billion_laughs() -> bytes:
    """Entities within entities, as OpenDocument."""
    lines = ['<!ENTITY a "ha">'] + [f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9)]
    t = "urn:oasis:names:tc:opendocument:xmlns:text:1.0"
    content = f'<!DOCTYPE o [{"".join(lines)}]><o xmlns:text="{t}"><text:p>&j;</text:p></o>'
    return zipped(mimetype="application/vnd.oasis.opendocument.text", content_xml=content)


def zip_bomb(megabytes: int = 150) -> bytes:
    return zipped(word__document_xml=b"<a>" + bytes(megabytes * 2**20))


def lying_zip(megabytes: int = 100) -> bytes:
    """Its directory says that the bomb in it is small."""
    bomb = zip_bomb(megabytes)
    size = struct.pack("<I", 3 + megabytes * 2**20)
    return bomb.replace(size, struct.pack("<I", 1000))

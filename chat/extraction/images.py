"""Images, written anew: turned upright, no larger than providers take, and without whatever else the file told."""

import warnings
from io import BytesIO
from typing import BinaryIO

from PIL import Image, ImageOps

from chat.extraction.contract import Extract, Limits, Unreadable
from chat.extraction.kinds import IMAGES

LOSSLESS = ("PNG", "GIF", "BMP", "TIFF")
AS_PNG_BYTES = 1_500_000  # drawings and screenshots come to less; of photographs a JPEG says as much
DEEP = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")


def read(file: BinaryIO, limits: Limits) -> Extract:
    Image.MAX_IMAGE_PIXELS = limits.pixels
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    try:
        return _read(file, limits)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Unreadable("many_pixels", limits.pixels) from error
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise Unreadable("damaged") from error


def _read(file: BinaryIO, limits: Limits) -> Extract:
    with Image.open(file, formats=IMAGES) as opened:
        if opened.width * opened.height > limits.pixels:
            raise Unreadable("many_pixels", limits.pixels)
        lossless = opened.format in LOSSLESS
        opened.draft("RGB", (limits.side, limits.side))  # a large JPEG is not unpacked whole
        shown = _plain(ImageOps.exif_transpose(opened), limits.side)
    written, media_type = _written(shown, lossless, limits)
    small = _flat(shown)
    small.thumbnail((limits.small_side, limits.small_side))
    return Extract(
        kind="image",
        media_type=media_type,
        image=written,
        small=_jpeg(small, 78),
        width=shown.width,
        height=shown.height,
    )


def _plain(image: Image.Image, side: int) -> Image.Image:
    """Pixels alone, on a new sheet."""
    if image.mode in DEEP:
        low, high = image.getextrema()
        image = image.point(lambda value: (value - low) * 255 / max(high - low, 1)).convert("L")
    image.thumbnail((side, side), reducing_gap=3.0)
    image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    sheet = Image.new(image.mode, image.size)
    sheet.paste(image)
    return sheet


def _written(image: Image.Image, lossless: bool, limits: Limits) -> tuple[bytes, str]:
    if lossless or image.mode == "RGBA":
        packed = BytesIO()
        image.save(packed, "PNG")
        if packed.tell() <= (limits.image_bytes if image.mode == "RGBA" else AS_PNG_BYTES):
            return packed.getvalue(), "image/png"
    return _jpeg(_flat(image), 88), "image/jpeg"


def _flat(image: Image.Image) -> Image.Image:
    """On white where it is transparent; a copy."""
    sheet = Image.new("RGB", image.size, "white")
    sheet.paste(image, mask=image if image.mode == "RGBA" else None)
    return sheet


def _jpeg(image: Image.Image, quality: int) -> bytes:
    packed = BytesIO()
    image.save(packed, "JPEG", quality=quality)
    return packed.getvalue()

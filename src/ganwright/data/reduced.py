"""Before files are decoded: large JPEGs at a fraction of their size, and what lies on its side."""

from __future__ import annotations

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

MARGIN = 2
"""What is decoded is at least so many times as large as what is wanted, so that resizing with
antialiasing comes close to resizing the whole image."""
_ORIENTATION = 0x0112
_TEXTS = (b"eXIf", b"tEXt", b"zTXt", b"iTXt")
"""The chunks of a PNG that may hold EXIF data or XMP."""


def decoded_smaller(image: Image.Image, size: tuple[int, int]) -> tuple[float, float] | None:
    """Set a JPEG to be decoded at 1/2, 1/4 or 1/8: the low frequencies of its blocks alone.

    Args:
        image: an opened file that is not decoded yet.
        size: (height, width) that the upright image is to be scaled to.

    Returns:
        The smaller (width, height), not yet upright. It is no whole number where the file's does
        not divide: the last pixels then reach beyond the image. None where the file is no JPEG,
        or not large enough.
    """
    if not isinstance(image, JpegImageFile):
        return None
    wanted = size if turned(image) else size[::-1]
    whole = image.size
    done = image.draft(image.mode, (MARGIN * wanted[0], MARGIN * wanted[1]))
    if done is None or image.size == whole:
        return None
    return done[1][2:]


def turned(image: Image.Image) -> bool:
    """Whether the image lies on its side, by its EXIF data."""
    return int(image.getexif().get(_ORIENTATION, 1)) >= 5


def told_behind(image: Image.Image) -> bool:
    """Whether an opened PNG has chunks behind its pixels that may speak of rotation.

    Pillow reads these when it decodes the pixels; here the pixels are skipped.
    """
    file = getattr(image, "fp", None)
    if image.format != "PNG" or file is None:
        return False
    place, found, pixels = file.tell(), False, False
    file.seek(8)
    while not found and len(head := file.read(8)) == 8:
        pixels = pixels or head[4:] == b"IDAT"
        found = pixels and head[4:] in _TEXTS
        file.seek(int.from_bytes(head[:4], "big") + 4, 1)
    file.seek(place)
    return found

"""How large an image may be that is decoded: Pillow's limit, which a setting moves."""

from __future__ import annotations

import re
import warnings

from PIL import Image

BYTES_A_PIXEL = 16
"""Of the widest images, four channels of 32 bits."""


def allow(megapixels: float | None) -> None:
    """Let this process decode images of so many million pixels; 0 for any, None for Pillow's.

    Pillow refuses images of twice the number that it keeps, and warns before.
    """
    limit = None if megapixels is None else int(megapixels * 500_000) or None
    if megapixels is None or limit == Image.MAX_IMAGE_PIXELS:
        return
    Image.MAX_IMAGE_PIXELS = limit
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)


def check(pixels: int) -> None:
    """Refuse numbers that are no Pillow image by the limit that holds for those.

    Raises:
        DecompressionBombError: there are more pixels than are allowed.
    """
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and pixels > 2 * limit:
        raise Image.DecompressionBombError(f"{pixels} pixels are more than {2 * limit}")


def check_unpacked(size: int) -> None:
    """Refuse a member of a zip file that is larger than the largest image could be.

    Raises:
        OSError: it is.
    """
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and size > 2 * limit * BYTES_A_PIXEL:
        raise OSError(
            f"unpacks to {size / 1e9:.1f} GB, more than {2 * limit * BYTES_A_PIXEL / 1e9:.1f}; "
            "--max-megapixels 0 allows any"
        )


def too_large(error: BaseException) -> str | None:
    """What is said of an image beyond the limit; None for any other error."""
    if not isinstance(error, Image.DecompressionBombError):
        return None
    pixels, limit = (int(number) / 1e6 for number in re.findall(r"\d+", str(error))[:2])
    return (
        f"has {pixels:.0f} million pixels, more than {limit:.0f}; --max-megapixels "
        f"{pixels + 1:.0f} allows it, 0 any"
    )

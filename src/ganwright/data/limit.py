"""How large an image may be that is decoded: Pillow's limit, which a setting moves."""

from __future__ import annotations

import re
import warnings

from PIL import Image


def allow(megapixels: float | None) -> None:
    """Let this process decode images of so many million pixels; 0 for any, None for Pillow's.

    Pillow refuses images of twice the number that it keeps, and warns before.
    """
    limit = None if megapixels is None else int(megapixels * 500_000) or None
    if megapixels is None or limit == Image.MAX_IMAGE_PIXELS:
        return
    Image.MAX_IMAGE_PIXELS = limit
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)


def too_large(error: BaseException) -> str | None:
    """What is said of an image beyond the limit; None for any other error."""
    if not isinstance(error, Image.DecompressionBombError):
        return None
    pixels, limit = (int(number) / 1e6 for number in re.findall(r"\d{3,}", str(error))[:2])
    return (
        f"has {pixels:.0f} million pixels, more than {limit:.0f}; --max-megapixels "
        f"{pixels + 1:.0f} allows it, 0 any"
    )

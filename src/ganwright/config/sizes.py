"""The size of images as a setting: one number for square ones, or height and width."""

from __future__ import annotations

import re
from typing import TypeAlias

from ganwright.config.ranges import Count
from ganwright.errors import SettingsError

Size: TypeAlias = Count | str
"""64, or "64x32" for 64 high and 32 wide."""


def sides(size: int | str | None) -> tuple[int, int] | None:
    """Height and width.

    Raises:
        SettingsError: it is no size.
    """
    if size is None:
        return None
    found = re.fullmatch(r"\s*(\d+)\s*(?:[x×]\s*(\d+)\s*)?", str(size))
    height, width = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if min(height, width) < 1:
        raise SettingsError(
            f"image_size is {size}; it must be a whole number, at least 1, or height and width, as "
            "in 64x32"
        )
    return height, width


def size_of(height: int, width: int) -> int | str:
    """The setting for these sides."""
    return height if height == width else f"{height}x{width}"


def whole(most: int, factor: int) -> int:
    """The largest multiple of a factor that is no larger than `most`; the factor at least."""
    return max(factor, most - most % factor)

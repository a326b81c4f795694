"""One image that shows a data set: one row per class or side, with its name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ganwright.report.grid import to_pixels

Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont

_TILE, _GUTTER, _LINE, _SQUARE = 96, 4, 18, 14
_INK, _PAPER = (0, 0, 0), (255, 255, 255)


def contact_sheet(
    rows: Sequence[tuple[str, Tensor]], palette: Sequence[tuple[str, tuple[int, ...]]] = ()
) -> Image.Image:
    """Rows of images below their names, and the colours of classes below all.

    Small images are enlarged by whole factors, large ones scaled down.

    Args:
        rows: a name and images [n, 1 or 3, H, W] in [-1, 1].
        palette: a name and an RGB colour each.
    """
    font = ImageFont.load_default(size=13)
    drawn = [(name, [_tile(pixels) for pixels in to_pixels(images)]) for name, images in rows]
    width = max(
        *(sum(t.width + _GUTTER for t in tiles) for _, tiles in drawn),
        *(int(font.getlength(name)) for name, _ in drawn),
    )
    swatches = _places(palette, width, font)
    bottom = swatches[-1][1] + _LINE if swatches else 0
    height = sum(_LINE + _GUTTER + max(t.height for t in tiles) for _, tiles in drawn) + bottom
    sheet = Image.new("RGB", (width + 2 * _GUTTER, height + 2 * _GUTTER), _PAPER)
    draw, y = ImageDraw.Draw(sheet), _GUTTER
    for name, tiles in drawn:
        draw.text((_GUTTER, y), name, fill=_INK, font=font)
        x, y = _GUTTER, y + _LINE
        for tile in tiles:
            sheet.paste(tile, (x, y))
            x += tile.width + _GUTTER
        y += max(tile.height for tile in tiles) + _GUTTER
    for (name, colour), (x, down) in zip(palette, swatches, strict=True):
        left, top = _GUTTER + x, y + down + 1
        box = (left, top, left + _SQUARE, top + _SQUARE)
        draw.rectangle(box, fill=(colour[0], colour[1], colour[2]), outline=_INK)
        draw.text((left + _SQUARE + 4, y + down), name, fill=_INK, font=font)
    return sheet


def _tile(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Image.Image:
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).convert("RGB")
    longer = max(image.size)
    if longer > _TILE:
        image.thumbnail((_TILE, _TILE), Image.Resampling.LANCZOS)
        return image
    factor = _TILE // longer
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)


def _places(
    palette: Sequence[tuple[str, tuple[int, ...]]], width: int, font: Font
) -> list[tuple[int, int]]:
    """Where the colours stand, line by line."""
    places, x, y = [], 0, 0
    for name, _ in palette:
        need = _SQUARE + 16 + int(font.getlength(name))
        if x and x + need > width:
            x, y = 0, y + _LINE
        places.append((x, y))
        x += need
    return places

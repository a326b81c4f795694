"""Coloured letters, rendered from the fonts that Matplotlib carries."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, avg_pool2d, grid_sample, interpolate

from ganwright.data.query import Query
from ganwright.data.read import styles
from ganwright.data.read.embedded import domains, paired, tenth, unpaired
from ganwright.data.sides import Source, Stack
from ganwright.data.types import Images
from ganwright.seeds import seed_of

LETTERS = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
FONTS = (
    "DejaVuSans",
    "DejaVuSans-Bold",
    "DejaVuSans-Oblique",
    "DejaVuSans-BoldOblique",
    "DejaVuSansMono",
    "DejaVuSansMono-Bold",
    "DejaVuSerif",
    "DejaVuSerif-Bold",
    "DejaVuSerif-Italic",
    "DejaVuSerif-BoldItalic",
    "STIXGeneral",
    "STIXGeneralBol",
    "STIXGeneralItalic",
    "STIXGeneralBolIta",
    "cmr10",
    "cmb10",
    "cmss10",
    "cmtt10",
    "cmmi10",
)
_STENCIL = 128
_SMALL = 64


def glyphs(size: int | None) -> Source:
    """Letters in random colours on random backgrounds, 32 pixels by default.

    5,200 letters (1,300 above 64 pixels), each class equally often, in 19 fonts, turned by up to
    12 degrees, scaled and shifted.
    """
    ink, labels = letter_masks(size or 32)
    generator = torch.Generator().manual_seed(seed_of("glyphs", "colours"))
    side = Stack(styles.two_tone(ink, generator), labels, LETTERS)
    train, test = tenth(labels, "glyphs")
    return Source("glyphs", Images, (side.at(train),), (side.at(test),))


def glyphs_paired(size: int | None) -> Source:
    """Outlines of letters, and the letters in the colour of their class."""
    return paired("glyphs-paired", *letter_masks(size or 32))


def glyphs_unpaired(size: int | None) -> Source:
    """Plain warm letters, and striped cool ones."""
    return unpaired("glyphs-unpaired", *letter_masks(size or 32), LETTERS)


def glyphs_domains(size: int | None) -> Source:
    """White letters on black, and letters blended with coloured textures."""
    return domains("glyphs-domains", *letter_masks(size or 32), LETTERS)


def glyphs_lowres(size: int | None) -> Source:
    """Letters, 64 pixels by default, and the same at a quarter of the resolution."""
    return replace(glyphs(size or 64), query=Query(low=4))


@lru_cache(maxsize=2)
def letter_masks(size: int) -> tuple[Tensor, Tensor]:
    """Letters as ink in [0, 1]: float32 [n, 1, size, size], and their labels, int64 [n]."""
    count = len(LETTERS) * (200 if size <= _SMALL else 50)
    generator = torch.Generator().manual_seed(seed_of("glyphs", "shapes"))
    labels = torch.arange(count) % len(LETTERS)
    font = torch.randint(len(FONTS), (count,), generator=generator)
    turn, scale, right, down = torch.rand(4, count, generator=generator) * 2 - 1
    angle = turn * math.radians(12)
    zoom = 1 / (1 + 0.15 * scale)
    cosine, sine = zoom * angle.cos(), zoom * angle.sin()
    maps = torch.stack([cosine, -sine, 0.1 * right, sine, cosine, 0.1 * down], 1).view(-1, 2, 3)
    chosen = font * len(LETTERS) + labels
    # Twice two samples a pixel give smooth edges, from stencils of their resolution.
    fine = 2 if size <= _SMALL else 1
    side = min(_STENCIL, size * fine)
    stencils = interpolate(_stencils().float(), (side, side), mode="bilinear", antialias=True)
    parts = []
    for rows in torch.arange(count).split(256):
        where = affine_grid(maps[rows], [len(rows), 1, size * fine, size * fine], False)
        ink = grid_sample(stencils[chosen[rows]], where, align_corners=False)
        parts.append(avg_pool2d(ink, fine) / 255)
    return torch.cat(parts), labels


@lru_cache(maxsize=1)
def _stencils() -> Tensor:
    """Every letter in every font, in the middle of its square: uint8 [fonts * 26, 1, 128, 128]."""
    import matplotlib
    import numpy as np
    from PIL import Image, ImageDraw, ImageFont

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    stencils = []
    for name in FONTS:
        font = ImageFont.truetype(str(folder / f"{name}.ttf"), 116)
        for letter in LETTERS:
            left, top, right, bottom = font.getbbox(letter)
            # A wide W is narrowed rather than cut off.
            width = min(right - left, 100)
            box = Image.new("L", (int(right - left), int(bottom - top)))
            ImageDraw.Draw(box).text((-left, -top), letter, fill=255, font=font)
            box = box.resize((int(width), box.height))
            square = Image.new("L", (_STENCIL, _STENCIL))
            square.paste(box, ((_STENCIL - box.width) // 2, (_STENCIL - box.height) // 2))
            stencils.append(torch.from_numpy(np.array(square)))
    return torch.stack(stencils)[:, None]

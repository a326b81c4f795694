"""What a JPEG file keeps of an image, a batch at a time: ITU-T T.81, sections A.3 and K.1.

    Y Cb Cr, colours at half the size, blocks of 8x8, DCT, round(c / q) q, and back

q are the tables of annex K, scaled for a quality from 1 to 100 as libjpeg does. Entropy coding
loses nothing and is left out.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, pad

from ganwright.degrade.draws import each

LUMINANCE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
CHROMINANCE = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *[(99,) * 8] * 4,
)
_YCBCR = (
    (0.299, 0.587, 0.114),
    (-0.168735892, -0.331264108, 0.5),
    (0.5, -0.418687589, -0.081312411),
)
"""RGB to Y, Cb and Cr, of which the last two are around 0 (JFIF)."""
_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136286, -0.714136286), (1.0, 1.772, 0.0))
"""The way back."""


def compressed(x: Tensor, quality: Tensor) -> Tensor:
    """Images as they come back from a JPEG file.

    Args:
        x: [n, C, H, W] in [-1, 1]; with other than three channels, each is coded as luminance.
        quality: from 1 to 100, [n]; 100 and above leave an image as it is, uncompressed.
    """
    h, w = x.shape[2:]
    levels = ((x + 1) * 127.5).round().clamp(0, 255)
    levels = pad(levels, (0, -w % 16, 0, -h % 16), mode="replicate")
    if x.shape[1] == 3:
        levels = _coloured(levels, quality)
    else:
        levels = _coded(levels - 128, table(LUMINANCE, quality)) + 128
    found = levels[:, :, :h, :w].round().clamp(0, 255) / 127.5 - 1
    return torch.where(each(quality) >= 100, x, found)


def table(base: tuple[tuple[int, ...], ...], quality: Tensor) -> Tensor:
    """Quantisation steps for each image: [n, 8, 8]."""
    steps = torch.tensor(base, device=quality.device, dtype=quality.dtype)
    scale = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality)
    return ((steps * scale[:, None, None] + 50) / 100).floor().clamp(1, 255)


def _coloured(levels: Tensor, quality: Tensor) -> Tensor:
    """RGB [n, 3, H, W] in [0, 255], sides multiples of 16, coded with colours at half the size."""
    to, back = (torch.tensor(m, device=levels.device, dtype=levels.dtype) for m in (_YCBCR, _RGB))
    y, colours = torch.einsum("ij,njhw->nihw", to, levels).split([1, 2], 1)
    y = _coded(y - 128, table(LUMINANCE, quality)) + 128
    colours = _coded(avg_pool2d(colours, 2), table(CHROMINANCE, quality))
    colours = interpolate(colours, scale_factor=2.0, mode="bilinear")
    return torch.einsum("ij,njhw->nihw", back, torch.cat([y, colours], 1))


def _coded(x: Tensor, steps: Tensor) -> Tensor:
    """Planes [n, c, H, W] around 0 through their quantised DCT; 8 divides their sides."""
    n, c, h, w = x.shape
    dct = _dct(x)
    blocks = x.reshape(n, c, h // 8, 8, w // 8, 8).transpose(3, 4)
    steps = steps[:, None, None, None]
    kept = (dct @ blocks @ dct.T / steps).round() * steps
    return (dct.T @ kept @ dct).transpose(3, 4).reshape(n, c, h, w)


def _dct(like: Tensor) -> Tensor:
    """The orthonormal DCT-II of 8 numbers: [8, 8], a row for each frequency."""
    k = torch.arange(8, device=like.device, dtype=like.dtype)
    rows = (math.pi / 8 * k[:, None] * (k[None, :] + 0.5)).cos() / 2
    return torch.where(k[:, None] == 0, rows / 2**0.5, rows)

"""Resizing where each image of a batch has a size of its own.

An image lies in the upper left corner of a canvas that all share, and its last row and column are
repeated to the canvas's ends. Resizing is a matrix for the rows and one for the columns, those of
torch's interpolation without antialiasing.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

AREA, BILINEAR, BICUBIC = range(3)
_A = -0.75
"""The parameter of torch's bicubic kernel."""


class Canvas(NamedTuple):
    """Images of sizes of their own.

    Args:
        pixels: [n, C, H, W].
        height, width: of each image, int64 [n]; what lies beyond repeats its last pixels.
    """

    pixels: Tensor
    height: Tensor
    width: Tensor

    def resized(self, height: Tensor, width: Tensor, size: tuple[int, int], how: Tensor) -> Canvas:
        """The images at other sizes.

        Args:
            height, width: new ones, int64 [n], at most those of `size`.
            size: height and width of the new canvas.
            how: AREA, BILINEAR or BICUBIC for each image, int64 [n].
        """
        rows = matrix(self.height, height, (self.pixels.shape[2], size[0]), how)
        columns = matrix(self.width, width, (self.pixels.shape[3], size[1]), how)
        rows, columns = (m.to(self.pixels.dtype)[:, None] for m in (rows, columns))
        return Canvas(rows @ self.pixels @ columns.transpose(2, 3), height, width)

    def edged(self, pixels: Tensor) -> Canvas:
        """Other pixels of the same sizes, with the last ones repeated beyond them."""
        n, c, h, w = pixels.shape
        rows = _last(self.height, h)[:, None, :, None].expand(n, c, h, w)
        columns = _last(self.width, w)[:, None, None, :].expand(n, c, h, w)
        return self._replace(pixels=pixels.gather(2, rows).gather(3, columns))


def whole(x: Tensor) -> Canvas:
    """Images [n, C, H, W] that fill their canvas."""
    height, width = (torch.full((len(x),), s, device=x.device) for s in x.shape[2:])
    return Canvas(x, height, width)


def matrix(there: Tensor, here: Tensor, sides: tuple[int, int], how: Tensor) -> Tensor:
    """What resizes one axis: [n, new side, old side], each row's sum is 1.

    Args:
        there, here: an image's old and new length, int64 [n].
        sides: the canvas's old and new side.
        how: as in `Canvas.resized`.
    """
    old = torch.arange(sides[0], device=there.device)
    new = _last(here, sides[1])
    there, here = there[:, None], here[:, None]
    centre = (new + 0.5) * (there / here) - 0.5
    first = centre.floor()
    weights = _weights(centre - first, how)
    taps = (first[..., None] + torch.arange(-1, 3, device=old.device)).long()
    taps = torch.minimum(taps.clamp_min(0), there[..., None] - 1)
    spread = (weights[..., None] * (taps[..., None] == old)).sum(2)
    low, high = new * there // here, -(-(new + 1) * there // here)
    inside = (old >= low[..., None]) & (old < high[..., None])
    mean = inside / (high - low)[..., None]
    return torch.where((how == AREA)[:, None, None], mean, spread)


def _weights(t: Tensor, how: Tensor) -> Tensor:
    """Those of the four nearest pixels, t being the way from the second to the third: [..., 4]."""
    zero = torch.zeros_like(t)
    linear = torch.stack([zero, 1 - t, t, zero], -1)
    cubic = torch.stack([_outer(1 + t), _inner(t), _inner(1 - t), _outer(2 - t)], -1)
    return torch.where((how == BICUBIC)[:, None, None], cubic, linear)


def _inner(t: Tensor) -> Tensor:
    return ((_A + 2) * t - (_A + 3)) * t * t + 1


def _outer(t: Tensor) -> Tensor:
    return ((_A * t - 5 * _A) * t + 8 * _A) * t - 4 * _A


def _last(length: Tensor, side: int) -> Tensor:
    """Indices of a canvas's side, those beyond an image being its last: int64 [n, side]."""
    index = torch.arange(side, device=length.device)
    return torch.minimum(index, length[:, None] - 1)

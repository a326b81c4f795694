"""Changes of colour. Each leaves an image exactly as it is at its neutral value.

`amount` is [n], one for each image [C, H, W] of any number of channels; an image's lightness is
the mean over its channels, so a grey one has no colour to lose.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ganwright.augment.draws import each
from ganwright.augment.warp import mirrored


def brightened(x: Tensor, amount: Tensor) -> Tensor:
    """x + amount; neutral at 0."""
    return x + each(amount)


def contrasted(x: Tensor, amount: Tensor, about: Tensor | float = 0.0) -> Tensor:
    """x stretched away from `about`; neutral at 1."""
    return x + (each(amount) - 1) * (x - about)


def saturated(x: Tensor, amount: Tensor) -> Tensor:
    """Colours stretched away from grey; neutral at 1, grey at 0."""
    return contrasted(x, amount, x.mean(1, keepdim=True))


def inverted(x: Tensor, amount: Tensor) -> Tensor:
    """Light and dark exchanged at 1, hues kept; neutral at 0: reflection at the plane of no light.

    (1 - 2 v v^T) x, where v is the axis of greys.
    """
    return x - 2 * each(amount) * x.mean(1, keepdim=True)


def hued(x: Tensor, angle: Tensor) -> Tensor:
    """Colours [n, 3, H, W] turned about the axis of greys by an angle in radians; neutral at 0.

    Rodrigues' formula, x cos + (v × x) sin + v (v . x) (1 - cos), with v = (1, 1, 1) / sqrt 3.
    """
    cross = (x.roll(1, 1) - x.roll(-1, 1)) / 3**0.5
    grey = x.mean(1, keepdim=True)
    return x * each(angle.cos()) + cross * each(angle.sin()) + grey * (1 - each(angle.cos()))


def filtered(x: Tensor, gains: Tensor) -> Tensor:
    """Bands of frequencies, louder or softer; neutral at 1.

    Each of the bands [0, pi/8], [pi/8, pi/4], [pi/4, pi/2] and [pi/2, pi] has a gain, along the
    rows and then along the columns. Bands are the differences between an image and ever smoother
    ones, so that they sum up to it.

    Args:
        gains: [n, 4], from low to high.
    """
    for dim in (-1, -2):
        smooth, change = x, torch.zeros_like(x)
        for band, step in ((3, 1), (2, 2), (1, 4)):
            smoother = _smoothed(smooth, step, dim)
            change = change + each(gains[:, band] - 1) * (smooth - smoother)
            smooth = smoother
        x = x + change + each(gains[:, 0] - 1) * smooth
    return x


def _smoothed(x: Tensor, step: int, dim: int) -> Tensor:
    """Through the half-band filter (-1, 0, 9, 16, 9, 0, -1) / 32, its taps `step` pixels apart.

    It is the autocorrelation of the wavelet sym2's low-pass filter.
    """
    size = x.shape[dim]
    places = torch.arange(size, device=x.device)

    def at(offset: int) -> Tensor:
        return x.index_select(dim, mirrored(places + offset * step, size))

    return x / 2 + (9 * (at(-1) + at(1)) - at(-3) - at(3)) / 32

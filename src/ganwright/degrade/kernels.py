"""Blur: a kernel for each image. Wang et al. (2021), arXiv:2107.10833, section 3.1 and 3.3.

Gaussian      exp(-q/2)             q = d^T C^-1 d, C = R diag(a², b²) R^T
generalised   exp(-q^beta / 2)
plateau       1 / (1 + q^beta)
sinc          w J1(w r) / (2 pi r)  the ideal low-pass filter with cutoff w, which rings
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from ganwright.degrade.draws import each


def gaussian(
    a: Tensor, b: Tensor, angle: Tensor, beta: Tensor, plateau: Tensor, radius: Tensor, side: int
) -> Tensor:
    """Kernels [n, side, side] whose sums are 1.

    Args:
        a, b: deviations along the two axes in pixels, [n]; where a is 0, nothing is blurred.
        angle: of the first axis, in radians, [n].
        beta: [n]; 1 for a Gaussian.
        plateau: bool [n]: the plateau's shape instead of the generalised Gaussian's.
        radius: pixels farther from the centre than this, along a side, count nothing: int64 [n].
        side: odd.
    """
    y, x = _grid(side, a)
    cos, sin = _each(angle.cos()), _each(angle.sin())
    u, v = cos * x + sin * y, cos * y - sin * x
    least = 1e-3
    q = (u / _each(a.clamp_min(least))).square() + (v / _each(b.clamp_min(least))).square()
    power = q.clamp_min(1e-12) ** _each(beta)
    kernel = torch.where(_each(plateau), 1 / (1 + power), (-power / 2).exp())
    return torch.where(_each(a) > 0, _normalised(kernel, radius), still(side, a))


def sinc(cutoff: Tensor, radius: Tensor, side: int) -> Tensor:
    """Low-pass kernels [n, side, side] whose sums are 1.

    Args:
        cutoff: in radians a pixel, up to pi, [n].
        radius, side: as for `gaussian`.
    """
    y, x = _grid(side, cutoff)
    r, w = (x.square() + y.square()).sqrt(), _each(cutoff)
    far = w * torch.special.bessel_j1(w * r) / (2 * math.pi * r.clamp_min(0.5))
    return _normalised(torch.where(r > 0, far, w.square() / (4 * math.pi)), radius)


def still(side: int, like: Tensor) -> Tensor:
    """The kernel [1, side, side] that changes nothing."""
    y, x = _grid(side, like)
    return ((x == 0) & (y == 0)).to(like.dtype)[None]


def filtered(x: Tensor, kernels: Tensor) -> Tensor:
    """Images [n, C, H, W], each filtered by its own kernel [n, side, side]; edges are repeated."""
    n, c, h, w = x.shape
    margin = kernels.shape[-1] // 2
    padded = pad(x, (margin,) * 4, mode="replicate").reshape(1, n * c, h + 2 * margin, -1)
    weight = kernels.repeat_interleave(c, 0)[:, None]
    return conv2d(padded, weight, groups=n * c).reshape(n, c, h, w)


def _normalised(kernel: Tensor, radius: Tensor) -> Tensor:
    y, x = _grid(kernel.shape[-1], kernel)
    kernel = kernel * (torch.maximum(x.abs(), y.abs()) <= _each(radius))
    return kernel / kernel.sum((1, 2), keepdim=True)


def _grid(side: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Rows and columns counted from the centre, each [side, side]."""
    far = torch.arange(side, device=like.device, dtype=like.dtype) - side // 2
    return far[:, None].expand(side, side), far[None, :].expand(side, side)


def _each(value: Tensor) -> Tensor:
    return each(value)[:, 0]

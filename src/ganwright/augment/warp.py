"""Moving pixels: whole steps exactly, anything else through a fine grid.

Beyond its border an image continues as its own mirror image. Pixels are counted from 0, row first.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from ganwright.filters import banded

# The low-pass filter of the wavelet sym6 (Daubechies' least asymmetric one with 6 vanishing
# moments): orthogonal to its own even shifts, so that going up and down again changes nothing.
SYM6 = (
    0.015404109327027373,
    0.0034907120842174702,
    -0.11799011114819057,
    -0.048311742585633,
    0.4910559419267466,
    0.787641141030194,
    0.3379294217276218,
    -0.07263752278646252,
    -0.021060292512300564,
    0.04472490177066578,
    0.0017677118642428036,
    -0.007800708325034148,
)
TAPS = len(SYM6)
CENTRE = sum(k * h for k, h in enumerate(SYM6)) / sum(SYM6)
FIRST = 4
"""Where the fine grid begins: below 2 (-1/2) + CENTRE, as an image begins half a pixel early."""
MARGIN = 3
"""Pixels beyond the border that the filter needs there."""


def mirrored(place: Tensor, size: int) -> Tensor:
    """Places on an endless row of mirror images, as places in the image of `size` pixels.

    Whole ones stay whole: with 3 pixels, -2, -1, 0, 1, 2, 3, 4 are 1, 0, 0, 1, 2, 2, 1.
    """
    if place.is_floating_point():
        inside = place - 2 * size * ((place + 0.5) / (2 * size)).floor()
    else:
        inside = place.remainder(2 * size)
    return torch.minimum(inside, 2 * size - 1 - inside)


def picked(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """out[n, :, i, j] = x[n, :, rows[n, i, j], columns[n, i, j]].

    Args:
        x: [n, C, H, W].
        rows, columns: int64 within the image, which broadcast to [n, h, w].
    """
    places = rows * x.shape[-1] + columns
    index = places.flatten(1)[:, None].expand(-1, x.shape[1], -1)
    found: Tensor = x.flatten(2).gather(2, index).unflatten(2, places.shape[1:])
    return found


def blitted(x: Tensor, flip: Tensor, turns: Tensor, shift: Tensor) -> Tensor:
    """Images mirrored left to right, then turned, then shifted by whole pixels: exact.

    Args:
        x: [n, C, H, W].
        flip: bool [n].
        turns: int64 [n], quarter turns against the clock; even ones where H is not W.
        shift: int64 [n, 2], down and to the right.
    """
    h, w = x.shape[-2:]
    flip, turns = flip[:, None, None], turns[:, None, None]
    rows = torch.arange(h, device=x.device)[None, :, None] - shift[:, 0, None, None]
    columns = torch.arange(w, device=x.device)[None, None, :] - shift[:, 1, None, None]
    rows, columns = torch.broadcast_tensors(rows, columns)
    across = torch.where(turns >= 2, w - 1 - columns, columns)
    down = torch.where(turns >= 2, h - 1 - rows, rows)
    rows, columns = (
        torch.where(turns % 2 == 1, across, down),
        torch.where(turns % 2 == 1, w - 1 - down, across),
    )
    columns = torch.where(flip, w - 1 - columns, columns)
    return picked(x, mirrored(rows, h), mirrored(columns, w))


def source(
    rows: Tensor, columns: Tensor, matrix: Tensor, shift: Tensor, size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Where the output's places come from: the middle, plus matrix (place - middle - shift).

    Written out instead of as a product of matrices, which a GPU may round to 10 bits.

    Args:
        rows, columns: places in the output, [h] and [w].
        matrix: [n, 2, 2], on (down, right); the inverse of what happens to the image.
        shift: [n, 2], down and right, in pixels.
        size: (H, W) of the image.

    Returns:
        Places in the image, down and right, each [n, h, w].
    """
    middle = [(side - 1) / 2 for side in size]
    v = rows[None, :, None] - (middle[0] + shift[:, 0, None, None])
    u = columns[None, None, :] - (middle[1] + shift[:, 1, None, None])
    m = matrix[:, :, :, None, None]
    return m[:, 0, 0] * v + m[:, 0, 1] * u + middle[0], m[:, 1, 0] * v + m[:, 1, 1] * u + middle[1]


def warped(x: Tensor, matrix: Tensor, shift: Tensor, taps: Tensor) -> Tensor:
    """Images through affine maps: doubled by sym6, sampled bilinearly, and halved by sym6.

    Karras et al. (2020), arXiv:2006.06676, appendix B.

    Args:
        x: [n, C, H, W].
        matrix, shift: as `source` takes them.
        taps: SYM6, in a tensor on the device, where it cannot be made without waiting.
    """
    h, w = x.shape[-2:]
    fine = [torch.arange(2 * side + TAPS - 2, device=x.device).to(x.dtype) for side in (h, w)]
    rows, columns = ((f - CENTRE) / 2 for f in fine)
    places = source(rows, columns, matrix, shift, (h, w))
    up = doubling(h, taps) @ x @ doubling(w, taps).T
    down, right = (
        2 * mirrored(place, side) + CENTRE - FIRST
        for place, side in zip(places, (h, w), strict=True)
    )
    out: Tensor = halving(h, taps) @ between(up, down, right) @ halving(w, taps).T
    return out


def doubling(side: int, taps: Tensor) -> Tensor:
    """Twice as many values, and one more at each end: [2 side + 2, side].

    The value at i comes to lie at 2i + CENTRE - FIRST.
    """
    around = torch.arange(-MARGIN, side + MARGIN, device=taps.device)
    fine = torch.arange(2 * side + 2, device=taps.device) + FIRST
    spread = 2**0.5 * banded(taps, fine[:, None] - 2 * around)
    whole = spread.new_zeros(len(fine), side)
    return whole.index_add(1, mirrored(around, side), spread)


def halving(side: int, taps: Tensor) -> Tensor:
    """Half as many values: [side, 2 side + 10], that at 2i + CENTRE to i."""
    fine = torch.arange(2 * side + TAPS - 2, device=taps.device)
    return 2**-0.5 * banded(taps, fine - 2 * torch.arange(side, device=taps.device)[:, None])


def resampled(x: Tensor, matrix: Tensor, shift: Tensor, *, exact: bool = False) -> Tensor:
    """Images [n, C, H, W] through affine maps, bilinearly, or the nearest pixel where `exact`.

    Args:
        x: [n, C, H, W].
        matrix, shift: as `source` takes them.
        exact: keep to values that are there.
    """
    h, w = x.shape[-2:]
    rows, columns = (torch.arange(side, device=x.device).to(matrix.dtype) for side in (h, w))
    rows, columns = source(rows, columns, matrix, shift, (h, w))
    if exact:
        return picked(x, mirrored(rows.round().long(), h), mirrored(columns.round().long(), w))
    return between(x, mirrored(rows, h), mirrored(columns, w))


def between(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Bilinear values at places between pixels; beyond the border, those of the border.

    Args:
        x: [n, C, H, W].
        rows, columns: counted in pixels, [n, h, w].
    """
    h, w = x.shape[-2:]
    if TWICE:
        scaled = [p * (2 / max(1, side - 1)) - 1 for p, side in ((columns, w), (rows, h))]
        grid = torch.stack(scaled, -1).to(x.dtype)
        out: Tensor = grid_sample(x, grid, padding_mode="border", align_corners=True)
        return out
    rows, columns = rows.clamp(0, h - 1), columns.clamp(0, w - 1)
    above, left = (
        place.floor().clamp(max=side - 2).clamp(min=0) for place, side in ((rows, h), (columns, w))
    )
    down, right = ((a - b)[:, None].to(x.dtype) for a, b in ((rows, above), (columns, left)))
    above, left = above.long(), left.long()
    below, beside = (above + 1).clamp(max=h - 1), (left + 1).clamp(max=w - 1)
    upper = picked(x, above, left).lerp(picked(x, above, beside), right)
    lower = picked(x, below, left).lerp(picked(x, below, beside), right)
    return upper.lerp(lower, down)


def _differentiable_twice() -> bool:
    """Whether this torch can differentiate `grid_sample` twice, as penalties do; 2.11 cannot."""
    # Its gradient is only asked how it would be differentiated: an import runs no backward pass,
    # behind which a fork of the process could not train on a GPU's machine.
    slope = torch.ones(1, 1, 1, 1, requires_grad=True)
    x, grid = torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 1, 2)
    gradient = torch.ops.aten.grid_sampler_2d_backward(slope, x, grid, 0, 1, True, [True, False])[0]
    return "NotImplemented" not in gradient.grad_fn.name()


TWICE = _differentiable_twice()


def turned(u: Tensor, v: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
    """The vector (u to the right, v down) turned by an angle in radians, against the clock."""
    cos, sin = angle.cos(), angle.sin()
    return cos * u + sin * v, cos * v - sin * u

"""Random changes of training images, a batch at a time: more data out of little.

Beyond its border an image continues as its own mirror image.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ganwright.augment import colour
from ganwright.augment.draws import each
from ganwright.augment.warp import blitted, resampled
from ganwright.config.ranges import NonNegative, Share, Whole
from ganwright.config.transform import Transform
from ganwright.data.serve.order import Draw, Stream


@dataclass(frozen=True)
class Flip(Transform):
    """Mirror horizontally or vertically.

    Args:
        p: the chance of it.
        vertical: exchange above and below.
    """

    p: Share = 0.5
    vertical: bool = False

    def changed(self, x: Tensor, u: Tensor, *, exact: bool) -> Tensor:
        return torch.where(each(u[:, 0]) < self.p, x.flip(-2 if self.vertical else -1), x)


@dataclass(frozen=True)
class Rotate(Transform):
    """Rotate about the centre by up to `degrees` in either direction.

    Args:
        degrees: the largest angle.
    """

    degrees: NonNegative = 10.0

    def changed(self, x: Tensor, u: Tensor, *, exact: bool) -> Tensor:
        angle = (2 * u[:, 0] - 1) * math.radians(self.degrees)
        cos, sin = angle.cos(), angle.sin()
        back = torch.stack([torch.stack([cos, sin], 1), torch.stack([-sin, cos], 1)], 1)
        return resampled(x, back, torch.zeros_like(u[:, :1]).expand(-1, 2), exact=exact)


@dataclass(frozen=True)
class Colour(Transform):
    """Randomly change brightness, contrast and saturation; label maps stay unchanged.

    Args:
        amount: added to brightness, and to the factors of contrast and saturation: U(-amount,
            amount). White is 1 and black -1; values beyond are cut off.
    """

    amount: NonNegative = 0.2
    numbers = 3

    def changed(self, x: Tensor, u: Tensor, *, exact: bool) -> Tensor:
        if exact:
            return x
        by = (2 * u - 1) * self.amount
        x = colour.brightened(x, by[:, 0])
        x = colour.contrasted(x, 1 + by[:, 1], x.mean((1, 2, 3), keepdim=True))
        return colour.saturated(x, 1 + by[:, 2]).clamp(-1, 1)


@dataclass(frozen=True)
class Crop(Transform):
    """Pad by `pixels` and crop at random, so images shift by up to `pixels`.

    Args:
        pixels: the width of the border.
    """

    pixels: Whole = 4
    numbers = 2

    def changed(self, x: Tensor, u: Tensor, *, exact: bool) -> Tensor:
        shift = (u * (2 * self.pixels + 1)).long() - self.pixels
        still = torch.zeros_like(shift[:, 0])
        return blitted(x, still > 0, still, shift)


def transformed(
    x: Tensor, u: Sequence[Tensor], transforms: Sequence[Transform], *, exact: bool
) -> Tensor:
    """Images after one change upon the other.

    Args:
        x: [n, C, H, W] in [-1, 1].
        u: what `numbers` gives, on the device.
        transforms: which changes.
        exact: they are label maps.
    """
    for transform, own in zip(transforms, u, strict=True):
        x = transform.changed(x, own, exact=exact)
    return x


def numbers(stream: Stream, draw: Draw, transforms: Sequence[Transform]) -> list[Tensor]:
    """Each change's random numbers for a rank's rows of a draw, on the CPU: [n, numbers]."""
    return [
        torch.rand(draw.size, t.numbers, generator=stream.random(draw, f"augment {k}"))[draw.share]
        for k, t in enumerate(transforms)
    ]


TRANSFORMS: dict[str, type[Transform]] = {
    "Colour": Colour,
    "Crop": Crop,
    "Flip": Flip,
    "Rotate": Rotate,
}

"""DiffAugment: Zhao, Liu, Lin, Zhu and Han (2020), arXiv:2006.10738, eqs. 3 to 5, section 3.2.

D is shown T(x) and T(G(z)), in its own updates and in G's; G's gradient runs through T

colour       x + U(-.5, .5); (x - lightness) U(0, 2) + lightness; (x - mean) U(.5, 1.5) + mean
translation  by up to 1/8 of the image, zeros around it
cutout       zeros in a square of half the image's size, anywhere
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ganwright.augment import colour, draws
from ganwright.augment.base import Augment, Augmenter, Transformed
from ganwright.augment.warp import picked
from ganwright.config.ranges import Share


@dataclass(frozen=True)
class DiffAugment(Augment):
    """Zhao et al. (2020), arXiv:2006.10738: every image is changed in colour and position.

    Args:
        colour: change brightness, saturation and contrast.
        translation: how far an image may be moved, as a share of its size; 0 for not at all.
        cutout: the side of the square that is blanked, as a share of the image's; 0 for none.
    """

    colour: bool = True
    translation: Share = 0.125
    cutout: Share = 0.5

    def build(self) -> Augmenter:
        return _Changes(self)


class _Changes(Transformed):
    def __init__(self, settings: DiffAugment) -> None:
        super().__init__()
        self.settings = settings

    def transformed(self, x: Tensor) -> Tensor:
        settings = self.settings
        if settings.colour:
            x = colour.brightened(x, draws.uniform(x, -0.5, 0.5))
            x = colour.saturated(x, draws.uniform(x, 0.0, 2.0))
            x = colour.contrasted(x, draws.uniform(x, 0.5, 1.5), x.mean((1, 2, 3), keepdim=True))
        if settings.translation:
            most = [nearest(settings.translation * side) for side in x.shape[-2:]]
            x = moved(x, *(draws.whole(x, -far, far) for far in most))
        if settings.cutout:
            height, width = (nearest(settings.cutout * side) for side in x.shape[-2:])
            # The square's middle lies anywhere in the picture, so that it may reach beyond.
            top = draws.whole(x, 0, x.shape[-2] - height % 2) - height // 2
            left = draws.whole(x, 0, x.shape[-1] - width % 2) - width // 2
            x = blanked(x, top, left, height, width)
        return x


def nearest(number: float) -> int:
    """The nearest whole number, halves upwards."""
    return int(number + 0.5)


def moved(x: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Images [n, C, H, W] moved by whole pixels, int64 [n] each, with zeros where nothing is."""
    h, w = x.shape[-2:]
    rows = torch.arange(h, device=x.device)[None, :, None] - down[:, None, None]
    columns = torch.arange(w, device=x.device)[None, None, :] - right[:, None, None]
    inside = (rows >= 0) & (rows < h) & (columns >= 0) & (columns < w)
    return torch.where(inside[:, None], picked(x, rows.clamp(0, h - 1), columns.clamp(0, w - 1)), 0)


def blanked(x: Tensor, top: Tensor, left: Tensor, height: int, width: int) -> Tensor:
    """Images [n, C, H, W] with zeros in a rectangle whose corner is [n] rows and columns in."""
    rows = torch.arange(x.shape[-2], device=x.device)[None, :, None] - top[:, None, None]
    columns = torch.arange(x.shape[-1], device=x.device)[None, None, :] - left[:, None, None]
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    return torch.where(inside[:, None], 0, x)

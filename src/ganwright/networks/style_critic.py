"""StyleGAN2's discriminator: Karras et al. (2020), arXiv:1912.04958, section 4, and its code."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from ganwright.layers.equalised import EqualConv2d, EqualLinear
from ganwright.layers.mapping import Mapping
from ganwright.layers.minibatch import Spread
from ganwright.networks.base import Discriminator
from ganwright.precision import wide

HALF = 0.5**0.5


class CriticBlock(nn.Module):
    """3x3, 3x3 halving: [n, I, H, W] -> [n, O, H/2, W/2]; residual ones add a 1x1 halving.

    The sum of two is scaled by sqrt 1/2, so that it keeps their power.
    """

    def __init__(self, fan_in: int, fan_out: int, residual: bool) -> None:
        super().__init__()
        self.first = EqualConv2d(fan_in, fan_in, 3)
        self.second = EqualConv2d(fan_in, fan_out, 3, halve=True, gain=HALF if residual else 1.0)
        self.skip = (
            EqualConv2d(fan_in, fan_out, 1, bias=False, active=False, halve=True, gain=HALF)
            if residual
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        h: Tensor = self.second(self.first(x))
        return h if self.skip is None else h + self.skip(x)


class StyleDiscriminator(Discriminator):
    """Images to features by halving blocks, and to a score that may depend on the label.

    Args:
        channels: of an image.
        grid: height and width of the smallest map.
        widths: channels of the maps from the image's size down to the grid's.
        classes: 0 for none.
        depth: layers of the labels' mapping network.
        residual: the blocks' kind.
        group: samples over which a batch's deviation is taken.
    """

    def __init__(
        self,
        channels: int,
        grid: tuple[int, int],
        widths: Sequence[int],
        classes: int,
        *,
        depth: int,
        residual: bool,
        group: int,
    ) -> None:
        super().__init__()
        self.classes, self.width = classes, widths[-1]
        self.read = EqualConv2d(channels, widths[0], 1)
        self.blocks = nn.Sequential(*(CriticBlock(a, b, residual) for a, b in pairwise(widths)))
        cells = grid[0] * grid[1] * self.width
        self.last = nn.Sequential(
            Spread(group),
            EqualConv2d(self.width + 1, self.width, 3),
            nn.Flatten(),
            EqualLinear(cells, self.width, active=True),
        )
        self.head = StyleHead(self.width, classes, depth)

    def features(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.closing(self.blocks(self.read(x)))

    def closing(self, h: Tensor) -> Tensor:
        """Features of the smallest map."""
        with torch.autocast(h.device.type, enabled=False):
            found: Tensor = self.last(wide(h))
        return found

    def maps(self, x: Tensor) -> list[Tensor]:
        """The maps after each block, the smallest last."""
        found = [self.read(x)]
        for block in self.blocks:
            found.append(block(found[-1]))
        return found[1:]

    def score(self, h: Tensor, y: Tensor | None = None) -> Tensor:
        score: Tensor = self.head(h, y)
        return score


class StyleHead(nn.Module):
    """Features [n, width] -> logits [n]; with classes, <W h, m(y)> / sqrt width, m a mapping."""

    def __init__(self, width: int, classes: int, depth: int) -> None:
        super().__init__()
        self.linear = EqualLinear(width, width if classes else 1)
        self.mapping = Mapping(0, classes, width, depth) if classes else None

    def forward(self, h: Tensor, y: Tensor | None = None) -> Tensor:
        with torch.autocast(h.device.type, enabled=False):
            h = self.linear(wide(h))
            if self.mapping is None:
                return h.squeeze(1)
            score: Tensor = (h * self.mapping(None, y)).sum(1) / h.shape[1] ** 0.5
            return score

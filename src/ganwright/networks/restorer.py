"""GFPGAN's U-Net: Wang et al. (2021), arXiv:2101.04061, section 3.2 and figure 2, and its code.

down   1x1, then residual blocks that halve, to 4 to 7 pixels, 3x3
codes  a linear layer of the smallest features
up     at each size, the sum with the features of that size on the way down, a residual block
       that doubles, and from what it gives an image, a scale and a shift, two 3x3 each
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from torch import Tensor, nn

from ganwright.config.checked import Checked
from ganwright.config.ranges import Count
from ganwright.layers.equalised import EqualConv2d, EqualLinear
from ganwright.layers.fir import Doubled
from ganwright.networks.base import halvings
from ganwright.networks.prior import Guide, Prior
from ganwright.networks.style_critic import HALF, CriticBlock
from ganwright.precision import wide


class Seen(NamedTuple):
    """What the U-Net makes of degraded images.

    Args:
        images: float32 [n, C, h, w] of each size but the smallest, the largest last.
        guide: what leads the prior, or None without one.
    """

    images: tuple[Tensor, ...]
    guide: Guide | None


class UpBlock(nn.Module):
    """3x3, doubling and 3x3, around them doubling and 1x1: [n, I, H, W] -> [n, O, 2H, 2W]."""

    def __init__(self, fan_in: int, fan_out: int) -> None:
        super().__init__()
        self.first = EqualConv2d(fan_in, fan_in, 3)
        self.second = EqualConv2d(fan_in, fan_out, 3, gain=HALF)
        self.skip = EqualConv2d(fan_in, fan_out, 1, bias=False, active=False, gain=HALF)
        self.doubled = Doubled()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.second(self.doubled(self.first(x))) + self.skip(self.doubled(x))
        return out


class Conditions(nn.Module):
    """Features [n, C, h, w] to a scale around 1 and a shift, each [n, half, h, w]."""

    def __init__(self, width: int, half: int) -> None:
        super().__init__()
        self.scale, self.shift = (
            nn.Sequential(EqualConv2d(width, width, 3), EqualConv2d(width, half, 3, active=False))
            for _ in range(2)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return 1 + self.scale(x), self.shift(x)


class Restorer(nn.Module):
    """Degraded images [n, C, H, W] in [-1, 1] to what is `Seen` in them.

    Args:
        widths: channels from the smallest map's up.
        grid: height and width of the smallest map.
        channels: C.
        prior: what is led; without one, the U-Net's own images are all there is.
    """

    def __init__(
        self, widths: list[int], grid: tuple[int, int], channels: int, prior: Prior | None
    ) -> None:
        super().__init__()
        self.read = EqualConv2d(channels, widths[-1], 1)
        self.downs = nn.ModuleList(CriticBlock(a, b, True) for a, b in pairwise(widths[::-1]))
        self.bottom = EqualConv2d(widths[0], widths[0], 3)
        self.ups = nn.ModuleList(UpBlock(a, b) for a, b in pairwise(widths))
        self.images = nn.ModuleList(EqualConv2d(w, channels, 1, active=False) for w in widths[1:])
        self.codes: EqualLinear | None = None
        if prior is not None:
            layers, styles = prior.synthesis.count, len(prior.mean)
            self.codes = EqualLinear(widths[0] * grid[0] * grid[1], layers * styles)
            self.styles = styles
            pairs = zip(widths[1:], prior.halves, strict=True)
            self.conditions = nn.ModuleList(Conditions(width, half) for width, half in pairs)

    def forward(self, x: Tensor) -> Seen:
        h, skips = self.read(x), []
        for down in self.downs:
            h = down(h)
            skips.append(h)
        h = self.bottom(h)
        codes = None if self.codes is None else wide(self.codes(h.flatten(1)))
        images, conditions = [], []
        for i, (up, image) in enumerate(zip(self.ups, self.images, strict=True)):
            h = up(h + skips.pop())
            images.append(wide(image(h)))
            if codes is not None:
                conditions.append(self.conditions[i](h))
        if codes is None:
            return Seen(tuple(images), None)
        scales, shifts = zip(*conditions, strict=True)
        return Seen(tuple(images), Guide(codes.unflatten(1, (-1, self.styles)), scales, shifts))


@dataclass(frozen=True, kw_only=True)
class RestoreNet(Checked):
    """GFPGAN's U-Net, for images whose sides halve to 4 to 7 pixels."""

    base: Count = 16_384
    """Channels times the smaller side of a feature map."""
    most: Count = 256
    """Most channels of a feature map."""

    def restorer(self, shape: tuple[int, ...], prior: Prior | None) -> Restorer:
        """A U-Net of images of `shape` (C, H, W).

        Raises:
            SettingsError: the sides cannot be halved down to 4 to 7 pixels.
        """
        h, w, count = halvings(shape, "RestoreNet")
        side = min(h, w)
        widths = [max(1, min(self.base // (side << i), self.most)) for i in range(count + 1)]
        return Restorer(widths, (h, w), shape[0], prior)

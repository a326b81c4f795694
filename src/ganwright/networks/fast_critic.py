"""FastGAN's D, and what restores images from its feature maps: arXiv:2101.04775, section 3.2."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from ganwright.layers.excitation import Excitation, Halving, gated, leaky
from ganwright.networks.base import Discriminator, normal_init, spectral
from ganwright.precision import wide

MOST = 6
"""Doublings of the grid up to the largest map that blocks see, of 256 pixels."""
SMALL = 5
"""Doublings up to the copy that the second logits are of, of 128 pixels."""
REACH = 3
"""Halvings from a map to the one that it scales, for 128 pixels and up."""

Plan = tuple[int, int, int]
"""The height and width of the smallest grid, and how often it is doubled up to the image."""
Maps = tuple[Tensor, Tensor, Tensor]
"""Maps of 8 pixels, of the small copy at 8, and of 16, where the grid has 4."""


def channels(width: int, doublings: int) -> int:
    """Channels of D at the grid doubled so often: 8 times the width at first, then ever half."""
    return max(1, 16 * width >> doublings)


def small(plan: Plan) -> int:
    """Doublings of the grid to the small copy, and to what decoders make."""
    return min(SMALL, plan[2] - 1)


def quarters(x: Tensor) -> Tensor:
    """Images [n, C, H, W] cut in four: [4, n, C, H/2, W/2], row by row."""
    cut: Tensor = x.unflatten(3, (2, -1)).unflatten(2, (2, -1))
    return cut.permute(2, 4, 0, 1, 3, 5).flatten(0, 1)


class FastDiscriminator(Discriminator):
    """Images to feature maps, and these to 5x5 logits of the image and 5x5 of a small copy.

    `score` is their mean.
    """

    classes = 0

    def __init__(self, width: int, colours: int, plan: Plan) -> None:
        super().__init__()
        h, w, count = plan
        self.shrink = 1 << count - small(plan)
        top = min(MOST, count)
        self.stem = stem(width, colours, count)
        sizes = [channels(width, i) for i in range(top, 0, -1)]
        self.blocks = nn.ModuleList(map(Halving, sizes, sizes[1:]))
        self.reach = min(REACH, len(self.blocks) - 1)
        self.excitations = nn.ModuleList(map(Excitation, sizes, sizes[self.reach :]))
        inner = nn.Conv2d(sizes[-1], 16 * width, 1, bias=False)
        self.head = nn.Sequential(*leaky(inner), nn.Conv2d(16 * width, 1, 4, bias=False))
        copied = [channels(width, i) for i in range(small(plan), 1, -1)]
        self.small_stack = shrunk(colours, copied)
        self.small_head = nn.Conv2d(copied[-1], 1, 4, bias=False)
        self.shapes = [(sizes[-1], 2 * h, 2 * w), (copied[-1], 2 * h, 2 * w)]
        self.width = sum(c * a * b for c, a, b in self.shapes)
        normal_init(self)
        spectral(self)

    def maps(self, x: Tensor) -> Maps:
        """The feature maps that logits and decoders are made of."""
        found = [self.stem(x)]
        for i, block in enumerate(self.blocks, 1 - self.reach):
            h = block(found[-1])
            found.append(self.excitations[i](found[i], h) if i >= 0 else h)
        return found[-1], self.small_stack(avg_pool2d(x, self.shrink)), found[-2]

    def logits(self, f8: Tensor, f_small: Tensor, f16: Tensor | None = None) -> Tensor:
        """Float32 [n, 2, 5, 5] of what `maps` gives, where the grid has 4x4 cells."""
        return wide(torch.cat([self.head(f8), self.small_head(f_small)], 1))

    def patches(self, x: Tensor) -> Tensor:
        """The logits of images."""
        return self.logits(*self.maps(x))

    def features(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        f8, f_small, _ = self.maps(x)
        return torch.cat([wide(f8).flatten(1), wide(f_small).flatten(1)], 1)

    def score(self, h: Tensor, y: Tensor | None = None) -> Tensor:
        sizes = [c * a * b for c, a, b in self.shapes]
        maps = [p.unflatten(1, s) for p, s in zip(h.split(sizes, 1), self.shapes, strict=True)]
        return self.logits(*maps).mean((1, 2, 3))


def stem(width: int, colours: int, count: int) -> nn.Sequential:
    """Images to the first map: halved down to 256 pixels if they are larger."""
    if count > MOST:
        return shrunk(colours, [channels(width, i) for i in range(count - 1, MOST - 1, -1)])
    conv = nn.Conv2d(colours, channels(width, count), 3, 1, 1, bias=False)
    return nn.Sequential(conv, nn.LeakyReLU(0.2))


def shrunk(colours: int, widths: list[int]) -> nn.Sequential:
    """Images, halved by a 4x4 convolution to each of these numbers of channels."""
    layers = [nn.Conv2d(colours, widths[0], 4, 2, 1, bias=False), nn.LeakyReLU(0.2)]
    for fan_in, fan_out in pairwise(widths):
        layers += leaky(nn.Conv2d(fan_in, fan_out, 4, 2, 1, bias=False))
    return nn.Sequential(*layers)


class FastDecoders(nn.Module):
    """Images of feature maps: of the whole, of a quarter, and of the whole from the small copy.

    Args:
        width: D's.
        colours: channels of an image.
        plan: of the grid that D halves images to.
    """

    def __init__(self, width: int, colours: int, plan: Plan) -> None:
        super().__init__()
        self.shrink = 1 << plan[2] - small(plan)
        doublings = small(plan) - 1
        self.whole = decoder(channels(width, 1), width, colours, doublings)
        self.part = decoder(channels(width, 2), width, colours, doublings)
        self.copy = decoder(channels(width, 2), width, colours, doublings)
        normal_init(self)
        spectral(self)

    def forward(self, maps: Maps, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Pairs of a decoded image and the true one, each [n, C, H, W] of the small copy's size.

        Args:
            maps: D's, of these images.
            x: images [n, C, H, W]; of all of them, the same random quarter is looked at.
        """
        f8, f_small, f16 = maps
        corner = torch.randint(4, (1,), device=x.device)
        part, seen = (quarters(t).index_select(0, corner)[0] for t in (f16, x))
        truth = avg_pool2d(x, self.shrink)
        near = avg_pool2d(seen, self.shrink // 2)
        decoded = (self.whole(f8), truth), (self.copy(f_small), truth), (self.part(part), near)
        return [(wide(image), true) for image, true in decoded]


def decoder(fan_in: int, width: int, colours: int, doublings: int) -> nn.Sequential:
    """[n, fan_in, h, w] -> images [n, colours, H, W] in [-1, 1], doubled so often."""
    sizes = [max(1, width * factor // 2) for factor in (4, 2, 2, 1)][:doublings]
    layers: list[nn.Module] = []
    for before, after in zip([fan_in, *sizes], sizes, strict=False):
        layers += [nn.Upsample(scale_factor=2), *gated(before, after)]
    return nn.Sequential(*layers, nn.Conv2d(sizes[-1], colours, 3, 1, 1, bias=False), nn.Tanh())

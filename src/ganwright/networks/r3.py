"""R3GAN's networks: Huang et al. (2024), arXiv:2501.05441, section 3.5 and appendix.

    block   x + W3 f(W2 f(W1 x + b1) + b2)     f: leaky ReLU; W1, W3 1x1, W2 3x3 in groups
    G       a learned basis weighted by z; at each size two blocks; between sizes 1x1, FIR doubling
    D       the mirror image, whose grid of 4x4 a depthwise convolution sums up

There is no normalisation, and there are no other biases. W3 starts at 0, so that every block starts
as the identity, and W1 and W2 shrink with the number of blocks, as Fixup (arXiv:1901.09321) has it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from ganwright.config.ranges import Count
from ganwright.errors import SettingsError
from ganwright.layers.condition import Join
from ganwright.layers.fir import Doubled, Halved
from ganwright.layers.norm import soft_labels
from ganwright.networks.base import (
    Discriminator,
    Encoder,
    Generator,
    Networks,
    halvings,
    squash,
)
from ganwright.precision import wide

SLOPE = 0.2


def scaled(layer: nn.Conv2d | nn.Linear, gain: float = 1.0) -> nn.Module:
    """The layer with weights from N(0, gain² / fan-in), and a bias of 0 if it has one."""
    nn.init.normal_(layer.weight, 0.0, gain / layer.weight[0].numel() ** 0.5)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class R3Block(nn.Module):
    """Inverted bottleneck with grouped convolution: [n, C, H, W] -> [n, C, H, W].

    Args:
        channels: C.
        group: channels in a group of the 3x3 convolution.
        count: residual blocks in the whole network.

    Raises:
        SettingsError: 2C does not divide into groups.
    """

    def __init__(self, channels: int, group: int, count: int) -> None:
        super().__init__()
        inner = 2 * channels
        group = min(group, inner)
        if inner % group:
            raise SettingsError(
                f"R3Net's blocks have {inner} channels inside, twice those of a stage, which do "
                f"not divide into groups of {group}; set another width or group"
            )
        gain = (2 / (1 + SLOPE**2)) ** 0.5 * count**-0.25
        self.first = scaled(nn.Conv2d(channels, inner, 1), gain)
        self.second = scaled(nn.Conv2d(inner, inner, 3, 1, 1, groups=inner // group), gain)
        self.third = scaled(nn.Conv2d(inner, channels, 1, bias=False), 0.0)

    def forward(self, x: Tensor) -> Tensor:
        h = leaky_relu(self.first(x), SLOPE)
        h = leaky_relu(self.second(h), SLOPE)
        added: Tensor = self.third(h)
        return x + added


class R3Generator(Generator):
    """z weights a learned grid of 4 to 7 cells, which blocks turn into an image as it doubles."""

    def __init__(
        self, cfg: R3Net, latent: int, shape: tuple[int, ...], classes: int, tanh: bool
    ) -> None:
        super().__init__()
        self.latent, self.classes = latent, classes
        h, w, doublings = halvings(shape, "R3Net")
        widths = cfg.widths(doublings + 1)
        self.join = Join(classes, cfg.embedding)
        if self.join.embed is not None:
            scaled(self.join.embed)
        self.weigh = scaled(nn.Linear(latent + self.join.width, widths[0], bias=False))
        self.basis = nn.Parameter(torch.randn(widths[0], h, w))
        stages = cfg.stage(widths[0], len(widths))
        for before, width in pairwise(widths):
            stages += [*_changed(before, width), Doubled(), *cfg.stage(width, len(widths))]
        last = scaled(nn.Conv2d(widths[-1], shape[0], 1, bias=False))
        self.stack = nn.Sequential(*stages, last, squash(shape, tanh))

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        weights = self.weigh(self.join(z, y))
        out: Tensor = self.stack(weights[:, :, None, None] * self.basis)
        return wide(out)


class R3Discriminator(Discriminator):
    """An image to features: blocks at each size, halved in between, then a weighted sum."""

    def __init__(self, cfg: R3Net, shape: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.classes = classes
        h, w, count = halvings(shape, "R3Net")
        widths = cfg.widths(count + 1)[::-1]
        stages: list[nn.Module] = [scaled(nn.Conv2d(shape[0], widths[0], 1, bias=False))]
        stages += cfg.stage(widths[0], len(widths))
        for before, width in pairwise(widths):
            stages += [Halved(), *_changed(before, width), *cfg.stage(width, len(widths))]
        self.width = widths[-1]
        summed = nn.Conv2d(self.width, self.width, (h, w), groups=self.width, bias=False)
        self.stack = nn.Sequential(*stages, scaled(summed), nn.Flatten())
        self.head = R3Head(self.width, classes)

    def features(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        h: Tensor = self.stack(x)
        return wide(h)

    def score(self, h: Tensor, y: Tensor | None = None) -> Tensor:
        score: Tensor = self.head(h, y)
        return score


class R3Head(nn.Module):
    """Features [n, C] -> logits [n]: W h, or with classes <W h, V y>, W being [C, C] then."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.linear = scaled(nn.Linear(width, width if classes else 1, bias=False))
        self.embed = scaled(nn.Linear(classes, width, bias=False), width**-0.5) if classes else None

    def forward(self, h: Tensor, y: Tensor | None = None) -> Tensor:
        h = wide(self.linear(h))
        if self.embed is None:
            return h.squeeze(1)
        return (h * wide(self.embed(soft_labels(y, self.classes)))).sum(1)


def _changed(before: int, width: int) -> Iterable[nn.Module]:
    """A 1x1 convolution to another width, where it is another one."""
    return [] if before == width else [scaled(nn.Conv2d(before, width, 1, bias=False))]


@dataclass(frozen=True, kw_only=True)
class R3Net(Networks):
    """R3GAN's residual networks without normalisation, for sides that halve to 4 to 7 pixels."""

    width: Count = 768
    """Channels of the feature maps from the smallest up to `full` of them."""
    full: Count = 4
    """How many sizes, from the smallest, have that width; each larger one has half as many."""
    blocks: Count = 2
    """Residual blocks at each size."""
    group: Count = 16
    """Channels in a group of the 3x3 convolutions; 32 for ImageNet."""
    embedding: Count = 64
    """Length of the label's embedding that is joined to z."""

    def generator(
        self, latent: int, shape: tuple[int, ...], classes: int = 0, *, tanh: bool = True
    ) -> Generator:
        return R3Generator(self, latent, shape, classes, tanh)

    def discriminator(self, shape: tuple[int, ...], classes: int = 0) -> Discriminator:
        return R3Discriminator(self, shape, classes)

    def encoder(self, shape: tuple[int, ...], outputs: int) -> Encoder:
        return Encoder(R3Discriminator(self, shape, 0), outputs)

    def widths(self, sizes: int) -> list[int]:
        """Channels of the feature maps from the smallest to the largest."""
        return [max(1, self.width >> max(0, i + 1 - self.full)) for i in range(sizes)]

    def stage(self, width: int, sizes: int) -> list[nn.Module]:
        """The blocks at one of so many sizes."""
        return [R3Block(width, self.group, self.blocks * sizes) for _ in range(self.blocks)]

"""BigGAN's networks: Brock et al. (2019), arXiv:1809.11096, section 3 and appendix B.

    G   z is cut into a part for the first layer and one for each block; a block's BatchNorm has
        gains and shifts that are linear in its part and in the label's embedding, which all share
    D   residual blocks, ReLU, the sum over pixels, and the projection of the label

Channels are multiples of a width: in G 16, 8, 4, 2, 1 from 8 pixels up to 128, with one more 8 from
256 and one more 1 from 512 pixels; in D the same from the image down, and 16 in a block that does
not halve. Smaller images have the ends at 4 pixels of G, and at the image of D. Both have spectral
norm, and self-attention where it is asked for; weights begin orthogonal.
"""

# ruff: noqa: N815 - the paper's G and D end the names of settings that belong to one of them

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganwright.config.ranges import Count
from ganwright.errors import SettingsError
from ganwright.layers.attention import SelfAttention
from ganwright.layers.blocks import DownBlock, UpBlock
from ganwright.layers.condition import Score
from ganwright.layers.norm import BatchNorm, Conditioned, NoNorm, soft_labels
from ganwright.networks.base import (
    WEIGHTED,
    Discriminator,
    Encoder,
    Generator,
    Networks,
    check_attention,
    halvings,
    spectral,
    squash,
)
from ganwright.precision import wide


class VectorBatchNorm2d(nn.BatchNorm2d, Conditioned):
    """BatchNorm whose gains and shifts are linear in a vector v: (x [n, C, H, W], v) -> x's shape.

    Its gains are 1 + A v, its shifts B v.
    """

    def __init__(self, channels: int, length: int, cfg: BatchNorm) -> None:
        tracks = not cfg.always_batch
        super().__init__(channels, cfg.eps, cfg.momentum, False, track_running_stats=tracks)
        self.gain = nn.Linear(length, channels, bias=False)
        self.shift = nn.Linear(length, channels, bias=False)

    def forward(self, input: Tensor, y: Tensor | None = None) -> Tensor:
        x = super().forward(input)
        gain, shift = (wide(layer(y))[:, :, None, None] for layer in (self.gain, self.shift))
        return x * (1 + gain).to(x.dtype) + shift.to(x.dtype)


@dataclass(frozen=True)
class VectorBatchNorm(BatchNorm):
    """BatchNorm by vectors, whose length is given as the number of classes."""

    def build(self, channels: int, classes: int = 0, dims: int = 2) -> nn.Module:
        return VectorBatchNorm2d(channels, classes, self)


class BigGenerator(Generator):
    """The first part of z to a grid of 4 to 7 cells, doubled by blocks that get the other parts."""

    def __init__(
        self, cfg: BigNet, latent: int, shape: tuple[int, ...], classes: int, tanh: bool
    ) -> None:
        super().__init__()
        self.latent, self.classes = latent, classes
        h, w, count = halvings(shape, "BigNet")
        check_attention(cfg.attention, [h << i + 1 for i in range(count)])
        self.parts = parts(latent, count + 1)
        widths = [cfg.width_G * factor for factor in factors(count)]
        self.embedding = nn.Parameter(torch.empty(classes, cfg.shared)) if classes else None
        self.start = nn.Sequential(
            nn.Linear(self.parts[0], 16 * cfg.width_G * h * w),
            nn.Unflatten(1, (16 * cfg.width_G, h, w)),
        )
        norm = VectorBatchNorm(cfg.norm.momentum, cfg.norm.eps, cfg.norm.always_batch)
        shared = cfg.shared if classes else 0
        self.blocks, self.attentions = nn.ModuleList(), nn.ModuleList()
        for i, (fan_in, width) in enumerate(zip([16 * cfg.width_G, *widths], widths, strict=False)):
            self.blocks.append(UpBlock(fan_in, width, norm, shared + self.parts[i + 1]))
            self.attentions.append(cfg.attend(width, h << i + 1))
        last = nn.Conv2d(widths[-1], shape[0], 3, 1, 1)
        self.end = nn.Sequential(cfg.norm.build(widths[-1]), nn.ReLU(), last, squash(shape, tanh))
        orthogonal_init(self)
        spectral(self)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        first, *rest = z.split(self.parts, 1)
        label = []
        if self.embedding is not None:
            label = [soft_labels(y, self.classes) @ self.embedding]
        x = self.start(first)
        for block, attention, part in zip(self.blocks, self.attentions, rest, strict=True):
            x = attention(block(x, torch.cat([*label, part], 1)))
        out: Tensor = self.end(x)
        return wide(out)


class BigDiscriminator(Discriminator):
    """An image, halved by residual blocks, to features summed over the pixels left."""

    def __init__(self, cfg: BigNet, shape: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.classes = classes
        _, _, count = halvings(shape, "BigNet")
        check_attention(cfg.attention, [shape[1] >> i + 1 for i in range(count)])
        stages: list[nn.Module] = []
        fan_in, multiples = shape[0], factors(max(count, 5))[::-1][:count]
        for i, multiple in enumerate(multiples):
            stages.append(DownBlock(fan_in, multiple * cfg.width_D, NoNorm(), first=not i))
            stages.append(cfg.attend(multiple * cfg.width_D, shape[1] >> i + 1))
            fan_in = multiple * cfg.width_D
        self.width = min(16, 2 * multiples[-1]) * cfg.width_D
        stages.append(DownBlock(fan_in, self.width, NoNorm(), halve=False))
        self.stack = nn.Sequential(*stages, nn.ReLU())
        self.head = Score(self.width, classes)
        orthogonal_init(self)
        spectral(self)

    def features(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        h: Tensor = self.stack(x)
        return wide(h).sum((2, 3))

    def score(self, h: Tensor, y: Tensor | None = None) -> Tensor:
        score: Tensor = self.head(h, y)
        return score


def factors(count: int) -> list[int]:
    """Multiples of G's width at each of `count` sizes, from the smallest that is doubled to."""
    if count <= 5:
        return [16, 8, 4, 2, 1][:count]
    return [16, 8, 8, 4, 2, *[1] * (count - 5)]


def parts(latent: int, count: int) -> list[int]:
    """Lengths of so many parts of z, as equal as they can be.

    Raises:
        SettingsError: z is too short.
    """
    if latent < count:
        raise SettingsError(
            f"BigNet cuts z into {count} parts at this image size, and its length is {latent}; "
            f"set --game.latent {20 * count}, as the paper has it"
        )
    return [latent // count + (i < latent % count) for i in range(count)]


def orthogonal_init(network: nn.Module) -> None:
    """Orthogonal weights and embeddings (Saxe et al. 2014, arXiv:1312.6120); biases 0."""
    for module in network.modules():
        if isinstance(module, WEIGHTED):
            nn.init.orthogonal_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        embedding = getattr(module, "embedding", None)
        if isinstance(embedding, nn.Parameter):
            nn.init.orthogonal_(embedding)


@dataclass(frozen=True, kw_only=True)
class BigNet(Networks):
    """BigGAN's residual networks, for images whose sides halve to 4 to 7 pixels."""

    width_G: Count = 64
    """Channels of G's largest feature map at 128 pixels; the smallest has 16 times as many."""
    width_D: Count = 64
    """Channels of D's largest feature map; the smallest has 16 times as many."""
    shared: Count = 128
    """Length of the label's embedding that all of G's blocks share."""
    attention: tuple[Count, ...] = (32,)
    """Heights of the maps of G and D that are followed by self-attention; 64 in the paper."""
    norm: BatchNorm = BatchNorm(eps=1e-4)
    """Normalisation in G."""

    def generator(
        self, latent: int, shape: tuple[int, ...], classes: int = 0, *, tanh: bool = True
    ) -> Generator:
        return BigGenerator(self, latent, shape, classes, tanh)

    def discriminator(self, shape: tuple[int, ...], classes: int = 0) -> Discriminator:
        return BigDiscriminator(self, shape, classes)

    def encoder(self, shape: tuple[int, ...], outputs: int) -> Encoder:
        return Encoder(BigDiscriminator(self, shape, 0), outputs)

    def attend(self, channels: int, height: int) -> nn.Module:
        """Self-attention, where it stands at this height."""
        if height not in self.attention:
            return nn.Identity()
        return SelfAttention(channels, pooled=True)

"""Residual networks of SNGAN (Miyato et al. 2018, arXiv:1802.05957, tables 3 to 5) and SAGAN."""

# ruff: noqa: N815 - the papers' G and D end the names of settings that belong to one of them

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor, nn

from ganwright.config.ranges import Count, Whole
from ganwright.errors import SettingsError
from ganwright.layers.attention import SelfAttention
from ganwright.layers.blocks import DownBlock, UpBlock
from ganwright.layers.condition import ClassNorm, Concat, Projection, Stack
from ganwright.layers.norm import BatchNorm, NoNorm, Norm
from ganwright.networks.base import (
    Discriminator,
    Encoder,
    Generator,
    Networks,
    check_attention,
    halvings,
    spectral,
)
from ganwright.precision import wide


class ResNetGenerator(Generator):
    """z to a grid of 4 to 7 pixels, doubled by residual blocks up to the image."""

    def __init__(
        self, cfg: ResNet, latent: int, shape: tuple[int, ...], classes: int, tanh: bool
    ) -> None:
        super().__init__()
        self.latent, self.classes = latent, classes
        h, w, doublings = halvings(shape, "ResNet")
        check_attention(cfg.attention, [h << i + 1 for i in range(doublings)])
        widths = cfg.widths(cfg.width_G, doublings)[::-1]
        norm, join = cfg.labels_G.norm(cfg.norm_G, classes), cfg.labels_G.join(classes)
        stages: list[nn.Module] = [
            join,
            nn.Linear(latent + join.width, widths[0] * h * w),
            nn.Unflatten(1, (widths[0], h, w)),
        ]
        for i, (fan_in, width) in enumerate(zip([widths[0], *widths], widths, strict=False)):
            stages.append(UpBlock(fan_in, width, norm, classes))
            stages += cfg.attend(width, h << i + 1)
        last = nn.Conv2d(widths[-1], shape[0], 3, 1, 1)
        stages += [
            cfg.norm_G.build(widths[-1]),
            nn.ReLU(),
            last,
            nn.Tanh() if tanh else nn.Identity(),
        ]
        self.stack = norm.surround(Stack(*stages), latent, classes)
        xavier_init(self)
        nn.init.xavier_uniform_(last.weight)
        if cfg.spectral_G:
            spectral(self)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        out: Tensor = self.stack(z, y)
        return wide(out)


class ResNetDiscriminator(Discriminator):
    """An image, halved by residual blocks, to features summed over the pixels left."""

    def __init__(self, cfg: ResNet, shape: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.classes = classes
        count = cfg.halvings(shape)
        check_attention(cfg.attention, [shape[1] >> i + 1 for i in range(count)])
        join = cfg.labels_D.join(classes)
        stages: list[nn.Module] = [join]
        fan_in = shape[0] + join.width
        for i, width in enumerate(cfg.widths(cfg.width_D, count)):
            stages.append(DownBlock(fan_in, width, cfg.norm_D, first=not i))
            stages += cfg.attend(width, shape[1] >> i + 1)
            fan_in = width
        stages += (DownBlock(fan_in, fan_in, cfg.norm_D, halve=False) for _ in range(cfg.plain))
        self.stack = Stack(*stages, cfg.norm_D.build(fan_in), nn.ReLU())
        self.width = fan_in
        self.head = cfg.labels_D.score(fan_in, classes)
        xavier_init(self)
        if cfg.spectral_D:
            spectral(self)

    def features(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        h: Tensor = self.stack(x, y)
        return wide(h).sum((2, 3))

    def score(self, h: Tensor, y: Tensor | None = None) -> Tensor:
        score: Tensor = self.head(h, y)
        return score


def xavier_init(network: nn.Module) -> None:
    """Glorot's uniform weights, times sqrt(2) in the blocks' 3x3 convolutions; biases 0."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            behind = isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3)
            nn.init.xavier_uniform_(module.weight, math.sqrt(2) if behind else 1.0)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


@dataclass(frozen=True, kw_only=True)
class ResNet(Networks):
    """SNGAN's residual networks, for images whose sides halve to 4 to 7 pixels."""

    width_G: Count = 64
    """Channels of G's largest feature map; they double as it halves."""
    width_D: Count = 64
    """Channels of D's largest feature map; they double as it halves."""
    most: Count = 16
    """How many times as many channels the smallest map may have; 1 for the same throughout."""
    plain: Whole = 1
    """D's residual blocks that do not halve, at the end."""
    halvings_D: Count | None = None
    """How often D halves; down to 4 to 7 pixels when not given (SNGAN on CIFAR-10: 2)."""
    norm_G: Norm = BatchNorm()
    """Normalisation in G."""
    norm_D: Norm = NoNorm()
    """Normalisation in D."""
    spectral_G: bool = False
    """Spectral norm in G (SAGAN)."""
    spectral_D: bool = True
    """Spectral norm in D."""
    attention: tuple[Count, ...] = ()
    """Heights of the feature maps of G and D that are followed by self-attention."""
    pooled_attention: bool = False
    """Attend to values of C/2 channels, max-pooled, as in SAGAN's code."""
    labels_G: Concat | ClassNorm = ClassNorm()
    """How G uses labels: concatenated with z, or in its normalisation."""
    labels_D: Concat | Projection = Projection()
    """How labels enter D: as constant channels, or by projection."""

    def generator(
        self, latent: int, shape: tuple[int, ...], classes: int = 0, *, tanh: bool = True
    ) -> Generator:
        return ResNetGenerator(self, latent, shape, classes, tanh)

    def discriminator(self, shape: tuple[int, ...], classes: int = 0) -> Discriminator:
        return ResNetDiscriminator(self, shape, classes)

    def encoder(self, shape: tuple[int, ...], outputs: int) -> Encoder:
        return Encoder(ResNetDiscriminator(self, shape, 0), outputs)

    def widths(self, width: int, count: int) -> list[int]:
        """Channels of the feature maps from the largest to the smallest."""
        return [width * min(self.most, 2**i) for i in range(count)]

    def halvings(self, shape: tuple[int, ...]) -> int:
        """How often D halves images of `shape`.

        Raises:
            SettingsError: if it cannot.
        """
        *_, most = halvings(shape, "ResNet")
        if self.halvings_D is not None and self.halvings_D > most:
            raise SettingsError(
                f"halvings_D is {self.halvings_D}, but {shape[1]}x{shape[2]} halves {most} times"
            )
        return self.halvings_D or most

    def attend(self, channels: int, height: int) -> list[nn.Module]:
        """Self-attention, where it stands at this height."""
        if height not in self.attention:
            return []
        return [SelfAttention(channels, self.pooled_attention)]

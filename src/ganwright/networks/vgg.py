"""A discriminator after the fashion of VGG, whose features also serve a classifier (CC-GAN)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from ganwright.checked import Checked
from ganwright.layers.norm import BatchNorm, NoNorm, Norm
from ganwright.networks.base import Discriminator, halvings, normal_init
from ganwright.ranges import BelowOne, Count


class VGGDiscriminator(Discriminator):
    """Pairs of 3x3 convolutions, the second of which halves, down to 4 to 7 pixels."""

    classes = 0

    def __init__(self, cfg: VGGCritic, shape: tuple[int, ...]) -> None:
        super().__init__()
        h, w, count = halvings(shape, "VGGCritic")
        layers: list[nn.Module] = []
        fan_in = shape[0]
        for i in range(2 * count):
            width, norm = cfg.width * min(8, 2 ** (i // 2)), cfg.norm if i else NoNorm()
            conv = nn.Conv2d(fan_in, width, 3, 1 + i % 2, 1, bias=not norm.shifts)
            layers += [conv, norm.build(width), nn.LeakyReLU(0.2)]
            fan_in = width
        self.stack = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(cfg.dropout))
        self.width = fan_in * h * w
        self.head = nn.Linear(self.width, 1)
        normal_init(self)

    def features(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        h: Tensor = self.stack(x)
        return h.float()

    def score(self, h: Tensor, y: Tensor | None = None) -> Tensor:
        logits: Tensor = self.head(h)
        return logits.squeeze(1).float()


@dataclass(frozen=True, kw_only=True)
class VGGCritic(Checked):
    """VGG-A's 3x3 convolutions with strides in place of pooling, and no hidden units."""

    width: Count = 64
    """Channels at full size; they double as it halves, up to 8 times as many."""
    norm: Norm = BatchNorm()
    """Normalisation behind all convolutions but the first."""
    dropout: BelowOne = 0.5
    """Share of the features dropped in training."""

    def discriminator(self, shape: tuple[int, ...]) -> Discriminator:
        """A discriminator of pictures of `shape` (C, H, W) -> logits, float32 [n].

        Raises:
            SettingsError: if the sides do not halve down to 4 to 7 pixels.
        """
        return VGGDiscriminator(self, shape)

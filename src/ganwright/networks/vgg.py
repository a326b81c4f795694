"""Discriminators after the fashion of VGG, whose features also serve a classifier (CC-GAN)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from ganwright.config.checked import Checked
from ganwright.config.ranges import BelowOne, Count
from ganwright.errors import SettingsError
from ganwright.layers.dropout import Dropout
from ganwright.layers.norm import BatchNorm, NoNorm, Norm
from ganwright.networks.base import Discriminator, halvings, normal_init
from ganwright.precision import wide

VGG_A = ((1,), (2,), (4, 4), (8, 8), (8, 8))
"""Channels of VGG-A's convolutions at each of its scales, as multiples of the first layer's."""


class VGGDiscriminator(Discriminator):
    """Layers that end in a grid of `width` numbers, and a linear head on them."""

    classes = 0

    def __init__(self, layers: Sequence[nn.Module], width: int, dropout: float) -> None:
        super().__init__()
        self.stack = nn.Sequential(*layers, nn.Flatten(), Dropout(dropout))
        self.width = width
        self.head = nn.Linear(width, 1)
        normal_init(self)

    def features(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        h: Tensor = self.stack(x)
        return wide(h)

    def score(self, h: Tensor, y: Tensor | None = None) -> Tensor:
        logits: Tensor = self.head(h)
        return wide(logits.squeeze(1))


@dataclass(frozen=True, kw_only=True)
class VGGCritic(Checked):
    """VGG-A's 3x3 convolutions with strides instead of pooling, and no hidden units."""

    width: Count = 64
    """Channels at full size; they double as it halves, up to 8 times as many."""
    norm: Norm = BatchNorm()
    """Normalisation after all convolutions but the first."""
    dropout: BelowOne = 0.5
    """Share of the features dropped in training."""

    def discriminator(self, shape: tuple[int, ...]) -> Discriminator:
        """A discriminator of images of `shape` (C, H, W) -> logits, float32 [n].

        Raises:
            SettingsError: if the sides do not fit.
        """
        h, w, count = halvings(shape, "VGGCritic")
        layers: list[nn.Module] = []
        fan_in = shape[0]
        for i in range(2 * count):
            width, norm = self.width * min(8, 2 ** (i // 2)), self.norm if i else NoNorm()
            layers += _convolution(fan_in, width, norm, stride=1 + i % 2)
            fan_in = width
        return VGGDiscriminator(layers, fan_in * h * w, self.dropout)


@dataclass(frozen=True, kw_only=True)
class VGGA(VGGCritic):
    """VGG-A's eight convolutions and five max poolings, without its hidden units (CC-GAN's D)."""

    norm: Norm = BatchNorm()
    """Normalisation after all convolutions."""
    dropout: BelowOne = 0.0
    """Share of the features dropped in training, for both the score and the classifier."""

    def discriminator(self, shape: tuple[int, ...]) -> Discriminator:
        if len(shape) != 3 or min(shape[1:]) < 2 ** len(VGG_A):
            raise SettingsError(
                f"VGGA halves images (C, H, W) five times, so they need 32 pixels or more, got "
                f"{shape}; choose VGGCritic or a larger --image-size"
            )
        layers: list[nn.Module] = []
        fan_in, h, w = shape
        for scale in VGG_A:
            for factor in scale:
                layers += _convolution(fan_in, factor * self.width, self.norm)
                fan_in = factor * self.width
            layers += [nn.MaxPool2d(2)]
            h, w = h // 2, w // 2
        return VGGDiscriminator(layers, fan_in * h * w, self.dropout)


def _convolution(fan_in: int, width: int, norm: Norm, stride: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(fan_in, width, 3, stride, 1, bias=not norm.shifts)
    return [conv, norm.build(width), nn.LeakyReLU(0.2)]

"""Networks of AdvGAN (arXiv:1801.02610) and APE-GAN (arXiv:1707.05474), for digits of 28 pixels.

The papers give no layer tables: AdvGAN's are those of its widely used port, APE-GAN's follow DCGAN
with kernels of 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from ganwright.config.ranges import Count, Whole
from ganwright.errors import SettingsError
from ganwright.layers.norm import BatchNorm, InstanceNorm, NoNorm, Norm
from ganwright.networks.base import normal_init
from ganwright.networks.patch import Patch
from ganwright.networks.srresnet import Residue
from ganwright.networks.translator import Picture, Translator, common_size
from ganwright.precision import wide


@dataclass(frozen=True, kw_only=True)
class AdvTranslator(Translator):
    """Two strided convolutions, residual blocks and their mirror image (AdvGAN)."""

    width: Count = 8
    """Channels at full size; twice and four times as many at a half and a quarter."""
    blocks: Whole = 4
    """Residual blocks, with batch normalisation."""
    norm: Norm = InstanceNorm()
    """Normalisation outside the residual blocks."""

    def translator(self, shape_in: tuple[int, ...], shape_out: tuple[int, ...]) -> nn.Module:
        common_size(shape_in, shape_out, "AdvTranslator", 4, 16)
        c = self.width
        network = Picture(
            *self._layer(nn.Conv2d(shape_in[0], c, 3), c),
            *self._layer(nn.Conv2d(c, 2 * c, 3, 2), 2 * c),
            *self._layer(nn.Conv2d(2 * c, 4 * c, 3, 2), 4 * c),
            *(Residue(*_half(4 * c), nn.ReLU(), *_half(4 * c)) for _ in range(self.blocks)),
            *self._layer(nn.ConvTranspose2d(4 * c, 2 * c, 3, 2, bias=False), 2 * c),
            *self._layer(nn.ConvTranspose2d(2 * c, c, 3, 2, bias=False), c),
            nn.ConvTranspose2d(c, shape_out[0], 6, bias=False),
        )
        normal_init(network)
        return network

    def _layer(self, convolution: nn.Module, channels: int) -> tuple[nn.Module, ...]:
        return convolution, self.norm.build(channels), nn.ReLU()


def _half(channels: int) -> tuple[nn.Module, nn.Module]:
    convolution = nn.Conv2d(channels, channels, 3, 1, 1, bias=False, padding_mode="reflect")
    return convolution, BatchNorm().build(channels)


@dataclass(frozen=True, kw_only=True)
class APETranslator(Translator):
    """Two halvings by 5x5 convolutions and two doublings (APE-GAN)."""

    width: Count = 64
    """Channels at half the size; twice as many at a quarter."""
    norm: Norm = BatchNorm()
    """Normalisation after every layer but the last."""

    def translator(self, shape_in: tuple[int, ...], shape_out: tuple[int, ...]) -> nn.Module:
        common_size(shape_in, shape_out, "APETranslator", 4, 8)
        c, norm = self.width, self.norm
        network = Picture(
            nn.Conv2d(shape_in[0], c, 5, 2, 2),
            norm.build(c),
            nn.LeakyReLU(0.2),
            nn.Conv2d(c, 2 * c, 5, 2, 2),
            norm.build(2 * c),
            nn.LeakyReLU(0.2),
            nn.ConvTranspose2d(2 * c, c, 5, 2, 2, 1),
            norm.build(c),
            nn.LeakyReLU(0.2),
            nn.ConvTranspose2d(c, shape_out[0], 5, 2, 2, 1),
        )
        normal_init(network)
        return network


class StagedCritic(nn.Module):
    """Images [n, C, H, W] to a map of logits, float32 [n, 1, h, w], by stages with a head.

    Args:
        stages: the hidden layers, each with its norm and activation.
        head: the last convolution.
    """

    def __init__(self, stages: Sequence[nn.Module], head: nn.Module) -> None:
        super().__init__()
        self.stages, self.head = nn.ModuleList(stages), head
        normal_init(self)

    def features(self, x: Tensor) -> tuple[Tensor, ...]:
        """The activations after each stage, float32 [n, c, h, w], shallow to deep."""
        found = []
        for stage in self.stages:
            x = stage(x)
            found.append(wide(x))
        return tuple(found)

    def forward(self, x: Tensor) -> Tensor:
        """A map of logits."""
        for stage in self.stages:
            x = stage(x)
        logits: Tensor = self.head(x)
        return wide(logits)


def _stage(fan_in: int, width: int, kernel: int, pad: int, norm: Norm) -> nn.Module:
    convolution = nn.Conv2d(fan_in, width, kernel, 2, pad)
    return nn.Sequential(convolution, norm.build(width), nn.LeakyReLU(0.2))


@dataclass(frozen=True, kw_only=True)
class AdvCritic(Patch):
    """Three strided convolutions without padding, and one logit per remaining pixel (AdvGAN)."""

    width: Count = 8
    """Channels of the first layer; they double twice."""
    norm: Norm = BatchNorm()
    """Normalisation of the second and the third layer."""

    def discriminator(self, shape: tuple[int, ...]) -> nn.Module:
        if len(shape) != 3 or min(shape[1:]) < 22:
            raise SettingsError(
                f"AdvCritic needs images (C, H, W) of 22 pixels or more, got {shape}; choose "
                "ConvCritic, PatchGAN or a larger --image-size"
            )
        c, norm = self.width, self.norm
        stages = [
            _stage(shape[0], c, 4, 0, NoNorm()),
            _stage(c, 2 * c, 4, 0, norm),
            _stage(2 * c, 4 * c, 4, 0, norm),
        ]
        return StagedCritic(stages, nn.Conv2d(4 * c, 1, 1))


@dataclass(frozen=True, kw_only=True)
class APECritic(Patch):
    """Three halvings by 5x5 convolutions, and one logit (APE-GAN)."""

    width: Count = 64
    """Channels of the first layer; they double twice."""
    norm: Norm = BatchNorm()
    """Normalisation of the second and the third layer."""

    def discriminator(self, shape: tuple[int, ...]) -> nn.Module:
        if len(shape) != 3 or min(shape[1:]) < 8:
            raise SettingsError(
                f"APECritic needs images (C, H, W) of 8 pixels or more, got {shape}; set a larger "
                "--image-size"
            )
        c, norm = self.width, self.norm
        stages = [
            _stage(shape[0], c, 5, 2, NoNorm()),
            _stage(c, 2 * c, 5, 2, norm),
            _stage(2 * c, 4 * c, 5, 2, norm),
        ]
        h, w = (-(-side // 8) for side in shape[1:])
        return StagedCritic(stages, nn.Conv2d(4 * c, 1, (h, w)))

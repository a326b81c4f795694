"""Networks from images to images: what they promise, and those without long skips."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from ganwright.config.checked import Checked
from ganwright.config.ranges import Count, Whole
from ganwright.errors import SettingsError
from ganwright.layers.norm import BatchNorm, InstanceNorm, NoNorm, Norm
from ganwright.layers.resample import Transposed, Up
from ganwright.networks.base import halvings, normal_init, spoken
from ganwright.precision import wide


class Picture(nn.Sequential):
    """Layers from images to images in [-1, 1], float32."""

    def forward(self, x: Tensor) -> Tensor:
        for layer in self:
            x = layer(x)
        return wide(x.tanh())


@dataclass(frozen=True, kw_only=True)
class Translator(Checked):
    """Base of the settings of networks from images to images."""

    advice: ClassVar[str] = (
        "one of your own comes from a function in a module: CustomTranslator(G=mine.make_G)"
    )
    """What the error for anything else adds."""

    def translator(self, shape_in: tuple[int, ...], shape_out: tuple[int, ...]) -> nn.Module:
        """A network from images of one shape (C, H, W) to another; both float32 in [-1, 1].

        Raises:
            SettingsError: if the sizes differ, or are none that the network can have.
        """
        raise NotImplementedError


def common_size(
    shape_in: tuple[int, ...], shape_out: tuple[int, ...], name: str, divisor: int, least: int
) -> tuple[int, int]:
    """Height and width, which both shapes share and `divisor` divides.

    Raises:
        SettingsError: if they do not, or are smaller than `least`.
    """
    h, w = shape_in[1:]
    if shape_out[1:] != (h, w):
        raise SettingsError(
            f"{name} keeps the size of an image, and the domains differ: {h}x{w} and "
            f"{shape_out[1]}x{shape_out[2]}; bring both to one size with --image-size"
        )
    if h % divisor or w % divisor or min(h, w) < least:
        a, b = (max(least, round(side / divisor) * divisor) for side in (h, w))
        raise SettingsError(
            f"{name} needs sides that {divisor} divides, of {least} pixels or more, got {h}x{w}; "
            f"the nearest that fits is {spoken(a, b)}"
        )
    return h, w


class ResidualReflection(nn.Module):
    """x + two 3x3 convolutions with reflection padding: [n, C, H, W] -> [n, C, H, W]."""

    def __init__(self, channels: int, norm: Norm) -> None:
        super().__init__()
        bias = not norm.shifts
        self.residual = nn.Sequential(
            nn.Conv2d(channels, channels, 3, 1, 1, bias=bias, padding_mode="reflect"),
            norm.build(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, 1, 1, bias=bias, padding_mode="reflect"),
            norm.build(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        residual: Tensor = self.residual(x)
        return x + residual


@dataclass(frozen=True, kw_only=True)
class ResNetTranslator(Translator):
    """Residual blocks at a quarter of the size (CycleGAN; Johnson et al. 2016)."""

    width: Count = 64
    """Channels at full size; twice and four times as many at a half and a quarter."""
    blocks: Whole | None = None
    """Residual blocks; 6 below 256 pixels and 9 from there when not given."""
    norm: Norm = InstanceNorm()
    """Normalisation after every layer but the last."""
    up: Up = Transposed(kernel=3)
    """How it upsamples; Resize avoids checkerboard artefacts."""

    def translator(self, shape_in: tuple[int, ...], shape_out: tuple[int, ...]) -> nn.Module:
        h, w = common_size(shape_in, shape_out, "ResNetTranslator", 4, 8)
        blocks = self.blocks if self.blocks is not None else 6 if min(h, w) < 256 else 9
        c, bias = self.width, not self.norm.shifts
        network = Picture(
            nn.Conv2d(shape_in[0], c, 7, 1, 3, bias=bias, padding_mode="reflect"),
            *self._behind(c),
            nn.Conv2d(c, 2 * c, 3, 2, 1, bias=bias),
            *self._behind(2 * c),
            nn.Conv2d(2 * c, 4 * c, 3, 2, 1, bias=bias),
            *self._behind(4 * c),
            *(ResidualReflection(4 * c, self.norm) for _ in range(blocks)),
            self.up.build(4 * c, 2 * c, bias),
            *self._behind(2 * c),
            self.up.build(2 * c, c, bias),
            *self._behind(c),
            nn.Conv2d(c, shape_out[0], 7, 1, 3, padding_mode="reflect"),
        )
        normal_init(network)
        return network

    def _behind(self, channels: int) -> tuple[nn.Module, nn.Module]:
        return self.norm.build(channels), nn.ReLU()


@dataclass(frozen=True, kw_only=True)
class EncoderDecoder(Translator):
    """Downsampling to 4 to 7 pixels and back up, without skip connections (DiscoGAN)."""

    width: Count = 64
    """Channels at half the size; they double as it halves, up to 8 times as many."""
    norm: Norm = BatchNorm()
    """Normalisation after every layer but the first and the last."""
    up: Up = Transposed()
    """How it upsamples."""

    def translator(self, shape_in: tuple[int, ...], shape_out: tuple[int, ...]) -> nn.Module:
        common_size(shape_in, shape_out, "EncoderDecoder", 1, 1)
        *_, count = halvings(shape_in, "EncoderDecoder")
        widths = [self.width * min(8, 2**i) for i in range(count)]
        layers: list[nn.Module] = []
        for i, (fan_in, width) in enumerate(zip([shape_in[0], *widths], widths, strict=False)):
            norm = self.norm if i else NoNorm()
            layers += [nn.Conv2d(fan_in, width, 4, 2, 1, bias=not norm.shifts), norm.build(width)]
            layers += [nn.LeakyReLU(0.2)]
        for fan_in, width in zip(widths[::-1], widths[-2::-1], strict=False):
            layers += [self.up.build(fan_in, width, not self.norm.shifts)]
            layers += [self.norm.build(width), nn.ReLU()]
        network = Picture(*layers, self.up.build(widths[0], shape_out[0]))
        normal_init(network)
        return network

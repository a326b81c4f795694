"""Doubling and halving images with a convolution, as settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import nn

from ganwright.config.checked import Checked


@dataclass(frozen=True)
class Up(Checked):
    """Base of the ways to double height and width."""

    def build(self, fan_in: int, fan_out: int, bias: bool = True) -> nn.Module:
        """[n, fan_in, H, W] -> [n, fan_out, 2H, 2W]."""
        raise NotImplementedError


@dataclass(frozen=True)
class Transposed(Up):
    """A transposed convolution with stride 2."""

    kernel: Literal[2, 3, 4, 5, 6] = 4
    """Side of the kernel."""

    def build(self, fan_in: int, fan_out: int, bias: bool = True) -> nn.Module:
        pad, odd = (self.kernel - 1) // 2, self.kernel % 2
        return nn.ConvTranspose2d(fan_in, fan_out, self.kernel, 2, pad, odd, bias=bias)


@dataclass(frozen=True)
class Resize(Up):
    """Interpolation, then a 3x3 convolution: no checkerboards (Odena et al. 2016)."""

    mode: Literal["nearest", "bilinear"] = "nearest"
    """How pixels between pixels are found."""

    def build(self, fan_in: int, fan_out: int, bias: bool = True) -> nn.Module:
        align = False if self.mode == "bilinear" else None
        return nn.Sequential(
            nn.Upsample(scale_factor=2, mode=self.mode, align_corners=align),
            nn.Conv2d(fan_in, fan_out, 3, 1, 1, bias=bias),
        )


@dataclass(frozen=True)
class SubPixel(Up):
    """A 3x3 convolution to four times the channels, reshuffled (Shi et al. 2016, 1609.05158)."""

    def build(self, fan_in: int, fan_out: int, bias: bool = True) -> nn.Module:
        return nn.Sequential(nn.Conv2d(fan_in, 4 * fan_out, 3, 1, 1, bias=bias), nn.PixelShuffle(2))


@dataclass(frozen=True)
class Down(Checked):
    """Base of the ways to halve height and width."""

    def build(self, fan_in: int, fan_out: int, bias: bool = True) -> nn.Module:
        """[n, fan_in, H, W] -> [n, fan_out, H/2, W/2]."""
        raise NotImplementedError


@dataclass(frozen=True)
class Strided(Down):
    """A convolution with stride 2."""

    kernel: Literal[2, 3, 4, 5, 6] = 4
    """Side of the kernel."""

    def build(self, fan_in: int, fan_out: int, bias: bool = True) -> nn.Module:
        return nn.Conv2d(fan_in, fan_out, self.kernel, 2, (self.kernel - 1) // 2, bias=bias)


@dataclass(frozen=True)
class Pooled(Down):
    """A 3x3 convolution, then the mean of each 2x2 pixels."""

    def build(self, fan_in: int, fan_out: int, bias: bool = True) -> nn.Module:
        return nn.Sequential(nn.Conv2d(fan_in, fan_out, 3, 1, 1, bias=bias), nn.AvgPool2d(2))


UPS: dict[str, type[Up]] = {"Resize": Resize, "SubPixel": SubPixel, "Transposed": Transposed}
DOWNS: dict[str, type[Down]] = {"Pooled": Pooled, "Strided": Strided}

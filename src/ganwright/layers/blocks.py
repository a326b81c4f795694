"""Residual, bottleneck and dense blocks, made of norm, activation and convolution in that order."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganwright.config.checked import Checked
from ganwright.config.ranges import Count
from ganwright.layers.activation import Activation, ReLU
from ganwright.layers.condition import Stack
from ganwright.layers.norm import Conditioned, Norm


@dataclass(frozen=True)
class Style:
    """What the layers of a block have in common."""

    norm: Norm
    activation: Activation
    classes: int = 0

    def unit(self, fan_in: int, fan_out: int, kernel: int = 3) -> list[nn.Module]:
        """Norm, activation, convolution: [n, fan_in, H, W] -> [n, fan_out, H, W]."""
        return [
            self.norm.build(fan_in, self.classes),
            self.activation.build(fan_in),
            nn.Conv2d(fan_in, fan_out, kernel, 1, kernel // 2),
        ]


class ResidualBlock(Conditioned):
    """x + f(x), He et al. (2016), arXiv:1603.05027: [n, C, H, W] -> [n, C, H, W]."""

    def __init__(self, channels: int, style: Style) -> None:
        super().__init__()
        self.inner = Stack(*style.unit(channels, channels), *style.unit(channels, channels))

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        residual: Tensor = self.inner(x, y)
        return x + residual


class BottleneckBlock(ResidualBlock):
    """A residual block whose 3x3 convolution stands between 1x1 to a quarter of C and back."""

    def __init__(self, channels: int, style: Style) -> None:
        super().__init__(channels, style)
        inner = max(1, channels // 4)
        self.inner = Stack(
            *style.unit(channels, inner, 1),
            *style.unit(inner, inner),
            *style.unit(inner, channels, 1),
        )


class DenseBlock(Conditioned):
    """Each layer sees all before it, Huang et al. (2017), arXiv:1608.06993.

    [n, C, H, W] -> [n, C + layers * growth, H, W].
    """

    def __init__(self, channels: int, growth: int, layers: int, style: Style) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            Stack(*style.unit(channels + i * growth, growth)) for i in range(layers)
        )

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        for layer in self.layers:
            x = torch.cat([x, layer(x, y)], 1)
        return x


class TransitionBlock(Stack, Conditioned):
    """A 1x1 unit that brings a dense block's channels back: [n, c, H, W] -> [n, C, H, W]."""

    def __init__(self, fan_in: int, fan_out: int, style: Style) -> None:
        super().__init__(*style.unit(fan_in, fan_out, 1))


class UpBlock(Conditioned):
    """SNGAN's residual block that doubles: [n, c, H, W] -> [n, C, 2H, 2W].

    Miyato et al. (2018), arXiv:1802.05957, figure 9.
    """

    def __init__(self, fan_in: int, fan_out: int, norm: Norm, classes: int) -> None:
        super().__init__()
        first = Style(norm, ReLU(), classes).unit(fan_in, fan_out)
        second = Style(norm, ReLU(), classes).unit(fan_out, fan_out)
        self.inner = Stack(*first[:2], nn.Upsample(scale_factor=2), first[2], *second)
        self.skip = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(fan_in, fan_out, 1))

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        residual: Tensor = self.inner(x, y)
        double, change = self.skip
        # The nearest pixel and a 1x1 convolution commute, and the convolution first is cheaper.
        skip: Tensor = double(change(x))
        return residual + skip


class DownBlock(nn.Module):
    """SNGAN's residual block of D: [n, c, H, W] -> [n, C, H/2, W/2], or [n, C, H, W].

    Args:
        halve: average 2x2 pixels at the end.
        first: the input is an image, on which no norm or activation acts.
    """

    def __init__(
        self, fan_in: int, fan_out: int, norm: Norm, *, halve: bool = True, first: bool = False
    ) -> None:
        super().__init__()
        style = Style(norm, ReLU())
        pool = [nn.AvgPool2d(2)] if halve else []
        head = style.unit(fan_in, fan_out)[2 * first :]
        self.inner = nn.Sequential(*head, *style.unit(fan_out, fan_out), *pool)
        change = [nn.Conv2d(fan_in, fan_out, 1)] if halve or fan_in != fan_out else []
        # A mean over pixels and a 1x1 convolution commute, and the mean first is cheaper.
        self.skip = nn.Sequential(*pool, *change)

    def forward(self, x: Tensor) -> Tensor:
        residual: Tensor = self.inner(x)
        skip: Tensor = self.skip(x)
        return residual + skip


@dataclass(frozen=True)
class Blocks(Checked):
    """Base of the settings of what refines each feature map at its size: nothing here."""

    def build(self, channels: int, style: Style) -> list[nn.Module]:
        """Layers [n, channels, H, W] -> [n, channels, H, W]."""
        return []


@dataclass(frozen=True)
class NoBlocks(Blocks):
    """No layers besides the resampling layers."""


@dataclass(frozen=True)
class Convs(Blocks):
    """Plain 3x3 convolutions at each size, as in VGG."""

    count: Count = 1
    """How many at each size."""

    def build(self, channels: int, style: Style) -> list[nn.Module]:
        return [layer for _ in range(self.count) for layer in style.unit(channels, channels)]


@dataclass(frozen=True)
class Residual(Blocks):
    """Residual blocks at each size."""

    count: Count = 1
    """How many at each size."""

    def build(self, channels: int, style: Style) -> list[nn.Module]:
        return [ResidualBlock(channels, style) for _ in range(self.count)]


@dataclass(frozen=True)
class Bottleneck(Blocks):
    """Bottleneck blocks at each size."""

    count: Count = 1
    """How many at each size."""

    def build(self, channels: int, style: Style) -> list[nn.Module]:
        return [BottleneckBlock(channels, style) for _ in range(self.count)]


@dataclass(frozen=True)
class Dense(Blocks):
    """A dense block at each size, and a transition back to the previous channels."""

    growth: Count = 16
    """Channels that each layer adds."""
    layers: Count = 2
    """Layers of a block."""

    def build(self, channels: int, style: Style) -> list[nn.Module]:
        wide = channels + self.growth * self.layers
        return [
            DenseBlock(channels, self.growth, self.layers, style),
            TransitionBlock(wide, channels, style),
        ]


BLOCKS: dict[str, type[Blocks]] = {
    "Bottleneck": Bottleneck,
    "Convs": Convs,
    "Dense": Dense,
    "NoBlocks": NoBlocks,
    "Residual": Residual,
}

"""Layers of FastGAN: Liu et al. (2021), arXiv:2101.04775, section 3.1, and its code."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Excitation(nn.Module):
    """Skip-layer excitation (eq. 1): (low [n, I, h, w], high [n, O, H, W]) -> like high.

    What the coarse map shows scales each channel of the fine one, by factors between 0 and 1.
    """

    def __init__(self, fan_in: int, fan_out: int) -> None:
        super().__init__()
        self.factors = nn.Sequential(
            nn.AdaptiveAvgPool2d(4),
            nn.Conv2d(fan_in, fan_out, 4, bias=False),
            nn.SiLU(),
            nn.Conv2d(fan_out, fan_out, 1, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        factors: Tensor = self.factors(low)
        return high * factors


class Noise(nn.Module):
    """x + strength noise, [n, C, H, W]: the same for all channels, with a strength of 0 at first.

    In evaluation the noise is always the same.

    Args:
        size: height and width of x.
    """

    noise: Tensor

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise", torch.randn(size))

    def forward(self, x: Tensor) -> Tensor:
        noise = self.noise
        if self.training:
            noise = torch.randn(len(x), 1, *x.shape[2:], device=x.device, dtype=noise.dtype)
        return x + (self.strength * noise).to(x.dtype)


def gated(fan_in: int, fan_out: int, noisy: tuple[int, int] | None = None) -> list[nn.Module]:
    """3x3 convolution to twice the channels, BatchNorm, and one half gates the other.

    [n, fan_in, H, W] -> [n, fan_out, H, W].

    Args:
        noisy: height and width, where noise is added before BatchNorm.
    """
    return [
        nn.Conv2d(fan_in, 2 * fan_out, 3, 1, 1, bias=False),
        *([Noise(noisy)] if noisy else []),
        nn.BatchNorm2d(2 * fan_out),
        nn.GLU(1),
    ]


class Halving(nn.Module):
    """FastGAN's residual block of D: [n, I, H, W] -> [n, O, H/2, W/2], the mean of two ways."""

    def __init__(self, fan_in: int, fan_out: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            *leaky(nn.Conv2d(fan_in, fan_out, 4, 2, 1, bias=False)),
            *leaky(nn.Conv2d(fan_out, fan_out, 3, 1, 1, bias=False)),
        )
        self.direct = nn.Sequential(
            nn.AvgPool2d(2), *leaky(nn.Conv2d(fan_in, fan_out, 1, bias=False))
        )

    def forward(self, x: Tensor) -> Tensor:
        both: Tensor = self.main(x) + self.direct(x)
        return both / 2


def leaky(conv: nn.Conv2d) -> list[nn.Module]:
    """A convolution, BatchNorm and leaky ReLU .2."""
    return [conv, nn.BatchNorm2d(conv.out_channels), nn.LeakyReLU(0.2)]

"""One order of degradation: blur, resizing, noise, JPEG."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from ganwright.config.checked import Checked
from ganwright.config.ranges import Count, NonNegative, Positive, Share
from ganwright.degrade import kernels
from ganwright.degrade.draws import Draws, each
from ganwright.degrade.jpeg import compressed
from ganwright.degrade.resize import AREA, BICUBIC, Canvas
from ganwright.errors import SettingsError

Span: TypeAlias = tuple[NonNegative, NonNegative]
"""The ends that a number is drawn between, uniformly."""
_BETAS = ((1.0, 1.0), (0.5, 4.0), (1.0, 2.0))
"""Ends of beta for Gaussian, generalised and plateau kernels; a coin decides on a side of 1."""
_LARGE = 13
"""Side from which the cutoffs of sinc kernels go down to pi/5, and not to pi/3 only."""
_COUNT = 256.0
"""Photons of a white pixel, from which the Poisson noise comes."""


@dataclass(frozen=True, kw_only=True)
class Order(Checked):
    """Blur, resizing, noise and JPEG; defaults are those of Real-ESRGAN's first order."""

    blur: Share = 1.0
    """Chance of blur."""
    kernel: tuple[Count, Count] = (7, 21)
    """Smallest and largest side of a kernel in pixels."""
    sigma: Span = (0.2, 3.0)
    """Deviation of a kernel along an axis, in pixels."""
    shapes: tuple[Share, Share, Share, Share, Share, Share] = (0.45, 0.25, 0.12, 0.03, 0.12, 0.03)
    """Shares of Gaussian kernels, generalised ones and plateaus, of each the round ones first."""
    sinc: Share = 0.1
    """Share of the kernels that are sinc filters, which ring."""
    up: Share = 0.2
    """Chance of enlargement."""
    down: Share = 0.7
    """Chance of reduction; else the size is kept."""
    scale: tuple[Positive, Positive] = (0.15, 1.5)
    """Strongest reduction and enlargement."""
    gaussian: Span = (1.0, 30.0)
    """Deviation of Gaussian noise, in levels of 255."""
    poisson: Span = (0.05, 3.0)
    """Factor on Poisson noise of 256 photons."""
    shot: Share = 0.5
    """Chance of Poisson noise; else it is Gaussian."""
    grey: Share = 0.4
    """Share of the noise that is equal in all channels."""
    quality: tuple[NonNegative, NonNegative] = (30.0, 95.0)
    """JPEG quality, from 1; 100 does not compress."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("kernel", "sigma", "scale", "gaussian", "poisson", "quality"):
            low, high = getattr(self, name)
            if low > high:
                raise SettingsError(f"{name} is ({low}, {high}); give the smaller number first")
        if self.scale[0] > 1 or self.scale[1] < 1:
            raise SettingsError(f"scale is {self.scale}; it must span 1, the size that is kept")
        if self.up + self.down > 1:
            raise SettingsError(f"up and down are {self.up} and {self.down}; their sum is above 1")
        if self.quality[0] < 1 or self.quality[1] > 100:
            raise SettingsError(f"quality is {self.quality}; it must lie in (1, 100)")
        if not math.isclose(sum(self.shapes), 1, abs_tol=1e-6):
            raise SettingsError(f"shapes is {self.shapes}; its sum must be 1")
        if self.kernel[0] % 2 == 0 or self.kernel[1] % 2 == 0:
            raise SettingsError(f"kernel is {self.kernel}; its sides must be odd")

    def blurred(self, x: Canvas, draws: Draws, strength: float) -> Canvas:
        """The images, each blurred by its own kernel."""
        low, high = self.kernel
        radius, side = draws.whole(low // 2, high // 2), high
        span = (strength * self.sigma[0], strength * self.sigma[1])
        a, b, angle = draws.uniform(span), draws.uniform(span), draws.uniform((-math.pi, math.pi))
        kind = draws.kind(self.shapes)
        b = torch.where(kind % 2 == 0, a, b)
        kernel = kernels.gaussian(a, b, angle, bent(draws, kind // 2), kind >= 4, radius, side)
        rings, part = draws.chance(self.sinc * strength), torch.where(2 * radius + 1 < _LARGE, 3, 5)
        ring = ringing(draws, radius, side, part)
        kernel = torch.where(each(rings)[:, 0], ring, kernel)
        blurs = each(draws.chance(self.blur))[:, 0]
        kernel = torch.where(blurs, kernel, kernels.still(side, kernel))
        return x.edged(kernels.filtered(x.edged(x.pixels).pixels, kernel))

    def resized(self, x: Canvas, size: tuple[int, int], draws: Draws, strength: float) -> Canvas:
        """The images, each brought to `size` (height, width) times a factor of its own."""
        least, most = self.scale
        u, kind = draws.rand(draws.n), draws.rand(draws.n)
        factor = torch.where(kind < self.up, 1 + (most - 1) * u, torch.ones_like(u))
        factor = torch.where(kind >= 1 - self.down, least + (1 - least) * u, factor)
        factor = factor**strength
        height, width = ((side * factor).floor().clamp_min(1).long() for side in size)
        canvas = (math.ceil(most * size[0]), math.ceil(most * size[1]))
        return x.resized(height, width, canvas, draws.whole(AREA, BICUBIC))

    def noisy(self, x: Canvas, draws: Draws, strength: float) -> Canvas:
        """The images with noise, cut off at [-1, 1]."""
        clean = x.pixels.clamp(-1, 1)
        grey, shot = each(draws.chance(self.grey)), each(draws.chance(self.shot))
        light = (torch.where(grey, lightness(clean), clean) + 1) / 2
        counted = draws.poisson(light * _COUNT) / _COUNT - light
        counted = 2 * each(draws.uniform(self.poisson)) * counted
        plain = 2 / 255 * each(draws.uniform(self.gaussian)) * draws.randn(*clean.shape)
        noise = torch.where(shot, counted, plain)
        noise = torch.where(grey, noise[:, :1], noise)
        return x.edged((clean + strength * noise).clamp(-1, 1))

    def compressed(self, x: Tensor, draws: Draws, strength: float) -> Tensor:
        """The pixels, as they come back from JPEG files."""
        return compressed(x, 100 - strength * (100 - draws.uniform(self.quality)))


def bent(draws: Draws, shape: Tensor) -> Tensor:
    """The beta of each kernel: U(low, 1) or U(1, high), as a coin decides.

    Args:
        shape: 0 for a Gaussian, 1 for a generalised one, 2 for a plateau: int64 [n].
    """
    low, high = draws.like.new_tensor(_BETAS)[shape].unbind(1)
    end = torch.where(draws.chance(0.5), low, high)
    return 1 + (end - 1) * draws.rand(draws.n)


def ringing(draws: Draws, radius: Tensor, side: int, part: Tensor | int = 3) -> Tensor:
    """Sinc kernels [n, side, side] with cutoffs from pi/part to pi."""
    low = 1 / part
    return kernels.sinc(math.pi * (low + (1 - low) * draws.rand(draws.n)), radius, side)


def lightness(x: Tensor) -> Tensor:
    """Images without colours: Y of BT.601 for RGB [n, 3, H, W], else the mean: [n, 1, H, W]."""
    if x.shape[1] != 3:
        return x.mean(1, keepdim=True)
    weights = x.new_tensor((0.299, 0.587, 0.114))
    return (x * weights[:, None, None]).sum(1, keepdim=True)

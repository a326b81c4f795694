"""Ways of painting a shape: from ink in [0, 1], [n, 1, S, S], to uint8 images [n, 3, S, S]."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import interpolate, max_pool2d


def eight_bit(values: Tensor) -> Tensor:
    """Values in [0, 1] as uint8."""
    return (values.clamp(0, 1) * 255).round().to(torch.uint8)


def hues(hue: Tensor, saturation: float | Tensor = 1.0, value: float | Tensor = 1.0) -> Tensor:
    """RGB [n, 3, 1, 1] of colours given as hue, saturation and value in [0, 1], each [n]."""
    wheel = (hue[:, None] * 6 + torch.tensor([0.0, 4.0, 2.0])) % 6
    pure = ((wheel - 3).abs() - 1).clamp(0, 1)
    saturation = torch.as_tensor(saturation).expand(len(hue))[:, None]
    value = torch.as_tensor(value).expand(len(hue))[:, None]
    return (value * (1 - saturation + saturation * pure))[..., None, None]


def painted(ink: Tensor, front: Tensor, back: Tensor) -> Tensor:
    """Ink of one colour (or texture) on paper of another."""
    return eight_bit(torch.lerp(back, front, ink))


def two_tone(ink: Tensor, generator: torch.Generator) -> Tensor:
    """Any hue on any hue, light on dark or dark on light."""
    r = torch.rand(5, len(ink), generator=generator)
    light = r[4] < 0.5
    front = torch.where(light, 0.85 + 0.15 * r[2], 0.15 + 0.2 * r[2])
    back = torch.where(light, 0.1 + 0.2 * r[3], 0.8 + 0.2 * r[3])
    pale, deep = 0.45, 0.8
    paler, deeper = torch.tensor(pale), torch.tensor(deep)
    return painted(
        ink,
        hues(r[0], torch.where(light, paler, deeper), front),
        hues(r[1], torch.where(light, deeper, paler), back),
    )


def outline(ink: Tensor) -> Tensor:
    """White outlines on black: where the ink ends within a pixel or so."""
    reach = max(1, round(ink.shape[-1] / 48))
    solid = (ink > 0.5).float()
    grown = max_pool2d(solid, 2 * reach + 1, 1, reach)
    return eight_bit(grown - solid).expand(-1, 3, -1, -1)


def coloured(ink: Tensor, labels: Tensor) -> Tensor:
    """A colour for each class, on a dark paper of the opposite hue, lit from above."""
    hue = labels.float() / (int(labels.max()) + 1)
    light = torch.linspace(1.0, 0.6, ink.shape[-1])[:, None]
    return painted(ink, hues(hue, 0.85) * light, hues(hue + 0.5, 0.6, 0.45) * light)


def warm(ink: Tensor, generator: torch.Generator) -> Tensor:
    """Red to orange ink on pale paper."""
    r = torch.rand(2, len(ink), generator=generator)
    return painted(ink, hues(0.1 * r[0], 0.9, 0.85), hues(0.1 + 0.05 * r[1], 0.15, 0.95))


def striped(ink: Tensor, generator: torch.Generator) -> Tensor:
    """Ink in diagonal stripes of white and blue, on dark green paper."""
    size, count = ink.shape[-1], len(ink)
    r = torch.rand(3, count, generator=generator)
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    phase = (x + y)[None, None] * (2 * math.pi * 4 / size) + (2 * math.pi) * r[0][
        :, None, None, None
    ]
    stripes = phase.sin().mul(3).add(1).div(2).clamp(0, 1)
    front = torch.lerp(hues(0.58 + 0.05 * r[1], 0.85, 0.8), torch.ones(count, 3, 1, 1), stripes)
    return painted(ink, front, hues(0.36 + 0.05 * r[2], 0.8, 0.3))


def textured(ink: Tensor, generator: torch.Generator) -> Tensor:
    """Ink subtracted from clouds of colour, as MNIST-M blends digits with photographs."""
    size, count = ink.shape[-1], len(ink)
    r = torch.rand(2, count, generator=generator)
    bright = torch.where(r[0] < 0.5, -1.3, 1.3)[:, None, None, None]
    paper = bright + 2 * (hues(r[1]) - 0.5)
    for cells, weight in ((3, 0.7), (7, 0.4), (max(8, size // 2), 0.2)):
        noise = torch.randn(count, 3, cells, cells, generator=generator)
        paper = paper + weight * interpolate(noise, (size, size), mode="bicubic")
    return eight_bit((torch.sigmoid(paper) - ink).abs())

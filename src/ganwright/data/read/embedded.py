"""Data that needs no download: 1,797 handwritten digits, 2-D Gaussians, and sines."""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

from ganwright.data.read import styles
from ganwright.data.sides import Source, Stack
from ganwright.data.signal import signal_of
from ganwright.data.types import Images, Paired, Unpaired
from ganwright.seeds import seed_of

DIGITS = tuple("0123456789")
_DIGITS = Path(__file__).with_name("digits.npz")


@lru_cache(maxsize=4)
def digit_masks(size: int) -> tuple[Tensor, Tensor]:
    """The digits of `digits.npz` (see `digits.txt`), as ink in [0, 1].

    Their 8x8 pixels fill the frame: they get a margin of one pixel, are enlarged smoothly, and
    the grey that this leaves between ink and paper is steepened into a stroke's edge.

    Returns:
        [1797, 1, size, size] float32 and the labels, int64 [1797].
    """
    with np.load(_DIGITS) as digits:
        images, labels = (torch.from_numpy(digits[name]) for name in ("images", "labels"))
    ink = images.float()[:, None] / 16
    large = interpolate(pad(ink, (1, 1, 1, 1)), (size, size), mode="bicubic", antialias=True)
    steep = max(1.0, min(3.0, size / 12))
    ink = ((large - 0.45) * steep + 0.5).clamp(0, 1)
    return ink, labels.long()


def digits(size: int | None) -> Source:
    """White digits on black, 32 pixels by default."""
    ink, labels = digit_masks(size or 32)
    train, test = tenth(labels, "digits")
    side = Stack(styles.eight_bit(ink), labels, DIGITS)
    return Source("digits", Images, (side.at(train),), (side.at(test),))


def digits_paired(size: int | None) -> Source:
    """Outlines of digits, and the digits in the colour of their class."""
    return paired("digits-paired", *digit_masks(size or 32))


def digits_unpaired(size: int | None) -> Source:
    """Plain warm digits, and striped cool ones."""
    return unpaired("digits-unpaired", *digit_masks(size or 32), DIGITS)


def digits_domains(size: int | None) -> Source:
    """White digits on black, and digits blended with coloured textures (as MNIST-M)."""
    return domains("digits-domains", *digit_masks(size or 32), DIGITS)


def paired(name: str, ink: Tensor, labels: Tensor) -> Source:
    """Outlines, and the same shapes in colour."""
    return _two_sides(name, (styles.outline(ink), styles.coloured(ink, labels)), labels)


def unpaired(name: str, ink: Tensor, labels: Tensor, classes: tuple[str, ...]) -> Source:
    """Two ways of painting, of different shapes."""
    generator = torch.Generator().manual_seed(seed_of(name))
    sides = styles.warm(ink, generator), styles.striped(ink, generator)
    return _two_sides(name, sides, labels, classes)


def domains(name: str, ink: Tensor, labels: Tensor, classes: tuple[str, ...]) -> Source:
    """A plain domain, and one on coloured textures, of different shapes."""
    generator = torch.Generator().manual_seed(seed_of(name))
    sides = styles.eight_bit(ink).expand(-1, 3, -1, -1), styles.textured(ink, generator)
    return _two_sides(name, sides, labels, classes)


def _two_sides(
    name: str, sides: tuple[Tensor, Tensor], labels: Tensor, classes: tuple[str, ...] = ()
) -> Source:
    """Pairs; or, with classes, two domains that share no shape: odd ones here, even ones there."""
    splits = []
    for members in tenth(labels, name):
        if classes:
            chosen = (members[0::2], members[1::2])
            splits.append(
                tuple(Stack(s[i], labels[i], classes) for s, i in zip(sides, chosen, strict=True))
            )
        else:
            splits.append(tuple(Stack(s[members]) for s in sides))
    return Source(name, Unpaired if classes else Paired, splits[0], splits[1])


def tenth(labels: Tensor, name: str) -> tuple[Tensor, Tensor]:
    """Indices for training and, a tenth of every class, for testing; in a fixed mixed order."""
    by_class = labels.argsort(stable=True)
    held = torch.zeros(len(labels), dtype=torch.bool)
    held[by_class[::10]] = True
    generator = torch.Generator().manual_seed(seed_of("tenth", name))
    order = torch.randperm(len(labels), generator=generator)
    return order[~held[order]], order[held[order]]


def ring(size: int | None) -> Source:
    """Eight Gaussians of deviation .01 on a circle of radius 1 (PacGAN, section 4.1)."""
    angles = torch.arange(8) * (2 * math.pi / 8)
    return _gaussians("ring", torch.stack([angles.cos(), angles.sin()], 1), 0.01)


def grid(size: int | None) -> Source:
    """25 Gaussians of deviation .05 at {-4, -2, 0, 2, 4}² (PacGAN, section 4.1)."""
    ticks = torch.arange(-4.0, 5.0, 2.0)
    return _gaussians("grid", torch.cartesian_prod(ticks, ticks), 0.05)


def sines(size: int | None) -> Source:
    """Signals of 64 values, each two sines of random frequency (1 to 6), phase and amplitude."""

    def draw(split: str, count: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed_of("sines", split))
        u = torch.rand(3, count, 2, 1, generator=generator)
        cycles, phase, amplitude = 1 + 5 * u[0], math.tau * u[1], 0.2 + 0.8 * u[2]
        waves = amplitude * (math.tau * cycles * torch.arange(64) / 64 + phase).sin()
        return waves.sum(1, keepdim=True)

    numbers = draw("train", 10_000)
    signal = signal_of(numbers)
    train, test = (
        Stack(signal.standardised(x), signal=signal) for x in (numbers, draw("test", 2_000))
    )
    return Source("sines", Images, (train,), (test,))


def _gaussians(name: str, centres: Tensor, deviation: float) -> Source:
    def draw(split: str, count: int) -> Stack:
        generator = torch.Generator().manual_seed(seed_of(name, split))
        modes = torch.randint(len(centres), (count,), generator=generator)
        noise = torch.randn(count, 2, generator=generator)
        classes = tuple(f"{x:.3g},{y:.3g}" for x, y in centres.tolist())
        return Stack(centres[modes] + deviation * noise, modes, classes)

    return Source(name, Images, (draw("train", 100_000),), (draw("test", 10_000),))

"""Random numbers for each image of a batch, all from one generator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor


@dataclass(frozen=True)
class Draws:
    """Draws n numbers at a time, on a device.

    Args:
        n: images in the batch.
        like: a tensor on the device, of the type that numbers have.
        generator: where all randomness comes from; torch's global one when None.
    """

    n: int
    like: Tensor
    generator: torch.Generator | None = None

    def uniform(self, span: tuple[float, float]) -> Tensor:
        """U(low, high) for each image: [n]."""
        low, high = span
        return low + (high - low) * self.rand(self.n)

    def whole(self, low: int, high: int) -> Tensor:
        """A whole number from low to high, both included, for each image: int64 [n]."""
        return (low + (high - low + 1) * self.rand(self.n)).floor().clamp(low, high).long()

    def chance(self, p: float) -> Tensor:
        """True with chance p for each image: bool [n]."""
        return self.rand(self.n) < p

    def kind(self, shares: Sequence[float]) -> Tensor:
        """0, 1, ..., each as often as its share, whose sum is 1, for each image: int64 [n]."""
        u = self.rand(self.n)
        return torch.stack([u >= end for end in accumulate(shares[:-1])]).sum(0)

    def rand(self, *shape: int) -> Tensor:
        """U(0, 1)."""
        like = self.like
        return torch.rand(shape, generator=self.generator, device=like.device, dtype=like.dtype)

    def randn(self, *shape: int) -> Tensor:
        """N(0, 1)."""
        like = self.like
        return torch.randn(shape, generator=self.generator, device=like.device, dtype=like.dtype)

    def poisson(self, rate: Tensor) -> Tensor:
        """Poisson numbers of these rates."""
        return torch.poisson(rate, generator=self.generator)


def each(value: Tensor) -> Tensor:
    """[n] -> [n, 1, 1, 1], to meet images."""
    return value[:, None, None, None]

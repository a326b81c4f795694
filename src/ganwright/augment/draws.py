"""Random numbers for a batch, one for each image: all tensors, so that no host waits."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def uniform(x: Tensor, low: float, high: float) -> Tensor:
    """U(low, high) for each image: [n]."""
    return low + (high - low) * torch.rand(len(x), device=x.device)


def normal(x: Tensor, spread: float) -> Tensor:
    """N(0, spread²) for each image: [n]."""
    return spread * torch.randn(len(x), device=x.device)


def angle(x: Tensor) -> Tensor:
    """Any angle in radians for each image: [n]."""
    return uniform(x, -math.pi, math.pi)


def whole(x: Tensor, low: int, high: int) -> Tensor:
    """A whole number from low to high, both included, for each image: int64 [n]."""
    return torch.randint(low, high + 1, (len(x),), device=x.device)


def tossed(x: Tensor, p: Tensor, value: Tensor, neutral: float) -> Tensor:
    """`value` where a coin of each image's own, which shows heads with chance p, says so."""
    heads = torch.rand(len(x), device=x.device) < p
    return torch.where(heads.reshape(-1, *[1] * (value.ndim - 1)), value, neutral)


def each(value: Tensor) -> Tensor:
    """[n] -> [n, 1, 1, 1], to meet images."""
    return value[:, None, None, None]

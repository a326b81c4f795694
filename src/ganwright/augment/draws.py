"""Random numbers for a batch, one for each image: all tensors, so that no host waits."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor

_copies = 1


@contextmanager
def alike(copies: int) -> Iterator[None]:
    """In here, a batch is so many of equal length, one after the other, which get equal numbers."""
    global _copies
    before, _copies = _copies, copies
    try:
        yield
    finally:
        _copies = before


def uniform(x: Tensor, low: float, high: float) -> Tensor:
    """U(low, high) for each image: [n]."""
    return low + (high - low) * _drawn(torch.rand, x)


def normal(x: Tensor, spread: float) -> Tensor:
    """N(0, spread²) for each image: [n]."""
    return spread * _drawn(torch.randn, x)


def angle(x: Tensor) -> Tensor:
    """Any angle in radians for each image: [n]."""
    return uniform(x, -math.pi, math.pi)


def whole(x: Tensor, low: int, high: int) -> Tensor:
    """A whole number from low to high, both included, for each image: int64 [n]."""
    return _drawn(partial(torch.randint, low, high + 1), x)


def tossed(x: Tensor, p: Tensor, value: Tensor, neutral: float) -> Tensor:
    """`value` where a coin of each image's own, which shows heads with chance p, says so."""
    heads = _drawn(torch.rand, x) < p
    return torch.where(heads.reshape(-1, *[1] * (value.ndim - 1)), value, neutral)


def grain(x: Tensor) -> Tensor:
    """N(0, 1) for each value: as `x`."""
    return _drawn(partial(torch.randn, dtype=x.dtype), x, x.shape[1:])


def _drawn(draw: Callable[..., Tensor], x: Tensor, shape: Sequence[int] = ()) -> Tensor:
    """What `draw` gives of a shape for each image."""
    one = draw((len(x) // _copies, *shape), device=x.device)
    return one.repeat(_copies, *[1] * len(shape)) if _copies > 1 else one


def each(value: Tensor) -> Tensor:
    """[n] -> [n, 1, 1, 1], to meet images."""
    return value[:, None, None, None]

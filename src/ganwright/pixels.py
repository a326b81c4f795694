"""Bytes and floats: images are uint8 in files and in memory, floats in [-1, 1] to networks.

Of 256 levels the middle, 0, is none: -1 is level 0, 1 is level 255, and a float takes the nearest.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ganwright.precision import wide

_HALF = 127.5


def from_bytes(pixels: Tensor) -> Tensor:
    """uint8 as floats in [-1, 1], of torch's default type."""
    return wide(pixels).div_(_HALF).sub_(1)


def to_bytes(images: Tensor) -> Tensor:
    """Floats in [-1, 1] as uint8; what is beyond becomes black or white."""
    return _levels(images).to(torch.uint8)


def as_floats(images: Tensor) -> Tensor:
    """Images in [-1, 1], from these or from uint8."""
    return from_bytes(images) if images.dtype == torch.uint8 else images


def rounded(images: Tensor) -> Tensor:
    """Floats in [-1, 1] as 8-bit files would give them back."""
    return _levels(images).div_(_HALF).sub_(1)


def _levels(images: Tensor) -> Tensor:
    return images.add(1).mul_(_HALF).round_().clamp_(0, 255)

"""The types that numbers are computed in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


def wide(x: Tensor) -> Tensor:
    """`x` in at least float32, as losses and penalties need it.

    bfloat16 and float16 become float32; float32 and float64 stay as they are, so that a game in
    float64 is computed in float64 from end to end. Whole numbers and truth values take torch's
    default type.
    """
    least = torch.float32 if x.is_floating_point() else torch.get_default_dtype()
    return x.to(torch.promote_types(x.dtype, least))


def computed_in(x: Tensor) -> torch.dtype:
    """The type that convolutions of `x` are computed in: that of autocast, where it is on."""
    device = x.device.type
    if x.dtype is torch.float64 or device == "meta" or not torch.is_autocast_enabled(device):
        return x.dtype
    return torch.get_autocast_dtype(device)


@contextmanager
def default_type(dtype: torch.dtype) -> Iterator[None]:
    """Within it, new tensors are of this floating type."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)

"""One-dimensional filters as matrices, whose products have gradients of any order."""

from __future__ import annotations

from torch import Tensor


def banded(row: Tensor, places: Tensor) -> Tensor:
    """A matrix with `row[places]` where there is such a tap, and 0 elsewhere."""
    inside = (places >= 0) & (places < len(row))
    return row[places.clamp(0, len(row) - 1)] * inside

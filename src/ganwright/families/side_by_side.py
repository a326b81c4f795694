"""Rows of images for the previews of families that turn images into images."""

from __future__ import annotations

import torch
from torch import Tensor


def side_by_side(*columns: Tensor) -> Tensor:
    """Columns of n images each, [n, C, H, W], as rows of a grid: [n * columns, 1 or 3, H, W].

    Columns may differ in channels: grey becomes colour if another is, of more than three channels
    the first three are shown, and of two the first.
    """
    columns = tuple(c[:, : 3 if c.shape[1] > 2 else 1] for c in columns)
    channels = max(c.shape[1] for c in columns)
    return torch.stack([c.expand(-1, channels, -1, -1) for c in columns], 1).flatten(0, 1)

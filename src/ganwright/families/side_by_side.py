"""Rows of pictures for the previews of families that turn pictures into pictures."""

from __future__ import annotations

import torch
from torch import Tensor


def side_by_side(*columns: Tensor) -> Tensor:
    """Columns of n pictures each, [n, C, H, W], as rows of a grid: [n * columns, 1 or 3, H, W].

    Columns may differ in channels: grey becomes colour beside colour, and label maps with a channel
    for each class become levels of grey.
    """
    shown = [c if c.shape[1] in (1, 3) else _levels(c) for c in columns]
    channels = max(c.shape[1] for c in shown)
    return torch.stack([c.expand(-1, channels, -1, -1) for c in shown], 1).flatten(0, 1)


def _levels(one_hot: Tensor) -> Tensor:
    classes = one_hot.shape[1]
    return one_hot.argmax(1, keepdim=True) * (2.0 / (classes - 1)) - 1

"""Codes or clusters as classes: the best naming of one by the other."""

from __future__ import annotations

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor


def matched(found: Tensor, labels: Tensor) -> float:
    """The share of things found that are what they should be, under the best one-to-one naming.

    Args:
        found: int64 [n], clusters, codes or classes under other names.
        labels: int64 [n], what they should be.
    """
    size = int(max(found.max(), labels.max())) + 1
    table = torch.zeros(size, size)
    table.index_put_((found, labels), torch.ones(len(found)), accumulate=True)
    rows, columns = linear_sum_assignment(-table.numpy())
    return float(table[rows, columns].sum()) / len(found)

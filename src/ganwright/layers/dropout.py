"""Dropout, whose random numbers are the same on all processors, and come fast on a CPU."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

STEPS = 2**16
"""Chances that 16 random bits can tell apart."""


class Dropout(nn.Dropout):
    """In training, a share p of the values becomes 0, the others 1 / (1 - p) times as large.

    Srivastava et al. (2014), https://jmlr.org/papers/v15/srivastava14a.html.
    """

    def forward(self, x: Tensor) -> Tensor:
        return dropout(x, self.p) if self.training else x


class NoiseDropout(nn.Module):
    """Dropout in evaluation too: the only noise that pix2pix has (section 3.2.1)."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        return dropout(x, self.p)


def dropout(x: Tensor, p: float) -> Tensor:
    """`x` with a share p of its values set to 0, and the others 1 / (1 - p) times as large.

    On a CPU, torch draws a number for each value, which takes several times as long as all else
    that dropout does, and Intel's processors draw others than the rest. Here four values share a
    number of 64 bits, so that p is rounded to 1/65,536.

    Args:
        x: [n, ...].
        p: from 0 to below 1.
    """
    kept = round((1 - p) * STEPS)
    if kept == STEPS or not x.numel():
        return x
    if x.device.type != "cpu" or not kept or not x.ndim or torch.compiler.is_compiling():
        return functional.dropout(x, p)
    image = x.ndim == 4  # channels last in every layout, so that a seed drops the same values
    shape = x.permute(0, 2, 3, 1).shape if image else x.shape
    size = x.numel() // len(x)
    bits = torch.empty(len(x), -(-size // 4), dtype=torch.int64).random_(-(2**63), None)
    numbers = bits.view(torch.int16)[:, :size]  # from -32,768 on
    mask = (numbers < kept - STEPS // 2).to(x.dtype).reshape(shape)
    return x * (mask.permute(0, 3, 1, 2) if image else mask) * (STEPS / kept)

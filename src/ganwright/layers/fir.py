"""Doubling and halving by the low-pass filter (1, 3, 3, 1), whose samples do not alias.

Karras et al. (2020), arXiv:1912.04958, section 2, with the filter of StyleGAN's code. Zeros lie
around an image. All are convolutions of each channel, or on a CPU products of matrices with rows
and with columns: both compile, and have gradients of any order.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d

from ganwright.filters import banded, by_matrices
from ganwright.precision import computed_in

LONGEST = {torch.float32: 32, torch.bfloat16: 256, torch.float16: 256}
"""The longest side that a CPU halves or doubles by matrices.

Its convolutions of each channel with a stride have no fast kernel for gradients in half precision,
nor any for second derivatives, which take one channel at a time.
"""


class Filter(nn.Module):
    """The filter's outer product with itself, whose sum is 1, as a constant of the module.

    Args:
        gain: factor on it.
    """

    row: Tensor

    def __init__(self, gain: float = 1.0) -> None:
        super().__init__()
        row = gain**0.5 * torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        self.register_buffer("row", row, persistent=False)

    def each(self, x: Tensor) -> Tensor:
        """The filter of every channel of `x`: [C, 1, 4, 4]."""
        kernel = self.row[:, None] * self.row[None, :]
        return kernel.to(x.dtype).expand(x.shape[1], 1, 4, 4)


class Strided(Filter):
    """One that changes the size."""

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type != "cpu" or max(x.shape[2:]) > LONGEST.get(computed_in(x), 0):
            return self.convolved(x)
        return by_matrices(x, *(self.matrix(side).to(x.dtype) for side in x.shape[2:]))

    def convolved(self, x: Tensor) -> Tensor:
        """The filtered images [n, C, H', W']."""
        raise NotImplementedError

    def matrix(self, side: int) -> Tensor:
        """What filters a column: [length of what comes out, side]."""
        raise NotImplementedError


class Doubled(Strided):
    """[n, C, H, W] -> [n, C, 2H, 2W]: zeros between the pixels, then the filter, times 4."""

    def __init__(self) -> None:
        super().__init__(gain=4.0)

    def convolved(self, x: Tensor) -> Tensor:
        return conv_transpose2d(x, self.each(x), stride=2, padding=1, groups=x.shape[1])

    def matrix(self, side: int) -> Tensor:
        return _halving(self.row, 2 * side).T


class Halved(Strided):
    """[n, C, H, W] -> [n, C, H/2, W/2]: the filter, then every second pixel."""

    def convolved(self, x: Tensor) -> Tensor:
        return conv2d(x, self.each(x), stride=2, padding=1, groups=x.shape[1])

    def matrix(self, side: int) -> Tensor:
        return _halving(self.row, side)


class Blurred(Filter):
    """[n, C, H, W] -> [n, C, H + 2 pad - 3, W + 2 pad - 3]: the filter alone.

    Args:
        pad: zeros on each side.
        gain: factor on the filter.
    """

    def __init__(self, pad: int, gain: float = 1.0) -> None:
        super().__init__(gain)
        self.pad = pad

    def forward(self, x: Tensor) -> Tensor:
        return conv2d(x, self.each(x), padding=self.pad, groups=x.shape[1])


def _halving(row: Tensor, side: int) -> Tensor:
    """The matrix that halves a column: [side / 2, side]."""
    i, j = torch.arange(side // 2, device=row.device), torch.arange(side, device=row.device)
    return banded(row, j - 2 * i[:, None] + 1)

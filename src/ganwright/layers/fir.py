"""Doubling and halving by the low-pass filter (1, 3, 3, 1), whose samples do not alias.

Karras et al. (2020), arXiv:1912.04958, section 2, with the filter of StyleGAN's code. Zeros lie
around an image. Both are plain convolutions of each channel, so they compile, and have gradients of
any order.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d


class Filter(nn.Module):
    """The filter's outer product with itself, whose sum is 1, as a constant of the module.

    Args:
        gain: factor on it.
    """

    kernel: Tensor

    def __init__(self, gain: float = 1.0) -> None:
        super().__init__()
        row = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        kernel = gain * row[:, None] * row[None, :]
        self.register_buffer("kernel", kernel[None, None], persistent=False)

    def each(self, x: Tensor) -> Tensor:
        """The filter of every channel of `x`: [C, 1, 4, 4]."""
        return self.kernel.to(x.dtype).expand(x.shape[1], 1, 4, 4)


class Doubled(Filter):
    """[n, C, H, W] -> [n, C, 2H, 2W]: zeros between the pixels, then the filter, times 4."""

    def __init__(self) -> None:
        super().__init__(gain=4.0)

    def forward(self, x: Tensor) -> Tensor:
        return conv_transpose2d(x, self.each(x), stride=2, padding=1, groups=x.shape[1])


class Halved(Filter):
    """[n, C, H, W] -> [n, C, H/2, W/2]: the filter, then every second pixel."""

    def forward(self, x: Tensor) -> Tensor:
        return conv2d(x, self.each(x), stride=2, padding=1, groups=x.shape[1])


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

"""Layers with an equalised learning rate: N(0, 1) weights are stored, and scaled when used.

Karras et al. (2018), arXiv:1710.10196, section 4.1. So the optimizer's step is as large, compared
with a weight's deviation, in every layer. Activations are leaky ReLUs times sqrt 2, which keep the
power of what comes in. A factor on them is one on weight and bias, which are smaller. What fp16
holds is clamped, as in the authors' code; other precisions have the room.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, leaky_relu, linear

from ganwright.layers.fir import Blurred, Halved

CLAMP = 256.0
"""Largest absolute value of an activation in fp16; StyleGAN2-ADA's."""
GAIN = 2**0.5
"""Factor on activations."""


def activated(x: Tensor, gain: float = 1.0) -> Tensor:
    """Leaky ReLU with slope .2 of what has the factors `GAIN` and `gain`."""
    return limited(leaky_relu(x, 0.2), gain)


def limited(x: Tensor, gain: float = 1.0) -> Tensor:
    """`x`, in fp16 clamped to `CLAMP` times `gain`."""
    return x.clamp(-CLAMP * gain, CLAMP * gain) if x.dtype is torch.float16 else x


class EqualLinear(nn.Module):
    """[n, fan_in] -> [n, fan_out]: (W rate / sqrt fan_in) x + rate b, W from N(0, 1 / rate²).

    Args:
        bias: its first value.
        rate: factor on the learning rate; .01 in mapping networks.
        active: followed by the activation.
    """

    def __init__(
        self, fan_in: int, fan_out: int, bias: float = 0.0, rate: float = 1.0, active: bool = False
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(fan_out, fan_in) / rate)
        self.bias = nn.Parameter(torch.full((fan_out,), bias))
        self.rate, self.active = rate, active

    def forward(self, x: Tensor) -> Tensor:
        scale = self.rate / self.weight.shape[1] ** 0.5
        x = linear(x, self.weight * scale, self.bias * self.rate)
        return leaky_relu(x, 0.2) * GAIN if self.active else x


class EqualConv2d(nn.Module):
    """A convolution of odd kernel, perhaps halving: [n, fan_in, H, W] -> [n, fan_out, H, W].

    Args:
        bias: whether it has one, which starts at 0.
        active: followed by the activation.
        halve: filter by (1, 3, 3, 1), then take every second pixel: [n, fan_out, H/2, W/2].
        gain: factor on what comes out.
    """

    def __init__(
        self,
        fan_in: int,
        fan_out: int,
        kernel: int,
        *,
        bias: bool = True,
        active: bool = True,
        halve: bool = False,
        gain: float = 1.0,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(fan_out, fan_in, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(fan_out)) if bias else None
        self.active, self.gain, self.pad = active, gain, kernel // 2
        self.stride = 2 if halve and kernel > 1 else 1
        # a 1x1 convolution may follow the halving, which costs a quarter
        self.filter = (Halved() if kernel == 1 else Blurred(pad=2)) if halve else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        gain = self.gain * GAIN if self.active else self.gain
        weight = self.weight * (gain / self.weight[0].numel() ** 0.5)
        bias = None if self.bias is None else self.bias * gain
        pad = self.pad if self.stride == 1 else 0
        x = conv2d(self.filter(x), weight, bias, stride=self.stride, padding=pad)
        return activated(x, self.gain) if self.active else x

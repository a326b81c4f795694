"""Modulated convolution: Karras et al. (2020), arXiv:1912.04958, eqs. 1 to 3.

    w'_oik = s_i w_oik              a style scales the maps that come in
    d_o    = (sum_ik w'_oik²)^-1/2  and this scales those that go out to a deviation of 1

Computed as d conv(s x), which is the same and needs one weight for the whole batch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d

from ganwright.layers.equalised import GAIN, EqualLinear, activated, limited
from ganwright.layers.fir import Blurred
from ganwright.precision import computed_in, wide

EPS = 1e-8


def modulated(
    x: Tensor,
    weight: Tensor,
    style: Tensor,
    *,
    demodulate: bool = True,
    double: bool = False,
    gain: float = 1.0,
) -> Tensor:
    """A convolution whose weight each sample's style scales.

    Args:
        x: [n, I, H, W].
        weight: [O, I, k, k], k odd.
        style: [n, I].
        demodulate: bring what comes out to unit deviation, if that is what comes in.
        double: by transposed convolution with stride 2, to [n, O, 2H + k - 2, 2W + k - 2].
        gain: the deviation that demodulation brings to, instead of 1.

    Returns:
        [n, O, H, W], or doubled.
    """
    out = torch.ones((), device=x.device)
    if demodulate:
        if computed_in(x) is torch.float16:  # its sums overflow; demodulation undoes both factors
            weight = weight / (weight.abs().amax() * weight[0].numel() ** 0.5)
            style = style / style.abs().amax(1, keepdim=True)
        with torch.autocast(x.device.type, enabled=False):
            power = wide(weight).square().sum((2, 3))
            out = gain * (wide(style).square() @ power.T + EPS).rsqrt()[:, :, None, None]
    x = x * style[:, :, None, None].to(x.dtype)
    if double:
        x = conv_transpose2d(x, weight.transpose(0, 1), stride=2)
    else:
        x = conv2d(x, weight, padding=weight.shape[-1] // 2)
    return x * out.to(x.dtype) if demodulate else x


class StyledConv(nn.Module):
    """(x [n, I, H, W], w [n, styles]) -> [n, O, H, W], or with sides doubled.

    Modulated 3x3 convolution, FIR filter if it doubles, noise with one learned strength that starts
    at 0, bias, activation. In evaluation the noise is always the same, unless it is `given`,
    [n, 1, H, W].

    Args:
        size: height and width of what comes out.
        styles: length of w.
        double: whether it doubles.
    """

    noise: Tensor

    def __init__(
        self, fan_in: int, fan_out: int, size: tuple[int, int], styles: int, *, double: bool
    ) -> None:
        super().__init__()
        self.style = EqualLinear(styles, fan_in, bias=1.0)
        self.weight = nn.Parameter(torch.randn(fan_out, fan_in, 3, 3))
        self.bias = nn.Parameter(torch.zeros(fan_out))
        self.strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise", torch.randn(size))
        self.doubles = double
        self.filter = Blurred(pad=1, gain=4.0) if double else nn.Identity()

    def forward(self, x: Tensor, w: Tensor, given: Tensor | None = None) -> Tensor:
        x = modulated(x, self.weight, self.style(w), double=self.doubles, gain=GAIN)
        x = self.filter(x)
        noise = self.noise if given is None else given
        if self.training and given is None:
            noise = torch.randn(len(x), 1, *x.shape[2:], device=x.device, dtype=noise.dtype)
        x = x + (GAIN * self.strength * noise).to(x.dtype)
        return activated(x + (GAIN * self.bias)[:, None, None].to(x.dtype))


class ToImage(nn.Module):
    """(x [n, I, H, W], w [n, styles]) -> [n, channels, H, W]: modulated 1x1, no demodulation."""

    def __init__(self, fan_in: int, channels: int, styles: int) -> None:
        super().__init__()
        self.style = EqualLinear(styles, fan_in, bias=1.0)
        self.weight = nn.Parameter(torch.randn(channels, fan_in, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        style = self.style(w) / self.weight.shape[1] ** 0.5
        x = modulated(x, self.weight, style, demodulate=False)
        return wide(limited(x + self.bias[:, None, None].to(x.dtype)))

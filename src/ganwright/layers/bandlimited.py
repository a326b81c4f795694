"""Activations between two low-pass filters, whose maps stand for continuous, band-limited signals.

Karras et al. (2021), arXiv:2106.12423, section 3 and appendix C. Filters are Kaiser-windowed sincs,
or along all directions jincs. A map is upsampled, activated and downsampled as D f(U x U^T) D^T. U
and D are matrices whose bands are the filters. Products have gradients of any order, and take less
time than inserting zeros.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from ganwright.filters import banded, by_matrices
from ganwright.layers.equalised import GAIN, activated
from ganwright.precision import wide

TAPS = 6
"""Taps of a filter, times its factor; the paper's n."""


class Band(NamedTuple):
    """What a map of features holds: frequencies in cycles, and samples, per image side."""

    rate: int
    """Samples."""
    cutoff: float
    """Frequencies up to here are kept."""
    half_width: float
    """Half of the transition to those that are not."""


def kaiser(taps: int, width: float) -> tuple[float, float]:
    """Attenuation in dB and the window's beta for a transition `width`, as a share of Nyquist's.

    Kaiser (1974), as in SciPy's `kaiser_atten` and `kaiser_beta`.
    """
    decibels = 2.285 * (taps - 1) * math.pi * width + 7.95
    if decibels > 50:
        return decibels, 0.1102 * (decibels - 8.7)
    if decibels > 21:
        return decibels, 0.5842 * (decibels - 21) ** 0.4 + 0.07886 * (decibels - 21)
    return decibels, 0.0


def lowpass(taps: int, band: Band, rate: int, *, radial: bool = False) -> Tensor:
    """A filter whose sum is 1, float64 [taps], or [taps, taps] where it is radial.

    Args:
        taps: even, or 1 for the identity.
        band: the frequencies that it keeps.
        rate: at which it is applied.
        radial: the same in all directions (appendix C.1); otherwise it is used along both axes.
    """
    if taps == 1:
        return torch.ones((1, 1) if radial else (1,), dtype=torch.float64)
    _, beta = kaiser(taps, 2 * band.half_width / (rate / 2))
    window = torch.kaiser_window(taps, periodic=False, beta=beta, dtype=torch.float64)
    x = (torch.arange(taps, dtype=torch.float64) - (taps - 1) / 2) / rate
    if radial:
        r = (x.square()[:, None] + x.square()).sqrt()
        found: Tensor = torch.special.bessel_j1(2 * math.pi * band.cutoff * r) / r
        found = found * window[:, None] * window
    else:
        found = torch.sinc(2 * band.cutoff * x) * window
    return found / found.sum()


class FilteredActivation(nn.Module):
    """[n, C, side, side] -> [n, C, size, size]: up, leaky ReLU, clamp, down.

    Args:
        side: of what comes in, with its margins.
        size: of what comes out.
        before: band and samples of what comes in.
        after: of what comes out.
        radial: downsample by a radial filter.
    """

    U: Tensor
    D: Tensor

    def __init__(self, side: int, size: int, before: Band, after: Band, *, radial: bool) -> None:
        super().__init__()
        rate = 2 * max(before.rate, after.rate)
        up, self.down = rate // before.rate, rate // after.rate
        rise = up * lowpass(TAPS * up, before, rate)
        fall = lowpass(TAPS * self.down, after, rate, radial=radial)
        # both ends lose what the filters need, and the centres of both maps coincide
        extra = (size - 1) * self.down + 1 - side * up + len(rise) + len(fall) - 2
        first, middle = (extra + up) // 2, side * up + extra - len(rise) + 1
        i, j, k = torch.arange(middle), torch.arange(side), torch.arange(size)
        U = GAIN**0.5 * banded(rise, first + up * j - i[:, None])  # the activation's gain
        D = fall if radial else banded(fall, i - self.down * k[:, None])
        kind = torch.get_default_dtype()
        self.register_buffer("U", U.to(kind), persistent=False)
        self.register_buffer("D", D.to(kind), persistent=False)
        self.radial = radial

    def forward(self, x: Tensor) -> Tensor:
        U, D = self.U.to(x.dtype), self.D.to(x.dtype)
        x = activated(by_matrices(x, U, U))
        if not self.radial:
            return by_matrices(x, D, D)
        if x.device.type != "cpu":
            return self._by_radial(x, D)
        with torch.autocast("cpu", enabled=False):  # it has no fast gradients in half precision
            return self._by_radial(wide(x), self.D).to(x.dtype)

    def _by_radial(self, x: Tensor, D: Tensor) -> Tensor:
        kernel = D.expand(x.shape[1], 1, *D.shape)
        return conv2d(x, kernel.to(x.dtype), stride=self.down, groups=x.shape[1])

"""Mapping networks: latents, labels or both to styles, and the running mean of styles."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from ganwright.layers.equalised import EqualLinear
from ganwright.layers.forward_state import Memory
from ganwright.layers.norm import soft_labels
from ganwright.precision import wide

RATE = 0.01
"""Factor on the learning rate of mapping networks."""


def unit_power(x: Tensor) -> Tensor:
    """Each row brought to a mean square of 1."""
    return x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()


class Mapping(nn.Module):
    """z [n, latent], and labels where there are classes, to [n, width].

    Karras et al. (2019), arXiv:1812.04948, section 2. Label embeddings are normalised as z is and
    joined to it; without latents, they alone are mapped. Styles are computed in at least float32
    under any arithmetic, as the authors do.

    Args:
        latent: length of z; 0 for labels alone.
        depth: fully connected layers.
    """

    def __init__(self, latent: int, classes: int, width: int, depth: int) -> None:
        super().__init__()
        self.classes = classes
        self.embed = EqualLinear(classes, width) if classes else None
        fan_in = latent + (width if classes else 0)
        sizes = [fan_in, *[width] * depth]
        self.layers = nn.Sequential(
            *(EqualLinear(a, b, rate=RATE, active=True) for a, b in pairwise(sizes))
        )

    def forward(self, z: Tensor | None, y: Tensor | None = None) -> Tensor:
        given = y if z is None else z
        with torch.autocast("cpu" if given is None else given.device.type, enabled=False):
            parts = [] if z is None else [unit_power(wide(z))]
            if self.embed is not None:
                parts.append(unit_power(self.embed(soft_labels(y, self.classes))))
            w: Tensor = self.layers(torch.cat(parts, 1))
            return w


class RunningMean(Memory):
    """The mean of all styles [n, width] that training has shown it, as a moving average."""

    mean: Tensor

    def __init__(self, width: int, beta: float) -> None:
        super().__init__()
        self.beta = beta
        self.register_buffer("mean", torch.zeros(width))

    def forward(self, w: Tensor) -> Tensor:
        if self.training and not self.held:
            with torch.no_grad():
                self.mean.lerp_(self.of_all(w).to(self.mean.dtype).mean(0), 1 - self.beta)
        return w

    def truncated(self, w: Tensor, psi: float) -> Tensor:
        """Styles nearer to the mean: mean + psi (w - mean)."""
        return self.mean.lerp(w, psi)

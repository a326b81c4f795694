"""Features of the whole batch, by which D sees a lack of variety."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganwright.config.checked import Checked
from ganwright.config.ranges import Count
from ganwright.layers.forward_state import BATCH_NORMS
from ganwright.precision import wide


class Discriminate(nn.Module):
    """Minibatch discrimination: [n, c] -> [n, c + kernels].

    o_b(x_i) = sum over the other samples j of exp(-|M_ib - M_jb|_1), M = T f(x).
    Salimans et al. (2016), arXiv:1606.03498, section 3.2.
    """

    def __init__(self, width: int, kernels: int, dims: int) -> None:
        super().__init__()
        self.kernels = kernels
        self.project = nn.Linear(width, kernels * dims, bias=False)

    def forward(self, h: Tensor) -> Tensor:
        m: Tensor = wide(self.project(h).unflatten(1, (self.kernels, -1)))
        distance = (m[:, None] - m[None]).abs().sum(3)
        # Each sample is at distance 0 from itself: its own exp(0) is taken off again, before the
        # cast, which rounds numbers near 1 to steps of .008 and closeness with them.
        closeness = (-distance).exp().sum(1) - 1
        return torch.cat([h, closeness.to(h.dtype)], 1)


class Spread(nn.Module):
    """Minibatch standard deviation: [n, c] -> [n, c + 1], or [n, c, H, W] -> [n, c + 1, H, W].

    The added feature is the standard deviation over a group of samples, averaged over features and
    pixels. Karras et al. (2018), arXiv:1710.10196, section 3. The members of a group stand as far
    apart in the batch as they can. A batch that does not divide into such groups has smaller ones,
    or larger ones where the next smaller would be single samples, which have no deviation.
    """

    def __init__(self, group: int) -> None:
        super().__init__()
        self.group = group

    def forward(self, h: Tensor) -> Tensor:
        n = h.shape[0]
        most = min(self.group, n)
        size = next(g for g in (*range(most, 1, -1), *range(most, n + 1)) if n % g == 0)
        groups = wide(h).unflatten(0, (size, -1))
        spread = (groups.var(0, correction=0) + 1e-8).sqrt().flatten(1).mean(1).repeat(size)
        feature = spread.reshape(n, *[1] * (h.ndim - 1)).expand(n, 1, *h.shape[2:])
        return torch.cat([h, feature.to(h.dtype)], 1)


def across_rows(game: nn.Module, *, synced: bool = False) -> list[str]:
    """The kinds of layers in a game that mix rows of a batch: a part of it is not the whole.

    Args:
        game: its networks.
        synced: BatchNorm sees the rows of all processes, so it does not count.
    """
    kinds = (*(() if synced else BATCH_NORMS), Discriminate, Spread)
    return sorted({type(m).__name__ for m in game.modules() if isinstance(m, kinds)})


@dataclass(frozen=True)
class Minibatch(Checked):
    """Base of the settings of batch features: D's features gain nothing here."""

    def extra(self, width: int) -> int:
        """How many features are added."""
        return 0

    def build(self, width: int) -> nn.Module:
        """The layer, [n, width] -> [n, width + extra]."""
        return nn.Identity()


@dataclass(frozen=True)
class NoMinibatch(Minibatch):
    """D scores each sample on its own."""


@dataclass(frozen=True)
class MinibatchDiscrimination(Minibatch):
    """Learned distances of each sample to the rest of the batch (Salimans 2016)."""

    kernels: Count = 100
    """Distances, each a feature."""
    dims: Count = 5
    """Dimensions in which a distance is taken."""

    def extra(self, width: int) -> int:
        return self.kernels

    def build(self, width: int) -> nn.Module:
        return Discriminate(width, self.kernels, self.dims)


@dataclass(frozen=True)
class MinibatchStdDev(Minibatch):
    """The mean standard deviation over groups of samples (Karras 2018)."""

    group: Count = 4
    """Samples in a group; where the batch does not divide evenly, fewer, or else more."""

    def extra(self, width: int) -> int:
        return 1

    def build(self, width: int) -> nn.Module:
        return Spread(self.group)


MINIBATCHES: dict[str, type[Minibatch]] = {
    "MinibatchDiscrimination": MinibatchDiscrimination,
    "MinibatchStdDev": MinibatchStdDev,
    "NoMinibatch": NoMinibatch,
}

"""Activations as settings, maxout among them."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from ganwright.config.checked import Checked
from ganwright.config.ranges import Count, NonNegative


@dataclass(frozen=True)
class Activation(Checked):
    """Base of the activation settings."""

    @property
    def pieces(self) -> int:
        """How many channels before it make one channel after it."""
        return 1

    def build(self, channels: int) -> nn.Module:
        """The layer that gives `channels` channels from `pieces * channels`."""
        raise NotImplementedError


@dataclass(frozen=True)
class ReLU(Activation):
    """max(x, 0)."""

    def build(self, channels: int) -> nn.Module:
        return nn.ReLU()


@dataclass(frozen=True)
class LeakyReLU(Activation):
    """x above 0, slope * x below."""

    slope: NonNegative = 0.2
    """Slope below 0."""

    def build(self, channels: int) -> nn.Module:
        return nn.LeakyReLU(self.slope)


@dataclass(frozen=True)
class PReLU(Activation):
    """A leaky ReLU that learns a slope for each channel."""

    def build(self, channels: int) -> nn.Module:
        return nn.PReLU(channels)


@dataclass(frozen=True)
class ELU(Activation):
    """x above 0, exp(x) - 1 below (BEGAN)."""

    def build(self, channels: int) -> nn.Module:
        return nn.ELU()


@dataclass(frozen=True)
class Softplus(Activation):
    """log(1 + exp(x))."""

    def build(self, channels: int) -> nn.Module:
        return nn.Softplus()


class MaxPieces(nn.Module):
    """[n, channels * pieces, ...] -> [n, channels, ...]: the largest of each run of `pieces`."""

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces

    def forward(self, x: Tensor) -> Tensor:
        # amax differs in the gradient of ties alone, but its backward compares all pieces again
        y: Tensor = x.unflatten(1, (-1, self.pieces)).max(2).values
        return y


@dataclass(frozen=True)
class Maxout(Activation):
    """The maximum of several linear pieces (Goodfellow et al. 2013, arXiv:1302.4389)."""

    count: Count = 5
    """Linear pieces a unit."""

    @property
    def pieces(self) -> int:
        return self.count

    def build(self, channels: int) -> nn.Module:
        return MaxPieces(self.count)


ACTIVATIONS: dict[str, type[Activation]] = {
    "ELU": ELU,
    "LeakyReLU": LeakyReLU,
    "Maxout": Maxout,
    "PReLU": PReLU,
    "ReLU": ReLU,
    "Softplus": Softplus,
}

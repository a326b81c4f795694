"""CGAN's own networks (Mirza and Osindero 2014, arXiv:1411.1784, section 4.1)."""

# ruff: noqa: N815 - the papers' G and D end the names of settings that belong to one of them

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganwright.config.ranges import BelowOne, Count
from ganwright.layers.activation import Activation, Maxout, ReLU
from ganwright.layers.condition import Score
from ganwright.layers.dropout import Dropout
from ganwright.layers.norm import soft_labels
from ganwright.networks.base import (
    Discriminator,
    Encoder,
    Generator,
    Networks,
    pixels,
    squash,
)
from ganwright.precision import wide


def _layer(fan_in: int, units: int, activation: Activation, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(fan_in, units * activation.pieces), activation.build(units), Dropout(dropout)
    )


class Joined(nn.Module):
    """An input and its label, each through a layer of its own, then both through a third."""

    def __init__(
        self,
        fan_in: int,
        classes: int,
        units: tuple[int, int, int],
        activations: tuple[Activation, Activation, Activation],
        dropout: float,
    ) -> None:
        super().__init__()
        self.classes = classes
        own, label, both = units
        self.own = _layer(fan_in, own, activations[0], dropout)
        self.label = _layer(classes, label, activations[1], dropout) if classes else None
        joint = own + (label if classes else 0)
        self.both = _layer(joint, both, activations[2], dropout)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        h = self.own(x.flatten(1))
        if self.label is not None:
            h = torch.cat([h, self.label(soft_labels(y, self.classes))], 1)
        out: Tensor = self.both(h)
        return out


class JoinedGenerator(Generator):
    """z and label to a sample."""

    def __init__(
        self, cfg: JoinedMLP, latent: int, shape: tuple[int, ...], classes: int, tanh: bool
    ) -> None:
        super().__init__()
        self.latent, self.classes, self.shape = latent, classes, shape
        self.joined = Joined(latent, classes, cfg.units_G, (ReLU(), ReLU(), ReLU()), cfg.dropout_G)
        self.out = nn.Linear(cfg.units_G[2], math.prod(shape))
        self.squash = squash(shape, tanh, cfg.unit)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        out: Tensor = self.squash(self.out(self.joined(z, y)))
        return wide(out.reshape(-1, *self.shape))


class JoinedDiscriminator(Discriminator):
    """Sample and label to a logit."""

    def __init__(
        self, cfg: JoinedMLP, shape: tuple[int, ...], classes: int, dropout: float
    ) -> None:
        super().__init__()
        self.classes, self.width = classes, cfg.units_D[2]
        self.pixels = nn.Sequential(*pixels(shape, cfg.unit))
        pieces = (Maxout(5), Maxout(5), Maxout(4))
        self.joined = Joined(math.prod(shape), classes, cfg.units_D, pieces, dropout)
        self.head = Score(self.width)

    def features(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        h: Tensor = self.joined(self.pixels(x), y)
        return wide(h)

    def score(self, h: Tensor, y: Tensor | None = None) -> Tensor:
        score: Tensor = self.head(h)
        return score


@dataclass(frozen=True, kw_only=True)
class JoinedMLP(Networks):
    """CGAN's: the label gets a layer of its own, then meets the sample's; D is made of maxout."""

    units_G: tuple[Count, Count, Count] = (200, 1000, 1200)
    """Units of G's layers for z, for the label, and for both."""
    units_D: tuple[Count, Count, Count] = (240, 50, 240)
    """Units of D's layers for the sample, for the label, and for both."""
    dropout_G: BelowOne = 0.0
    """Dropout rate of G's units, also when sampling for D; 0.5 in the paper."""
    dropout_D: BelowOne = 0.5
    """Dropout rate of D's units."""
    unit: bool = False
    """Compute with pixels in [0, 1]: G ends in a sigmoid, as in the paper, not tanh."""

    def generator(
        self, latent: int, shape: tuple[int, ...], classes: int = 0, *, tanh: bool = True
    ) -> Generator:
        return JoinedGenerator(self, latent, shape, classes, tanh)

    def discriminator(self, shape: tuple[int, ...], classes: int = 0) -> Discriminator:
        return JoinedDiscriminator(self, shape, classes, self.dropout_D)

    def encoder(self, shape: tuple[int, ...], outputs: int) -> Encoder:
        """As the discriminator without labels and dropout: x -> float32 [n, outputs]."""
        return Encoder(JoinedDiscriminator(self, shape, 0, 0.0), outputs)

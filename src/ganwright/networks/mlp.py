"""Fully connected networks, for digits, points and codes."""

# ruff: noqa: N815 - the papers' G and D end the names of settings that belong to one of them

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from ganwright.config.ranges import BelowOne, Count, NonNegative, Positive
from ganwright.errors import SettingsError
from ganwright.layers.activation import Activation, LeakyReLU
from ganwright.layers.condition import Concat, Stack
from ganwright.layers.dropout import Dropout
from ganwright.layers.norm import NoNorm, Norm
from ganwright.networks.base import (
    Discriminator,
    Encoder,
    Generator,
    Networks,
    normal_init,
    pixels,
    spectral,
    squash,
)
from ganwright.precision import wide


class GaussianNoise(nn.Module):
    """Adds N(0, std) in training (Salimans et al. 2016, arXiv:1606.03498)."""

    def __init__(self, std: float) -> None:
        super().__init__()
        self.std = std

    def forward(self, x: Tensor) -> Tensor:
        return x + self.std * torch.randn_like(x) if self.training else x


@dataclass(frozen=True)
class Regular:
    """The options of a fully connected stack besides its sizes and activation."""

    norm: Norm = NoNorm()
    dropout_input: BelowOne = 0.0
    dropout: BelowOne = 0.0
    noise_input: NonNegative = 0.0
    noise: NonNegative = 0.0


def layers(sizes: Sequence[int], activation: Activation, regular: Regular) -> list[nn.Module]:
    """Linear layers between the sizes, each with norm, activation, dropout and noise after it."""
    out = [*_disturb(regular.dropout_input, regular.noise_input)]
    for fan_in, fan_out in itertools.pairwise(sizes):
        wide = fan_out * activation.pieces
        out += [
            nn.Linear(fan_in, wide, bias=not regular.norm.shifts),
            regular.norm.build(wide, dims=0),
            activation.build(fan_out),
            *_disturb(regular.dropout, regular.noise),
        ]
    return out


def _disturb(dropout: float, noise: float) -> list[nn.Module]:
    return [Dropout(dropout)] * bool(dropout) + [GaussianNoise(noise)] * bool(noise)


class MLPGenerator(Generator):
    """z [n, latent], joined by the label, through hidden layers to a sample."""

    def __init__(
        self, cfg: MLP, latent: int, shape: tuple[int, ...], classes: int, tanh: bool
    ) -> None:
        super().__init__()
        self.latent, self.classes, self.shape = latent, classes, shape
        join = cfg.labels.join(classes)
        sizes = (latent + join.width, *cfg.hidden_G)
        stack = Stack(
            join,
            *layers(sizes, cfg.activation_G, Regular(cfg.norm_G)),
            *cfg.end(sizes[-1], shape, tanh),
        )
        self.stack = cfg.norm_G.surround(stack, latent, classes)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        out: Tensor = self.stack(z, y)
        return wide(out.reshape(-1, *self.shape))


class MLPDiscriminator(Discriminator):
    """A sample, flattened and joined by the label, through hidden layers to a logit."""

    def __init__(self, cfg: MLP, shape: tuple[int, ...], classes: int, regular: Regular) -> None:
        super().__init__()
        self.classes = classes
        join = cfg.labels.join(classes)
        sizes = (math.prod(shape) + join.width, *cfg.hidden_D)
        self.width = sizes[-1]
        hidden = layers(sizes, cfg.activation_D, regular)
        last_noise = hidden.pop() if regular.noise and cfg.hidden_D else nn.Identity()
        self.stack = Stack(*pixels(shape, cfg.unit), nn.Flatten(), join, *hidden)
        self.noise = last_noise
        self.head = cfg.labels.score(self.width, classes)

    def features(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        h: Tensor = self.stack(x, y)
        return wide(h)

    def score(self, h: Tensor, y: Tensor | None = None) -> Tensor:
        score: Tensor = self.head(self.disturbed(h), y)
        return score

    def disturbed(self, h: Tensor) -> Tensor:
        out: Tensor = self.noise(h)
        return out


@dataclass(frozen=True, kw_only=True)
class MLP(Networks):
    """Fully connected networks, for samples of any shape."""

    hidden_G: tuple[Count, ...] = (256, 512, 1024)
    """Units of G's hidden layers."""
    hidden_D: tuple[Count, ...] = (1024, 512, 256)
    """Units of D's (and an encoder's) hidden layers."""
    activation_G: Activation = LeakyReLU()
    """Activation of G's hidden layers."""
    activation_D: Activation = LeakyReLU()
    """Activation of D's hidden layers; Maxout in the first papers."""
    norm_G: Norm = NoNorm()
    """Normalisation of G's hidden layers."""
    norm_D: Norm = NoNorm()
    """Normalisation of D's hidden layers."""
    dropout: BelowOne = 0.3
    """Dropout rate of D's hidden units."""
    dropout_input: BelowOne = 0.0
    """Dropout rate of D's inputs."""
    noise: NonNegative = 0.0
    """Standard deviation of the Gaussian noise added to D's hidden units in training."""
    noise_input: NonNegative = 0.0
    """Standard deviation of the Gaussian noise added to D's inputs in training."""
    labels: Concat = Concat()
    """How labels join the inputs of G and D."""
    weight_norm: bool = False
    """Weight-normalise D (Salimans and Kingma 2016)."""
    spectral_D: bool = False
    """Spectral norm in D."""
    std: Positive | None = None
    """Initialise weights from N(0, std); by default torch's initialisation."""
    unit: bool = False
    """Compute with pixels in [0, 1]: G ends in a sigmoid, as in the first papers, not tanh."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weight_norm and self.spectral_D:
            raise SettingsError("D has both weight norm and spectral norm; turn one of them off")

    def generator(
        self, latent: int, shape: tuple[int, ...], classes: int = 0, *, tanh: bool = True
    ) -> Generator:
        G = MLPGenerator(self, latent, shape, classes, tanh)
        if self.std is not None:
            normal_init(G, self.std)
        return G

    def discriminator(self, shape: tuple[int, ...], classes: int = 0) -> Discriminator:
        regular = Regular(
            self.norm_D, self.dropout_input, self.dropout, self.noise_input, self.noise
        )
        D = MLPDiscriminator(self, shape, classes, regular)
        self._finish(D)
        return D

    def encoder(self, shape: tuple[int, ...], outputs: int) -> Encoder:
        """As the discriminator, but without dropout and noise: x -> float32 [n, outputs]."""
        encoder = Encoder(MLPDiscriminator(self, shape, 0, Regular(self.norm_D)), outputs)
        if self.std is not None:
            normal_init(encoder, self.std)
        return encoder

    def end(self, width: int, shape: tuple[int, ...], tanh: bool) -> list[nn.Module]:
        """G's last layer, from `width` units, and what brings it into the data's range."""
        return [nn.Linear(width, math.prod(shape)), squash(shape, tanh, self.unit)]

    def _finish(self, D: nn.Module) -> None:
        if self.std is not None:
            normal_init(D, self.std)
        if self.spectral_D:
            spectral(D)
        if self.weight_norm:
            for module in list(D.modules()):
                if isinstance(module, nn.Linear):
                    weight_norm(module)

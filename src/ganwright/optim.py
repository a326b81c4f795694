"""Optimizers and learning-rate schedules as settings: frozen values that build torch's own."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ganwright.config.checked import Checked
from ganwright.config.ranges import BelowOne, Count, NonNegative, Share, Whole
from ganwright.config.schedule import Constant as Constant
from ganwright.config.schedule import Schedule as Schedule
from ganwright.errors import SettingsError


@dataclass(frozen=True)
class LinearDecay(Schedule):
    """Constant up to step `hold`, then a straight line to 0 at step `horizon` (CycleGAN)."""

    hold: Whole
    horizon: Count

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.hold >= self.horizon:
            raise SettingsError(
                f"LinearDecay needs hold < horizon, got {self.hold} and {self.horizon}"
            )

    def factor(self, step: int) -> float:
        return min(1.0, max(0.0, (self.horizon - step) / (self.horizon - self.hold)))


@dataclass(frozen=True)
class Cosine(Schedule):
    """Half a cosine from 1 to `floor` at step `horizon`, then constant."""

    horizon: Count
    floor: Share = 0.0

    def factor(self, step: int) -> float:
        done = min(1.0, step / self.horizon)
        return self.floor + (1 - self.floor) * 0.5 * (1 + math.cos(math.pi * done))


@dataclass(frozen=True)
class CosineRise(Schedule):
    """Half a cosine from 0 to 1 at step `horizon`, then constant (R3GAN's burn-in)."""

    horizon: Count

    def factor(self, step: int) -> float:
        return 0.5 * (1 - math.cos(math.pi * min(1.0, step / self.horizon)))


@dataclass(frozen=True)
class Decay(Schedule):
    """Multiplied by `rate` every `every` steps (PixelDA: .95 every 20,000; SRGAN: .1 once)."""

    rate: Share
    every: Count

    def factor(self, step: int) -> float:
        return float(self.rate ** (step // self.every))


@dataclass(frozen=True)
class Linear(Schedule):
    """A straight line from 1 to `to` at step `horizon`, then constant."""

    to: NonNegative
    horizon: Count

    def factor(self, step: int) -> float:
        return 1 + (self.to - 1) * min(1.0, step / self.horizon)


@dataclass(frozen=True)
class WarmUp(Schedule):
    """A straight line from 0 over `steps`, times the schedule `then`."""

    steps: Count
    then: Schedule = Constant()

    def factor(self, step: int) -> float:
        return min(1.0, (step + 1) / self.steps) * self.then.factor(step)


@dataclass(frozen=True)
class Optimizer(Checked):
    """Base of the optimizers: a learning rate, a schedule, and how to build torch's optimizer."""

    lr: NonNegative = 2e-4
    schedule: Schedule = Constant()

    def build(self, parameters: Iterable[nn.Parameter], lazy: float = 1.0) -> torch.optim.Optimizer:
        """Torch's optimizer over `parameters`.

        Args:
            lazy: StyleGAN2's correction c = k / (k + 1) for an objective every k-th
                step: lr becomes c lr, and betas become beta^c (arXiv:1912.04958, appendix B).
        """
        raise NotImplementedError

    def at(self, step: int, lazy: float = 1.0) -> dict[str, Any]:
        """What schedules make of the numbers of torch's optimizer at `step`, by their names there.

        Args:
            step: counted from 0.
            lazy: as for `build`.
        """
        return {"lr": self.lr * lazy * self.schedule.factor(step)}


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam (Kingma and Ba, 2015); with weight decay added to the gradient.

    Args:
        beta2_schedule: the factor on 1 - beta2 at each step: Cosine(horizon, floor=0.1) brings .9
            to .99 (R3GAN).
    """

    betas: tuple[BelowOne, BelowOne] = (0.5, 0.999)
    eps: NonNegative = 1e-8
    weight_decay: NonNegative = 0.0
    beta2_schedule: Schedule = Constant()

    def at(self, step: int, lazy: float = 1.0) -> dict[str, Any]:
        numbers = super().at(step, lazy)
        if isinstance(self.beta2_schedule, Constant):
            return numbers
        beta1, beta2 = self.betas
        beta2 = max(0.0, 1 - (1 - beta2) * self.beta2_schedule.factor(step))
        return {**numbers, "betas": (beta1**lazy, beta2**lazy)}

    def build(self, parameters: Iterable[nn.Parameter], lazy: float = 1.0) -> torch.optim.Optimizer:
        betas = (self.betas[0] ** lazy, self.betas[1] ** lazy)
        return torch.optim.Adam(
            parameters, self.lr * lazy, betas, self.eps, self.weight_decay, fused=True
        )


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019)."""

    def build(self, parameters: Iterable[nn.Parameter], lazy: float = 1.0) -> torch.optim.Optimizer:
        betas = (self.betas[0] ** lazy, self.betas[1] ** lazy)
        return torch.optim.AdamW(
            parameters, self.lr * lazy, betas, self.eps, self.weight_decay, fused=True
        )


@dataclass(frozen=True)
class SGD(Optimizer):
    """Stochastic gradient descent with momentum, which can have its own schedule."""

    momentum: BelowOne = 0.0
    weight_decay: NonNegative = 0.0
    momentum_schedule: Schedule = Constant()

    def at(self, step: int, lazy: float = 1.0) -> dict[str, Any]:
        momentum = self.momentum * self.momentum_schedule.factor(step)
        return {**super().at(step, lazy), "momentum": momentum}

    def build(self, parameters: Iterable[nn.Parameter], lazy: float = 1.0) -> torch.optim.Optimizer:
        return torch.optim.SGD(
            parameters,
            self.lr * lazy,
            self.momentum,
            weight_decay=self.weight_decay,
            fused=True,
        )


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """RMSProp (Hinton); used by WGAN, since momentum destabilises a clipped discriminator."""

    lr: NonNegative = 5e-5
    alpha: BelowOne = 0.99
    eps: NonNegative = 1e-8

    def build(self, parameters: Iterable[nn.Parameter], lazy: float = 1.0) -> torch.optim.Optimizer:
        return torch.optim.RMSprop(parameters, self.lr * lazy, self.alpha**lazy, self.eps)


OPTIMIZERS: dict[str, type[Optimizer]] = {
    "Adam": Adam,
    "AdamW": AdamW,
    "SGD": SGD,
    "RMSprop": RMSprop,
}
SCHEDULES: dict[str, type[Schedule]] = {
    "Constant": Constant,
    "LinearDecay": LinearDecay,
    "Cosine": Cosine,
    "CosineRise": CosineRise,
    "Decay": Decay,
    "Linear": Linear,
    "WarmUp": WarmUp,
}

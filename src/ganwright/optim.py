"""Optimizers and learning-rate schedules as settings: frozen values that build torch's own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ganwright.config.checked import Checked
from ganwright.config.ranges import BelowOne, NonNegative
from ganwright.config.schedule import Constant as Constant
from ganwright.config.schedule import Cosine as Cosine
from ganwright.config.schedule import CosineRise as CosineRise
from ganwright.config.schedule import Decay as Decay
from ganwright.config.schedule import Delayed as Delayed
from ganwright.config.schedule import Linear as Linear
from ganwright.config.schedule import LinearDecay as LinearDecay
from ganwright.config.schedule import Schedule as Schedule
from ganwright.config.schedule import WarmUp as WarmUp


@dataclass(frozen=True)
class Optimizer(Checked):
    """Base of the optimizers: a learning rate, a schedule, and how to build torch's optimizer."""

    lr: NonNegative = 2e-4
    schedule: Schedule = Constant()

    def build(self, parameters: Iterable[nn.Parameter], lazy: float = 1.0) -> torch.optim.Optimizer:
        """Torch's optimizer over `parameters`.

        Args:
            lazy: StyleGAN2's correction c = k / (k + 1) for an objective after every k-th
                update: lr becomes c lr, and betas become beta^c (arXiv:1912.04958, appendix B).
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
        beta1, beta2 = self.betas
        if not isinstance(self.beta2_schedule, Constant):
            beta2 = max(0.0, 1 - (1 - beta2) * self.beta2_schedule.factor(step))
        return {**super().at(step, lazy), "betas": (beta1**lazy, beta2**lazy)}

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

    def at(self, step: int, lazy: float = 1.0) -> dict[str, Any]:
        return {**super().at(step, lazy), "alpha": self.alpha**lazy}


OPTIMIZERS: dict[str, type[Optimizer]] = {
    "Adam": Adam,
    "AdamW": AdamW,
    "SGD": SGD,
    "RMSprop": RMSprop,
}

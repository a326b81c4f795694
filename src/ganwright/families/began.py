"""BEGAN: Berthelot, Schumm and Metz (2017), arXiv:1703.10717, section 3.4.

    D minimises  L(x) - k L(G(z_D))              L(v) = |v - D(v)|, the mean over pixels
    G minimises  L(G(z_G))
    then         k <- k + lambda_k (gamma L(x) - L(G(z_G))),  kept in [0, 1], 0 at first

    M = L(x) + |gamma L(x) - L(G(z_G))|

D is an autoencoder. k balances the players so that L(G(z)) stays at gamma L(x): a smaller gamma
gives sharper and less varied samples. M, which is logged, falls as training converges; when it
stalls, learning rates are halved. z ~ U(-1, 1), gamma .5, lambda_k .001, Adam with learning rate
1e-4 and its own betas, batches of 16.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ganwright.config.ranges import Count, NonNegative, Share
from ganwright.data.types import Images, Spec
from ganwright.families.augmented import shown, watch
from ganwright.families.energy import EnergyGame
from ganwright.families.priors import Prior, Uniform
from ganwright.game import Player, Terms
from ganwright.layers.norm import NoNorm
from ganwright.layers.resample import Resize
from ganwright.networks import ConvNet, Networks
from ganwright.observing import observe
from ganwright.optim import Adam, Optimizer, Schedule
from ganwright.penalties import charge
from ganwright.precision import wide


class BEGAN(EnergyGame):
    """D reconstructs data better than samples, by a ratio that a controller maintains."""

    title = "BEGAN (2017)"
    paper = "1703.10717"
    batch_size = 16

    k: Tensor
    real: Tensor
    pace: Tensor
    mean: Tensor
    least: Tensor
    waited: Tensor

    @dataclass(frozen=True, kw_only=True)
    class Config(EnergyGame.Config):
        prior: Prior = Uniform(-1.0, 1.0)
        """Distribution of z."""
        networks: Networks = ConvNet(norm_G=NoNorm(), norm_D=NoNorm(), up=Resize())
        """Architecture of G and of D's encoder and decoder."""
        gamma: Share = 0.5
        """Target of L(G(z)) / L(x), from 0 to 1; smaller gives sharper, less varied samples."""
        k_rate: NonNegative = 0.001
        """Learning rate of k (lambda_k)."""
        patience: Count = 10_000
        """Updates of G without a new minimum of M after which learning rates are halved."""
        optimizer_d: Optimizer = Adam(lr=1e-4, betas=(0.9, 0.999))
        """Optimizer of D."""
        optimizer_g: Optimizer = Adam(lr=1e-4, betas=(0.9, 0.999))
        """Optimizer of G."""

    cfg: Config

    def __init__(self, cfg: Config, spec: Spec) -> None:
        super().__init__(cfg, spec)
        for name, value in (("k", 0.0), ("real", 0.0), ("pace", 1.0)):
            self.register_buffer(name, torch.tensor(value))
        for name in ("mean", "least"):
            self.register_buffer(name, torch.tensor(torch.inf))
        self.register_buffer("waited", torch.tensor(0))

    def players(self) -> Iterable[Player]:
        for player in super().players():
            paced = Paced(player.optimizer.schedule, self.pace)
            yield replace(player, optimizer=replace(player.optimizer, schedule=paced))

    def discriminator(self, batch: Images) -> Terms:
        watch(self.augment)
        x, fake = self.judged(batch)
        observe("k", self.k)
        return {
            "real": self.energy(x).mean(),
            "fake": -self.k * self.energy(fake).mean(),
            **charge(self.cfg.penalties, self.energy, x, fake),
        }

    def generator(self, batch: Images) -> Terms:
        fake = self.energy(shown(self.augment, self.sample(len(batch.images)))).mean()
        observe("M", self.real + (self.cfg.gamma * self.real - fake).abs())
        return {"fake": fake}

    def energy(self, x: Tensor) -> Tensor:
        """D's absolute error, the mean over each image's pixels: [n, C, H, W] -> [n]."""
        error: Tensor = wide(self.D(x) - x).abs().flatten(1).mean(1)
        return error

    def after(self, player: Player, terms: Terms) -> None:
        super().after(player, terms)
        if "real" in terms:
            self.real.copy_(terms["real"])
        if player.name == "G":
            gap = self.cfg.gamma * self.real - terms["fake"]
            self.k.add_(self.cfg.k_rate * gap).clamp_(0, 1)
            self._watch(terms["M"])

    def _watch(self, M: Tensor) -> None:
        """Halve the pace if M's moving average, over some 100 updates, finds no new minimum."""
        self.mean.copy_(torch.where(self.mean.isinf(), M, self.mean.lerp(M, 0.01)))
        lower = self.mean < self.least
        self.waited.copy_(torch.where(lower, 0, self.waited + 1))
        stalled = self.waited >= self.cfg.patience
        self.least.copy_(torch.where(lower | stalled, self.mean, self.least))
        self.waited.mul_(~stalled)
        self.pace.mul_(torch.where(stalled, 0.5, 1.0))


@dataclass(frozen=True)
class Paced(Schedule):
    """Another schedule times a factor that the game holds as a buffer, and changes in place."""

    then: Schedule
    pace: Tensor

    def factor(self, step: int) -> float:
        # A tensor, which torch's optimizers take for a rate, so that the host never waits for it.
        return self.then.factor(step) * self.pace  # type: ignore[return-value]

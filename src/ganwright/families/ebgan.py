"""EBGAN: Zhao, Mathieu and LeCun (2017), arXiv:1609.03126, eqs. 1 and 2, section 2.4.

    D minimises  E(x) + [m - E(G(z))]+
    G minimises  E(G(z)) + lambda f_PT(S)

    E(v) = |v - Dec(Enc(v))|, the Euclidean norm over an image's pixels (section 2.3)
    f_PT(S) = 1 / (n (n - 1)) sum_i sum_{j != i} (s_i . s_j / |s_i| |s_j|)²,  S = Enc(G(z))

The pulling-away term f_PT keeps the codes of different samples apart. m = 10 (section 4.1),
lambda = .1, Adam with learning rate 1e-3. The energy, and so a suitable m, grows with the square
root of the number of pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ganwright.config.ranges import NonNegative, Positive
from ganwright.data.types import Images
from ganwright.families.augmented import shown, watch
from ganwright.families.energy import EnergyGame
from ganwright.game import Terms
from ganwright.observing import observe
from ganwright.optim import Adam, Optimizer
from ganwright.penalties import charge
from ganwright.precision import wide
from ganwright.regularisers import pulling_away


class EBGAN(EnergyGame):
    """D assigns a low energy to data and an energy of at least a margin to samples."""

    title = "EBGAN (2016)"
    paper = "1609.03126"

    @dataclass(frozen=True, kw_only=True)
    class Config(EnergyGame.Config):
        margin: Positive = 10.0
        """The energy up to which D raises samples (m), a norm over all pixels."""
        pull: NonNegative = 0.1
        """Weight of the pulling-away term (lambda); 0 for plain EBGAN."""
        optimizer_d: Optimizer = Adam(lr=1e-3, betas=(0.5, 0.999))
        """Optimizer of D."""
        optimizer_g: Optimizer = Adam(lr=1e-3, betas=(0.5, 0.999))
        """Optimizer of G."""

    cfg: Config

    def discriminator(self, batch: Images) -> Terms:
        watch(self.augment)
        x, fake = self.judged(batch)
        low, high = self.energy(x), self.energy(fake)
        observe("fake_energy", high.mean())
        return {
            "energy": low.mean(),
            "margin": (self.cfg.margin - high).relu().mean(),
            **charge(self.cfg.penalties, self.energy, x, fake),
        }

    def generator(self, batch: Images) -> Terms:
        fake = shown(self.augment, self.sample(len(batch.images)))
        code = self.D.encoder(fake)
        terms = {"energy": distance(self.D.decoder(code), fake).mean()}
        if self.cfg.pull:
            terms["pull"] = self.cfg.pull * pulling_away(code)
        return terms

    def energy(self, x: Tensor) -> Tensor:
        """How far D's image lies from each image: [n, C, H, W] -> [n]."""
        return distance(self.D(x), x)


def distance(a: Tensor, b: Tensor) -> Tensor:
    """The Euclidean norm of a - b over all but the first dimension: [n, ...] -> [n]."""
    norm: Tensor = torch.linalg.vector_norm((wide(a) - wide(b)).flatten(1), dim=1)
    return norm

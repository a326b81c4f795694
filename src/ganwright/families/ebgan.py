"""EBGAN: Zhao, Mathieu and LeCun (2017), arXiv:1609.03126, eqs. 1, 2 and 4.

    D minimises  E(x) + [m - E(G(z))]+
    G minimises  E(G(z)) + lambda f_PT(S)

    E(v) = |v - Dec(Enc(v))|², summed over a picture's pixels
    f_PT(S) = 1 / (n (n - 1)) sum_i sum_{j != i} (s_i . s_j / |s_i| |s_j|)²,  S = Enc(G(z))

The pulling-away term f_PT keeps the codes of different drawings apart. m = 10 and lambda = .1, the
paper's for digits. The energy is a sum over pixels, and m has its scale: it grows with the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ganwright.data.batch import Images
from ganwright.families.energy import EnergyGame
from ganwright.game import Terms, observe
from ganwright.optim import Adam, Optimizer
from ganwright.penalties import charge
from ganwright.ranges import NonNegative, Positive
from ganwright.regularisers import pulling_away


class EBGAN(EnergyGame):
    """D gives data a low energy and drawings at least a margin's."""

    title = "EBGAN (2016)"
    paper = "1609.03126"

    @dataclass(frozen=True, kw_only=True)
    class Config(EnergyGame.Config):
        margin: Positive = 10.0
        """The energy up to which D lifts drawings (m): a squared error summed over pixels."""
        pull: NonNegative = 0.1
        """Weight of the pulling-away term (lambda); 0 for plain EBGAN."""
        optimizer_d: Optimizer = Adam(lr=1e-3, betas=(0.5, 0.999))
        """How D moves."""
        optimizer_g: Optimizer = Adam(lr=1e-3, betas=(0.5, 0.999))
        """How G moves."""

    cfg: Config

    def discriminator(self, batch: Images) -> Terms:
        x, fake = self.judged(batch)
        low, high = self.energy(x), self.energy(fake)
        observe("fake_energy", high.mean())
        return {
            "energy": low.mean(),
            "margin": (self.cfg.margin - high).relu().mean(),
            **charge(self.cfg.penalties, self.energy, x, fake),
        }

    def generator(self, batch: Images) -> Terms:
        fake = self.sample(len(batch.images))
        code = self.D.encoder(fake)
        terms = {"energy": squared_error(self.D.decoder(code), fake).mean()}
        if self.cfg.pull:
            terms["pull"] = self.cfg.pull * pulling_away(code)
        return terms

    def energy(self, x: Tensor) -> Tensor:
        """D's squared error, summed over the pixels of each picture: [n, C, H, W] -> [n]."""
        return squared_error(self.D(x), x)


def squared_error(a: Tensor, b: Tensor) -> Tensor:
    """Summed over all but the first dimension: [n, ...] -> [n]."""
    return (a - b).float().square().flatten(1).sum(1)

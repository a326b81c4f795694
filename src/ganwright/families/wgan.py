"""WGAN: Arjovsky, Chintala and Bottou (2017), arXiv:1701.07875, Algorithm 1.

    n_critic times: D minimises  E[D(G(z))] - E[D(x)], then its weights are clipped to [-c, c]
    once:           G minimises  -E[D(G(z))]

c .01, n_critic 5, RMSProp with learning rate 5e-5, batches of 64. As in the authors' code, D is
updated 100 times in each of the first 25 steps and in every 500th step. The negative of D's term,
`wasserstein`, estimates the distance up to a factor; it is the learning curve that the paper
promises.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ganwright.config.ranges import Count, Whole
from ganwright.families.dcgan import DCGAN
from ganwright.game import Player
from ganwright.losses import Loss, Wasserstein
from ganwright.optim import Optimizer, RMSprop
from ganwright.penalties import Penalty, WeightClipping


class WGAN(DCGAN):
    """DCGAN with the earth mover's distance, and D kept Lipschitz by weight clipping."""

    title = "WGAN (2017)"
    paper = "1701.07875"
    batch_size = 64

    @dataclass(frozen=True, kw_only=True)
    class Config(DCGAN.Config):
        switches = (("warm_moves", ("warm_steps", "warm_every")),)

        loss: Loss = Wasserstein()
        """The adversarial loss of D and G."""
        penalties: tuple[Penalty, ...] = (WeightClipping(c=0.01),)
        """Penalties on D: weight clipping, gradient penalties."""
        d_moves: int = 5
        """Updates of D per step, each on a new batch (n_critic)."""
        warm_moves: Count = 100
        """Updates of D in a warm step, which brings D near its optimum."""
        warm_steps: Whole = 25
        """Number of warm steps at the start."""
        warm_every: Whole = 500
        """Interval in steps between further warm steps; 0 for none."""
        optimizer_d: Optimizer = RMSprop(lr=5e-5)
        """Optimizer of D."""
        optimizer_g: Optimizer = RMSprop(lr=5e-5)
        """Optimizer of G."""

    cfg: Config

    def players(self) -> Iterable[Player]:
        D, G = super().players()
        yield replace(D, moves=self.d_moves_at)
        yield G

    def d_moves_at(self, step: int) -> int:
        """D's updates per step: many in warm ones, n_critic in all others."""
        cfg = self.cfg
        warm = step < cfg.warm_steps or (cfg.warm_every and step % cfg.warm_every == 0)
        return cfg.warm_moves if warm else cfg.d_moves

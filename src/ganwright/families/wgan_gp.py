"""WGAN-GP: Gulrajani et al. (2017), arXiv:1704.00028, Algorithm 1.

    n_critic times: D minimises  E[D(G(z))] - E[D(x)] + lambda E[(|grad_u D(u)| - 1)²]
    once:           G minimises  -E[D(G(z))]        u uniform on segments from x to G(z)

lambda 10, n_critic 5, Adam with learning rate 1e-4 and betas (0, .9), no BatchNorm in D.
"""

from __future__ import annotations

from dataclasses import dataclass

from ganwright.families.dcgan import DCGAN
from ganwright.layers.norm import NoNorm
from ganwright.losses import Loss, Wasserstein
from ganwright.networks import ConvNet, Networks
from ganwright.optim import Adam, Optimizer
from ganwright.penalties import GradientPenalty, Penalty


class WGANGP(DCGAN):
    """DCGAN with the earth mover's distance, and D kept near Lipschitz by a gradient penalty."""

    title = "WGAN-GP (2017)"
    paper = "1704.00028"
    batch_size = 64

    @dataclass(frozen=True, kw_only=True)
    class Config(DCGAN.Config):
        networks: Networks = ConvNet(norm_D=NoNorm())
        """Architecture of G and D."""
        loss: Loss = Wasserstein()
        """The adversarial loss of D and G."""
        penalties: tuple[Penalty, ...] = (GradientPenalty(weight=10.0, target=1.0),)
        """Penalties on D: gradient penalties, weight clipping."""
        d_moves: int = 5
        """Updates of D per step, each on a new batch (n_critic)."""
        optimizer_d: Optimizer = Adam(lr=1e-4, betas=(0.0, 0.9))
        """Optimizer of D."""
        optimizer_g: Optimizer = Adam(lr=1e-4, betas=(0.0, 0.9))
        """Optimizer of G."""

"""SAGAN: Zhang, Goodfellow, Metaxas and Odena (2019), arXiv:1805.08318, eq. 4.

    D minimises  E[max(0, 1 - D(x, y))] + E[max(0, 1 + D(G(z), y))]
    G minimises  -E[D(G(z), y)]

Self-attention on the 32x32 feature maps of G and D, o = gamma attention(x) + x with gamma 0 at the
start (eqs. 1 to 3); spectral norm in both; conditional BatchNorm in G, projection in D; Adam with
betas (0, .9), one update of D per update of G, and learning rates 1e-4 for G, 4e-4 for D (section
3).
"""

from __future__ import annotations

from dataclasses import dataclass

from ganwright.families.dcgan import DCGAN
from ganwright.losses import Hinge, Loss
from ganwright.networks import Networks, ResNet
from ganwright.optim import Adam, Optimizer


class SAGAN(DCGAN):
    """Residual networks with self-attention and spectral normalisation."""

    title = "SAGAN (2018)"
    paper = "1805.08318"
    data = "glyphs"
    image_size = 64
    batch_size = 64

    @dataclass(frozen=True, kw_only=True)
    class Config(DCGAN.Config):
        latent: int = 128
        """Length of the noise vector z."""
        networks: Networks = ResNet(spectral_G=True, spectral_D=True, attention=(32,))
        """Architecture of G and D; `attention` lists the heights with self-attention."""
        loss: Loss = Hinge()
        """The adversarial loss of D and G."""
        conditional: bool = True
        """Give the label to G and D, so that you can choose a class when sampling."""
        optimizer_d: Optimizer = Adam(lr=4e-4, betas=(0.0, 0.9))
        """Optimizer of D."""
        optimizer_g: Optimizer = Adam(lr=1e-4, betas=(0.0, 0.9))
        """Optimizer of G."""

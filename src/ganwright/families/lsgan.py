"""LSGAN: Mao et al. (2017), arXiv:1611.04076, eq. 9.

    D minimises  1/2 E[(D(x) - 1)²] + 1/2 E[D(G(z))²]
    G minimises  1/2 E[(D(G(z)) - 1)²]

DCGAN's game with least squares: D's score is no logit, and a fake far on the right side of the
boundary still pulls on G. Eq. 8's targets, which make it Pearson's chi-squared divergence, are
`LeastSquares(a=-1, b=1, c=0)`.
"""

from __future__ import annotations

from dataclasses import dataclass

from ganwright.families.dcgan import DCGAN
from ganwright.losses import LeastSquares, Loss


class LSGAN(DCGAN):
    """DCGAN's game, where scores are drawn to targets rather than pushed apart."""

    title = "LSGAN (2016)"
    paper = "1611.04076"
    batch_size = 64

    @dataclass(frozen=True, kw_only=True)
    class Config(DCGAN.Config):
        loss: Loss = LeastSquares()
        """How D's scores of real and fake become the two losses."""

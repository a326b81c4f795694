"""LSGAN: Mao et al. (2017), arXiv:1611.04076, eq. 9.

    D minimises  1/2 E[(D(x) - 1)²] + 1/2 E[D(G(z))²]
    G minimises  1/2 E[(D(G(z)) - 1)²]

DCGAN with least squares: D's score is not a logit, and a fake far on the correct side of the
boundary still has a gradient. Eq. 8's targets, which make it Pearson's chi-squared divergence, are
`LeastSquares(a=-1, b=1, c=0)`.
"""

from __future__ import annotations

from dataclasses import dataclass

from ganwright.families.dcgan import DCGAN
from ganwright.losses import LeastSquares, Loss


class LSGAN(DCGAN):
    """DCGAN with scores pulled to targets by a squared loss."""

    title = "LSGAN (2016)"
    paper = "1611.04076"
    batch_size = 64

    @dataclass(frozen=True, kw_only=True)
    class Config(DCGAN.Config):
        loss: Loss = LeastSquares()
        """The adversarial loss of D and G."""

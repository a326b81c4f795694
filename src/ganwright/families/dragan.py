"""DRAGAN: Kodali, Abernethy, Hays and Kira (2017), arXiv:1705.07215, Algorithm 1.

    D minimises  -E[log D(x)] - E[log(1 - D(G(z)))] + lambda E[(|grad D(x + delta)| - 1)²]
    G minimises  -E[log D(G(z))]

delta is noise around real data only: as in the authors' code, a share, uniform for each sample, of
half the batch's standard deviation times U[0, 1]. The norm is over all pixels of a sample. lambda
10, Adam with learning rate 2e-4 and beta1 .5, batches of 64, no BatchNorm in D.
"""

from __future__ import annotations

from dataclasses import dataclass

from ganwright.families.dcgan import DCGAN
from ganwright.layers.norm import NoNorm
from ganwright.networks import ConvNet, Networks
from ganwright.penalties import DRAGAN as Slope  # noqa: N811 - the family has its name
from ganwright.penalties import Penalty


class DRAGAN(DCGAN):
    """DCGAN's game with D's slope held near 1 around the data."""

    title = "DRAGAN (2017)"
    paper = "1705.07215"
    batch_size = 64

    @dataclass(frozen=True, kw_only=True)
    class Config(DCGAN.Config):
        networks: Networks = ConvNet(norm_D=NoNorm())
        """The kind of G and D."""
        penalties: tuple[Penalty, ...] = (Slope(weight=10.0),)
        """Regularisers of D: gradient penalties, weight clipping."""

"""DRAGAN: Kodali, Abernethy, Hays and Kira (2017), arXiv:1705.07215, Algorithm 1.

    D minimises  -E[log D(x)] - E[log(1 - D(G(z)))] + lambda E[(|grad D(x + delta)| - 1)²]
    G minimises  -E[log D(G(z))]

delta is noise around real data only. As in the authors' code, it is a random fraction, uniform for
each sample, of half the batch's standard deviation times U[0, 1]. lambda is 10, Adam has learning
rate 1e-4 and betas (.5, .9), and batches have 128 images. The norm is over all pixels of a sample,
and D has no BatchNorm.
"""

from __future__ import annotations

from dataclasses import dataclass

from ganwright.families.dcgan import DCGAN
from ganwright.layers.norm import NoNorm
from ganwright.networks import ConvNet, Networks
from ganwright.optim import Adam, Optimizer
from ganwright.penalties import DRAGAN as Slope  # noqa: N811 - the family has its name
from ganwright.penalties import Penalty


class DRAGAN(DCGAN):
    """DCGAN with D's gradient norm kept near 1 around the data."""

    title = "DRAGAN (2017)"
    paper = "1705.07215"
    batch_size = 128

    @dataclass(frozen=True, kw_only=True)
    class Config(DCGAN.Config):
        networks: Networks = ConvNet(norm_D=NoNorm())
        """Architecture of G and D."""
        penalties: tuple[Penalty, ...] = (Slope(weight=10.0),)
        """Penalties on D: gradient penalties, weight clipping."""
        optimizer_d: Optimizer = Adam(lr=1e-4, betas=(0.5, 0.9))
        """Optimizer of D."""
        optimizer_g: Optimizer = Adam(lr=1e-4, betas=(0.5, 0.9))
        """Optimizer of G."""

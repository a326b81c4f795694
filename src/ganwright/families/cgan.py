"""CGAN: Mirza and Osindero (2014), arXiv:1411.1784, eq. 2.

    D minimises  -E[log D(x | y)] - E[log(1 - D(G(z | y) | y))]
    G minimises  -E[log D(G(z | y) | y)]        (in its non-saturating form)

This is GAN with the label y as a further input of G and D; the adversarial loss is unchanged. D
never sees a real image with a wrong label, so it learns to reject mismatches.
"""

from __future__ import annotations

from dataclasses import dataclass

from ganwright.data.types import Spec
from ganwright.families.gan import UnrollableGame
from ganwright.networks import Networks
from ganwright.networks.joined import JoinedMLP


class CGAN(UnrollableGame):
    """Class-conditional images: both networks get the label."""

    title = "CGAN (2014)"
    paper = "1411.1784"
    image_size = 28
    needs_labels = True
    several_labels = True

    @dataclass(frozen=True, kw_only=True)
    class Config(UnrollableGame.Config):
        networks: Networks = JoinedMLP()
        """Architecture of G and D; the paper's has a separate layer for the label."""

    cfg: Config

    def __init__(self, cfg: Config, spec: Spec) -> None:
        super().__init__(cfg, spec, labelled=True)

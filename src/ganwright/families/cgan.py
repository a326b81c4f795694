"""CGAN: Mirza and Osindero (2014), arXiv:1411.1784, eq. 2.

    D minimises  -E[log D(x | y)] - E[log(1 - D(G(z | y) | y))]
    G minimises  -E[log D(G(z | y) | y)]        (in its non-saturating form)

GAN's game, played within each class: the label y joins z in G and x in D, and the adversarial loss
is unchanged. D learns to refuse a good picture under a wrong label since it never sees a real one.
"""

from __future__ import annotations

from dataclasses import dataclass

from ganwright.data.types import Spec
from ganwright.families.gan import UnrollableGame
from ganwright.networks import Networks
from ganwright.networks.joined import JoinedMLP


class CGAN(UnrollableGame):
    """Pictures of an asked class: both networks are told the label."""

    title = "CGAN (2014)"
    paper = "1411.1784"
    image_size = 28
    needs_labels = True
    several_labels = True

    @dataclass(frozen=True, kw_only=True)
    class Config(UnrollableGame.Config):
        networks: Networks = JoinedMLP()
        """The kind of G and D; the label has a layer of its own in the paper's."""

    cfg: Config

    def __init__(self, cfg: Config, spec: Spec) -> None:
        super().__init__(cfg, spec, labelled=True)

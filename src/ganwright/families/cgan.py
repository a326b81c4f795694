"""CGAN: Mirza and Osindero (2014), arXiv:1411.1784, eq. 2.

    D minimises  -E[log D(x | y)] - E[log(1 - D(G(z | y) | y))]
    G minimises  -E[log D(G(z | y) | y)]        (in its non-saturating form)

GAN's game, played within each class: the label y joins z in G and x in D, and the adversarial loss
is unchanged. D learns to refuse a good picture under a wrong label since it never sees a real one.
"""

from __future__ import annotations

from dataclasses import dataclass

from ganwright.errors import SettingsError
from ganwright.families.gan import GAN
from ganwright.networks import Networks
from ganwright.networks.joined import JoinedMLP


class CGAN(GAN):
    """Pictures of an asked class: both networks are told the label."""

    title = "CGAN (2014)"
    paper = "1411.1784"
    needs_labels = True

    @dataclass(frozen=True, kw_only=True)
    class Config(GAN.Config):
        networks: Networks = JoinedMLP()
        """The kind of G and D; the label has a layer of its own in the paper's."""
        conditional: bool = True
        """Give the label to G and D."""

        def __post_init__(self) -> None:
            super().__post_init__()
            if not self.conditional:
                raise SettingsError("cgan gives labels to G and D by definition; without, use gan")

"""DCGAN: Radford, Metz and Chintala (2016), arXiv:1511.06434.

    D minimises  -E[log D(x)] - E[log(1 - D(G(z)))]
    G minimises  -E[log D(G(z))]

GAN with convolutional networks (section 3): strided and transposed convolutions, BatchNorm
everywhere but G's output and D's input, ReLU in G, LeakyReLU .2 in D, weights from N(0, .02),
Adam with learning rate 2e-4 and beta1 .5, batches of 128, z of length 100.
"""

from __future__ import annotations

from dataclasses import dataclass

from ganwright.families.gan import GAN
from ganwright.networks import ConvNet, Networks


class DCGAN(GAN):
    """Convolutional networks, by default for images of 8 to 256 pixels."""

    title = "DCGAN (2015)"
    paper = "1511.06434"
    image_size = 32
    batch_size = 128

    @dataclass(frozen=True, kw_only=True)
    class Config(GAN.Config):
        networks: Networks = ConvNet()
        """Architecture of G and D."""

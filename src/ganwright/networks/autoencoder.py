"""A discriminator that judges by how well it can redraw a picture."""

from __future__ import annotations

from torch import Tensor, nn

from ganwright.networks.base import Networks


class Autoencoder(nn.Module):
    """An encoder to a code, and a generator as its decoder: [n, C, H, W] -> the same shape."""

    def __init__(self, networks: Networks, shape: tuple[int, ...], code: int) -> None:
        super().__init__()
        self.encoder = networks.encoder(shape, code)
        self.decoder = networks.generator(code, shape)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.decoder(self.encoder(x))
        return out

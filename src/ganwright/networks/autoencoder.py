"""A discriminator that judges by how well it can redraw an image."""

from __future__ import annotations

from torch import Tensor, nn

from ganwright.networks.base import Networks


class Autoencoder(nn.Module):
    """An encoder to a code, and a generator as its decoder: [n, C, H, W] -> the same shape.

    Args:
        encoder: the kind of the encoder.
        decoder: the kind of the decoder.
        shape: of one image.
        code: length of the code; 0 for the encoder's features.
    """

    def __init__(
        self, encoder: Networks, decoder: Networks, shape: tuple[int, ...], code: int
    ) -> None:
        super().__init__()
        self.encoder = encoder.encoder(shape, code)
        self.decoder = decoder.generator(self.encoder.width, shape)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.decoder(self.encoder(x))
        return out

"""FastGAN's networks: Liu et al. (2021), arXiv:2101.04775, section 3 and its code.

    G   z -> 4x4, doubled by nearest neighbours, convolutions, BatchNorm and gates; every second
        size has a second convolution, and noise; a map scales the channels of one 16 times as large
    D   residual blocks from 256 pixels down to 8, in which maps scale later ones, to 5x5 logits;
        and 5x5 more of the image at 128 pixels

Every layer has spectral norm, none of them a bias, and weights begin as N(0, .02). Smaller images
have the 4x4 to 8x8 end of both networks, and the copy for the second logits is half as large.
"""

# ruff: noqa: N815 - the paper's G and D end the names of settings that belong to one of them

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from ganwright.config.ranges import Count
from ganwright.errors import SettingsError
from ganwright.layers.excitation import Excitation, gated
from ganwright.networks.base import (
    Encoder,
    Generator,
    Networks,
    halvings,
    normal_init,
    spectral,
    squash,
)
from ganwright.networks.fast_critic import FastDecoders, FastDiscriminator
from ganwright.precision import wide

REACH = 4
"""Doublings from a map to the one that it scales, in networks for 128 pixels and up."""


_HALVINGS = 3
"""From 32 pixels down to 4."""


class FastGenerator(Generator):
    """z to a grid of 4 to 7 cells, which gated convolutions turn into an image as it doubles."""

    classes = 0

    def __init__(self, cfg: FastNet, latent: int, shape: tuple[int, ...], tanh: bool) -> None:
        super().__init__()
        self.latent = latent
        h, w, count = cfg.plan(shape)
        widths = cfg.widths(count)
        self.start = nn.Sequential(
            nn.Unflatten(1, (latent, 1, 1)),
            nn.ConvTranspose2d(latent, 2 * widths[0], (h, w), bias=False),
            nn.BatchNorm2d(2 * widths[0]),
            nn.GLU(1),
        )
        self.stages = nn.ModuleList(
            doubling(widths[i - 1], widths[i], (h << i, w << i), twice=i % 2 == 1)
            for i in range(1, count + 1)
        )
        self.reach = min(REACH, count - 1)
        self.excitations = nn.ModuleList(
            Excitation(widths[i], widths[i + self.reach])
            for i in range(min(REACH, count + 1 - self.reach))
        )
        last = nn.Conv2d(widths[-1], shape[0], 3, 1, 1, bias=False)
        self.image = nn.Sequential(last, squash(shape, tanh))
        normal_init(self)
        spectral(self)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        maps = [self.start(z)]
        for i, stage in enumerate(self.stages, 1 - self.reach):
            x = stage(maps[-1])
            maps.append(self.excitations[i](maps[i], x) if 0 <= i < len(self.excitations) else x)
        out: Tensor = self.image(maps[-1])
        return wide(out)


def doubling(fan_in: int, fan_out: int, size: tuple[int, int], *, twice: bool) -> nn.Sequential:
    """[n, fan_in, H, W] -> [n, fan_out, 2H, 2W], the larger sides being `size`.

    Args:
        twice: a second convolution, and noise in both.
    """
    first = gated(fan_in, fan_out, size if twice else None)
    second = gated(fan_out, fan_out, size) if twice else []
    return nn.Sequential(nn.Upsample(scale_factor=2), *first, *second)


@dataclass(frozen=True, kw_only=True)
class FastNet(Networks):
    """FastGAN's networks for few images, of 32 pixels or more."""

    width_G: Count = 64
    """Channels of G are so many times 16 at the smallest size, and half as many at each larger."""
    width_D: Count = 64
    """Channels of D are so many times 8 at the smallest size, and half as many at each larger."""

    def generator(
        self, latent: int, shape: tuple[int, ...], classes: int = 0, *, tanh: bool = True
    ) -> FastGenerator:
        refuse_labels(classes)
        return FastGenerator(self, latent, shape, tanh)

    def discriminator(self, shape: tuple[int, ...], classes: int = 0) -> FastDiscriminator:
        refuse_labels(classes)
        return FastDiscriminator(self.width_D, shape[0], self.plan(shape))

    def decoders(self, shape: tuple[int, ...]) -> FastDecoders:
        """What makes images of D's feature maps of images of `shape`."""
        return FastDecoders(self.width_D, shape[0], self.plan(shape))

    def encoder(self, shape: tuple[int, ...], outputs: int) -> Encoder:
        return Encoder(self.discriminator(shape), outputs)

    def plan(self, shape: tuple[int, ...]) -> tuple[int, int, int]:
        """The smallest map's height and width, and how often it is doubled.

        Raises:
            SettingsError: the images are too small, or their sides do not halve so.
        """
        h, w, count = halvings(shape, "FastNet", _HALVINGS)
        if count < _HALVINGS:
            raise SettingsError(
                f"FastNet needs images of 32 pixels or more, got {shape[1]}x{shape[2]}; "
                "set --image-size 32 or more"
            )
        return h, w, count

    def widths(self, count: int) -> list[int]:
        """Channels of G's maps, from the smallest up; the authors' have as many at 64 as at 32."""
        halved = [max(0, i - (i > 3 and count > 4)) for i in range(count + 1)]
        return [max(1, 16 * self.width_G >> i) for i in halved]


def refuse_labels(classes: int) -> None:
    """Both networks are unconditional.

    Raises:
        SettingsError: there are classes.
    """
    if classes:
        raise SettingsError(
            f"FastNet takes no labels, and {classes} classes are asked for; choose ResNet or "
            "BigNet, or train without labels"
        )

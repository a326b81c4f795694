"""StyleGAN2's networks: Karras et al. (2020), arXiv:1912.04958, sections 2 to 4, and its code.

    G   z -> mapping -> w; a learned constant of 4x4, doubled by styled convolutions;
        skip: every size adds to an image, which is doubled by the same filter
    D   1x1, then at each size 3x3, 3x3 halving, around them a 1x1 halving, both by sqrt 1/2;
        the batch's deviation as a channel, 3x3, two fully connected layers

G uses the style of number i for the i-th convolution; an image's layer shares that of the next
block's first convolution.
"""

# ruff: noqa: N815 - the paper's G and D end the names of settings that belong to one of them

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ganwright.config.ranges import Count
from ganwright.layers.fir import Doubled
from ganwright.layers.mapping import Mapping, RunningMean
from ganwright.layers.modulated import StyledConv, ToImage
from ganwright.networks.base import Discriminator, Encoder, Generator, Networks, halvings, squash
from ganwright.networks.style_critic import StyleDiscriminator
from ganwright.precision import wide


class StyleBlock(nn.Module):
    """What happens at one size: one or two convolutions, and an image of what they give.

    (x [n, I, H, W], image or None, w [n, 2 or 3, styles]) -> x of O channels, the image so far;
    `noise` has a map [n, 1, H, W] for each convolution, or nothing, and `change` is applied to what
    the first convolution gives.

    Args:
        fan_in: I; 0 where x is the constant, which one convolution sees.
        size: of what comes out.
        channels: of the image; 0 where none is made.
    """

    def __init__(
        self, fan_in: int, width: int, size: tuple[int, int], styles: int, channels: int
    ) -> None:
        super().__init__()
        convs = [StyledConv(width, width, size, styles, double=False)]
        if fan_in:
            convs.insert(0, StyledConv(fan_in, width, size, styles, double=True))
        self.convs = nn.ModuleList(convs)
        self.image = ToImage(width, channels, styles) if channels else None
        self.doubled = Doubled()

    def forward(
        self,
        x: Tensor,
        image: Tensor | None,
        w: Tensor,
        noise: Sequence[Tensor] = (),
        change: Callable[[Tensor], Tensor] | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        for i, conv in enumerate(self.convs):
            x = conv(x, w[:, i], noise[i] if noise else None)
            x = change(x) if change and not i else x
        if image is not None:
            with torch.autocast(image.device.type, enabled=False):  # the sum of all sizes is fp32
                image = self.doubled(image)
        if self.image is not None:
            mine = self.image(x, w[:, len(self.convs)])
            image = mine if image is None else image + mine
        return x, image


class Synthesis(nn.Module):
    """Styles [n, count, styles] to images, float32 [n, C, H, W].

    `noise` replaces the convolutions' noise: one map [n, 1, h, w] for each of the sizes in `maps`.
    `changes` are made to the features of each size but the smallest, behind its first convolution.
    """

    def __init__(self, cfg: StyleNet, shape: tuple[int, ...], tanh: bool) -> None:
        super().__init__()
        h, w, doublings = halvings(shape, "StyleNet")
        widths = cfg.widths(min(h, w), doublings + 1)
        self.count = 2 * doublings + 2
        self.maps = [(h << (i + 1) // 2, w << (i + 1) // 2) for i in range(self.count - 1)]
        self.constant = nn.Parameter(torch.randn(widths[0], h, w))
        self.blocks = nn.ModuleList()
        for i, width in enumerate(widths):
            seen = cfg.skip_G or i == doublings
            self.blocks.append(
                StyleBlock(
                    widths[i - 1] if i else 0,
                    width,
                    (h << i, w << i),
                    cfg.styles,
                    shape[0] if seen else 0,
                )
            )
        self.squash = squash(shape, tanh)

    def forward(
        self,
        w: Tensor,
        noise: Sequence[Tensor] = (),
        changes: Sequence[Callable[[Tensor], Tensor]] = (),
    ) -> Tensor:
        x = self.constant.expand(w.shape[0], -1, -1, -1)  # len() would fix the batch of an export
        image: Tensor | None = None
        for i, block in enumerate(self.blocks):
            first = max(0, 2 * i - 1)
            change = changes[i - 1] if changes and i else None
            x, image = block(x, image, w[:, first : 2 * i + 2], noise[first : 2 * i + 1], change)
        assert image is not None
        out: Tensor = self.squash(image)
        return wide(out)


class StyleGenerator(Generator):
    """z to styles, and these to an image.

    Args:
        styles: length of w.
        depth: layers of the mapping network.
        synthesis: makes what takes styles [n, count, styles] and, perhaps, noise to images.
        beta: of the running mean of styles.
    """

    synthesis: Any

    def __init__(
        self,
        latent: int,
        classes: int,
        styles: int,
        depth: int,
        *,
        synthesis: Callable[[], nn.Module],
        beta: float,
    ) -> None:
        super().__init__()
        self.latent, self.classes = latent, classes
        self.mapping = Mapping(latent, classes, styles, depth)
        self.typical = RunningMean(styles, beta)
        self.synthesis = synthesis()

    def forward(
        self,
        z: Tensor,
        y: Tensor | None = None,
        *,
        mix: tuple[Tensor, Tensor] | None = None,
        psi: float = 1.0,
    ) -> Tensor:
        """Images of z, as in `Generator`.

        Args:
            mix, psi: as for `styles`.
        """
        images: Tensor = self.synthesis(self.styles(z, y, mix=mix, psi=psi))
        return images

    def styles(
        self,
        z: Tensor,
        y: Tensor | None = None,
        *,
        mix: tuple[Tensor, Tensor] | None = None,
        psi: float = 1.0,
    ) -> Tensor:
        """The styles of every layer: [n, count, styles].

        Args:
            z: [n, latent].
            y: labels, if it is conditional.
            mix: another z, and the number, int64 [], of the first layer that has its style.
            psi: truncation: how far from the mean style, from 0 to 1, styles may be.
        """
        w = self.typical(self.mapping(z, y))
        w = w if psi == 1 else self.typical.truncated(w, psi)
        layers = w[:, None].expand(-1, self.synthesis.count, -1)
        if mix is None:
            return layers
        other, first = mix
        late = torch.arange(self.synthesis.count, device=z.device) >= first
        return torch.where(late[None, :, None], self.mapping(other, y)[:, None], layers)


@dataclass(frozen=True, kw_only=True)
class StyleNet(Networks):
    """StyleGAN2's networks, for images whose sides halve to 4 to 7 pixels."""

    base: Count = 32_768
    """Channels times the smaller side of a feature map; the authors take 16384 at 256 pixels."""
    most: Count = 512
    """Most channels of a feature map."""
    styles: Count = 512
    """Length of w."""
    mapping_G: Count = 8
    """Layers of G's mapping network; 2 in the configurations `auto` and `cifar`."""
    mapping_D: Count = 8
    """Layers of D's mapping network, which labels alone pass."""
    skip_G: bool = True
    """Add up images of all sizes; without, the last size alone makes one."""
    residual_D: bool = True
    """Residual blocks in D; without, as in the configuration `cifar`, plain ones."""
    group: Count = 4
    """Images over which D takes the deviation; fewer where the batch does not divide, or more."""

    def generator(
        self, latent: int, shape: tuple[int, ...], classes: int = 0, *, tanh: bool = True
    ) -> StyleGenerator:
        synthesis = partial(Synthesis, self, shape, tanh)
        return StyleGenerator(
            latent, classes, self.styles, self.mapping_G, synthesis=synthesis, beta=0.995
        )

    def discriminator(self, shape: tuple[int, ...], classes: int = 0) -> Discriminator:
        grid, widths = self.plan(shape)
        return StyleDiscriminator(
            shape[0],
            grid,
            widths[::-1],
            classes,
            depth=self.mapping_D,
            residual=self.residual_D,
            group=self.group,
        )

    def encoder(self, shape: tuple[int, ...], outputs: int) -> Encoder:
        return Encoder(self.discriminator(shape), outputs)

    def plan(self, shape: tuple[int, ...]) -> tuple[tuple[int, int], list[int]]:
        """The smallest map's height and width, and the channels from the smallest map up."""
        h, w, count = halvings(shape, "StyleNet")
        return (h, w), self.widths(min(h, w), count + 1)

    def widths(self, side: int, count: int) -> list[int]:
        """Channels of `count` maps, the smallest of which has this smaller side."""
        return [max(1, min(self.base // (side << i), self.most)) for i in range(count)]

"""What the families share whose G turns noise into a style for each layer.

    w = f(z)                   the mapping network, with the label where there is one
    G(z) = g(w_1 ... w_L)      the synthesis network; by default every layer has the same w

A `Styled` mixes styles, truncates them, and makes images of styles that are given.
Truncation brings a style nearer to the running mean m of all w: m + psi (w - m), as in Karras et
al. (2019), arXiv:1812.04948, appendix B.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from ganwright.config.ranges import Count, Share
from ganwright.data.types import Spec
from ganwright.families.from_noise import FromNoise
from ganwright.families.through import ThroughGame
from ganwright.function import Argument, Function
from ganwright.game import Player
from ganwright.layers.equalised import EqualLinear
from ganwright.losses import Loss, NonSaturating
from ganwright.networks.style import StyleGenerator
from ganwright.optim import Adam, Optimizer


class Styled(FromNoise):
    """Base of the families whose G is a `StyleGenerator`."""

    image_size = 32
    averaged_buffers = ()  # the mean style and other statistics are copied
    squashes = False

    G: StyleGenerator

    @dataclass(frozen=True, kw_only=True)
    class Config(FromNoise.Config):
        latent: Count = 512
        """Length of the noise vector z."""
        conditional: bool = False
        """Give the label to G and D, so that you can choose a class when sampling."""
        truncation: Share = 1.0
        """Psi: how far styles of samples may lie from the mean style; 1 leaves them as they are."""

    cfg: Config

    def __init__(self, cfg: Config, spec: Spec) -> None:
        super().__init__(cfg, spec, labelled=cfg.conditional)

    def generate(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        images: Tensor = self.G(z, labels, psi=self.cfg.truncation)
        return images.clamp(-1, 1)

    def mixed(self, z: Tensor, other: Tensor, first: int, labels: Tensor | None = None) -> Tensor:
        """Images with two styles each: from layer `first` on, that of the other z.

        Karras et al. (2019), arXiv:1812.04948, section 3.1.

        Args:
            z, other: [n, latent].
            first: from 0, where all styles are the other's, to the number of layers.
            labels: as in `sample`, for both.

        Returns:
            [n, C, H, W] in [-1, 1].
        """
        psi = self.cfg.truncation
        coarse, fine = (self.G.styles(v, labels, psi=psi) for v in (z, other))
        images: Tensor = self.G.synthesis(torch.cat([coarse[:, :first], fine[:, first:]], 1))
        return images.clamp(-1, 1)

    def by_style(self, labels: Tensor | None = None) -> Function:
        """(w [n, styles], then the noise map of each layer that has one) to unclipped images.

        Args:
            labels: of the styles that `draw` gives, int64 [n] or float [n, classes], repeated;
                classes in turn when not given.
        """
        G = self.G

        def draw(n: int) -> Tensor:
            y = self._labels(n) if self.classes and labels is None else labels
            y = y if y is None else y[torch.arange(n, device=y.device) % len(y)]
            return G.styles(self.noise(n), y)[:, 0]

        def call(w: Tensor, *noise: Tensor) -> Tensor:
            layers = w[:, None].expand(-1, G.synthesis.count, -1)
            images: Tensor = G.synthesis(layers, noise)
            return images

        maps = [self._map(i, size) for i, size in enumerate(G.synthesis.maps)]
        return Function(call, (Argument("w", draw), *maps))

    def styles(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """The styles of samples, truncated: z [n, latent] to [n, styles]; `labels` as there."""
        return self.G.styles(z, labels, psi=self.cfg.truncation)[:, 0]

    def drawn(self, w: Tensor) -> Tensor:
        """Images of styles [n, styles], the same in every layer: [n, C, H, W] in [-1, 1]."""
        return self.by_style().call(w).clamp(-1, 1)

    def affine(self) -> Tensor:
        """The weights of all layers' maps from w, one below the other: [channels, styles]."""
        layers = (getattr(part, "style", None) for part in self.G.synthesis.modules())
        return torch.cat([layer.weight for layer in layers if isinstance(layer, EqualLinear)])

    def _map(self, number: int, size: tuple[int, int]) -> Argument:
        """The noise of a layer: [n, 1, height, width]."""
        return Argument(f"noise{number:02}", lambda n: torch.randn(n, 1, *size, device=self.device))


class StyledGame(Styled, ThroughGame):
    """A `Styled` whose G learns from a D."""

    batch_size = 64

    @dataclass(frozen=True, kw_only=True)
    class Config(Styled.Config, ThroughGame.Config):
        loss: Loss = NonSaturating()
        """The adversarial loss of D and G."""
        optimizer_d: Optimizer = Adam(lr=0.0025, betas=(0.0, 0.99))
        """Optimizer of D."""
        optimizer_g: Optimizer = Adam(lr=0.0025, betas=(0.0, 0.99))
        """Optimizer of G."""

    cfg: Config

    def players(self) -> Iterable[Player]:
        """G, then D."""
        D, G = super().players()
        return G, D

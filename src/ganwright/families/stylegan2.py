"""StyleGAN2: Karras, Laine, Aittala, Hellsten, Lehtinen and Aila (2020), arXiv:1912.04958.

    G minimises  E[f(-D(G(z)))]                      f(t) = log(1 + e^t)
    D minimises  E[f(D(G(z)))] + E[f(-D(x))]
    every 4th step   G minimises  2 E[(|J_w^T y| - a)²]     y ~ N(0, I) / sqrt pixels, J_w = dG/dw
    every 16th step  D minimises  gamma/2 E[|grad D(x)|²]

    a <- a + .01 (E|J_w^T y| - a),  0 at first

A term of every k-th step counts k times and has an update of its own, and Adam's numbers are
corrected for these further updates (appendix B). G maps z to a style w for each layer. With chance
.9, the later layers of the whole batch get the styles of another z. |J_w^T y|² is the mean over
layers of the square of each layer's part.

The adaptive augmentation of StyleGAN2-ADA, arXiv:2006.06676, is `augment_d=ADA()`. The numbers here
are those of its configuration `auto`: learning rate .0025, betas (0, .99), batches of 64.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from ganwright.config.ranges import Count, NonNegative, Share
from ganwright.data.types import Images, Spec
from ganwright.families.styled import StyledGame
from ganwright.game import Lazy, Player, Switches, Terms
from ganwright.networks import StyleNet
from ganwright.observing import observe
from ganwright.penalties import R1, Penalty, path_lengths
from ganwright.seeds import count_rows


class StyleGAN2(StyledGame):
    """A style for each layer, path lengths kept equal, and R1, both charged lazily."""

    title = "StyleGAN2 (2020)"
    paper = "1912.04958"

    length: Tensor

    @dataclass(frozen=True, kw_only=True)
    class Config(StyledGame.Config):
        switches: ClassVar[Switches] = (
            ("path_every", "path_weight"),
            ("path_share", "path_weight"),
            ("path_decay", "path_weight"),
        )

        networks: StyleNet = StyleNet(base=16_384, mapping_G=2)
        """Architecture of G and D."""
        penalties: tuple[Penalty, ...] = (R1(weight=0.01, every=16),)
        """Penalties on D; the weight is gamma: .0002 pixels / batch in `auto`, .01 for CIFAR-10."""
        mixing: Share = 0.9
        """Chance that the later layers of a batch get the styles of another z."""
        path_weight: NonNegative = 2.0
        """Weight of the path lengths' deviation; 0 for CIFAR-10."""
        path_every: Count = 4
        """Steps between two updates by it."""
        path_share: Share = 0.5
        """Share of a batch that it is computed on."""
        path_decay: Share = 0.01
        """Weight of the newest batch in the running mean of path lengths."""

    cfg: Config

    def __init__(self, cfg: Config, spec: Spec) -> None:
        super().__init__(cfg, spec)
        self.register_buffer("length", torch.zeros(()))

    def players(self) -> Iterable[Player]:
        """G, then D, each with a lazy objective of its own."""
        G, D = super().players()
        lazy = (Lazy(self.paths, self.cfg.path_every),) if self.cfg.path_weight else ()
        return replace(G, lazy=lazy), D

    def fakes(self, batch: Images) -> Tensor:
        n = len(batch.images)
        images: Tensor = self.G(self.noise(n), batch.labels, mix=self.mix(n))
        return images

    def mix(self, n: int) -> tuple[Tensor, Tensor] | None:
        """A second z, and the layer from which it counts, which may be beyond the last."""
        if not self.cfg.mixing:
            return None
        layers = self.G.synthesis.count
        first = torch.randint(1, layers, (), device=self.device)
        mixed = torch.rand((), device=self.device) < self.cfg.mixing
        return self.noise(n), torch.where(mixed, first, layers)

    def paths(self, batch: Images) -> Terms:
        """The spread of |J_w^T y| around its running mean a, on a part of the batch."""
        cfg = self.cfg
        n = max(1, int(cfg.path_share * len(batch.images)))
        count_rows(n)
        labels = None if batch.labels is None else batch.labels[:n]
        w = self.G.styles(self.noise(n), labels, mix=self.mix(n))
        lengths = path_lengths(self.G.synthesis, w)
        observe("path_length", lengths.mean())
        a = self.length.lerp(lengths.mean(), cfg.path_decay)
        return {"path": cfg.path_weight * (lengths - a).square().mean()}

    def after(self, player: Player, terms: Terms) -> None:
        super().after(player, terms)
        if "path_length" in terms:
            self.length.lerp_(terms["path_length"].to(self.length.dtype), self.cfg.path_decay)

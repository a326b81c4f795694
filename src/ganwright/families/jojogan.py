"""JoJoGAN: Chong and Forsyth (2022), arXiv:2112.11641.

    G minimises  E[mean over l of E|D_l(G(m(w, f(z)))) - D_l(x)|]      x: an example of the style

w is the style whose image is nearest to x, found by projection before G changes. m(w, v) takes w
for the first layers and v for all others: many styles, which all have to become the same image. f
is the mapping network, and D_l are the maps after the blocks of the discriminator. Both are those
of the run that training starts from, and stay as they are: only the synthesis network learns.

`ganwright restyle RUN --example FILE` does all of it. Adam 2e-3 with betas (0, .99), 300 steps.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import l1_loss

from ganwright.config.ranges import Count
from ganwright.data.types import Images, Spec
from ganwright.errors import SettingsError
from ganwright.families.styled import Styled
from ganwright.game import Player, Terms
from ganwright.networks import Networks, StyleNet
from ganwright.networks.examples import Examples, read_examples
from ganwright.networks.style_critic import StyleDiscriminator
from ganwright.optim import Adam, Optimizer
from ganwright.precision import wide


class JoJoGAN(Styled):
    """A trained G that learns to draw in the style of an example, by its own D's features."""

    title = "JoJoGAN (2022)"
    paper = "2112.11641"
    batch_size = 1
    averaged = ()
    adapts = "ganwright restyle RUN --example FILE"

    known: Examples | None

    @dataclass(frozen=True, kw_only=True)
    class Config(Styled.Config):
        networks: Networks = StyleNet(base=16_384, mapping_G=2)
        """Architecture of G and D: that of the run training starts from."""
        examples: Path | None = None
        """Examples with their styles, from `ganwright restyle`; else each has the mean style."""
        swapped: Count | None = None
        """Number of the first layer with the style of a random z; half of the layers when not
        given."""
        optimizer: Optimizer = Adam(lr=2e-3, betas=(0.0, 0.99))
        """Optimizer of G's synthesis network."""

    cfg: Config

    def __init__(self, cfg: Config, spec: Spec) -> None:
        super().__init__(cfg, spec)
        D: Any = cfg.networks.discriminator(spec.shape, self.classes)
        if not hasattr(self.G, "synthesis") or not isinstance(D, StyleDiscriminator):
            raise SettingsError(
                f"jojogan needs the networks of stylegan2 or stylegan3, not {cfg.networks}"
            )
        self.D = D.requires_grad_(False)
        self.G.mapping.requires_grad_(False)
        count: int = self.G.synthesis.count
        self.first = count // 2 if cfg.swapped is None else cfg.swapped
        if self.first >= count:
            raise SettingsError(
                f"swapped is {cfg.swapped}; G has {count} layers, give 1 to {count - 1}"
            )

    def before_training(self) -> None:
        """Read the examples.

        Raises:
            SettingsError: they cannot be read, or are those of another run.
        """
        path, styles = self.cfg.examples, len(self.G.typical.mean)
        found = None if path is None else read_examples(path, self.spec.shape, styles)
        self.known = found and found.to(self.device)

    def players(self) -> Iterable[Player]:
        """G alone."""
        yield Player("G", [self.G.synthesis], self.generator, self.cfg.optimizer)

    def generator(self, batch: Images) -> Terms:
        """The distance of images of many styles from the example, by D's features."""
        fake = self.G.synthesis(self.mixture(batch))
        pairs = zip(self.D.maps(fake), self.D.maps(batch.images), strict=True)
        return {"style": torch.stack([l1_loss(wide(a), wide(b)) for a, b in pairs]).mean()}

    def mixture(self, batch: Images) -> Tensor:
        """m(w, f(z)) for each example in a batch: [n, layers, styles]."""
        n = len(batch.images)
        own = self.known.of(batch.images) if self.known else self.G.typical.mean.expand(n, -1)
        with torch.no_grad():
            other = self.G.mapping(self.noise(n), batch.labels)
        late = torch.arange(self.G.synthesis.count, device=own.device) >= self.first
        return torch.where(late[None, :, None], other[:, None], own[:, None])

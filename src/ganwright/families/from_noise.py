"""What the games share whose G turns noise into samples, with labels where it is conditional."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ganwright.config.ranges import Count
from ganwright.data.types import Images, Spec
from ganwright.errors import SettingsError
from ganwright.families.priors import Gaussian, Prior
from ganwright.function import Argument, Function
from ganwright.game import Game
from ganwright.layers.norm import soft_labels
from ganwright.networks import MLP, Networks


class FromNoise(Game):
    """G, the noise that it takes, and what is drawn from it.

    Args:
        cfg: its settings.
        spec: the data's.
        labelled: G is given labels.

    Raises:
        SettingsError: labels are to be given, and the data has none, or several an image.
    """

    averaged: tuple[str, ...] = ("G",)
    squashes: ClassVar[bool] = True
    """Whether G's images end in tanh; without it, they are clipped when they are sampled."""

    @dataclass(frozen=True, kw_only=True)
    class Config(Game.Config):
        latent: Count = 100
        """Length of the noise vector z."""
        prior: Prior = Gaussian()
        """Distribution of z."""
        networks: Networks = MLP()
        """Architecture of G and D."""

    cfg: Config

    def __init__(self, cfg: Config, spec: Spec, *, labelled: bool = False) -> None:
        super().__init__(cfg, spec)
        cfg.prior.check(cfg.latent)
        self.classes = len(spec.classes) if labelled else 0
        if labelled and not self.classes:
            mend = "" if self.needs_labels else "; turn it off with --no-game.conditional"
            what = self.title if self.needs_labels else "conditional"
            raise SettingsError(f"{what} needs labels, and this data has none{mend}")
        if labelled and spec.several and not self.several_labels:
            raise SettingsError(
                f"{self.title} takes one label an image, and this data has several; take cgan or "
                "acgan"
            )
        self.G = cfg.networks.generator(self.inputs, spec.shape, self.classes, tanh=self.squashes)

    @property
    def inputs(self) -> int:
        """Length of what `noise` draws for one sample."""
        return self.cfg.latent

    def noise(self, n: int) -> Tensor:
        """z from the prior, [n, latent]."""
        return self.cfg.prior.draw(n, self.cfg.latent, self.device)

    def sample(self, n: int, labels: Tensor | None = None) -> Tensor:
        """Draw n samples, [n, C, H, W] in [-1, 1]; `labels` int64 [n], or
        float [n, classes]; else classes in turn."""
        if self.classes and labels is None:
            labels = self.in_turn(n)
        return self.generate(self.chosen(n), labels)

    def chosen(self, n: int) -> Tensor:
        """z of samples, [n, inputs]: as in training, where a family does not narrow it."""
        return self.noise(n)

    def generate(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images [n, C, H, W] of noise [n, inputs]; `labels` as in `sample`, if there are any."""
        images: Tensor = self.G(z, labels)
        return images if self.squashes or len(self.spec.shape) != 3 else images.clamp(-1, 1)

    def function(self, direction: str = "a2b") -> Function:
        """(z [n, inputs], and labels where it is conditional) to images."""
        labels = (
            (Argument("labels", self._labels, choices=self.spec.asked),) if self.classes else ()
        )
        return Function(self.generate, (Argument("z", self.chosen, between=self.between), *labels))

    def between(self, a: Tensor, b: Tensor, t: Tensor) -> Tensor:
        """The way from one noise vector to another: t [m] in [0, 1] to [m, inputs]."""
        return self.cfg.prior.between(a, b, t)

    def _labels(self, n: int) -> Tensor:
        """Labels as G takes them, the classes in turn."""
        labels = self.in_turn(n)
        return soft_labels(labels, self.classes) if self.spec.several else labels

    def preview(self, batch: Images) -> Tensor:
        """Fixed noise; with labels, one column per class and one row per noise vector."""
        if not self.classes:
            return self.sample(len(batch.images))
        columns = min(len(self.spec.asked), 26)
        z = self.chosen(max(1, len(batch.images) // columns)).repeat_interleave(columns, 0)
        return self.generate(z, self.in_turn(len(z), columns))

    @property
    def preview_columns(self) -> int | None:
        return min(len(self.spec.asked), 26) if self.classes else None

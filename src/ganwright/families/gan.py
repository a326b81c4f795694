"""GAN: Goodfellow et al. (2014), arXiv:1406.2661, Algorithm 1.

    D minimises  -E[log D(x)] - E[log(1 - D(G(z)))]
    G minimises  -E[log D(G(z))]        (section 3; `Minimax` is eq. 1's saturating form)

Here D(x) is a logit. DCGAN, LSGAN, WGAN, DRAGAN and others derive from this family and change its
defaults.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ganwright.config.ranges import Count, Positive, Whole
from ganwright.data.types import Images, Spec
from ganwright.errors import SettingsError
from ganwright.families.augmented import watch
from ganwright.families.noise_game import SharingGame
from ganwright.game import Switches, Terms
from ganwright.losses import Inputs, Scorer
from ganwright.penalties import charge, schedules
from ganwright.seeds import count_rows
from ganwright.unroll import unrolled


class UnrollableGame(SharingGame):
    """GAN's objectives, with optional unrolling of D."""

    @dataclass(frozen=True, kw_only=True)
    class Config(SharingGame.Config):
        switches: ClassVar[Switches] = (("unroll_lr", "unroll"),)

        unroll: Whole = 0
        """Updates of D that G looks ahead and differentiates through (unrolled GAN)."""
        unroll_lr: Positive = 0.1
        """Learning rate of those updates, which are plain gradient descent."""

    cfg: Config

    factors: Tensor

    def __init__(self, cfg: Config, spec: Spec, *, labelled: bool = False) -> None:
        super().__init__(cfg, spec, labelled=labelled)
        self.schedules = schedules(cfg.penalties)
        self.register_buffer("factors", torch.ones(len(self.schedules)), persistent=False)
        self.moving: frozenset[str] | None = None

    def before_training(self) -> None:
        """Note which weights of D move: in G's turn none of them requires a gradient."""
        super().before_training()
        named = self.D.named_parameters()
        self.moving = frozenset(name for name, w in named if w.requires_grad)

    def before_step(self, step: int) -> None:
        super().before_step(step)
        foreseen = self.schedules.values() if self.cfg.unroll else ()
        for place, schedule in zip(self.factors, foreseen, strict=False):
            place.fill_(schedule.factor(step))  # compiled code would be anew for each number

    def discriminator(self, batch: Images) -> Terms:
        real, fake = self.judged(batch)
        return self.criticise(self.D, real, fake)

    def generator(self, batch: Images) -> Terms:
        real, fake = self.judged(batch)
        D = self.foreseen(real, fake) if self.cfg.unroll else self.D
        return {"adv": self.cfg.loss.generator(D, real, fake), **self.regularise(real, fake)}

    def criticise(self, D: Scorer, real: Inputs, fake: Inputs) -> Terms:
        """What D minimises, however it scores."""
        watch(self.augment)
        adv = self.cfg.loss.discriminator(D, real, fake)
        return {"adv": adv, **charge(self.cfg.penalties, D, real, fake)}

    def foreseen(self, real: Inputs, fake: Inputs) -> Scorer:
        """D as it would answer these fakes after `unroll` updates of what it moves."""

        def objective(D: Scorer) -> Terms:
            terms = dict(self.criticise(D, real, fake))
            for name, factor in zip(self.schedules, self.factors, strict=True):
                if name in terms:
                    terms[name] = terms[name] * factor
            return terms

        cfg = self.cfg
        return unrolled(self.D, objective, cfg.unroll, cfg.unroll_lr, self.moving)


class GAN(UnrollableGame):
    """Two fully connected networks: G generates, D tells samples from data."""

    title = "GAN (2014)"
    paper = "1406.2661"
    image_size: int | None = 28

    @dataclass(frozen=True, kw_only=True)
    class Config(UnrollableGame.Config):
        conditional: bool = False
        """Give the label to G and D, so that you can choose a class when sampling."""
        pack: Count = 1
        """Samples that D scores together (PacGAN)."""

        def __post_init__(self) -> None:
            super().__post_init__()
            if self.pack > 1 and self.conditional:
                raise SettingsError(
                    "pack works without labels only; set pack=1 or conditional=False"
                )

    cfg: Config

    def __init__(self, cfg: Config, spec: Spec) -> None:
        super().__init__(cfg, spec, labelled=cfg.conditional)

    @property
    def judged_shape(self) -> tuple[int, ...]:
        channels, *size = self.spec.shape
        return (channels * self.cfg.pack, *size)

    def shown(self, x: Tensor) -> Tensor:
        """Images as D sees them: augmented, with instance noise, packed along the channels."""
        x = super().shown(x)
        if self.cfg.pack > 1:
            if len(x) % self.cfg.pack:
                raise SettingsError(
                    f"a batch of {len(x)} does not divide into packs of {self.cfg.pack}"
                )
            count_rows(len(x) // self.cfg.pack)  # penalties and D draw for packs
            x = x.reshape(len(x) // self.cfg.pack, -1, *x.shape[2:])
        return x

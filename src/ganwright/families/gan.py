"""GAN: Goodfellow et al. (2014), arXiv:1406.2661, Algorithm 1.

    D minimises  -E[log D(x)] - E[log(1 - D(G(z)))]
    G minimises  -E[log D(G(z))]        (section 3; `Minimax` is eq. 1's saturating form)

Here D(x) is a logit. This is also the game that the other picture-making families play with other
settings: LSGAN, WGAN, DRAGAN and their kin change a default or one method.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn

from ganwright.config.ranges import Count, NonNegative, Positive, Whole
from ganwright.data.types import Images, Spec
from ganwright.errors import SettingsError
from ganwright.families.priors import Gaussian, Prior
from ganwright.game import Game, Player, Terms
from ganwright.losses import Inputs, Loss, NonSaturating, Scorer
from ganwright.networks import MLP, Networks
from ganwright.optim import Adam, Optimizer
from ganwright.penalties import Penalty, charge, lazies, refuse_twins
from ganwright.regularisers import Regulariser, refuse_repeats
from ganwright.unroll import unrolled


class GAN(Game):
    """Two fully connected networks: G draws, D tells drawings from data."""

    title = "GAN (2014)"
    paper = "1406.2661"
    averaged = ("G",)
    image_size: int | None = 28
    judges_labels: ClassVar[bool] = True
    """Whether a conditional game gives the label to D, too."""
    regularised: ClassVar[bool] = False
    """Whether a family's own `generator` calls `regularise`; GAN's does."""

    @dataclass(frozen=True, kw_only=True)
    class Config(Game.Config):
        latent: Count = 100
        """Length of the noise vector z."""
        prior: Prior = Gaussian()
        """What z follows."""
        networks: Networks = MLP()
        """The kind of G and D."""
        loss: Loss = NonSaturating()
        """How D's scores of real and fake become the two losses."""
        penalties: tuple[Penalty, ...] = ()
        """Regularisers of D: gradient penalties, weight clipping."""
        regularisers: tuple[Regulariser, ...] = ()
        """Regularisers of G: feature matching, pulling-away, historical averaging."""
        unroll: Whole = 0
        """Moves of D that G looks ahead and differentiates through (unrolled GAN)."""
        unroll_lr: Positive = 0.1
        """Learning rate of those moves, which are plain gradient descent."""
        conditional: bool = False
        """Give the label to G and D, so that a class can be asked for."""
        d_moves: Count = 1
        """Moves of D in a step, each on fresh data."""
        g_moves: Count = 1
        """Moves of G in a step."""
        simultaneous: bool = False
        """Take both gradients before either moves, as PacGAN's code does; else D moves first."""
        noise: NonNegative = 0.0
        """Standard deviation of the noise added to all that D sees (instance noise)."""
        pack: Count = 1
        """Samples that D judges together (PacGAN)."""
        optimizer_d: Optimizer = Adam(lr=2e-4, betas=(0.5, 0.999))
        """How D moves."""
        optimizer_g: Optimizer = Adam(lr=2e-4, betas=(0.5, 0.999))
        """How G moves."""

        def __post_init__(self) -> None:
            super().__post_init__()
            refuse_twins(self.penalties)
            refuse_repeats(self.regularisers)
            if self.pack > 1 and self.conditional:
                raise SettingsError(
                    "pack works without labels only; set pack=1 or conditional=False"
                )

    cfg: Config

    def __init__(self, cfg: Config, spec: Spec) -> None:
        super().__init__(cfg, spec)
        self._refuse_unplayed()
        self.simultaneous = cfg.simultaneous
        cfg.prior.check(cfg.latent)
        self.classes = len(spec.classes) if cfg.conditional else 0
        if cfg.conditional and not self.classes:
            raise SettingsError(
                "conditional needs labels, and this data has none; "
                "turn it off with --no-game.conditional"
            )
        self.G = cfg.networks.generator(self.inputs, spec.shape, self.classes)
        packed = (spec.shape[0] * cfg.pack, *spec.shape[1:])
        self.D = cfg.networks.discriminator(packed, self.classes if self.judges_labels else 0)
        self.memories = nn.ModuleList(r.memory(self.G) for r in cfg.regularisers)

    def _refuse_unplayed(self) -> None:
        """Settings that a family's own objectives would not hear of.

        Raises:
            SettingsError: naming the setting.
        """
        cls, cfg = type(self), self.cfg
        own_g = cls.generator is not GAN.generator
        if cfg.regularisers and own_g and not cls.regularised:
            raise SettingsError(
                f"{self.title} has its own objective for G, which takes no regularisers; "
                "leave regularisers empty"
            )
        if cfg.unroll and (own_g or cls.discriminator is not GAN.discriminator):
            raise SettingsError(
                f"{self.title} has its own objectives, and only GAN's can be unrolled; set unroll=0"
            )

    @property
    def inputs(self) -> int:
        """Length of what `noise` draws for one sample."""
        return self.cfg.latent

    def players(self) -> Iterable[Player]:
        cfg = self.cfg
        yield Player(
            "D",
            [self.D],
            self.discriminator,
            cfg.optimizer_d,
            moves=cfg.d_moves,
            lazy=lazies(cfg.penalties, self.D, self.judged),
        )
        yield Player("G", [self.G], self.generator, cfg.optimizer_g, moves=cfg.g_moves)

    def discriminator(self, batch: Images) -> Terms:
        real, fake = self.judged(batch)
        return self.criticise(self.D, real, fake)

    def generator(self, batch: Images) -> Terms:
        real, fake = self.judged(batch)
        D = self.foreseen(real, fake) if self.cfg.unroll else self.D
        return {"adv": self.cfg.loss.generator(D, real, fake), **self.regularise(real, fake)}

    def criticise(self, D: Scorer, real: Inputs, fake: Inputs) -> Terms:
        """What D minimises, however it scores."""
        adv = self.cfg.loss.discriminator(D, real, fake)
        return {"adv": adv, **charge(self.cfg.penalties, D, real, fake)}

    def foreseen(self, real: Inputs, fake: Inputs) -> Scorer:
        """D as it would answer these fakes after `unroll` moves."""
        cfg = self.cfg
        objective = partial(self.criticise, real=real, fake=fake)
        return unrolled(self.D, objective, cfg.unroll, cfg.unroll_lr)

    def regularise(self, real: Inputs, fake: Inputs) -> dict[str, Tensor]:
        """The regularisers' terms of G's objective."""
        pairs = zip(self.cfg.regularisers, self.memories, strict=True)
        return {r.name: r(self.G, self.D, real, fake, memory) for r, memory in pairs}

    def judged(self, batch: Images) -> tuple[Inputs, Inputs]:
        """What D is shown of a batch: real and as many fake, with labels if it judges them."""
        x, fake = self.pair(batch)
        y = batch.labels
        return ((x, y), (fake, y)) if self.D.classes else (x, fake)

    def pair(self, batch: Images) -> tuple[Tensor, Tensor]:
        """Real images and as many fakes, of the same labels if there are any, as D sees them."""
        fake = self.G(self.noise(len(batch.images)), batch.labels)
        return self.shown(batch.images), self.shown(fake)

    def noise(self, n: int) -> Tensor:
        """z from the prior, [n, latent]."""
        return self.cfg.prior.draw(n, self.cfg.latent, self.device)

    def shown(self, x: Tensor) -> Tensor:
        """Images as D sees them: with instance noise, and packed along the channels."""
        if self.cfg.noise:
            x = x + self.cfg.noise * torch.randn_like(x)
        if self.cfg.pack > 1:
            if len(x) % self.cfg.pack:
                raise SettingsError(
                    f"a batch of {len(x)} does not divide into packs of {self.cfg.pack}"
                )
            x = x.reshape(len(x) // self.cfg.pack, -1, *x.shape[2:])
        return x

    def after(self, player: Player, terms: Terms) -> None:
        if player.name == "D":
            for penalty in self.cfg.penalties:
                penalty.after(self.D)
        if player.name == "G":
            for regulariser, memory in zip(self.cfg.regularisers, self.memories, strict=True):
                regulariser.after(self.G, memory)

    def sample(self, n: int, labels: Tensor | None = None) -> Tensor:
        """Draw n samples, [n, C, H, W] in [-1, 1]; `labels` int64 [n], else classes in turn."""
        if self.classes and labels is None:
            labels = self.in_turn(n)
        images: Tensor = self.G(self.noise(n), labels)
        return images

    def preview(self, batch: Images) -> Tensor:
        """Fixed noise; with labels, a column a class and a row a noise vector."""
        if not self.classes:
            return self.sample(len(batch.images))
        columns = min(len(self.spec.asked), 26)
        z = self.noise(max(1, len(batch.images) // columns)).repeat_interleave(columns, 0)
        images: Tensor = self.G(z, self.in_turn(len(z), columns))
        return images

    @property
    def preview_columns(self) -> int | None:
        return min(len(self.spec.asked), 26) if self.classes else None

"""What the games share in which G draws from noise and D tells samples from data.

A family derives from the class whose settings it has, and has no others:

    FromNoise       (in `from_noise`) noise, networks, samples
    NoiseGame         loss, penalties of D, what D is shown, turns
    RegularisedGame     regularisers of G, which its objective has to ask for by `regularise`
    SharingGame           fakes drawn once a step for both players
    UnrollableGame          (in `gan`) the objectives of the first GAN, which can be unrolled
    GAN                       labels where they are wanted, and packing
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ganwright.config.ranges import Count, NonNegative, Whole
from ganwright.data.types import Images, Spec
from ganwright.families.augmented import OneJudge
from ganwright.families.from_noise import FromNoise
from ganwright.game import Draw, Player, Terms
from ganwright.layers.forward_state import evaluating
from ganwright.losses import Inputs, Loss, NonSaturating, Scorer
from ganwright.optim import Adam, Optimizer
from ganwright.penalties import Penalty, lazies, refuse_twins, schedules
from ganwright.regularisers import Regulariser, refuse_repeats


class NoiseGame(FromNoise, OneJudge):
    """G draws, D tells samples from data; a family adds `discriminator` and `generator`.

    Args:
        cfg: its settings.
        spec: the data's.
        labelled: G is given labels, and so is D where it `judges_labels`.

    Raises:
        SettingsError: labels are to be given, and the data has none; or points are to be augmented.
    """

    judges_labels: ClassVar[bool] = True
    """Whether D is given the labels, too, where G is."""

    @dataclass(frozen=True, kw_only=True)
    class Config(FromNoise.Config, OneJudge.Config):
        loss: Loss = NonSaturating()
        """The adversarial loss of D and G."""
        penalties: tuple[Penalty, ...] = ()
        """Penalties on D: gradient penalties, weight clipping."""
        d_moves: Count = 1
        """Updates of D per step, each on a new batch."""
        g_moves: Whole = 1
        """Updates of G per step; with 0, D learns to tell what a G from `init` draws from data."""
        simultaneous: bool = False
        """Compute both gradients before updating, as PacGAN's code does; else update D first."""
        noise: NonNegative = 0.0
        """Standard deviation of the noise added to D's inputs (instance noise)."""
        optimizer_d: Optimizer = Adam(lr=2e-4, betas=(0.5, 0.999))
        """Optimizer of D."""
        optimizer_g: Optimizer = Adam(lr=2e-4, betas=(0.5, 0.999))
        """Optimizer of G."""

        def __post_init__(self) -> None:
            super().__post_init__()
            refuse_twins(self.penalties)

    cfg: Config

    def __init__(self, cfg: Config, spec: Spec, *, labelled: bool = False) -> None:
        super().__init__(cfg, spec, labelled=labelled)
        self.augment = self.augmenter(spec.shape)
        self.simultaneous = cfg.simultaneous
        judged = self.classes if self.judges_labels else 0
        self.D = cfg.networks.discriminator(self.judged_shape, judged)

    def before_training(self) -> None:
        """A G that does not move draws as it does when it samples."""
        super().before_training()
        if not self.cfg.g_moves:
            self.G.eval()

    @property
    def judged_shape(self) -> tuple[int, ...]:
        """Shape of what D judges at once."""
        return self.spec.shape

    @property
    def judges(self) -> list[nn.Module]:
        """What the player D trains: D, and whatever else a family reads off its features."""
        return [self.D]

    def players(self) -> Iterable[Player]:
        cfg = self.cfg
        yield Player(
            "D",
            self.judges,
            self.discriminator,
            cfg.optimizer_d,
            moves=cfg.d_moves,
            lazy=lazies(cfg.penalties, self.judge, self.judged),
            schedules=schedules(cfg.penalties),
        )
        yield Player(
            "G", [self.G], self.generator, cfg.optimizer_g, moves=cfg.g_moves, draws=self.draws
        )

    @property
    def judge(self) -> Scorer:
        """What scores what `judged` gives."""
        return self.D

    @property
    def draws(self) -> Sequence[Draw]:
        """What G draws once a step for both players; nothing where each draws its own."""
        return ()

    def discriminator(self, batch: Images) -> Terms:
        raise NotImplementedError

    def generator(self, batch: Images) -> Terms:
        raise NotImplementedError

    def judged(self, batch: Images) -> tuple[Inputs, Inputs]:
        """What D is shown of a batch: real and as many fake, with labels if it judges them."""
        x, fake = self.pair(batch)
        y = batch.labels
        return ((x, y), (fake, y)) if self.D.classes else (x, fake)

    def pair(self, batch: Images) -> tuple[Tensor, Tensor]:
        """Real images and as many fakes, of the same labels if there are any, as D sees them."""
        fake = self.once(self.fakes, batch)
        return self.shown(batch.images), self.shown(fake)

    def fakes(self, batch: Images) -> Any:
        """As many images as a batch has, of the same labels if there are any."""
        return self.G(self.noise(len(batch.images)), batch.labels)

    def shown(self, x: Tensor) -> Tensor:
        """Images as D sees them: augmented, with instance noise."""
        x = self.augment(x) if self.augment else x
        return x + self.cfg.noise * torch.randn_like(x) if self.cfg.noise else x


class RegularisedGame(NoiseGame):
    """G's objective has further terms on demand; a family's `generator` adds `regularise`'s."""

    @dataclass(frozen=True, kw_only=True)
    class Config(NoiseGame.Config):
        regularisers: tuple[Regulariser, ...] = ()
        """Regularisers of G: feature matching, pulling-away, historical averaging, EWC."""

        def __post_init__(self) -> None:
            super().__post_init__()
            refuse_repeats(self.regularisers)

    cfg: Config

    def __init__(self, cfg: Config, spec: Spec, *, labelled: bool = False) -> None:
        super().__init__(cfg, spec, labelled=labelled)
        self.memories = nn.ModuleList(r.memory(self.G) for r in cfg.regularisers)

    def before_training(self) -> None:
        """Regularisers begin with the weights that G has now: it may have been given others."""
        super().before_training()
        self._begin(range(len(self.memories)))

    def carried(self, fresh: Collection[str]) -> None:
        """Those that the first run did not have begin with its weights."""
        found = {name.split(".")[1] for name in fresh if name.startswith("memories.")}
        self._begin([int(number) for number in found])

    def _begin(self, numbers: Iterable[int]) -> None:
        for i in numbers:
            regulariser, memory = self.cfg.regularisers[i], self.memories[i]
            memory.load_state_dict(regulariser.memory(self.G).state_dict())
            regulariser.begin(self.G, memory, self.scores)

    def scores(self, n: int) -> Tensor:
        """n scores of D, of samples whose classes come in turn: [n]."""
        count = n * self.judged_shape[0] // self.spec.shape[0]  # D may judge several as one
        labels = self._labels(count) if self.classes else None
        blank = torch.zeros(count, *self.spec.shape, device=self.device)
        with evaluating(self):
            _, fake = self.judged(Images(blank, labels))
            scores: Tensor = self.judge(*fake) if isinstance(fake, tuple) else self.judge(fake)
        return scores

    def regularise(self, real: Inputs, fake: Inputs) -> dict[str, Tensor]:
        """The regularisers' terms of G's objective."""
        pairs = zip(self.cfg.regularisers, self.memories, strict=True)
        return {r.name: r(self.G, self.D, real, fake, memory) for r, memory in pairs}

    def after(self, player: Player, terms: Terms) -> None:
        super().after(player, terms)
        if player.name == "G":
            for regulariser, memory in zip(self.cfg.regularisers, self.memories, strict=True):
                regulariser.after(self.G, memory)


class SharingGame(RegularisedGame):
    """Its objectives can share the fakes of a step."""

    @dataclass(frozen=True, kw_only=True)
    class Config(RegularisedGame.Config):
        share_fakes: bool = False
        """Draw fakes once a step for D and G, which is faster; else each player draws its own."""

    cfg: Config

    @property
    def draws(self) -> Sequence[Draw]:
        return (self.fakes,) if self.cfg.share_fakes else ()

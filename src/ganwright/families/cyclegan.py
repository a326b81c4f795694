"""CycleGAN: Zhu, Park, Isola and Efros (2017), arXiv:1703.10593, eqs. 1 to 3.

    AB, BA minimise  E[(D_B(AB(a)) - 1)²] + E[(D_A(BA(b)) - 1)²]
                     + lambda (E|BA(AB(a)) - a| + E|AB(BA(b)) - b|)
                     + lambda_id (E|AB(b) - b| + E|BA(a) - a|)             (section 5.2)
    D_A minimises    1/2 (E[(D_A(a) - 1)²] + E[D_A(BA(b))²])     BA(b) from a pool of the last 50
    D_B minimises    1/2 (E[(D_B(b) - 1)²] + E[D_B(AB(a))²])     likewise

lambda 10, lambda_id 5, Adam with learning rate 2e-4 for half of the run, then linear decay to 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.functional import l1_loss

from ganwright.config.ranges import NonNegative, Whole
from ganwright.data.types import Spec, Unpaired
from ganwright.errors import SettingsError
from ganwright.families.augmented import watch
from ganwright.families.two_way import TwoWay
from ganwright.game import Player, Terms
from ganwright.losses import LeastSquares, Loss
from ganwright.networks import Patch, PatchGAN, ResNetTranslator, Translator
from ganwright.optim import Adam, LinearDecay, Optimizer
from ganwright.penalties import Penalty, charge, lazies, refuse_twins, schedules
from ganwright.pool import ReplayPool


class CycleGAN(TwoWay):
    """Two translators that invert each other, each with a discriminator of its target domain."""

    title = "CycleGAN (2017)"
    paper = "1703.10593"
    image_size = None
    batch_size = 1

    @dataclass(frozen=True, kw_only=True)
    class Config(TwoWay.Config):
        translator: Translator = ResNetTranslator()
        """Architecture of the two translators."""
        patch: Patch = PatchGAN()
        """Architecture of the two discriminators."""
        loss: Loss = LeastSquares(scale=1.0)
        """The adversarial loss."""
        penalties: tuple[Penalty, ...] = ()
        """Penalties on the discriminators."""
        cycle: NonNegative = 10.0
        """Weight of cycle consistency (lambda)."""
        identity: NonNegative = 5.0
        """Weight of the identity term: images of the target domain should not change."""
        pool: Whole = 50
        """Size of each discriminator's pool of past translations."""
        optimizer: Optimizer = Adam(
            lr=2e-4, betas=(0.5, 0.999), schedule=LinearDecay(hold=100_000, horizon=200_000)
        )
        """Optimizer of each player."""

        def __post_init__(self) -> None:
            super().__post_init__()
            refuse_twins(self.penalties)

    cfg: Config

    def __init__(self, cfg: Config, spec: Spec) -> None:
        super().__init__(cfg, spec)
        a, b = spec.shape, spec.target
        assert b is not None
        if cfg.identity and a[0] != b[0]:
            raise SettingsError(
                f"the identity term needs domains of equal channels, got {a[0]} and {b[0]}; "
                "set identity=0"
            )
        self.past_A, self.past_B = ReplayPool(cfg.pool, a), ReplayPool(cfg.pool, b)

    def players(self) -> Iterable[Player]:
        cfg = self.cfg
        draws = (self.fake_a, self.fake_b)
        yield Player("G", [self.AB, self.BA], self.translators, cfg.optimizer, draws=draws)
        for name, D, objective, pair in (
            ("D_A", self.D_A, self.discriminator_A, self.pair_A),
            ("D_B", self.D_B, self.discriminator_B, self.pair_B),
        ):
            lazy = lazies(cfg.penalties, D, pair)
            yield Player(
                name, [D], objective, cfg.optimizer, lazy=lazy, schedules=schedules(cfg.penalties)
            )

    def translators(self, batch: Unpaired) -> Terms:
        a, b, cfg = batch.a, batch.b, self.cfg
        fake_a, fake_b = self.once(self.fake_a, batch), self.once(self.fake_b, batch)
        terms = {
            "adv_A": cfg.loss.generator(self.D_A, *self.shown_A(a, fake_a)),
            "adv_B": cfg.loss.generator(self.D_B, *self.shown_B(b, fake_b)),
            "cycle": cfg.cycle * (l1_loss(self.BA(fake_b), a) + l1_loss(self.AB(fake_a), b)),
        }
        if cfg.identity:
            terms["identity"] = cfg.identity * (l1_loss(self.BA(a), a) + l1_loss(self.AB(b), b))
        return terms

    def discriminator_A(self, batch: Unpaired) -> Terms:
        watch(self.augment_A)
        return self._discriminator(self.D_A, *self.pair_A(batch))

    def discriminator_B(self, batch: Unpaired) -> Terms:
        watch(self.augment_B)
        return self._discriminator(self.D_B, *self.pair_B(batch))

    def pair_A(self, batch: Unpaired) -> tuple[Tensor, Tensor]:
        """Domain a's real images, and a history of translated ones, as D_A sees them."""
        return self.shown_A(batch.a, self.past_A(self.once(self.fake_a, batch)))

    def pair_B(self, batch: Unpaired) -> tuple[Tensor, Tensor]:
        """Domain b's real images, and a history of translated ones, as D_B sees them."""
        return self.shown_B(batch.b, self.past_B(self.once(self.fake_b, batch)))

    def _discriminator(self, D: nn.Module, real: Tensor, fake: Tensor) -> Terms:
        adv = 0.5 * self.cfg.loss.discriminator(D, real, fake)
        return {"adv": adv, **charge(self.cfg.penalties, D, real, fake)}

    def after(self, player: Player, terms: Terms) -> None:
        for name, augment in (("D_A", self.augment_A), ("D_B", self.augment_B)):
            if player.name == name:
                self.follow(augment, player, terms)
                for penalty in self.cfg.penalties:
                    penalty.after(player.networks[0])

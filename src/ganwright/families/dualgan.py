"""DualGAN: Yi, Zhang, Tan and Gong (2017), arXiv:1704.02510, eqs. 1 to 3, Algorithm 1.

    n_critic times:  D_A minimises  E[D_A(BA(b, z))] - E[D_A(a)]
                     D_B minimises  E[D_B(AB(a, z))] - E[D_B(b)]        weights clipped to ±.01
    once:            AB, BA minimise  lambda_a E|BA(AB(a, z), z') - a| + lambda_b E|AB(BA(b)) - b|
                                      - E[D_A(BA(b, z))] - E[D_B(AB(a, z))]

The noise z is dropout in the translators, at test time too. lambda 100 to 1000, RMSProp with
learning rate 5e-5, n_critic 2 to 4, batches of 1 to 4 (section 3.3).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from torch import Tensor, nn
from torch.nn.functional import l1_loss

from ganwright.config.ranges import Count, NonNegative
from ganwright.data.types import Unpaired
from ganwright.families.augmented import watch
from ganwright.families.two_way import TwoWay
from ganwright.function import Function
from ganwright.game import Player, Terms
from ganwright.layers.norm import BatchNorm
from ganwright.losses import Loss, Wasserstein
from ganwright.networks import Patch, PatchGAN, Translator, UNet
from ganwright.optim import Optimizer, RMSprop
from ganwright.penalties import Penalty, WeightClipping, charge, lazies, refuse_twins, schedules


class DualGAN(TwoWay):
    """Two U-Nets that invert each other, each with a Wasserstein critic of its target domain."""

    title = "DualGAN (2017)"
    paper = "1704.02510"
    image_size = None
    batch_size = 1

    @dataclass(frozen=True, kw_only=True)
    class Config(TwoWay.Config):
        translator: Translator = UNet()
        """Architecture of the two translators."""
        patch: Patch = PatchGAN(norm=BatchNorm())
        """Architecture of the two discriminators."""
        loss: Loss = Wasserstein()
        """The adversarial loss."""
        penalties: tuple[Penalty, ...] = (WeightClipping(c=0.01),)
        """Penalties on the discriminators."""
        cycle_a: NonNegative = 100.0
        """Weight of domain a's reconstruction (lambda_U); typically 20 to 1000."""
        cycle_b: NonNegative = 100.0
        """Weight of domain b's reconstruction (lambda_V); smaller for natural photographs."""
        d_moves: Count = 3
        """Updates of each discriminator per step, each on a new batch (n_critic)."""
        g_moves: Count = 1
        """Updates of the translators per step."""
        optimizer: Optimizer = RMSprop(lr=5e-5)
        """Optimizer of each player."""

        def __post_init__(self) -> None:
            super().__post_init__()
            refuse_twins(self.penalties)

    cfg: Config

    def players(self) -> Iterable[Player]:
        cfg = self.cfg
        for name, D, objective, pair in (
            ("D_A", self.D_A, self.discriminator_A, self.pair_A),
            ("D_B", self.D_B, self.discriminator_B, self.pair_B),
        ):
            lazy = lazies(cfg.penalties, D, pair)
            yield Player(
                name,
                [D],
                objective,
                cfg.optimizer,
                moves=cfg.d_moves,
                lazy=lazy,
                schedules=schedules(cfg.penalties),
            )
        yield Player(
            "G",
            [self.AB, self.BA],
            self.translators,
            cfg.optimizer,
            moves=cfg.g_moves,
            draws=(self.fake_a, self.fake_b),
        )

    def discriminator_A(self, batch: Unpaired) -> Terms:
        watch(self.augment_A)
        return self._discriminator(self.D_A, *self.pair_A(batch))

    def discriminator_B(self, batch: Unpaired) -> Terms:
        watch(self.augment_B)
        return self._discriminator(self.D_B, *self.pair_B(batch))

    def pair_A(self, batch: Unpaired) -> tuple[Tensor, Tensor]:
        """Domain a's real images, and translated ones, as D_A sees them."""
        return self.shown_A(batch.a, self.once(self.fake_a, batch))

    def pair_B(self, batch: Unpaired) -> tuple[Tensor, Tensor]:
        """Domain b's real images, and translated ones, as D_B sees them."""
        return self.shown_B(batch.b, self.once(self.fake_b, batch))

    def _discriminator(self, D: nn.Module, real: Tensor, fake: Tensor) -> Terms:
        adv = self.cfg.loss.discriminator(D, real, fake)
        return {"adv": adv, **charge(self.cfg.penalties, D, real, fake)}

    def translators(self, batch: Unpaired) -> Terms:
        a, b, cfg = batch.a, batch.b, self.cfg
        fake_a, fake_b = self.once(self.fake_a, batch), self.once(self.fake_b, batch)
        return {
            "adv_A": cfg.loss.generator(self.D_A, *self.shown_A(a, fake_a)),
            "adv_B": cfg.loss.generator(self.D_B, *self.shown_B(b, fake_b)),
            "cycle_a": cfg.cycle_a * l1_loss(self.BA(fake_b), a),
            "cycle_b": cfg.cycle_b * l1_loss(self.AB(fake_a), b),
        }

    def after(self, player: Player, terms: Terms) -> None:
        for name, augment in (("D_A", self.augment_A), ("D_B", self.augment_B)):
            if player.name == name:
                self.follow(augment, player, terms)
                for penalty in self.cfg.penalties:
                    penalty.after(player.networks[0])

    def translate(self, images: Tensor, direction: str = "a2b") -> Tensor:
        """Images [n, C, H, W] as the other domain's, each normalised by itself alone."""
        return self.function(direction)(images)

    def function(self, direction: str = "a2b") -> Function:
        """Images of one domain as the other's, each normalised by itself alone."""
        return replace(super().function(direction), alone=True)

"""pix2pix: Isola, Zhu, Zhou and Efros (2017), arXiv:1611.07004, eqs. 1, 3 and 4, section 3.3.

    D minimises  1/2 (-E[log D(a, b)] - E[log(1 - D(a, G(a, z)))])
    G minimises  -E[log D(a, G(a, z))] + lambda E|b - G(a, z)|

D(a, b) is a map of logits, one for each patch of 70 pixels. The noise z is dropout in G, and both
dropout and the statistics of the image itself are used at test time too (section 3.2). lambda
100, Adam with learning rate 2e-4 and betas (.5, .999), batches of 1 to 10.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import l1_loss

from ganwright.config.ranges import NonNegative
from ganwright.data.types import Paired, Spec
from ganwright.errors import SettingsError
from ganwright.families.augmented import OneJudge, shown, watch
from ganwright.families.on_pairs import OnPairs
from ganwright.function import Function, pictures
from ganwright.game import Player, Terms
from ganwright.layers.norm import BatchNorm
from ganwright.losses import Loss, NonSaturating
from ganwright.networks import Patch, PatchGAN, Translator, UNet
from ganwright.optim import Adam, Optimizer
from ganwright.penalties import Penalty, charge, lazies, refuse_twins, schedules


class Pix2Pix(OnPairs, OneJudge):
    """A translator trained on pairs, with a discriminator that sees input and output together."""

    title = "pix2pix (2017)"
    paper = "1611.07004"
    image_size = None
    batch_size = 1
    way_back = "train the other with --data FOLDER?a=NAME&b=NAME"

    @dataclass(frozen=True, kw_only=True)
    class Config(OneJudge.Config):
        translator: Translator = UNet()
        """Architecture of G."""
        patch: Patch = PatchGAN(norm=BatchNorm())
        """Architecture of D."""
        loss: Loss = NonSaturating()
        """The adversarial loss."""
        penalties: tuple[Penalty, ...] = ()
        """Penalties on D."""
        adversarial: NonNegative = 1.0
        """Weight of the adversarial loss; 0 trains G with L1 only, as in the paper's comparison."""
        l1: NonNegative = 100.0
        """Weight of the L1 distance to the target (lambda)."""
        optimizer: Optimizer = Adam(lr=2e-4, betas=(0.5, 0.999))
        """Optimizer of each player."""

        def __post_init__(self) -> None:
            super().__post_init__()
            refuse_twins(self.penalties)
            if not self.adversarial + self.l1:
                raise SettingsError("adversarial and l1 are both 0; G needs one of them above 0")

    cfg: Config

    def __init__(self, cfg: Config, spec: Spec) -> None:
        super().__init__(cfg, spec)
        a, b = spec.shape, spec.target
        assert b is not None
        self.G = cfg.translator.translator(a, b)
        if cfg.adversarial:
            both = (a[0] + b[0], *b[1:])
            self.D, self.augment = cfg.patch.discriminator(both), self.augmenter(both)

    def players(self) -> Iterable[Player]:
        cfg = self.cfg
        if cfg.adversarial:
            lazy = lazies(cfg.penalties, self.D, self.judged)
            yield Player(
                "D",
                [self.D],
                self.discriminator,
                cfg.optimizer,
                lazy=lazy,
                schedules=schedules(cfg.penalties),
            )
        yield Player("G", [self.G], self.generator, cfg.optimizer, draws=self.translation)

    def discriminator(self, batch: Paired) -> Terms:
        watch(self.augment)
        real, fake = self.judged(batch)
        adv = 0.5 * self.cfg.loss.discriminator(self.D, real, fake)
        return {"adv": adv, **charge(self.cfg.penalties, self.D, real, fake)}

    def generator(self, batch: Paired) -> Terms:
        a, b, cfg = batch.a, batch.b, self.cfg
        fake = self.once(self.translation, batch)
        terms = {"l1": cfg.l1 * l1_loss(fake, b)}
        if cfg.adversarial:
            real, fake = self.seen(a, b), self.seen(a, fake)
            terms["adv"] = cfg.adversarial * cfg.loss.generator(self.D, real, fake)
        return terms

    def judged(self, batch: Paired) -> tuple[Tensor, Tensor]:
        """What D is shown of a batch: real pairs, and pairs of a source and its translation."""
        return self.seen(batch.a, batch.b), self.seen(batch.a, self.once(self.translation, batch))

    def translation(self, batch: Paired) -> Tensor:
        """G(a)."""
        fake: Tensor = self.G(batch.a)
        return fake

    def seen(self, a: Tensor, b: Tensor) -> Tensor:
        """Source and target as D sees them, augmented as one image: [n, C_a + C_b, H, W]."""
        return shown(self.augment, pair(a, b))

    def forward_way(self) -> Function:
        """Images of domain a as domain b's, each normalised by itself alone."""
        return Function(self.G, (pictures(self.spec.shape, self.device),), alone=True)


def pair(a: Tensor, b: Tensor) -> Tensor:
    """Source and target as one image: [n, C_a + C_b, H, W]."""
    return torch.cat([a, b], 1)

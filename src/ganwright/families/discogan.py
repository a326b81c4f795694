"""DiscoGAN: Kim, Cha, Kim, Lee and Kim (2017), arXiv:1703.05192, eqs. 3 to 8.

    AB, BA minimise  (1 - r) sum_X (.1 E[-log D_X(fake_X)] + .9 FM_X)
                     + r/4 (E|BA(AB(a)) - a|² + E|AB(BA(b)) - b|²)            X = A, B
    D_A, D_B minimise  1/2 sum_X (-E[log D_X(x)] - E[log(1 - D_X(fake_X))])

with fake_A = BA(b), fake_B = AB(a), and FM_X = sum_l |E f_l(x) - E f_l(fake_X)|² over the inner
activations f_l of D_X (a mean over units instead of a sum). FM, its weights, r and the order of
updates follow the authors' code: r is .01 for 10,000 steps, then .5; every third step updates the
discriminators, the others update the translators. Their images are in [0, 1]; on [-1, 1], as here,
squares are four times as large, hence the 1/4. Adam with learning rate 2e-4, betas (.5, .999),
weight decay 1e-5.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from ganwright.config.ranges import Several, Share, Whole
from ganwright.data.types import Spec, Unpaired
from ganwright.families.augmented import watch
from ganwright.families.two_way import TwoWay
from ganwright.game import Player, Terms
from ganwright.losses import Loss, NonSaturating
from ganwright.networks import ConvCritic, EncoderDecoder, Patch, Translator
from ganwright.observing import observed_in, scope
from ganwright.optim import Adam, Optimizer


class DiscoGAN(TwoWay):
    """Two translators without skip connections discover how two domains correspond."""

    title = "DiscoGAN (2017)"
    paper = "1703.05192"
    image_size = 64
    batch_size = 200

    @dataclass(frozen=True, kw_only=True)
    class Config(TwoWay.Config):
        translator: Translator = EncoderDecoder()
        """Architecture of the two translators."""
        patch: Patch = ConvCritic()
        """Architecture of the two discriminators."""
        loss: Loss = NonSaturating()
        """The adversarial loss."""
        matching: Share = 0.9
        """Fraction of feature matching in the non-reconstruction part; the rest is adversarial."""
        reconstruction: Share = 0.5
        """Fraction of the reconstruction error in the translators' objective (r)."""
        early_reconstruction: Share = 0.01
        """The same fraction during the first `early_steps` steps."""
        early_steps: Whole = 10_000
        """Number of steps with `early_reconstruction`."""
        every: Several = 3
        """Update the discriminators in every n-th step and the translators in the others."""
        optimizer: Optimizer = Adam(lr=2e-4, betas=(0.5, 0.999), weight_decay=1e-5)
        """Optimizer of each player."""

    cfg: Config
    turns: Tensor

    def __init__(self, cfg: Config, spec: Spec) -> None:
        super().__init__(cfg, spec)
        self.register_buffer("turns", torch.zeros((), dtype=torch.long))

    def players(self) -> Iterable[Player]:
        cfg = self.cfg
        yield Player("D", [self.D_A, self.D_B], self.discriminators, cfg.optimizer, every=cfg.every)
        yield Player(
            "G",
            [self.AB, self.BA],
            self.translators,
            cfg.optimizer,
            moves=lambda step: int(step % cfg.every != 0),
        )

    def discriminators(self, batch: Unpaired) -> Terms:
        a, b, loss = batch.a, batch.b, self.cfg.loss
        with scope("A"):
            watch(self.augment_A)
            adv_A = 0.5 * loss.discriminator(self.D_A, *self.shown_A(a, self.BA(b)))
        with scope("B"):
            watch(self.augment_B)
            adv_B = 0.5 * loss.discriminator(self.D_B, *self.shown_B(b, self.AB(a)))
        return {"adv_A": adv_A, "adv_B": adv_B}

    def translators(self, batch: Unpaired) -> Terms:
        a, b, cfg = batch.a, batch.b, self.cfg
        fake_a, fake_b = self.BA(b), self.AB(a)
        seen_A, seen_B = self.shown_A(a, fake_a), self.shown_B(b, fake_b)
        r = self.share
        adversarial, matching = (1 - r) * (1 - cfg.matching), (1 - r) * cfg.matching
        return {
            "adv_A": adversarial * cfg.loss.generator(self.D_A, *seen_A),
            "adv_B": adversarial * cfg.loss.generator(self.D_B, *seen_B),
            "matching_A": matching * mismatch(self.D_A, *seen_A),
            "matching_B": matching * mismatch(self.D_B, *seen_B),
            "reconstruction": r * (deviation(self.BA(fake_b), a) + deviation(self.AB(fake_a), b)),
        }

    @property
    def share(self) -> Tensor:
        """The reconstruction error's present share of the translators' objective (r)."""
        cfg = self.cfg
        early = self.turns < cfg.early_steps
        return early * cfg.early_reconstruction + ~early * cfg.reconstruction

    def after(self, player: Player, terms: Terms) -> None:
        self.turns += 1  # one player moves in each step
        if player.name == "D":
            self.follow(self.augment_A, player, observed_in("A", terms))
            self.follow(self.augment_B, player, observed_in("B", terms))


def deviation(made: Tensor, image: Tensor) -> Tensor:
    """Mean squared error on [0, 1], the authors' range, of images [n, C, H, W] on [-1, 1]."""
    return mse_loss(made, image) / 4


def mismatch(D: Any, real: Tensor, fake: Tensor) -> Tensor:
    """How far the batches' mean activations in D are apart: squared, a mean over units, summed."""
    pairs = zip(D.features(real), D.features(fake), strict=True)
    return torch.stack([mse_loss(f.mean(0), r.mean(0)) for r, f in pairs]).sum()

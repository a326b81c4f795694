"""ACGAN: Odena, Olah and Shlens (2017), arXiv:1610.09585, section 3.

    L_S = E[log P(S = real | x)] + E[log P(S = fake | G(z, y))]
    L_C = E[log P(C = y | x)]    + E[log P(C = y | G(z, y))]

    D maximises  L_S + L_C
    G maximises  L_C - L_S      (L_S in its non-saturating form)

D has two heads on one body: the source's and the class's. Both terms are written as losses. Where
an image may have several labels, P(C = y | x) is the product over classes of each one's yes or no.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from ganwright.config.ranges import NonNegative
from ganwright.data.types import Images, Spec
from ganwright.families.augmented import watch
from ganwright.families.noise_game import SharingGame
from ganwright.game import Terms
from ganwright.networks import ConvNet, Networks
from ganwright.observing import observe
from ganwright.penalties import charge
from ganwright.precision import wide


class ACGAN(SharingGame):
    """Class-conditional images: D also classifies real and generated images."""

    title = "ACGAN (2016)"
    paper = "1610.09585"
    needs_labels = True
    several_labels = True
    judges_labels = False
    image_size = 32
    batch_size = 100

    @dataclass(frozen=True, kw_only=True)
    class Config(SharingGame.Config):
        networks: Networks = ConvNet(dropout=0.5)
        """Architecture of G and D."""
        class_weight: NonNegative = 1.0
        """Weight of L_C relative to L_S."""

    cfg: Config

    def __init__(self, cfg: Config, spec: Spec) -> None:
        super().__init__(cfg, spec, labelled=True)
        self.C = nn.Linear(self.D.width, self.classes)

    @property
    def judges(self) -> list[nn.Module]:
        return [self.D, self.C]

    def discriminator(self, batch: Images) -> Terms:
        cfg, y = self.cfg, batch.labels
        watch(self.augment)
        x, fake = self.pair(batch)
        h_real, h_fake = self.D.features(x), self.D.features(fake)
        real_logits = self.C(h_real)
        observe("accuracy", _accuracy(real_logits, y))
        return {
            "L_S": cfg.loss.discriminator(self.D.score, h_real, h_fake),
            "L_C": cfg.class_weight * (_class(real_logits, y) + _class(self.C(h_fake), y)),
            **charge(cfg.penalties, self.D, x, fake),
        }

    def generator(self, batch: Images) -> Terms:
        cfg = self.cfg
        x, fake = self.pair(batch)
        h_fake = self.D.features(fake)
        h_real = self.D.features(x) if cfg.loss.relativistic else h_fake
        return {
            "L_S": cfg.loss.generator(self.D.score, h_real, h_fake),
            "L_C": cfg.class_weight * _class(self.C(h_fake), batch.labels),
            **self.regularise(x, fake),
        }

    def classify(self, x: Tensor) -> Tensor:
        """Class probabilities [n, classes] of images [n, C, H, W] in [-1, 1].

        They sum to 1, unless an image may have several labels.
        """
        logits = wide(self.C(self.D.features(x)))
        return logits.sigmoid() if self.spec.several else torch.softmax(logits, 1)


def _class(logits: Tensor, y: Tensor | None) -> Tensor:
    assert y is not None
    if y.is_floating_point():
        # log P(C = y | x) of several labels is a sum over the classes
        return y.shape[1] * binary_cross_entropy_with_logits(wide(logits), y)
    return cross_entropy(wide(logits), y)


def _accuracy(logits: Tensor, y: Tensor | None) -> Tensor:
    """The share of classes found; of several labels an image, that of right yes and no."""
    assert y is not None
    right = (logits > 0) == (y > 0.5) if y.is_floating_point() else logits.argmax(1) == y
    return wide(right).mean()

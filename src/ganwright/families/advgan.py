"""AdvGAN: Xiao et al. (2018), arXiv:1801.02610, eqs. 1 to 4.

G changes images x of class y so that a classifier f, with logits Z, is wrong about them:

    x_a = clip(x + eps G(x)),  G in [-1, 1] by tanh

    D minimises  E[(D(x) - 1)²] + E[D(x_a)²]
    G minimises  attack + adversarial E[(D(x_a) - 1)²] + hinge E[max(0, |x_a - x| - norm)]

    attack       E[max(0, Z_y - max_{i != y} Z_i)]           any wrong class
                 E[max(0, max_{i != t} Z_i - Z_t)]           class t (`toward`)

Changes are those of pixels in [0, 1]. Only training needs f's gradients (semi-white box). In the
black box G attacks a student S instead, distilled from f's outputs on x and on x_a (section 3.3):

    S minimises  E[H(f(x), S(x))] + E[H(f(x_a), S(x_a))]     in turn with G
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, relu

from ganwright.config.factory import Factory
from ganwright.config.ranges import NonNegative, Range, Whole
from ganwright.data.types import Images, Spec
from ganwright.errors import SettingsError
from ganwright.families.one_way import OneWay
from ganwright.families.side_by_side import side_by_side
from ganwright.function import Function, pictures
from ganwright.game import Game, Player, Terms
from ganwright.layers.forward_state import evaluating
from ganwright.losses import LeastSquares, Loss
from ganwright.networks import AdvCritic, AdvTranslator, Patch, Translator
from ganwright.networks.custom import made
from ganwright.networks.frozen import Frozen, frozen
from ganwright.observing import observe
from ganwright.optim import Adam, Optimizer
from ganwright.precision import wide


class AdvGAN(OneWay):
    """Learns to change images so little that only a classifier is fooled."""

    title = "AdvGAN (2018)"
    paper = "1801.02610"
    needs_labels = True
    image_size = 28
    batch_size = 128
    averaged = ("G",)
    larger_is_better = ("accuracy", "success")
    held_out = 1000

    @dataclass(frozen=True, kw_only=True)
    class Config(Game.Config):
        target: Factory | Path | None = None
        """The classifier f: a run that classifies, a .pt2 file, or function of (shape, classes)."""
        student: Factory | None = None
        """The student's network, for the black box; G learns from f's gradients when not given."""
        toward: Whole | None = None
        """The class that changed images should be taken for; any wrong one when not given."""
        eps: Annotated[float, Range(0, 1, low_open=True)] = 0.3
        """Largest change of a pixel, in [0, 1]."""
        translator: Translator = AdvTranslator()
        """Architecture of G."""
        patch: Patch = AdvCritic()
        """Architecture of D."""
        loss: Loss = LeastSquares(scale=1.0)
        """The adversarial loss of images and changed ones."""
        attack: NonNegative = 10.0
        """Weight of the margin by which the classifier is right."""
        adversarial: NonNegative = 1.0
        """Weight of the adversarial term in G."""
        hinge: NonNegative = 1.0
        """Weight of changes whose L2 norm is above `norm`."""
        norm: NonNegative = 1.5
        """L2 norm of a change that costs nothing, of pixels in [0, 1]."""
        optimizer: Optimizer = Adam(lr=1e-3, betas=(0.9, 0.999))
        """Optimizer of each player."""

    cfg: Config
    target: Frozen

    def __init__(self, cfg: Config, spec: Spec) -> None:
        super().__init__(cfg, spec)
        shape, classes = spec.shape, len(spec.classes)
        if cfg.toward is not None and cfg.toward >= classes:
            raise SettingsError(
                f"toward is {cfg.toward}, and the data has the classes 0 to {classes - 1} "
                f"({', '.join(spec.classes[:12])})"
            )
        self.G = cfg.translator.translator(shape, shape)
        self.D = cfg.patch.discriminator(shape)
        self.S = made(cfg.student, shape, classes) if cfg.student else None

    def before_training(self) -> None:
        self.target = frozen(self.cfg.target, self.spec, self.device)

    def players(self) -> Iterable[Player]:
        optimizer = self.cfg.optimizer
        yield Player("D", [self.D], self.discriminator, optimizer)
        yield Player("G", [self.G], self.generator, optimizer)
        if self.S is not None:
            yield Player("S", [self.S], self.distil, optimizer)

    def discriminator(self, batch: Images) -> Terms:
        x = batch.images
        return {"adv": self.cfg.loss.discriminator(self.D, x, self.changed(x))}

    def generator(self, batch: Images) -> Terms:
        cfg, x = self.cfg, batch.images
        fake = self.changed(x)
        size = (fake - x).flatten(1).norm(dim=1) / 2
        observe("L2", size.mean())
        return {
            "attack": cfg.attack * lead(self.attacked(fake), batch.labels, cfg.toward),
            "adv": cfg.adversarial * cfg.loss.generator(self.D, x, fake),
            "hinge": cfg.hinge * relu(size - cfg.norm).mean(),
        }

    def distil(self, batch: Images) -> Terms:
        assert self.S is not None
        x = batch.images
        pairs = {"distil": x, "distil_changed": self.changed(x)}
        return {
            k: cross_entropy(wide(self.S(u)), self.target(u).softmax(1)) for k, u in pairs.items()
        }

    def attacked(self, images: Tensor) -> Tensor:
        """Logits [n, classes] of what G attacks: f, or the student as it is used, undisturbed."""
        if self.S is None:
            return self.target(images)
        with evaluating(self.S):
            return wide(self.S(images))

    def changed(self, images: Tensor) -> Tensor:
        """x_a of images [n, C, H, W] in [-1, 1]: no pixel differs by more than 2 eps."""
        change: Tensor = self.G(images)
        return (images + 2 * self.cfg.eps * change).clamp(-1, 1)

    def forward_way(self) -> Function:
        """Images to adversarial examples."""
        return Function(self.changed, (pictures(self.spec.shape, self.device),))

    def measure(self, batch: Images) -> Terms:
        """How often f is right about held-out images, right about changed ones, and fooled.

        Fooled are those of the images that f knows, without those of the class `toward`.
        """
        x, y, toward = batch.images, batch.labels, self.cfg.toward
        assert y is not None
        fake = self.changed(x)
        before, after = self.target(x).argmax(1), self.target(fake).argmax(1)
        known = (before == y) & (True if toward is None else y != toward)
        fooled = known & (after != y if toward is None else after == toward)
        return {
            "accuracy": wide(before == y).mean(),
            "accuracy_changed": wide(after == y).mean(),
            "success": wide(fooled).sum() / wide(known).sum().clamp_min(1),
            "L2": (fake - x).flatten(1).norm(dim=1).mean() / 2,
            "Linf": (fake - x).flatten(1).abs().amax(1).mean() / 2,
        }

    def preview(self, batch: Images) -> Tensor:
        """Twice in a row: an image, the change as a share of eps, and their sum."""
        x = batch.images[:16]
        fake = self.changed(x)
        return side_by_side(x, (fake - x) / (2 * self.cfg.eps), fake)

    @property
    def preview_columns(self) -> int | None:
        return 6


def lead(logits: Tensor, y: Tensor | None, toward: int | None = None) -> Tensor:
    """By how much a class that should lose leads: the mean of max(0, ...), see the module.

    Args:
        logits: [n, classes].
        y: true classes, int64 [n].
        toward: the class that should win; any but the true one when not given.
    """
    assert y is not None
    label = y if toward is None else torch.full_like(y, toward)
    one = torch.nn.functional.one_hot(label, logits.shape[1]).bool()
    own = logits.gather(1, label[:, None])[:, 0]
    other = logits.masked_fill(one, -torch.inf).amax(1)
    return relu(own - other if toward is None else other - own).mean()

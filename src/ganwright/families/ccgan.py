"""CC-GAN: Denton, Gross and Fergus (2017), arXiv:1611.06430, section 3.

m is 1 where an image is known, and 0 in a square hole. G fills the hole from its surroundings:
x_G = G(m x), and x_I = m x + (1 - m) x_G is the image with its hole filled.

    D maximises  E[log D(x)] + E[log(1 - D(x_I))] + lambda_c E[log D_c(y|x)]
    G maximises  E[log D(x_I)]

where the last term of D is for labelled images only. CC-GAN² (section 3.2) also gives D the whole
output of G, alpha log(1 - D(x_G)), which G must fool too, with alpha .5; with another loss, the
term is what that loss has of fakes. The result is an inpainting network and a classifier.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, cross_entropy, interpolate, l1_loss

from ganwright.config.ranges import BelowOne, NonNegative, Portion, Several
from ganwright.data.types import SemiSupervised, Spec
from ganwright.errors import SettingsError
from ganwright.families.augmented import OneJudge, shown, shown_both, watch
from ganwright.families.one_way import OneWay
from ganwright.function import Argument, Function, pictures
from ganwright.game import Player, Terms
from ganwright.layers.dropout import Dropout
from ganwright.losses import Loss, NonSaturating, score
from ganwright.networks import EncoderDecoder, Translator
from ganwright.networks.vgg import VGGCritic
from ganwright.observing import observe, spread
from ganwright.optim import Adam, Optimizer
from ganwright.penalties import Penalty, charge, lazies, refuse_twins, schedules
from ganwright.precision import wide


class CCGAN(OneWay, OneJudge):
    """Fills holes from their surroundings, while D learns to classify."""

    title = "CC-GAN (2016)"
    paper = "1611.06430"
    task = SemiSupervised
    needs_labels = True
    data = "glyphs-masked"
    image_size = 32
    averaged = ("G", "D", "C")
    larger_is_better = ("accuracy",)
    held_out = 1000

    @dataclass(frozen=True, kw_only=True)
    class Config(OneJudge.Config):
        translator: Translator = EncoderDecoder()
        """Architecture of G."""
        critic: VGGCritic = VGGCritic()
        """Architecture of D."""
        loss: Loss = NonSaturating()
        """The adversarial loss of real and filled images."""
        penalties: tuple[Penalty, ...] = ()
        """Penalties on D."""
        hole: Portion = 0.375
        """Side of the square hole, as a fraction of the image's side."""
        place: Literal["random", "centre"] = "random"
        """Position of the hole in training; otherwise it is at the centre."""
        low: Several | None = None
        """Also give G the whole image at 1/low of its resolution (section 3.3)."""
        dropout: BelowOne = 0.0
        """Dropout rate of D's features before the classifier only (the paper: 0.5)."""
        class_weight: NonNegative = 1.0
        """Weight of the labelled images' cross-entropy in D (lambda_c)."""
        alpha: NonNegative = 0.0
        """Weight of G's whole output, in addition to the filled image (CC-GAN²: 0.5)."""
        reconstruction: NonNegative = 0.0
        """Weight in G of the mean absolute error in the hole; 0 in the paper."""
        optimizer_d: Optimizer = Adam(lr=2e-4, betas=(0.5, 0.999))
        """Optimizer of D and its classifier."""
        optimizer_g: Optimizer = Adam(lr=2e-4, betas=(0.5, 0.999))
        """Optimizer of G."""

        def __post_init__(self) -> None:
            super().__post_init__()
            refuse_twins(self.penalties)
            if self.alpha and type(self.loss).of_fakes is Loss.of_fakes:
                raise SettingsError(
                    f"alpha={self.alpha} judges whole outputs as fakes alone, and "
                    f"{type(self.loss).__name__} only has a loss that compares them with real "
                    "images; choose NonSaturating, LeastSquares, Hinge or Wasserstein, or alpha=0"
                )

    cfg: Config

    def __init__(self, cfg: Config, spec: Spec) -> None:
        # What comes out has the shape of what goes in: `translate` is between equals.
        super().__init__(cfg, replace(spec, target=spec.shape))
        c, h, w = spec.shape
        if cfg.low is not None and (h % cfg.low or w % cfg.low):
            raise SettingsError(
                f"low={cfg.low} does not divide images of {h}x{w}; choose one that does"
            )
        self.G = cfg.translator.translator((c if cfg.low is None else 2 * c, h, w), spec.shape)
        self.D, self.augment = cfg.critic.discriminator(spec.shape), self.augmenter(spec.shape)
        C = nn.Linear(self.D.width, len(spec.classes))
        self.C = nn.Sequential(Dropout(cfg.dropout), C) if cfg.dropout else C

    def players(self) -> Iterable[Player]:
        cfg = self.cfg
        lazy = lazies(cfg.penalties, self.D, self.judged)
        yield Player(
            "D",
            [self.D, self.C],
            self.discriminator,
            cfg.optimizer_d,
            lazy=lazy,
            schedules=schedules(cfg.penalties),
        )
        yield Player("G", [self.G], self.generator, cfg.optimizer_g)

    def discriminator(self, batch: SemiSupervised) -> Terms:
        cfg, D = self.cfg, self.D
        watch(self.augment)
        x, known, whole = self.drawn(batch)
        real, filled = shown_both(self.augment, x, torch.where(known, x, whole))
        labelled = shown(self.augment, batch.images)
        # Labelled and unlabelled pictures share a pass, and so BatchNorm's statistics.
        h_labelled, h = D.features(torch.cat([labelled, real])).split(len(x))
        logits = self.C(h_labelled)
        observe("labelled_accuracy", _accuracy(logits, batch.labels))
        terms = {
            "adv": cfg.loss.discriminator(D.score, h, D.features(filled)),
            "class": cfg.class_weight * cross_entropy(logits, batch.labels),
            **charge(cfg.penalties, D, real, filled),
        }
        if cfg.alpha:
            judged = score(D, shown(self.augment, whole))
            observe("fake_whole", judged.mean())
            spread("scores/fake_whole", judged)
            terms["adv_whole"] = cfg.alpha * cfg.loss.of_fakes(judged)
        return terms

    def generator(self, batch: SemiSupervised) -> Terms:
        cfg = self.cfg
        x, known, whole = self.drawn(batch)
        filled = torch.where(known, x, whole)
        real, seen = shown_both(self.augment, x, filled)
        terms = {"adv": cfg.loss.generator(self.D, real, seen)}
        if cfg.alpha:
            seen = shown(self.augment, whole)
            terms["adv_whole"] = cfg.alpha * cfg.loss.generator(self.D, real, seen)
        error = hole_error(filled, x, known)
        if cfg.reconstruction:
            terms["reconstruction"] = cfg.reconstruction * error
        observe("l1", error)
        return terms

    def drawn(self, batch: SemiSupervised) -> tuple[Tensor, Tensor, Tensor]:
        """Images x without labels, where they are known, and all that G drew from there."""
        x = batch.unlabelled
        known = self.holes(x, self.cfg.place)
        return x, known, self.draw(x, known)

    def judged(self, batch: SemiSupervised) -> tuple[Tensor, Tensor]:
        """Images, and the same with a hole filled, as D sees them."""
        x, known, whole = self.drawn(batch)
        return shown_both(self.augment, x, torch.where(known, x, whole))

    def draw(self, x: Tensor, known: Tensor) -> Tensor:
        """All that G draws, [n, C, H, W], of images and where they are known."""
        given = x * known
        if self.cfg.low is not None:
            small = avg_pool2d(x, self.cfg.low)
            given = torch.cat([given, interpolate(small, x.shape[-2:])], 1)
        whole: Tensor = self.G(given)
        return whole

    def holes(self, x: Tensor, place: str) -> Tensor:
        """Where images are known, bool [n, 1, H, W]: all but a square in each."""
        n, _, h, w = x.shape
        inside = []
        for side in (h, w):
            size = max(1, min(side - 1, round(self.cfg.hole * side)))
            start = torch.full((n,), (side - size) // 2, device=x.device)
            if place == "random":
                start = torch.randint(side - size + 1, (n,), device=x.device)
            far = torch.arange(side, device=x.device) - start[:, None]
            inside.append((far >= 0) & (far < size))
        rows, columns = inside
        return ~(rows[:, None, :, None] & columns[:, None, None, :])

    def translate(
        self, images: Tensor, direction: str = "a2b", known: Tensor | None = None
    ) -> Tensor:
        """Images [n, C, H, W] with their holes filled; known pixels are the input's, bit for bit.

        Args:
            known: bool [n, 1, H, W], False in the holes; a square in the centre when not given.

        Raises:
            SettingsError: the way back is asked for.
        """
        known = self.holes(images, "centre") if known is None else known
        return self.function(direction)(images, known)

    def forward_way(self) -> Function:
        """(images, known: bool [n, 1, H, W], False in the holes) to images without holes."""
        images = pictures(self.spec.shape, self.device)
        known = Argument("known", lambda n: self.holes(images.draw(n), "centre"), sized=True)
        return Function(self.fill, (images, known))

    def fill(self, images: Tensor, known: Tensor) -> Tensor:
        """Images [n, C, H, W] with what G draws where they are not known, bool [n, 1, H, W]."""
        return torch.where(known, images, self.draw(images, known))

    def classify(self, images: Tensor) -> Tensor:
        """Class probabilities [n, classes] of whole images [n, C, H, W] in [-1, 1]."""
        logits: Tensor = self.C(self.D.features(images))
        return wide(logits).softmax(1)

    def measure(self, batch: SemiSupervised) -> Terms:
        """Mean absolute error in a central hole, also that of the mean colour; accuracy."""
        x = batch.images
        known = self.holes(x, "centre")
        mean = (x * known).sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True)
        return {
            "l1": hole_error(self.translate(x), x, known),
            "l1_mean_colour": hole_error(mean.expand_as(x), x, known),
            "accuracy": _accuracy(self.classify(x), batch.labels),
        }

    def preview(self, batch: SemiSupervised) -> Tensor:
        """Twice in a row: an image with a hole, filled, whole."""
        x = batch.images[:16]
        holed = x * self.holes(x, "centre")
        return torch.stack([holed, self.translate(x), x], 1).flatten(0, 1)

    @property
    def preview_columns(self) -> int | None:
        return 6


def hole_error(made: Tensor, x: Tensor, known: Tensor) -> Tensor:
    """Mean absolute error over the pixels and channels that are not known."""
    # Every picture's hole has the same size, so the error over all pixels only wants scaling.
    return l1_loss(torch.where(known, x, made), x) / wide(~known).mean()


def _accuracy(logits: Tensor, y: Tensor) -> Tensor:
    return wide(logits.argmax(1) == y).mean()

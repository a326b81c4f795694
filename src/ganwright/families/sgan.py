"""SGAN: Salimans et al. (2016), arXiv:1606.03498, section 5; Odena (2016), arXiv:1606.01583.

The classifier C gives K logits l(x); the logit of a (K+1)-th class, "generated", stays at 0:

    p(y | x, y <= K) = softmax l(x)         s(x) = logsumexp l(x)         p(real | x) = sigmoid s(x)

    C minimises  -E[log p(y | x, y <= K)]   few labelled images
                 -E[log p(real | x)]        many unlabelled ones
                 -E[log p(K+1 | G(z))]
    G minimises  |E f(x) - E f(G(z))|²/d    f: d features, the last layer before its noise
                                            (`matching`; the paper sums, the authors' code averages)

Odena's form, one cross-entropy over K+1 classes, is `joint`: then the first term is

                 -E[log p(y | x)] = -E[log p(y | x, y <= K)] - E[log p(real | x)]
and G minimises  -E[log p(real | G(z))]     (`fooling`)

Labels of the unlabelled images are not in the batch, so they cannot reach a loss.
"""

# ruff: noqa: N815 - the papers' G and D end the names of settings that belong to one of them

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize, pad
from torch.nn.utils.parametrizations import weight_norm
from torch.nn.utils.parametrize import register_parametrization

from ganwright.config.ranges import Count, NonNegative
from ganwright.data.types import SemiSupervised, Spec
from ganwright.errors import SettingsError
from ganwright.families.augmented import OneJudge, shown, shown_both, watch
from ganwright.families.priors import Prior, Uniform
from ganwright.function import Argument, Function
from ganwright.game import Player, Terms
from ganwright.layers.activation import Activation, ReLU, Softplus
from ganwright.layers.condition import Stack
from ganwright.layers.norm import BatchNorm, Norm
from ganwright.losses import Loss, NonSaturating
from ganwright.networks import MLP, Discriminator, Networks
from ganwright.networks.base import Encoder, squash
from ganwright.observing import observe
from ganwright.optim import Adam, Optimizer
from ganwright.penalties import Penalty, charge, lazies, refuse_twins, schedules
from ganwright.precision import wide


class Ink(nn.Module):
    """Images in [-1, 1] as ink on paper of 0; the mean square is near 1 if a tenth is ink."""

    def forward(self, x: Tensor) -> Tensor:
        return 1.6 * (x + 1)


class FixedNorm(nn.Module):
    """Weight normalisation with the gain held (Salimans and Kingma 2016, arXiv:1602.07868).

    Whatever is learned, the weights of each unit have norm sqrt 2, which keeps a ReLU layer's
    variance: if they could grow, they would drown the noise. The weights beneath grow with every
    update, as gradients are orthogonal to them, so that updates turn the units less and less.
    """

    def forward(self, weight: Tensor) -> Tensor:
        return math.sqrt(2) * normalize(weight)


@dataclass(frozen=True, kw_only=True)
class SalimansMLP(MLP):
    """Salimans et al.'s networks for digits, with noise on every layer of the classifier."""

    hidden_G: tuple[int, ...] = (500, 500)
    """Units of G's hidden layers."""
    hidden_D: tuple[int, ...] = (1000, 500, 250, 250, 250)
    """Units of the classifier's hidden layers."""
    activation_G: Activation = Softplus()
    """Behind G's hidden layers."""
    activation_D: Activation = ReLU()
    """Behind the classifier's hidden layers."""
    norm_G: Norm = BatchNorm()
    """Normalisation of G's hidden layers."""
    dropout: float = 0.0
    """Share of the classifier's hidden units dropped in training."""
    noise: float = 0.5
    """Standard deviation of the noise on the classifier's hidden units in training."""
    noise_input: float = 1.0
    """Standard deviation of the noise on its inputs, where ink is 3.2; a third, as in the paper."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weight_norm or self.spectral_D:
            raise SettingsError(
                "SalimansMLP normalises its weights itself; leave weight_norm and spectral_D off"
            )

    def end(self, width: int, shape: tuple[int, ...], tanh: bool) -> list[nn.Module]:
        """A sigmoid, behind weights with a learned gain for each pixel, which begins at 1."""
        return [normed(nn.Linear(width, math.prod(shape))), squash(shape, tanh, unit=True)]

    def discriminator(self, shape: tuple[int, ...], classes: int = 0) -> Discriminator:
        D = super().discriminator(shape, classes)
        assert isinstance(D.stack, Stack)
        for layer in D.stack:
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight)
                register_parametrization(layer, "weight", FixedNorm())
        D.stack.insert(0, Ink())
        return D

    def classifier(self, shape: tuple[int, ...], outputs: int) -> Encoder:
        """With a learned gain for each logit, which moves by the learning rate at most."""
        C = super().classifier(shape, outputs)
        assert isinstance(C.head, nn.Linear)
        normed(C.head)
        return C


def normed(layer: nn.Linear) -> nn.Linear:
    """The layer with weight normalisation, whose gains begin at 1."""
    layer.weight.data = normalize(layer.weight.data)
    weight_norm(layer)
    return layer


class SGAN(OneJudge):
    """A classifier trained with few labels, which also tells real images from samples."""

    title = "Semi-supervised GAN (2016)"
    paper = "1606.01583"
    task = SemiSupervised
    needs_labels = True
    image_size = 28
    batch_size = 100
    averaged = ("G", "C")
    held_out = 10_000
    judge_player = "C"

    @dataclass(frozen=True, kw_only=True)
    class Config(OneJudge.Config):
        latent: Count = 100
        """Length of the noise vector z."""
        prior: Prior = Uniform(0.0, 1.0)
        """Distribution of z."""
        networks: Networks = SalimansMLP()
        """Architecture of G and of the classifier's body."""
        loss: Loss = NonSaturating()
        """The adversarial loss of the scores s of unlabelled and generated images."""
        penalties: tuple[Penalty, ...] = ()
        """Penalties on the classifier's score s."""
        supervision: NonNegative = 2.0
        """Weight of the labelled images' cross-entropy; Salimans' code halves all other terms."""
        joint: bool = False
        """Classify labelled images among all K+1 classes, as Odena, not among K, as Salimans."""
        matching: NonNegative = 1.0
        """Weight of feature matching in G's objective."""
        fooling: NonNegative = 0.0
        """Weight of fooling the classifier in G's objective."""
        # the authors' Adam has 1e-8 within the root, and their C half of these terms
        optimizer_c: Optimizer = Adam(lr=3e-3, betas=(0.5, 0.999), eps=2e-4)
        """Optimizer of the classifier."""
        optimizer_g: Optimizer = Adam(lr=3e-3, betas=(0.5, 0.999), eps=1e-4)
        """Optimizer of G."""

        def __post_init__(self) -> None:
            super().__post_init__()
            refuse_twins(self.penalties)
            if not self.matching + self.fooling:
                raise SettingsError("matching and fooling are both 0; G needs one of them above 0")

    cfg: Config

    def __init__(self, cfg: Config, spec: Spec) -> None:
        super().__init__(cfg, spec)
        cfg.prior.check(cfg.latent)
        self.G = cfg.networks.generator(cfg.latent, spec.shape)
        self.C = cfg.networks.classifier(spec.shape, len(spec.classes))
        self.augment = self.augmenter(spec.shape)

    def players(self) -> Iterable[Player]:
        cfg = self.cfg
        lazy = lazies(cfg.penalties, self.score, self.judged)
        yield Player(
            "C",
            [self.C],
            self.classifier,
            cfg.optimizer_c,
            lazy=lazy,
            schedules=schedules(cfg.penalties),
        )
        yield Player("G", [self.G], self.generator, cfg.optimizer_g)

    def classifier(self, batch: SemiSupervised) -> Terms:
        cfg = self.cfg
        watch(self.augment)
        x, fake = self.judged(batch)
        logits = self.C(shown(self.augment, batch.images))
        observe("labelled_accuracy", wide(logits.argmax(1) == batch.labels).mean())
        named = pad(logits, (0, 1)) if cfg.joint else logits
        return {
            "labelled": cfg.supervision * cross_entropy(named, batch.labels),
            "adv": cfg.loss.discriminator(self.score, x, fake),
            **charge(cfg.penalties, self.score, x, fake),
        }

    def generator(self, batch: SemiSupervised) -> Terms:
        cfg, terms = self.cfg, {}
        x, fake = self.judged(batch)
        if cfg.matching:
            gap = self.C.body.features(x).mean(0) - self.C.body.features(fake).mean(0)
            terms["matching"] = cfg.matching * gap.square().mean()
        if cfg.fooling:
            terms["fooling"] = cfg.fooling * cfg.loss.generator(self.score, x, fake)
        return terms

    def judged(self, batch: SemiSupervised) -> tuple[Tensor, Tensor]:
        """Unlabelled images, and as many samples, as C sees them."""
        return shown_both(self.augment, batch.unlabelled, self.sample(len(batch.unlabelled)))

    def score(self, x: Tensor) -> Tensor:
        """The logit of "real" against "generated", whose own logit is 0: [n]."""
        return torch.logsumexp(self.C(x), 1)

    def sample(self, n: int) -> Tensor:
        """Draw n images, [n, C, H, W] in [-1, 1]."""
        return self.generate(self.noise(n))

    def noise(self, n: int) -> Tensor:
        """z from the prior, [n, latent]."""
        return self.cfg.prior.draw(n, self.cfg.latent, self.device)

    def generate(self, z: Tensor) -> Tensor:
        """Images [n, C, H, W] of noise [n, latent]."""
        images: Tensor = self.G(z)
        return images

    def function(self, direction: str = "a2b") -> Function:
        """z [n, latent] to images."""
        return Function(self.generate, (Argument("z", self.noise, between=self.cfg.prior.between),))

    def classify(self, x: Tensor) -> Tensor:
        """Class probabilities [n, K] of images [n, C, H, W] in [-1, 1]."""
        probabilities: Tensor = self.C(x).softmax(1)
        return probabilities

    def measure(self, batch: SemiSupervised) -> Terms:
        """The share of held-out images that are misclassified."""
        return {"error": wide(self.C(batch.images).argmax(1) != batch.labels).mean()}

    def preview(self, batch: SemiSupervised) -> Tensor:
        """Samples from fixed noise."""
        return self.sample(len(batch.images))

"""BGAN: Hjelm et al. (2018), arXiv:1702.08431, Algorithm 1 and section 3.

    D minimises  E[softplus(-F(x))] + E_z[1/M sum_m softplus(F(x_m))]     x_m ~ g(x | z), m = 1..M
    G minimises  -E_z[sum_m w_m log g(x_m | z)]
                 w_m = softmax_m F(x_m)

F is D's logit, so exp F estimates the ratio of the densities of data and samples, and w_m are
normalised importance weights without gradient. That lets G generate discrete images.
G returns, for each pixel and channel, a categorical distribution over `levels` values; with two
levels it is Bernoulli. M = 20, z of length 64, Adam with learning rate 1e-4 and beta1 .5, batches
of 64, BatchNorm in G and none in D, as in the authors' code.

The continuous form (eq. 13) is `ContinuousBGAN`, with z of length 128: there
G minimises  1/2 E[(log D(G(z)) - log(1 - D(G(z))))²] = 1/2 E[F(G(z))²].
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ganwright.config.ranges import Several
from ganwright.data.types import Images, Spec
from ganwright.errors import SettingsError
from ganwright.families.augmented import watch
from ganwright.families.dcgan import DCGAN
from ganwright.families.noise_game import NoiseGame
from ganwright.function import Function
from ganwright.game import Terms
from ganwright.layers.norm import NoNorm
from ganwright.losses import BoundarySeeking, Inputs, Loss, NonSaturating, score
from ganwright.networks import ConvNet, Networks
from ganwright.observing import observe
from ganwright.optim import Adam, Optimizer
from ganwright.penalties import charge
from ganwright.precision import wide


class BGAN(NoiseGame):
    """Images with discrete pixels: binary, or with a few levels per channel."""

    title = "BGAN (2017)"
    paper = "1702.08431"
    image_size = 32
    batch_size = 64

    @dataclass(frozen=True, kw_only=True)
    class Config(NoiseGame.Config):
        latent: int = 64
        """Length of the noise vector z."""
        levels: Several = 2
        """Number of values per channel, evenly spaced from -1 to 1; 2 for binary images."""
        draws: Several = 20
        """Samples drawn for each z (M)."""
        baseline: bool = False
        """Subtract 1/M from each weight: the same expected gradient with less variance."""
        conditional: bool = False
        """Give the label to G and D, so that you can choose a class when sampling."""
        networks: Networks = ConvNet(norm_D=NoNorm())
        """Architecture of G and D."""
        loss: Loss = BoundarySeeking()
        """The loss of D; it must be logistic, since importance weights need log ratios."""
        optimizer_d: Optimizer = Adam(lr=1e-4, betas=(0.5, 0.999))
        """Optimizer of D."""
        optimizer_g: Optimizer = Adam(lr=1e-4, betas=(0.5, 0.999))
        """Optimizer of G."""

        def __post_init__(self) -> None:
            super().__post_init__()
            if not isinstance(self.loss, NonSaturating):
                raise SettingsError(
                    f"bgan weights its samples by logits and cannot use {type(self.loss).__name__};"
                    " choose BoundarySeeking or NonSaturating"
                )

    cfg: Config

    def __init__(self, cfg: Config, spec: Spec) -> None:
        if len(spec.shape) != 3:
            raise SettingsError("bgan generates images, not points; choose other data")
        super().__init__(cfg, spec, labelled=cfg.conditional)
        channels, *size = spec.shape
        logits = (channels * (cfg.levels - 1), *size)
        self.G = cfg.networks.generator(self.inputs, logits, self.classes, tanh=False)

    def discriminator(self, batch: Images) -> Terms:
        watch(self.augment)
        cfg, y = self.cfg, batch.labels
        x = self.pictures(self.levels(batch.images))
        log_g = self.log_probabilities(self.noise(len(x)), y)
        fake = self.pictures(draw(log_g, cfg.draws).flatten(0, 1))
        real, fakes = self.told(self.shown(x), y), self.told(self.shown(fake), y)
        adv = cfg.loss.discriminator(self.D, real, fakes)
        one_each = self.told(self.shown(fake[: len(x)]), y)
        return {"adv": adv, **charge(cfg.penalties, self.D, real, one_each)}

    def generator(self, batch: Images) -> Terms:
        n, y, draws = len(batch.images), batch.labels, self.cfg.draws
        log_g = self.log_probabilities(self.noise(n), y)
        levels = draw(log_g, draws)
        inputs = self.told(self.shown(self.pictures(levels.flatten(0, 1))), y)
        weights = score(self.D, inputs).view(draws, n).softmax(0)
        observe("effective_draws", 1 / weights.square().sum(0).mean())
        if self.cfg.baseline:
            weights = weights - 1 / draws
        return {"adv": -(weights * likelihood(log_g, levels)).sum(0).mean()}

    def judged(self, batch: Images) -> tuple[Inputs, Inputs]:
        """What D is shown of a batch: real, made discrete, and one sample for each z."""
        y = batch.labels
        x = self.shown(self.pictures(self.levels(batch.images)))
        fake = self.shown(self.drawn(self.noise(len(batch.images)), y))
        return self.told(x, y), self.told(fake, y)

    def told(self, x: Tensor, y: Tensor | None) -> Inputs:
        """What D is called with: images, some draws in turn, with their labels if it judges them.

        Args:
            x: [M n, C, H, W].
            y: int64 [n], those of each draw.
        """
        return (x, y.repeat(len(x) // len(y))) if self.D.classes and y is not None else x

    def log_probabilities(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """log g of every level: [n, levels, C, H, W].

        The first level's logit is 0, so two levels make a Bernoulli distribution of one logit.
        """
        logits = self.G(z, y).unflatten(1, (self.cfg.levels - 1, -1))
        return torch.cat([torch.zeros_like(logits[:, :1]), logits], 1).log_softmax(1)

    def levels(self, x: Tensor) -> Tensor:
        """The nearest level of every pixel: [n, C, H, W] in [-1, 1] -> int64 from 0."""
        return ((x + 1) / 2 * (self.cfg.levels - 1)).round().long()

    def pictures(self, levels: Tensor) -> Tensor:
        """Levels as float32 in [-1, 1]."""
        return wide(levels) / (self.cfg.levels - 1) * 2 - 1

    def drawn(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """One discrete image for each z: [n, C, H, W] in [-1, 1]."""
        return self.pictures(draw(self.log_probabilities(z, y), 1)[0])

    def sample(self, n: int, labels: Tensor | None = None) -> Tensor:
        """Draw n samples, [n, C, H, W], whose pixels are levels in [-1, 1]."""
        if self.classes and labels is None:
            labels = self.in_turn(n)
        return self.drawn(self.noise(n), labels)

    def function(self, direction: str = "a2b") -> Function:
        """It has none: no function of z gives its images."""
        raise SettingsError(
            "bgan draws each pixel at random from what G gives, so there is no single network from "
            "z to images; use `ganwright sample`"
        )

    def preview(self, batch: Images) -> Tensor:
        """Fixed noise; with labels, one column per class."""
        columns = self.preview_columns or 1
        return self.sample(max(1, len(batch.images) // columns) * columns)


def draw(log_probabilities: Tensor, count: int) -> Tensor:
    """Samples of every pixel's distribution: [n, levels, ...] -> int64 [count, n, ...].

    A level is how many cumulative probabilities lie below a uniform number.
    """
    below = log_probabilities[:, :-1].exp().cumsum(1)
    n, _, *rest = below.shape
    u = torch.rand(n, count, 1, *rest, device=below.device).transpose(0, 1)
    return (u > below).sum(2)


def likelihood(log_probabilities: Tensor, levels: Tensor) -> Tensor:
    """log g(x | z) of samples: [n, levels, C, H, W] and int64 [M, n, C, H, W] -> [M, n]."""
    every = log_probabilities.expand(len(levels), *log_probabilities.shape)
    return every.gather(2, levels[:, :, None]).flatten(2).sum(2)


class ContinuousBGAN(DCGAN):
    """DCGAN whose G seeks D's decision boundary, for continuous images."""

    title = "BGAN, continuous (2017)"
    paper = "1702.08431"
    batch_size = 64

    @dataclass(frozen=True, kw_only=True)
    class Config(DCGAN.Config):
        latent: int = 128
        """Length of the noise vector z."""
        loss: Loss = BoundarySeeking()
        """The adversarial loss of D and G."""
        optimizer_d: Optimizer = Adam(lr=1e-4, betas=(0.5, 0.999))
        """Optimizer of D."""
        optimizer_g: Optimizer = Adam(lr=1e-4, betas=(0.5, 0.999))
        """Optimizer of G."""

"""PixelDA: Bousmalis et al. (2017), arXiv:1612.05424, eqs. 1 to 5.

Labelled images (x_s, y) of a source domain, images x_t of a target domain without labels:

    x_f = G(x_s, z), z ~ U(-1, 1)^10, should look like x_t and keep class y.

    D, T minimise  alpha_D (-E[log D(x_t)] - E[log(1 - D(x_f))])
                   + E[-log T(y|x_f)] + E[-log T(y|x_s)]
    G minimises    alpha_G (-E[log D(x_f)]) + beta E[-log T(y|x_f)] + gamma content(x_s, x_f)

D and T are updated together, then G. T is also trained on the source, which keeps T and G from
agreeing on a different labelling (section 3.1). alpha_D .1356, alpha_G .0113, beta .0101 are those
of the authors' code for MNIST to MNIST-M. Content (eq. 5) is the pairwise error of an object's
pixels.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ganwright.config.ranges import Count, NonNegative, Positive, Real
from ganwright.data.types import Spec, Unpaired
from ganwright.errors import SettingsError
from ganwright.families.augmented import OneJudge, shown_both, watch
from ganwright.families.one_way import OneWay
from ganwright.function import Argument, Function, pictures
from ganwright.game import Player, Terms
from ganwright.losses import Loss, NonSaturating
from ganwright.networks import AdaptationNets
from ganwright.observing import observe
from ganwright.optim import Adam, Decay, Optimizer
from ganwright.penalties import Penalty, charge, lazies, refuse_twins, schedules
from ganwright.precision import wide


class PixelDA(OneWay, OneJudge):
    """Makes source images look like target images, to train a classifier for the target."""

    title = "PixelDA (2017)"
    paper = "1612.05424"
    task = Unpaired
    needs_labels = True
    data = "digits-domains"
    image_size = None
    batch_size = 32
    averaged = ("G", "T")
    larger_is_better = ("accuracy_source", "accuracy_adapted", "accuracy_target")
    held_out = 1000
    judge_player = "DT"

    @dataclass(frozen=True, kw_only=True)
    class Config(OneJudge.Config):
        latent: Count = 10
        """Length of the noise vector z."""
        networks: AdaptationNets = AdaptationNets()
        """Architecture of G, D and T."""
        loss: Loss = NonSaturating()
        """The adversarial loss of target and adapted images."""
        domain: NonNegative = 0.1356
        """Weight of D's loss relative to T's (alpha_D)."""
        style: NonNegative = 0.0113
        """Weight of G's adversarial term (alpha_G)."""
        task: NonNegative = 0.0101
        """Weight in G of T's loss on adapted images (beta)."""
        content: NonNegative = 0.0
        """Weight of content similarity (gamma)."""
        foreground: Real = 0.0
        """A source pixel belongs to the object if any channel is above this, in [-1, 1]."""
        penalties: tuple[Penalty, ...] = ()
        """Penalties on D."""
        clip: Positive = 5.0
        """Maximum norm of a player's gradient."""
        optimizer: Optimizer = Adam(
            lr=1e-3,
            betas=(0.5, 0.999),
            weight_decay=1e-5,
            schedule=Decay(rate=0.95, every=20_000),
        )
        """Optimizer of each player."""

        def __post_init__(self) -> None:
            super().__post_init__()
            refuse_twins(self.penalties)

    cfg: Config

    def __init__(self, cfg: Config, spec: Spec) -> None:
        super().__init__(cfg, spec)
        source, target = spec.shape, spec.target
        assert target is not None
        if cfg.content and source != target:
            raise SettingsError(
                f"content similarity needs domains of one shape, got {source} and {target}; "
                "set content=0"
            )
        self.G = cfg.networks.adapter(cfg.latent, source, target)
        self.D, self.augment = cfg.networks.discriminator(target), self.augmenter(target)
        self.T = cfg.networks.classifier(source, target, len(spec.classes))

    def players(self) -> Iterable[Player]:
        cfg = self.cfg
        lazy = lazies(cfg.penalties, self.D, self.judged)
        judges = [self.D, self.T]
        yield Player(
            "DT",
            judges,
            self.judge,
            cfg.optimizer,
            lazy=lazy,
            schedules=schedules(cfg.penalties),
            clip=cfg.clip,
        )
        yield Player("G", [self.G], self.generator, cfg.optimizer, clip=cfg.clip)

    def judge(self, batch: Unpaired) -> Terms:
        cfg, fake = self.cfg, self.adapt(batch.a)
        watch(self.augment)
        real, seen = shown_both(self.augment, batch.b, fake)
        return {
            "adv": cfg.domain * cfg.loss.discriminator(self.D, real, seen),
            "task_adapted": self._task(self.T(fake), batch, "accuracy_adapted"),
            "task_source": self._task(self.T(batch.a, source=True), batch, "accuracy_source"),
            **charge(cfg.penalties, self.D, real, seen),
        }

    def generator(self, batch: Unpaired) -> Terms:
        cfg, fake = self.cfg, self.adapt(batch.a)
        real, seen = shown_both(self.augment, batch.b, fake)
        terms = {
            "adv": cfg.style * cfg.loss.generator(self.D, real, seen),
            "task": cfg.task * self._task(self.T(fake), batch),
        }
        if cfg.content:
            object_ = (batch.a > cfg.foreground).any(1, keepdim=True)
            terms["content"] = cfg.content * pairwise_error(batch.a, fake, object_)
        return terms

    def judged(self, batch: Unpaired) -> tuple[Tensor, Tensor]:
        """Target images, and source images adapted to them, as D sees them."""
        return shown_both(self.augment, batch.b, self.adapt(batch.a))

    def adapt(self, images: Tensor) -> Tensor:
        """Source images [n, C, H, W] in the target's style, of fresh noise."""
        adapted: Tensor = self.G(images, self.noise(len(images)))
        return adapted

    def noise(self, n: int) -> Tensor:
        """z, uniform on [-1, 1]: [n, latent]."""
        return torch.rand(n, self.cfg.latent, device=self.device) * 2 - 1

    def _task(self, logits: Tensor, batch: Unpaired, watch: str = "") -> Tensor:
        y = batch.a_labels
        assert y is not None
        if watch:
            observe(watch, _accuracy(logits, y))
        return cross_entropy(logits, y)

    def forward_way(self) -> Function:
        """(source images, z [n, latent]) to images in the target's style."""
        images = pictures(self.spec.shape, self.device)
        return Function(self.G, (images, Argument("z", self.noise)))

    def classify(self, images: Tensor) -> Tensor:
        """Class probabilities [n, classes] of target images [n, C, H, W] in [-1, 1]."""
        logits: Tensor = self.T(images)
        return logits.softmax(1)

    def measure(self, batch: Unpaired) -> Terms:
        """Shares of held-out images that T names: target, adapted and source.

        The target's labels are used nowhere else.
        """
        a, b, y, y_target = batch
        terms = {}
        if y is not None:
            terms["accuracy_source"] = _accuracy(self.T(a, source=True), y)
            terms["accuracy_adapted"] = _accuracy(self.T(self.adapt(a)), y)
        if y_target is not None:
            terms["accuracy_target"] = _accuracy(self.T(b), y_target)
        return terms

    def preview(self, batch: Unpaired) -> Tensor:
        """Twice in a row: source, adapted with one noise and another; a target image."""
        a, b = batch.a[:16], batch.b[:16]
        columns = (a, self.adapt(a), self.adapt(a), b)
        channels = max(c.shape[1] for c in columns)
        return torch.stack([c.expand(-1, channels, -1, -1) for c in columns], 1).flatten(0, 1)

    @property
    def preview_columns(self) -> int | None:
        return 8


def pairwise_error(x: Tensor, y: Tensor, mask: Tensor) -> Tensor:
    """Masked pairwise mean squared error, eq. 5, of images [n, C, H, W] under a mask [n, 1, H, W].

    k counts all pixels, not those of the object. So a shift of the whole image by the same amount
    costs nothing, but a shift s of an object that covers a share m of it costs (m - m²) s².
    """
    change = ((x - y) * mask).flatten(1)
    k = x[0].numel()
    return (change.square().sum(1) / k - (change.sum(1) / k).square()).mean()


def _accuracy(logits: Tensor, y: Tensor) -> Tensor:
    return wide(logits.argmax(1) == y).mean()

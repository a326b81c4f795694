"""GFPGAN: Wang, Li, Zhang and Shan (2021), arXiv:2101.04061, section 3.

A U-Net U sees degraded images. It gives a code for each layer of a generator P that was trained
before and stays as it is, and for each size a scale and a shift of half of P's features (CS-SFT):

    x_low = degrade(x),  (y_k, guide) = U(x_low),  G(x_low) = P(guide)

    D minimises  E[f(D(G(x_low)))] + E[f(-D(x))] + R1              f(t) = log(1 + e^t)
    U minimises  l1 |G(x_low) - x| + content(G(x_low), x) + adversarial E[f(-D(G(x_low)))]
                 + sum over sizes k of |y_k - x_k|                 at first

y_k are images that U makes itself, x_k the true one at their size; |.| is the mean over pixels.
Without a prior the last y_k is G(x_low). Weights .1, 1, .1, 1; Adam 2e-3, batches of 12. A network
that knows identities adds identity |F(G(x_low)) - F(x)|. The paper's terms for parts of a face
(section 3.4) need landmarks, and are left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, l1_loss

from ganwright.config.factory import Factory
from ganwright.config.ranges import NonNegative, Whole
from ganwright.config.schedule import Schedule
from ganwright.data.types import Images, Spec
from ganwright.degrade import Degrade, Order
from ganwright.families.augmented import OneJudge, shown_both, watch
from ganwright.families.one_way import OneWay
from ganwright.families.side_by_side import side_by_side
from ganwright.function import Function, pictures
from ganwright.game import Player, Terms
from ganwright.layers.fidelity import luma, psnr, ssim
from ganwright.losses import Loss, NonSaturating
from ganwright.networks import Networks, StyleNet
from ganwright.networks.custom import made
from ganwright.networks.features import Content, SmallLayers
from ganwright.networks.frozen import Frozen
from ganwright.networks.prior import Prior, architecture_of, built, fill
from ganwright.networks.restorer import RestoreNet, Seen
from ganwright.optim import Adam, Optimizer
from ganwright.penalties import R1, Penalty, charge, lazies, refuse_twins, schedules

FACES = Degrade(
    first=Order(
        kernel=(41, 41),
        sigma=(0.1, 10.0),
        shapes=(0.5, 0.5, 0.0, 0.0, 0.0, 0.0),
        sinc=0.0,
        up=0.03,
        down=0.97,
        scale=(0.125, 1.25),
        gaussian=(0.0, 20.0),
        shot=0.0,
        grey=0.0,
        quality=(60.0, 100.0),
    ),
    second=None,
    sinc=0.0,
    late=0.0,
    jitter=6.0,
    grey=0.01,
)
"""The degradation of GFPGAN's code, for faces of 512 pixels."""


@dataclass(frozen=True)
class Until(Schedule):
    """1 before step `stop`, then 0."""

    stop: Whole

    def factor(self, step: int) -> float:
        return float(step < self.stop)


class Restored(NamedTuple):
    """Restored images [n, C, H, W], and the U-Net's own of each size, the largest last."""

    image: Tensor
    steps: tuple[Tensor, ...]


class Restore(OneWay, OneJudge):
    """Restores images whose degradation is unknown, with a trained generator as prior."""

    title = "GFPGAN (2021)"
    paper = "2101.04061"
    data = "glyphs"
    image_size = 64
    batch_size = 12
    averaged = ("G",)
    filled_by = (("prior", "prior"),)
    larger_is_better = ("psnr", "ssim")

    @dataclass(frozen=True, kw_only=True)
    class Config(OneJudge.Config):
        switches = (
            ("content", "content_weight"),
            ("pyramid_steps", "pyramid"),
            ("identity_weight", "identity"),
        )

        prior: Factory | Path | None = None
        """A run of stylegan2, or a function of (shape,); without one, the U-Net restores alone."""
        prior_networks: StyleNet | None = None
        """Architecture of the prior; that of its run when not given."""
        networks: RestoreNet = RestoreNet()
        """Architecture of the U-Net."""
        critic: Networks = StyleNet(base=16_384)
        """Architecture of D."""
        degrade: Degrade = FACES
        """How images are made worse; the default is the paper's for faces of 512 pixels."""
        loss: Loss = NonSaturating()
        """The adversarial loss of real and restored images."""
        l1: NonNegative = 0.1
        """Weight of the mean absolute difference of pixels."""
        content: Content = SmallLayers()
        """The perceptual term: SmallLayers(), VGGLayers() or Pixels()."""
        content_weight: NonNegative = 1.0
        """Weight of the perceptual term."""
        adversarial: NonNegative = 0.1
        """Weight of the adversarial term in G."""
        pyramid: NonNegative = 1.0
        """Weight of the mean absolute differences of the U-Net's own images."""
        pyramid_steps: Whole = 50_000
        """Steps after which that term ends."""
        identity: Factory | None = None
        """A function of (shape,) that makes a network of features to keep, such as a person's."""
        identity_weight: NonNegative = 10.0
        """Weight of the mean absolute difference of those features."""
        penalties: tuple[Penalty, ...] = (R1(weight=10, every=16),)
        """Penalties on D."""
        optimizer_d: Optimizer = Adam(lr=2e-3, betas=(0.0, 0.99))
        """Optimizer of D."""
        optimizer_g: Optimizer = Adam(lr=2e-3, betas=(0.0, 0.99))
        """Optimizer of the U-Net."""

        def __post_init__(self) -> None:
            super().__post_init__()
            refuse_twins(self.penalties)
            if isinstance(self.prior, Path) and self.prior_networks is None:
                # Written into config.yaml, so that a trained run is used without its prior's.
                object.__setattr__(self, "prior_networks", architecture_of(self.prior))

    cfg: Config
    prior: Prior | None
    content: nn.Module
    identity: Frozen

    def __init__(self, cfg: Config, spec: Spec) -> None:
        super().__init__(cfg, spec)
        self.prior = built(cfg.prior, cfg.prior_networks, spec.shape)
        self.G = cfg.networks.restorer(spec.shape, self.prior)
        self.D, self.augment = cfg.critic.discriminator(spec.shape), self.augmenter(spec.shape)

    @property
    def filled(self) -> tuple[str, ...]:
        return ("prior",) if isinstance(self.cfg.prior, Path) else ()

    def before_training(self) -> None:
        cfg, shape = self.cfg, self.spec.shape
        if isinstance(cfg.prior, Path):
            assert self.prior is not None
            fill(self.prior, cfg.prior, shape)
        if cfg.content_weight:
            self.content = cfg.content.build(shape)
        if cfg.identity is not None:
            net = made(cfg.identity, shape).eval().requires_grad_(False)
            self.identity = Frozen(net.to(self.device))

    def players(self) -> Iterable[Player]:
        cfg = self.cfg
        yield Player(
            "D",
            [self.D],
            self.discriminator,
            cfg.optimizer_d,
            lazy=lazies(cfg.penalties, self.D, self.judged),
            schedules=schedules(cfg.penalties),
        )
        yield Player(
            "G",
            [self.G],
            self.generator,
            cfg.optimizer_g,
            draws=self.restoration,
            schedules={"pyramid": Until(cfg.pyramid_steps)},
        )

    def discriminator(self, batch: Images) -> Terms:
        cfg = self.cfg
        watch(self.augment)
        x, fake = self.judged(batch)
        adv = cfg.loss.discriminator(self.D, x, fake)
        return {"adv": adv, **charge(cfg.penalties, self.D, x, fake)}

    def generator(self, batch: Images) -> Terms:
        cfg, x = self.cfg, batch.images
        image, steps = self.once(self.restoration, batch)
        seen = shown_both(self.augment, x, image)
        terms = {
            "l1": cfg.l1 * l1_loss(image, x),
            "adv": cfg.adversarial * cfg.loss.generator(self.D, *seen),
            "pyramid": cfg.pyramid * pyramid_error(steps, x),
        }
        if cfg.content_weight:
            terms["content"] = cfg.content_weight * self.content(image, x)
        if cfg.identity is not None:
            distance = l1_loss(self.identity(image), self.identity(x))
            terms["identity"] = cfg.identity_weight * distance
        return terms

    def judged(self, batch: Images) -> tuple[Tensor, Tensor]:
        """The true images, and the restored ones, as D sees them."""
        fake = self.once(self.restoration, batch).image
        return shown_both(self.augment, batch.images, fake)

    def restoration(self, batch: Images) -> Restored:
        """The batch's images, degraded and restored."""
        return self.restore(self.cfg.degrade(batch.images))

    def restore(self, low: Tensor) -> Restored:
        """Degraded images [n, C, H, W] restored, not cut off at [-1, 1]."""
        seen: Seen = self.G(low)
        if self.prior is None or seen.guide is None:
            return Restored(seen.images[-1], seen.images)
        return Restored(self.prior(seen.guide), seen.images)

    def forward_way(self) -> Function:
        """Degraded images to restored ones."""
        return Function(self.result, (pictures(self.spec.shape, self.device),))

    def result(self, images: Tensor) -> Tensor:
        """G(x_low), in [-1, 1]."""
        return self.restore(images).image.clamp(-1, 1)

    def measure(self, batch: Images) -> Terms:
        """PSNR in dB and SSIM on Y of held-out images, restored and as they were degraded."""
        truth, low = luma(batch.images), self.cfg.degrade(batch.images)
        terms = {}
        for name, image in (("", self.result(low)), ("_degraded", low)):
            y = luma(image)
            terms[f"psnr{name}"] = psnr(y, truth).mean()
            terms[f"ssim{name}"] = ssim(y, truth).mean()
        return terms

    def preview(self, batch: Images) -> Tensor:
        """Twice in a row: an image degraded, restored, true."""
        x = batch.images[:16]
        low = self.cfg.degrade(x)
        return side_by_side(low, self.result(low), x)

    @property
    def preview_columns(self) -> int | None:
        return 6


def pyramid_error(steps: tuple[Tensor, ...], x: Tensor) -> Tensor:
    """The sum over sizes of the mean absolute differences from x [n, C, H, W] at that size.

    Args:
        steps: images, each of half the sides of the next; the last are of x's.
    """
    total = l1_loss(steps[-1], x)
    for step in steps[-2::-1]:
        x = avg_pool2d(x, 2)
        total = total + l1_loss(step, x)
    return total

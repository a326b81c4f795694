"""SRGAN: Ledig et al. (2017), arXiv:1609.04802, eqs. 2 to 6 and section 3.2.

One run has two phases. First

    G minimises  E|G(x_low) - x|²                                     (eq. 4: SRResNet)

and then, from there,

    D minimises  -E[log D(x)] - E[log(1 - D(G(x_low)))]               (eq. 2)
    G minimises  content(G(x_low), x) + 1e-3 E[-log D(G(x_low))]      (eqs. 3, 5 and 6)

where content compares features of VGG19 (relu5_4, scaled by 1/12.75), those of a small network that
ships with the package, or pixels. x_low is the data's, or made of x by a setting (`Degrade`,
arXiv:2107.10833), for photographs whose degradation is unknown. Adam 1e-4, beta1 .9, batch 16; in
the second phase the learning rate falls to a tenth after its first half.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, mse_loss

from ganwright.config.ranges import NonNegative, Whole
from ganwright.data.types import Paired, Spec
from ganwright.degrade import Degrade
from ganwright.errors import SettingsError
from ganwright.families.augmented import OneJudge, shown_both, watch
from ganwright.families.one_way import OneWay
from ganwright.function import Function, pictures
from ganwright.game import Phase, Player, Terms
from ganwright.layers.fidelity import luma, psnr, ssim
from ganwright.losses import Loss, NonSaturating
from ganwright.networks import Patch, SRDiscriminator, SRResNet, Translator
from ganwright.networks.features import Content, SmallFeatures
from ganwright.observing import observe
from ganwright.optim import Adam, Decay, Optimizer, Schedule
from ganwright.penalties import Penalty, charge, lazies, refuse_twins, schedules


@dataclass(frozen=True)
class Later(Schedule):
    """The schedule `then`, begun at step `start`; full learning rate before."""

    start: Whole
    then: Schedule

    def factor(self, step: int) -> float:
        return self.then.factor(max(0, step - self.start))


class SRGAN(OneWay, OneJudge):
    """Super-resolution: first trained for a low squared error, then for sharpness with D."""

    title = "SRGAN (2017)"
    paper = "1609.04802"
    task = Paired
    data = "glyphs-lowres"
    image_size = None
    batch_size = 16
    averaged = ("G",)
    larger_is_better = ("psnr", "ssim", "psnr_bicubic", "ssim_bicubic")

    @dataclass(frozen=True, kw_only=True)
    class Config(OneJudge.Config):
        switches = (("content", "content_weight"),)

        translator: Translator = SRResNet()
        """Architecture of G."""
        patch: Patch = SRDiscriminator()
        """Architecture of D."""
        degrade: Degrade | None = None
        """What makes the low-resolution images, such as Degrade(); the data's when not given."""
        mse_steps: Whole = 5000
        """Length of the first phase (the paper: 1,000,000)."""
        content: Content = SmallFeatures()
        """The content loss: VGG() as in the paper, SmallFeatures() or Pixels()."""
        content_weight: NonNegative = 1.0
        """Weight of the content term."""
        loss: Loss = NonSaturating()
        """The adversarial loss of real and upscaled images."""
        adversarial: NonNegative = 1e-3
        """Weight of the adversarial term in G."""
        penalties: tuple[Penalty, ...] = ()
        """Penalties on D."""
        optimizer_mse: Optimizer = Adam(lr=1e-4, betas=(0.9, 0.999))
        """Optimizer of G in the first phase."""
        optimizer: Optimizer = Adam(
            lr=1e-4, betas=(0.9, 0.999), schedule=Decay(rate=0.1, every=100_000)
        )
        """Optimizer of G and D in the second phase; its schedule starts with that phase."""

        def __post_init__(self) -> None:
            super().__post_init__()
            refuse_twins(self.penalties)

    cfg: Config
    content: nn.Module

    def __init__(self, cfg: Config, spec: Spec) -> None:
        super().__init__(cfg, spec)
        low, high = spec.shape, spec.target
        assert high is not None
        if low[0] != high[0] or high[1] % low[1] or high[1] // low[1] != high[2] // low[2]:
            raise SettingsError(
                f"srgan upscales, and {low[1]}x{low[2]} does not divide {high[1]}x{high[2]} pixels "
                "evenly; add ?low=4 to a set of images, ?low=own to two folders, or take "
                "glyphs-lowres"
            )
        self.G = cfg.translator.translator(low, high)
        self.D, self.augment = cfg.patch.discriminator(high), self.augmenter(high)

    def phases(self) -> Sequence[Phase]:
        first = Phase("mse", steps=self.cfg.mse_steps, players=("G_mse",))
        return first, Phase("adversarial", players=("D", "G"))

    def before_training(self) -> None:
        if self.cfg.content_weight:
            self.content = self.cfg.content.build(self.spec.target or ())

    def players(self) -> Iterable[Player]:
        cfg = self.cfg
        schedule = Later(cfg.mse_steps, cfg.optimizer.schedule)
        optimizer = replace(cfg.optimizer, schedule=schedule)
        lazy = lazies(cfg.penalties, self.D, self.judged)
        yield Player("G_mse", [self.G], self.restorer, cfg.optimizer_mse)
        yield Player(
            "D",
            [self.D],
            self.discriminator,
            optimizer,
            lazy=lazy,
            schedules=schedules(cfg.penalties),
        )
        yield Player("G", [self.G], self.generator, optimizer, draws=self.enlarged)

    def restorer(self, batch: Paired) -> Terms:
        return {"mse": mse_loss(self.G(self.low(batch)), batch.b)}

    def discriminator(self, batch: Paired) -> Terms:
        cfg = self.cfg
        watch(self.augment)
        x, fake = self.judged(batch)
        adv = cfg.loss.discriminator(self.D, x, fake)
        return {"adv": adv, **charge(cfg.penalties, self.D, x, fake)}

    def generator(self, batch: Paired) -> Terms:
        cfg, x, fake = self.cfg, batch.b, self.once(self.enlarged, batch)
        seen = shown_both(self.augment, x, fake)
        observe("mse", mse_loss(fake, x))
        terms = {"adv": cfg.adversarial * cfg.loss.generator(self.D, *seen)}
        if cfg.content_weight:
            terms["content"] = cfg.content_weight * self.content(fake, x)
        return terms

    def judged(self, batch: Paired) -> tuple[Tensor, Tensor]:
        """The true images, and the enlarged ones, as D sees them."""
        return shown_both(self.augment, batch.b, self.once(self.enlarged, batch))

    def enlarged(self, batch: Paired) -> Tensor:
        """G(x_low)."""
        fake: Tensor = self.G(self.low(batch))
        return fake

    def low(self, batch: Paired) -> Tensor:
        """x_low: the data's, or degraded ones of the same size."""
        degrade, (height, width) = self.cfg.degrade, batch.a.shape[2:]
        return batch.a if degrade is None else degrade(batch.b, (height, width))

    def forward_way(self) -> Function:
        """Images [n, C, h, w] of any size enlarged to [n, C, scale h, scale w]."""
        return Function(self.G, (pictures(self.spec.shape, self.device),))

    def measure(self, batch: Paired) -> Terms:
        """PSNR in dB and SSIM on Y of enlarged held-out images, and those of bicubic upscaling."""
        truth, low = luma(batch.b), self.low(batch)
        terms = {}
        for name, made in (("", self.G(low)), ("_bicubic", bicubic(low, batch.b))):
            y = luma(made)
            terms[f"psnr{name}"] = psnr(y, truth).mean()
            terms[f"ssim{name}"] = ssim(y, truth).mean()
        return terms

    def preview(self, batch: Paired) -> Tensor:
        """Rows of three: bicubic, enlarged, true; twice in a row."""
        first = Paired(batch.a[:16], batch.b[:16])
        a, b = self.low(first), first.b
        return torch.stack([bicubic(a, b), self.G(a), b], 1).flatten(0, 1)

    @property
    def preview_columns(self) -> int | None:
        return 6


def bicubic(low: Tensor, like: Tensor) -> Tensor:
    """Images enlarged to the size of `like` by bicubic interpolation, in [-1, 1]."""
    size = like.shape[-2:]
    return interpolate(low, size, mode="bicubic", antialias=True).clamp(-1, 1)

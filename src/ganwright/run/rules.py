"""Which family suits which data, with settings for it: the rules of `ganwright suggest`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from ganwright.augment import ADA
from ganwright.config.settings import Settings
from ganwright.config.sizes import Size, sides, whole
from ganwright.data.types import Batch, Images, Paired, Unpaired
from ganwright.layers.norm import InstanceNorm
from ganwright.layers.resample import Resize
from ganwright.networks import (
    MLP,
    ConvNet1d,
    FastNet,
    PatchGAN,
    ResNetTranslator,
    SRResNet,
    StyleNet,
    UNet,
)
from ganwright.networks.patch import HALVINGS
from ganwright.penalties import R1


@dataclass(frozen=True)
class Facts:
    """What rules look at.

    Args:
        task: images, pairs or two domains.
        count: training images; of the smaller domain of two.
        classes: of their labels; 0 without labels.
        shape: of an image (C, H, W), a signal (C, L) or a row (d,).
        side: the shorter side of the median image before it is scaled, in pixels.
        least: the shorter side of the smallest image; of the higher of two resolutions.
        factor: pairs are an image and the same at one such fraction of its size; 1 if not.
        gpu: a GPU would train it.
        asked: the image size that was asked for, or that a pack was made with.
    """

    task: type[Batch]
    count: int
    classes: int
    shape: tuple[int, ...]
    side: int = 0
    least: int = 0
    factor: int = 1
    gpu: bool = False
    asked: Size | None = None

    @property
    def noun(self) -> str:
        """What one of them is called, in the plural."""
        return {1: "rows", 2: "signals"}.get(len(self.shape), "images")

    @property
    def size(self) -> Size:
        """What was asked for, or the power of two that images are best scaled to on this machine.

        Where windows are cut, as of two resolutions, every image holds one.
        """
        if self.asked is not None:
            return self.asked
        if self.factor > 1:
            return whole(min(self.least, 96 if self.gpu else 64), self.factor)
        most = 256 if self.gpu else 64
        size = 32
        while size < most and 1.5 * size <= self.side:
            size *= 2
        return size

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width of that size."""
        both = sides(self.size)
        assert both is not None
        return both


@dataclass(frozen=True)
class Rule:
    """A kind of data, and what to train on it.

    Args:
        family: by name.
        suits: the data in words, as docs have it.
        fits: whether it is such data.
        settings: changes the family's own settings.
        why: in a sentence.
        images: that a good run sees at most.
        look: what tells after the trial whether it works.
    """

    family: str
    suits: str
    fits: Callable[[Facts], bool]
    settings: Callable[[Facts, Settings], Settings]
    why: str
    images: int
    look: str


def r1_weight(pixels: int, batch: int) -> float:
    """Gamma of StyleGAN2-ADA's configuration `auto`, arXiv:2006.06676: .0002 pixels / batch."""
    return float(f"{0.0002 * pixels / batch:.3g}")


def _game(settings: Settings, **changes: Any) -> Settings:
    return replace(settings, game=replace(settings.game, **changes))


def _rows(facts: Facts, settings: Settings) -> Settings:
    return _game(settings, networks=MLP())


def _signals(facts: Facts, settings: Settings) -> Settings:
    return _game(settings, networks=ConvNet1d(width=64 if facts.gpu else 16))


def _enlarge(facts: Facts, settings: Settings) -> Settings:
    settings = replace(settings, image_size=facts.size, flip=True)
    scale: Any = facts.factor  # of which SRResNet takes some
    return _game(settings, translator=SRResNet(scale=scale))


def _pairs(facts: Facts, settings: Settings) -> Settings:
    width = 64 if facts.gpu else 32
    settings = replace(settings, image_size=facts.size, batch_size=4, flip=True)
    return _game(
        settings,
        translator=UNet(width=width, norm=InstanceNorm()),
        patch=_patch(facts, width, 70),
    )


def _domains(facts: Facts, settings: Settings) -> Settings:
    settings = replace(settings, image_size=facts.size, flip=True)
    if facts.gpu:
        return settings
    return _game(
        replace(settings, batch_size=4),
        translator=ResNetTranslator(width=32, blocks=3, up=Resize()),
        patch=_patch(facts, 32, 34),
    )


def _patch(facts: Facts, width: int, field: int) -> PatchGAN:
    """Patches of this side, or the largest for which images asked to be small are large enough."""
    fitting = [f for f, count in HALVINGS.items() if min(facts.sides) >= 3 << count]
    largest: Any = min(field, max(fitting, default=1))
    return PatchGAN(width=width, field=largest)


def _digits(facts: Facts, settings: Settings) -> Settings:
    return replace(settings, image_size=facts.asked or 32)


def _few(facts: Facts, settings: Settings) -> Settings:
    settings = replace(settings, image_size=facts.size, flip=facts.shape[0] == 3)
    return settings if facts.gpu else _game(settings, networks=FastNet(width_G=16, width_D=16))


def _style(facts: Facts, settings: Settings) -> Settings:
    batch = 32
    gamma = r1_weight(prod(facts.sides), batch)
    settings = _game(
        replace(settings, image_size=facts.size, batch_size=batch),
        latent=512,
        networks=StyleNet(base=16_384, mapping_G=2),
        penalties=(R1(weight=gamma, every=16),),
        augment_d=ADA() if facts.count < MANY else None,
        conditional=facts.classes > 1,
    )
    if facts.gpu:
        return settings
    return _game(
        settings,
        latent=128,
        networks=StyleNet(base=64 * max(facts.sides), most=128, styles=128, mapping_G=2),
        penalties=(R1(weight=max(SHORT, gamma), every=16),),
        mixing=0.0,
        path_weight=0.0,
    )


FEW = 1000
"""Training images below which FastGAN is taken."""
MANY = 100_000
"""Training images from which ADA no longer gains: on faces of 256 pixels it takes FID from 30.7 to
8.1 with 10,000 images, and from 3.71 to 3.81 with 140,000 (arXiv:2006.06676, table 1)."""

SHORT = 1.0
"""R1's least weight where a CPU trains: with that of the rule for millions of images, G of a short
run draws one image for all z (docs/families/stylegan2.md, short runs)."""

RULES: Sequence[Rule] = (
    Rule(
        family="wgan-gp",
        suits="rows of a table, or points",
        fits=lambda facts: facts.task is Images and len(facts.shape) == 1,
        settings=_rows,
        why="its loss does not saturate where rows and columns leave gaps",
        images=2_000_000,
        look="`ganwright evaluate RUN --metrics TwoSample`: near .5 is as good as real rows",
    ),
    Rule(
        family="wgan-gp",
        suits="signals",
        fits=lambda facts: facts.task is Images and len(facts.shape) == 2,
        settings=_signals,
        why="it trains one-dimensional convolutions without balancing G and D by hand",
        images=2_000_000,
        look="`ganwright evaluate RUN --metrics TwoSample`: near .5 is as good as real signals",
    ),
    Rule(
        family="srgan",
        suits="images and the same at a fraction of their size",
        fits=lambda facts: facts.factor > 1,
        settings=_enlarge,
        why="it is the family for enlarging",
        images=500_000,
        look="samples are sharper than the bicubic enlargement next to them",
    ),
    Rule(
        family="pix2pix",
        suits="pairs of images",
        fits=lambda facts: facts.task is Paired,
        settings=_pairs,
        why="every input has its answer, so the L1 term can hold G to it",
        images=400_000,
        look="held-out L1 falls, and translations show the input's shapes",
    ),
    Rule(
        family="cyclegan",
        suits="two folders without pairs",
        fits=lambda facts: facts.task is Unpaired,
        settings=_domains,
        why="the way back keeps the content, without pairs",
        images=400_000,
        look="both cycle terms fall, and translations change style but not shapes",
    ),
    Rule(
        family="fastgan",
        suits="fewer than 1,000 images, unless smaller than 32 pixels are asked for or packed",
        fits=lambda facts: (
            facts.count < FEW and facts.shape[0] in (1, 3) and min(facts.sides) >= 32
        ),
        settings=_few,
        why="it was made for a hundred images: its D must be able to restore them",
        images=400_000,
        look="samples show parts of the images, and Memorisation's authenticity stays above .5",
    ),
    Rule(
        family="dcgan",
        suits="grey images of at most 32 pixels",
        fits=lambda facts: facts.shape[0] == 1 and max(facts.shape[1:]) <= 32,
        settings=_digits,
        why="small grey images need no more, and it shows them within minutes",
        images=1_500_000,
        look="after a few minutes, samples have strokes, and differ from each other",
    ),
    Rule(
        family="stylegan2",
        suits="other images",
        fits=lambda facts: True,
        settings=_style,
        why="its published samples are the best of the families here, and ADA suits few images",
        images=25_000_000,
        look="samples take on the colours and outlines of the data, and ADA's p stays below .8",
    ),
)
"""The first that fits is taken."""


def rule_for(facts: Facts) -> Rule:
    """The first rule that fits."""
    return next(rule for rule in RULES if rule.fits(facts))

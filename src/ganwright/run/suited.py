"""What is known of data, and the settings that suit it: `ganwright suggest`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import Any

from ganwright.augment import ADA
from ganwright.config.settings import Settings
from ganwright.config.sizes import Size, sides, whole
from ganwright.data.types import Batch
from ganwright.layers.norm import InstanceNorm
from ganwright.layers.resample import Resize
from ganwright.networks import (
    MLP,
    ConvNet1d,
    FastNet,
    PatchGAN,
    R3Net,
    ResNetTranslator,
    SRResNet,
    StyleNet,
    UNet,
)
from ganwright.networks.patch import HALVINGS
from ganwright.optim import Cosine, CosineRise
from ganwright.penalties import R1, R2


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


def r1_weight(pixels: int, batch: int) -> float:
    """Gamma of StyleGAN2-ADA's configuration `auto`, arXiv:2006.06676: .0002 pixels / batch."""
    return float(f"{0.0002 * pixels / batch:.3g}")


def _game(settings: Settings, **changes: Any) -> Settings:
    return replace(settings, game=replace(settings.game, **changes))


def of_rows(facts: Facts, settings: Settings) -> Settings:
    """Networks without convolutions."""
    return _game(settings, networks=MLP())


def of_signals(facts: Facts, settings: Settings) -> Settings:
    """Convolutions over time, narrow on a CPU."""
    return _game(settings, networks=ConvNet1d(width=64 if facts.gpu else 16))


def enlarging(facts: Facts, settings: Settings) -> Settings:
    """A network that enlarges as much as the data's pairs differ."""
    settings = replace(settings, image_size=facts.size, flip=True)
    scale: Any = facts.factor  # of which SRResNet takes some
    return _game(settings, translator=SRResNet(scale=scale))


def of_pairs(facts: Facts, settings: Settings) -> Settings:
    """pix2pix's networks, without batch statistics, as batches are small."""
    width = 64 if facts.gpu else 32
    settings = replace(settings, image_size=facts.size, batch_size=4, flip=True)
    return _game(
        settings,
        translator=UNet(width=width, norm=InstanceNorm()),
        patch=_patch(facts, width, 70),
    )


def of_domains(facts: Facts, settings: Settings) -> Settings:
    """CycleGAN's networks on a GPU, and small ones on a CPU."""
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


def of_digits(facts: Facts, settings: Settings) -> Settings:
    """The family's own, at 32 pixels."""
    return replace(settings, image_size=facts.asked or 32)


def of_few(facts: Facts, settings: Settings) -> Settings:
    """FastGAN's networks on a GPU, and a quarter of their width on a CPU."""
    settings = replace(settings, image_size=facts.size, flip=facts.shape[0] == 3)
    return settings if facts.gpu else _game(settings, networks=FastNet(width_G=16, width_D=16))


def styled(facts: Facts, settings: Settings) -> Settings:
    """StyleGAN2-ADA's configuration `auto` on a GPU, and what suits short runs on a CPU."""
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


def adapting(settings: Settings) -> Settings:
    """p of ADA crosses its range in a twentieth of the run, as 500,000 of 25 million images in the
    paper are a fiftieth: shorter runs leave it less time to settle."""
    game: Any = settings.game
    if game.augment_d is None:
        return settings
    speed = max(1, round(settings.steps * (settings.batch_size or 1) / 20))
    return _game(settings, augment_d=replace(game.augment_d, speed=speed))


def comparing(facts: Facts, settings: Settings) -> Settings:
    """R3GAN's networks, narrow at all sizes but the smallest."""
    return _game(
        replace(settings, image_size=facts.size, batch_size=32),
        networks=R3Net(width=128, full=1, blocks=1),
        augment_d=settings.game.augment_d if facts.count < MANY else None,
        conditional=facts.classes > 1,
    )


def burning_in(settings: Settings) -> Settings:
    """Schedules end at six tenths of the run, as where it was measured (docs/families/r3gan.md)."""
    game: Any = settings.game
    end = max(1, round(0.6 * settings.steps))
    falls = Cosine(end, floor=0.1)
    adam = replace(game.optimizer_d, lr=2e-3, schedule=Cosine(end, floor=0.25))
    adam = replace(adam, beta2_schedule=falls)
    augment = game.augment_d and replace(game.augment_d, schedule=CosineRise(end))
    return _game(
        settings,
        penalties=(R1(0.5, schedule=falls), R2(0.5, schedule=falls)),
        optimizer_d=adam,
        optimizer_g=adam,
        augment_d=augment,
    )


FEW = 1000
"""Training images below which FastGAN is taken."""
MANY = 100_000
"""Training images from which ADA no longer gains: on faces of 256 pixels it takes FID from 30.7 to
8.1 with 10,000 images, and from 3.71 to 3.81 with 140,000 (arXiv:2006.06676, table 1)."""

SHORT = 1.0
"""R1's least weight where a CPU trains: with that of the rule for millions of images, G of a short
run draws one image for all z (docs/families/stylegan2.md, short runs)."""

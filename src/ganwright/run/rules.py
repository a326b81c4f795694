"""Which family suits which data, with settings for it: the rules of `ganwright suggest`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ganwright.config.settings import Settings
from ganwright.data.types import Images, Paired, Unpaired
from ganwright.run.suited import (
    FEW,
    Facts,
    adapting,
    burning_in,
    comparing,
    enlarging,
    of_digits,
    of_domains,
    of_few,
    of_pairs,
    of_rows,
    of_signals,
    styled,
)


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
        lasting: changes settings by the steps of the run.
    """

    family: str
    suits: str
    fits: Callable[[Facts], bool]
    settings: Callable[[Facts, Settings], Settings]
    why: str
    images: int
    look: str
    lasting: Callable[[Settings], Settings] = lambda settings: settings


RULES: Sequence[Rule] = (
    Rule(
        family="wgan-gp",
        suits="rows of a table, or points",
        fits=lambda facts: facts.task is Images and len(facts.shape) == 1,
        settings=of_rows,
        why="its loss does not saturate where rows and columns leave gaps",
        images=2_000_000,
        look="`ganwright evaluate RUN --metrics TwoSample`: near .5 is as good as real rows",
    ),
    Rule(
        family="wgan-gp",
        suits="signals",
        fits=lambda facts: facts.task is Images and len(facts.shape) == 2,
        settings=of_signals,
        why="it trains one-dimensional convolutions without balancing G and D by hand",
        images=2_000_000,
        look="`ganwright evaluate RUN --metrics TwoSample`: near .5 is as good as real signals",
    ),
    Rule(
        family="srgan",
        suits="images and the same at a fraction of their size",
        fits=lambda facts: facts.factor > 1,
        settings=enlarging,
        why="it is the family for enlarging",
        images=500_000,
        look="samples are sharper than the bicubic enlargement next to them",
    ),
    Rule(
        family="pix2pix",
        suits="pairs of images",
        fits=lambda facts: facts.task is Paired,
        settings=of_pairs,
        why="every input has its answer, so the L1 term can hold G to it",
        images=400_000,
        look="held-out L1 falls, and translations show the input's shapes",
    ),
    Rule(
        family="cyclegan",
        suits="two folders without pairs",
        fits=lambda facts: facts.task is Unpaired,
        settings=of_domains,
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
        settings=of_few,
        why="it was made for a hundred images: its D must be able to restore them",
        images=400_000,
        look="samples show parts of the images, and Memorisation's authenticity stays above .5",
    ),
    Rule(
        family="dcgan",
        suits="grey images of at most 32 pixels",
        fits=lambda facts: facts.shape[0] == 1 and max(facts.shape[1:]) <= 32,
        settings=of_digits,
        why="small grey images need no more, and it shows them within minutes",
        images=1_500_000,
        look="after a few minutes, samples have strokes, and differ from each other",
    ),
    Rule(
        family="r3gan",
        suits="other images, where a CPU trains at 64 pixels or fewer",
        fits=lambda facts: not facts.gpu and max(facts.sides) <= 64,
        settings=comparing,
        why="level with dcgan after 15 minutes of a CPU, and its training converges locally",
        images=25_000_000,
        look="samples take on the colours and outlines of the data, and differ from each other",
        lasting=burning_in,
    ),
    Rule(
        family="stylegan2",
        suits="other images",
        fits=lambda facts: True,
        settings=styled,
        why="its published samples are the best of the families here, and ADA suits few images",
        images=25_000_000,
        look="samples take on the colours and outlines of the data, and ADA's p stays below .8",
        lasting=adapting,
    ),
)
"""The first that fits is taken."""


def rule_for(facts: Facts) -> Rule:
    """The first rule that fits."""
    return next(rule for rule in RULES if rule.fits(facts))

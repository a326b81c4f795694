"""Sources made of other sources: two domains of two sets, and stacked images."""

from __future__ import annotations

from dataclasses import replace

import torch

from ganwright.data.read.labels import MOST
from ganwright.data.sides import Side, Source, Stack
from ganwright.data.types import Images, Unpaired
from ganwright.errors import DataError
from ganwright.seeds import seed_of

_TRAIN, _TEST = 128_000, 26_000


def joined(name: str, a: Source, b: Source) -> Source:
    """Two domains from two sources of images. Labels that do not match in number are dropped."""
    for part in (a, b):
        if part.kind is not Images:
            raise DataError(f"{part.name} is not a set of single images, so it cannot be a domain")
    test = (a.test[0], b.test[0]) if a.test and b.test else None
    if len(a.train[0].classes) != len(b.train[0].classes):
        b = replace(b, train=(replace(b.train[0], labels=None, classes=()),))
        test = test and (test[0], replace(test[1], labels=None, classes=()))
    return Source(name, Unpaired, (a.train[0], b.train[0]), test)


def stacked(source: Source, depth: int) -> Source:
    """Images whose channels are random grey images: 128,000, and 26,000 for testing.

    Labels, where there are any, number the combinations; Stacked MNIST is `mnist?stack=3` (PacGAN,
    section 4.2, draws its triples from both splits).

    Raises:
        DataError: the images are not grey, or not in memory, or have too many combinations.
    """
    train = _triples(source.name, source.train[0], depth, _TRAIN, "train")
    test = source.test and (_triples(source.name, source.test[0], depth, _TEST, "test"),)
    return replace(source, train=(train,), test=test)


def _triples(name: str, side: Side, depth: int, count: int, split: str) -> Stack:
    if not isinstance(side, Stack) or side.pictures.ndim != 4 or side.channels != 1:
        raise DataError(f"{name} cannot be stacked; only sets of grey digits can, such as mnist")
    base = len(side.classes)
    if base ** min(depth, 64) > MOST:  # beyond 64 the number itself takes long
        raise DataError(
            f"{name} stacked {depth} times has more combinations of its {base} classes than the "
            f"{MOST:,} that labels may number; give a smaller stack"
        )
    generator = torch.Generator().manual_seed(seed_of("stacked", name, split))
    chosen = torch.randint(len(side), (count, depth), generator=generator)
    pictures = side.pictures[:, 0][chosen]
    if side.labels is None:
        return Stack(pictures)
    places = base ** torch.arange(depth - 1, -1, -1)
    digits = len(str(base**depth - 1))
    classes = tuple(str(k).zfill(digits) for k in range(base**depth))
    return Stack(pictures, (side.labels[chosen] * places).sum(1), classes)

"""A share of the images that is held out for evaluation, where the data has no test split."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from ganwright.data.options import DataOptions
from ganwright.data.serve.order import shuffled
from ganwright.data.sides import Side, Source, Stack
from ganwright.data.types import Unpaired
from ganwright.errors import SettingsError
from ganwright.seeds import seed_of

FEWEST = 200
"""Of fewer images none are held out unless a share is asked for: a GAN needs them."""
LEAST, MOST = 16, 1000
"""At least and at most so many are held out where no share is asked for: 1 in 20 between."""
_COPIED = 2 << 30
"""Images in memory are copied when a share is taken out; of more bytes than this, none is."""


class Parted(NamedTuple):
    """A source with what is held out as its test split, and the sentence that says so."""

    source: Source
    notes: tuple[str, ...] = ()


def hold_out(source: Source, options: DataOptions, *, drawn: bool = False) -> Parted:
    """Part a source that has no test split.

    Which images are held out depends on how many there are, on nothing else: runs with other
    seeds are measured on the same ones. Each class keeps one image at least.

    Args:
        source: before sizes are settled.
        options: the share, and how many labels of a class must stay.
        drawn: the library drew it, and could draw more.

    Raises:
        SettingsError: a share is asked of data that has a test split, or nothing would be left.
    """
    share = options.held_out
    if share == 0 or (share == "auto" and (drawn or not _auto(source))):
        return Parted(source)
    if source.test is not None:
        raise SettingsError(
            f"held_out is {share}, but {source.name} has a test split of its own; leave it out"
        )
    chosen = [_chosen(side, share, options.labels_per_class or 1) for side in source.train]
    if source.kind is not Unpaired:  # the sides of a pair stay together
        chosen = chosen[:1] * len(chosen)
    train = tuple(
        side.at((~c).nonzero()[:, 0]) for side, c in zip(source.train, chosen, strict=True)
    )
    test = tuple(side.at(c.nonzero()[:, 0]) for side, c in zip(source.train, chosen, strict=True))
    if not all(map(len, (*train, *test))):
        if share == "auto":
            return Parted(source)
        raise SettingsError(
            f"held_out is {share}, but no image can be spared, or none would be left to train "
            "on; leave it out"
        )
    counts = zip(test, source.train, strict=True)
    said = dict.fromkeys(f"{len(held):,} of {len(whole):,}" for held, whole in counts)
    what = "signals" if _are_signals(source.train[0]) else "images"
    note = f"held out {' and '.join(said)} {what} for evaluation"
    return Parted(replace(source, train=train, test=test), (note,))


def _are_signals(side: Side) -> bool:
    return isinstance(side, Stack) and side.signal is not None


def _auto(source: Source) -> bool:
    """Whether a share is held out where none is asked for."""
    if source.test is not None:
        return False
    for side in source.train:
        if isinstance(side, Stack):
            pictures = side.pictures
            if pictures.ndim == 2 or pictures.numel() * pictures.element_size() > _COPIED:
                return False
    return min(map(len, source.train)) >= FEWEST


def _chosen(side: Side, share: float | str, keep: int) -> Tensor:
    """bool [n]: which images are held out, so that each class keeps so many."""
    if isinstance(share, str):
        count = max(LEAST, min(MOST, len(side) // 20))
    else:
        count = max(1, round(share * len(side)))
    order = shuffled(len(side), seed_of("held-out share"))
    chosen = torch.zeros(len(side), dtype=torch.bool)
    if side.labels is None or side.labels.ndim == 2:
        chosen[order[:count]] = True
        return chosen
    labels = side.labels.cpu()
    left, classes = labels.bincount().tolist(), labels.tolist()
    for i in order.tolist():
        if count and left[classes[i]] > keep:
            chosen[i], count = True, count - 1
            left[classes[i]] -= 1
    return chosen

"""The batches that a game gets at each update, and what it knows of its data beforehand.

Images are float32 in [-1, 1], shape [n, C, H, W]; labels are int64 [n], or float32 [n, classes] of
0 and 1 where an image may have several.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, NamedTuple, Protocol, TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ganwright.data.label_map import LabelMap
from ganwright.data.levels import Levels, Reading
from ganwright.data.signal import Signal
from ganwright.data.table import Table


class Images(NamedTuple):
    """Images (or 2-D points, shape [n, 2]) and, where the data has them, their labels."""

    images: Tensor
    labels: Tensor | None = None


class Paired(NamedTuple):
    """Two views of the same thing: row i of `a` becomes row i of `b`."""

    a: Tensor
    b: Tensor


class Unpaired(NamedTuple):
    """Two domains without correspondence; row i of `a` says nothing of row i of `b`."""

    a: Tensor
    b: Tensor
    a_labels: Tensor | None = None
    b_labels: Tensor | None = None


class SemiSupervised(NamedTuple):
    """Few labelled images and as many unlabelled ones: the latter's labels are not in the batch."""

    images: Tensor
    labels: Tensor
    unlabelled: Tensor


Batch: TypeAlias = Images | Paired | Unpaired | SemiSupervised


@dataclass(frozen=True)
class Spec:
    """What a data set looks like to a family: enough to build its networks.

    Args:
        task: the batch type the data yields.
        shape: (C, H, W) of the images, or of domain a; (d,) for points and rows of tables; (C, L)
            for signals.
        target: (C, H, W) of domain b, for `Paired` and `Unpaired`.
        classes: the names of the labels, in the order of their numbers; empty without labels.
        count: how many training images there are.
        label_map: how files become images of domain a, where they are label maps.
        target_map: the same of domain b.
        present: the numbers of the classes that training images have; empty where all occur.
        counts: how many training images each class has, where batches hold classes as often as
            they occur; empty where that is not so, or not known.
        levels: the numbers that outputs of domain a (or samples) are written in, where these are
            not 8 bits, grey or in colour.
        target_levels: those of domain b.
        reading: how files of domain a (or of the images) are read; None where it is not known.
        target_reading: the same of domain b.
        table: the columns of a table's rows.
        several: an image may have several labels, rows of 0 and 1.
        signal: what the numbers of signals were.
    """

    task: type[Batch]
    shape: tuple[int, ...]
    target: tuple[int, ...] | None = None
    classes: tuple[str, ...] = ()
    count: int = 0
    label_map: LabelMap | None = None
    present: tuple[int, ...] = ()
    levels: Levels | None = None
    target_levels: Levels | None = None
    target_map: LabelMap | None = None
    several: bool = False
    table: Table | None = None
    signal: Signal | None = None
    counts: tuple[int, ...] = ()
    reading: Reading | None = None
    target_reading: Reading | None = None

    def read_as(self, *, target: bool = False) -> Reading:
        """How files of domain a (or of the images) are read, or those of domain b, if there is one.

        Runs of before do not say it, and their outputs' numbers stand in.
        """
        if target and self.target is not None:
            return self.target_reading or Reading.of(self.target_levels)
        return self.reading or Reading.of(self.levels)

    @property
    def asked(self) -> tuple[int, ...]:
        """The classes that samples are asked of where nobody names one: those that occur."""
        return self.present or tuple(range(len(self.classes)))

    @property
    def compared(self) -> tuple[int, ...]:
        """Shape of what metrics compare: of domain b if there is one, label maps in colours."""
        shape = self.target or self.shape
        return shape if self.target_map is None else (3, *shape[1:])


class Batches(Protocol):
    """Where batches come from: a pure function of which draw it is."""

    def batch(self, draw: int, size: int, rank: int = 0, world: int = 1) -> Any:
        """This process's share of the `draw`-th batch of `size` images, on the device."""
        ...


class RunData(Batches, Protocol):
    """The batches of a run, and all else that it asks of its data."""

    spec: Spec
    """What the family knows of it."""
    fingerprint: dict[str, Any]
    """What tells this data from other data, see `fingerprint.py`."""
    notes: tuple[str, ...]
    """Sentences that are said when a run begins."""
    few: int
    """How many images there are, where a GAN can memorise so few; 0 where there are more."""
    device: torch.device
    """Where batches arrive."""

    def held_out(self, count: int) -> Any | None:
        """`count` items that are never trained on, always the same; None where there are none."""
        ...

    def preview(self, count: int) -> Any:
        """At most `count` fixed items for sample grids."""
        ...

    def splits(self) -> dict[str, int]:
        """How many items each split has that can be read from its first to its last item."""
        ...

    def each(self, split: str, size: int, limit: int | None = None) -> Iterator[Any]:
        """All items of a split, or the first `limit`, in batches of `size`."""
        ...

    def close(self) -> None:
        """Let go of what reads ahead; the next batch starts it again."""
        ...


def mapped(batch: Any, function: Callable[[Tensor], Tensor]) -> Any:
    """The batch with `function` applied to each of its tensors; what is no tensor stays.

    A batch is a named tuple or a dataclass, of the library or of your own.
    """

    def change(value: Any) -> Any:
        return function(value) if isinstance(value, Tensor) else value

    if is_dataclass(batch) and not isinstance(batch, type):
        return replace(batch, **{f.name: change(getattr(batch, f.name)) for f in fields(batch)})
    return type(batch)(*map(change, batch))


def resized(batch: Batch, size: int) -> Batch:
    """The batch with every stack of images brought to size x size."""

    def resize(t: Tensor) -> Tensor:
        if t.ndim != 4:
            return t
        return interpolate(t, (size, size), mode="bilinear", antialias=True)

    resized: Batch = mapped(batch, resize)
    return resized


def rows(batch: Any, start: int, stop: int) -> Any:
    """The batch cut to its rows from `start` to `stop`."""

    def cut(t: Tensor) -> Tensor:
        return t[start:stop]

    return mapped(batch, cut)


def leading(batch: Any) -> Tensor:
    """The first tensor of a batch: the images, or domain a."""
    values = [getattr(batch, f.name) for f in fields(batch)] if is_dataclass(batch) else batch
    return next(value for value in values if isinstance(value, Tensor))


BATCHES: dict[str, type[Batch]] = {
    "Images": Images,
    "Paired": Paired,
    "Unpaired": Unpaired,
    "SemiSupervised": SemiSupervised,
}

"""Data: the batches of a run, drawn by number, on the training device."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ganwright.config.transform import Transform
from ganwright.data.fitted import Fitted
from ganwright.data.label_map import LabelMap
from ganwright.data.messages import counted, some, unreadable
from ganwright.data.options import DataOptions
from ganwright.data.plan import Settled, labelled
from ganwright.data.serve.load import load, resident
from ganwright.data.serve.order import Draw, Stream, shuffled
from ganwright.data.serve.resident import Keeper, Resident, Streamed, cut, to_device
from ganwright.data.transforms import Flip, numbers, transformed
from ganwright.data.types import Batch, Images, Paired, SemiSupervised, Spec, Unpaired
from ganwright.errors import DataError, SettingsError
from ganwright.pixels import from_bytes, rounded
from ganwright.seeds import seed_of

Held: TypeAlias = tuple[Tensor, Tensor | None]
"""Images of one side and their labels."""


class Data:
    """The images of one run.

    `batch` is a pure function of (seed, draw, size, rank, world): nothing has to be saved to
    resume, and images that stream from disk come in the order of those held in memory.
    """

    spec: Spec

    fingerprint: dict[str, Any]
    """What tells this data from other data, see `fingerprint.py`."""

    def __init__(
        self,
        settled: Settled,
        options: DataOptions,
        device: torch.device,
        fingerprint: dict[str, Any],
        *,
        notes: tuple[str, ...] = (),
        few: int = 0,
    ) -> None:
        self.notes, self.few = notes, few
        self.device = device
        self.window = settled.window
        self.low = settled.low
        self._test = settled.test
        self._held: list[Held] = []
        self._asked: list[int] = []
        self._augment = options.augment
        _check_augment(settled, self._augment)
        self._skip = skip = options.skip
        train = settled.train
        keeper: Keeper
        if resident(train, device, cache=options.cache):
            train, shelves = load(train, device, skip=skip, together=settled.spec.task is Paired)
            streams = _streams(settled, train, options)
            keeper = Resident(shelves, streams, train)
        else:
            streams = _streams(settled, train, options)
            keeper = Streamed(train, streams, device=device, workers=options.workers, skip=skip)
        self._train, self._streams, self._keeper = train, streams, keeper
        labels = [side.side.labels for side in train]
        self._labels = [None if x is None else x.to(device) for x in labels]
        count, present = max(len(side) for side in train), _present(settled.spec, labels[0])
        self.spec = replace(settled.spec, count=count, present=present)
        self.fingerprint = fingerprint

    def batch(self, draw: int, size: int, rank: int = 0, world: int = 1) -> Batch:
        """The `draw`-th batch of the run, on the device, in [-1, 1], of torch's default type.

        The whole batch stands at positions [draw * size, (draw + 1) * size) of endless shuffled
        epochs; a rank gets its `size // world` rows of it.

        Raises:
            DataError: a streamed file cannot be read.
            SettingsError: `size` is no multiple of `world`.
        """
        windows, picks = self._keeper.take(Draw(draw, size, rank, world))
        pictures: list[Tensor] = []
        labels: list[Tensor | None] = []
        for stream, (index, sides), picked in zip(self._streams, windows, picks, strict=True):
            on_device = to_device(index, self.device)
            shown = [
                _dress(pixels, picked.mirror, self._train[side].fit.label_map)
                for side, pixels in zip(stream.sides, sides, strict=True)
            ]
            if self._augment:
                shown = self._augmented(shown, stream, Draw(draw, size, rank, world))
            pictures += shown
            for side in stream.sides:
                known = self._labels[side]
                labels.append(None if known is None else known.index_select(0, on_device))
        return self._assemble(pictures, labels)

    def _augmented(self, shown: Sequence[Tensor], stream: Stream, draw: Draw) -> list[Tensor]:
        """The images of a stream's sides, each side with the same random changes."""
        drawn = numbers(stream, draw, self._augment)
        u = [to_device(own, self.device) for own in drawn]
        maps = [self._train[side].fit.label_map is not None for side in stream.sides]
        return [
            transformed(x, u, self._augment, exact=exact)
            for x, exact in zip(shown, maps, strict=True)
        ]

    def close(self) -> None:
        """End the workers that read ahead; the next batch starts others."""
        self._keeper.close()

    def held_out(self, count: int) -> Batch | None:
        """`count` items of the test split, always the same, never mirrored, cut in the middle.

        Domains of `Unpaired` data may differ in number. `SemiSupervised` data comes with all its
        labels, and with the same images as unlabelled ones. None where there is no test split.
        """
        return None if self._test is None else self._first(self._test, count)

    def preview(self, count: int) -> Batch:
        """Fixed items for sample grids: held-out ones where there are any, else training ones.

        At most `count`, and as many of either domain.
        """
        sides = self._train if self._test is None else self._test
        return self._first(sides, min(count, *(len(side) for side in sides)))

    def splits(self) -> dict[str, int]:
        """How many items each split has: of two domains, as many as the smaller one."""
        found = {"train": self._train} | ({} if self._test is None else {"test": self._test})
        return {name: min(len(side) for side in sides) for name, sides in found.items()}

    def each(self, split: str, size: int, limit: int | None = None) -> Iterator[Batch]:
        """All items of a split, or the first `limit`, `size` at a time: never all in memory.

        They come in a fixed order, never mirrored, cut in the middle; those of the test split begin
        with `held_out`'s.

        Raises:
            DataError: there is no such split, or an image cannot be read.
        """
        sides = self._sides(split)
        count = min(limit or sys.maxsize, *(len(side) for side in sides))
        orders = [_order(side) for side in sides]
        for start in range(0, count, size):
            rows = slice(start, min(start + size, count))
            yield self._shown(sides, self._read(sides, [order[rows] for order in orders]))

    def domain(
        self, side: int, split: str, size: int, limit: int | None = None
    ) -> Iterator[Images]:
        """All images of one domain of `Unpaired` data, as `each` gives those of both.

        Raises:
            DataError: as `each`.
        """
        sides = self._sides(split)[side : side + 1]
        count, order = min(limit or sys.maxsize, len(sides[0])), _order(sides[0])
        for start in range(0, count, size):
            rows = order[start : min(start + size, count)]
            pictures, labels = self._dressed(sides, self._read(sides, [rows]))
            yield Images(pictures[0], labels[0])

    def counts(self, split: str) -> list[int]:
        """How many images each side of a split has.

        Raises:
            DataError: there is no such split.
        """
        return [len(side) for side in self._sides(split)]

    def _sides(self, split: str) -> Sequence[Fitted]:
        sides = self._test if split == "test" else self._train
        if sides is None:
            raise DataError("this data has no test split; take its training images, --split train")
        return sides

    def _first(self, sides: Sequence[Fitted], count: int) -> Batch:
        asked = [min(count, len(side)) for side in sides]
        if not self._held or any(had < n for had, n in zip(self._asked, asked, strict=True)):
            orders = [_order(side)[:count] for side in sides]
            self._held, self._asked = self._read(sides, orders), asked
        return self._shown(
            sides, [(x[:count], y if y is None else y[:count]) for x, y in self._held]
        )

    def _dressed(
        self, sides: Sequence[Fitted], held: Sequence[Held]
    ) -> tuple[list[Tensor], list[Tensor | None]]:
        """The images of each side as batches have them, and their labels."""
        pictures = [
            _dress(pixels.to(self.device), None, side.fit.label_map)
            for (pixels, _), side in zip(held, sides, strict=True)
        ]
        return pictures, [None if x is None else x.to(self.device) for _, x in held]

    def _shown(self, sides: Sequence[Fitted], held: Sequence[Held]) -> Batch:
        pictures, labels = self._dressed(sides, held)
        if self.spec.task is SemiSupervised:
            pictures, labels = pictures * 2, labels * 2
        return self._assemble(pictures, labels)

    def _read(self, sides: Sequence[Fitted], orders: Sequence[Tensor]) -> list[Held]:
        """Images of each side, cut in the middle, and their labels."""
        found = [side.read(rows.tolist()) for side, rows in zip(sides, orders, strict=True)]
        bad = [str(row) for rows in found for row in rows if isinstance(row, DataError)]
        if bad and not self._skip:
            raise unreadable(bad)
        if bad:
            warnings.warn(f"skipped {counted(len(bad), 'image')}: {some(bad)}", stacklevel=4)
        good = [[isinstance(row, Tensor) for row in rows] for rows in found]
        if self.spec.task is Paired:
            good = [[all(pair) for pair in zip(*good, strict=True)]] * len(sides)
        if not all(map(any, good)):
            raise DataError("none of the images to be shown can be read; see the warnings above")
        held = []
        for side, order, rows, usable in zip(sides, orders, found, good, strict=True):
            kept = [row for row, ok in zip(rows, usable, strict=True) if ok]
            pictures = torch.stack([cut(x, side) for x in kept if isinstance(x, Tensor)])
            labels = side.side.labels
            held.append((pictures, None if labels is None else labels[order[torch.tensor(usable)]]))
        return held

    def _assemble(self, pictures: list[Tensor], labels: list[Tensor | None]) -> Batch:
        task = self.spec.task
        if task is Images:
            return Images(pictures[0], labels[0])
        if task is Unpaired:
            return Unpaired(pictures[0], pictures[1], labels[0], labels[1])
        if task is SemiSupervised:
            assert labels[0] is not None
            return SemiSupervised(pictures[0], labels[0], pictures[1])
        if self.low is not None:
            return Paired(lowered(pictures[0], self.low), pictures[0])
        return Paired(pictures[0], pictures[1])


def _check_augment(settled: Settled, augment: Sequence[Transform]) -> None:
    if augment and not settled.window:
        raise SettingsError("augment changes images, and this data has none; leave it out")
    if settled.train[-1].grid > 1 and any(not isinstance(change, Flip) for change in augment):
        raise SettingsError(
            "augment would move images of low and of high resolution by as many pixels; take "
            "Flip alone"
        )


def _order(side: Fitted) -> Tensor:
    """Folders come sorted by class; a fixed shuffle shows all classes in a few images."""
    return shuffled(len(side), seed_of("held out"))


def _present(spec: Spec, labels: Tensor | None) -> tuple[int, ...]:
    """The classes that occur, or () where all do."""
    if labels is None or not spec.classes:
        return ()
    if labels.ndim == 2:
        found = tuple(labels.any(0).nonzero()[:, 0].tolist())
    else:
        found = tuple(labels.unique().tolist())
    return () if len(found) == len(spec.classes) else found


def _dress(pixels: Tensor, mirror: Tensor | None, label_map: LabelMap | None) -> Tensor:
    """Stored pixels in [-1, 1], and points as they are, in torch's default type."""
    if label_map is not None and label_map.onehot:
        pixels = label_map.channelled(pixels)  # seams have a side, and edges may be mirrored
    if mirror is not None:
        # Four times as fast as `torch.where` on bytes: whole pictures are copied.
        rows = torch.arange(len(mirror)) + len(mirror) * mirror
        both = torch.cat([pixels, pixels.flip(-1)])
        pixels = both.index_select(0, to_device(rows, pixels.device))
    if pixels.dtype == torch.uint8:
        return from_bytes(pixels)
    return pixels.to(torch.get_default_dtype())


def lowered(pictures: Tensor, factor: int) -> Tensor:
    """Images [n, C, H, W] in [-1, 1] at 1/factor of their size, as 8-bit files would hold them.

    Bicubic with antialiasing (SRGAN, section 3.2).
    """
    small = interpolate(pictures, scale_factor=1 / factor, mode="bicubic", antialias=True)
    return rounded(small)


def _streams(settled: Settled, train: Sequence[Fitted], options: DataOptions) -> tuple[Stream, ...]:
    def stream(name: str, *sides: int, subset: Tensor | None = None, even: bool = True) -> Stream:
        pictures = len(settled.window) > 0
        return Stream(
            name,
            sides,
            len(train[sides[0]]),
            options.seed,
            flip=options.flip and pictures,
            cut=settled.cut,
            subset=subset,
            classes=_by_class(train[sides[0]], subset) if options.balance and even else (),
        )

    task = settled.spec.task
    if task is Unpaired:
        return stream("a", 0), stream("b", 1)
    if task is SemiSupervised:
        few = labelled(train[0].side, options)
        return stream("labelled", 0, subset=few), stream("unlabelled", 0, even=False)
    return (stream("pairs", *range(len(train))),)


def _by_class(side: Fitted, subset: Tensor | None) -> tuple[Tensor, ...]:
    """The images of each class that has some.

    Raises:
        SettingsError: there are no labels.
    """
    labels = side.side.labels
    if labels is None:
        raise SettingsError("balance draws classes equally often, and this data has no labels")
    members = torch.arange(len(labels)) if subset is None else subset
    own = labels.cpu()[members]
    return tuple(members[own == number] for number in own.unique().tolist())

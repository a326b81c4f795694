"""Sides: one domain's images, in memory or read one at a time, and the sources they make up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any, TypeAlias

from PIL import Image
from torch import Tensor

from ganwright.data.image import UNREADABLE, Head, Read, head_of_read
from ganwright.data.label_map import LabelMap
from ganwright.data.levels import Levels, Numbers, Reading
from ganwright.data.messages import mixed, reason, unreadable
from ganwright.data.query import Query
from ganwright.data.signal import Signal
from ganwright.data.table import Table
from ganwright.data.types import Batch
from ganwright.seeds import generators_kept, seed_everything


@dataclass(frozen=True)
class Stack:
    """Images in memory: uint8 or float [n, C, H, W]; points or rows [n, d]; signals [n, C, L].

    Args:
        pictures: floats are in [-1, 1].
        labels: int64 [n], or None.
        classes: names of the labels.
        label_map: the pixels are class numbers.
        levels: what floats were in files or arrays; None where they have always been floats.
        notes: sentences that are said of them when a run begins.
        table: the columns that rows, float [n, d], were made of.
        signal: what the numbers of signals, float [n, C, L], were.
        reading: how their numbers were read; None where they have always been bytes or floats.
    """

    pictures: Tensor
    labels: Tensor | None = None
    classes: tuple[str, ...] = ()
    label_map: LabelMap | None = None
    levels: Levels | None = None
    notes: tuple[str, ...] = ()
    table: Table | None = None
    signal: Signal | None = None
    reading: Reading | None = None

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def channels(self) -> int:
        """Channels of every image."""
        return self.pictures.shape[1]

    def size(self) -> tuple[int, int]:
        """(height, width) of every image."""
        return (self.pictures.shape[2], self.pictures.shape[3])

    def shorter(self) -> list[int]:
        """The shorter side that all images share; none of points and signals."""
        return [min(self.size())] if self.pictures.ndim == 4 else []

    def at(self, index: Tensor) -> Stack:
        """The chosen images with their labels."""
        labels = None if self.labels is None else self.labels[index]
        return replace(self, pictures=self.pictures[index], labels=labels)


@dataclass(frozen=True)
class Rows:
    """Images that are decoded when they are asked for.

    Args:
        read: the i-th as it is read; called from threads and from worker processes.
        names: what messages call each.
        heads: sizes and modes, where they are known without decoding.
        labels: int64 [n], or None.
        classes: names of the labels.
        label_map: the pixels are class numbers.
        kinds: NumPy's names of the types of the pixels, where heads are unknown.
        levels: what floats are, where that needs no look.
        again: what `read` gives may differ each time, as of a data set that augments its images
            with the global generators: whoever calls it seeds them and gives them back.
        fresh: `read` opens a file each time, which nobody has decoded or keeps.
        ready: images are in 8 bits as they are to be, whatever is said of the numbers in files; how
            these were read.
    """

    read: Callable[[int], Read]
    names: Sequence[str]
    heads: Sequence[Head] | None = None
    labels: Tensor | None = None
    classes: tuple[str, ...] = ()
    label_map: LabelMap | None = None
    anew: bool = False
    kinds: frozenset[str] = frozenset({"uint8"})
    levels: Levels | None = None
    fresh: bool = False
    ready: Reading | None = None

    def __len__(self) -> int:
        return len(self.names)

    def look(self, index: int) -> Read:
        """The i-th image, the same each time, with the global generators left alone."""
        if not self.anew:
            return self.read(index)
        with generators_kept():
            seed_everything("look", index)
            return self.read(index)

    def at(self, index: Tensor) -> Rows:
        """The chosen images with their labels."""
        chosen = index.tolist()
        return replace(
            self,
            read=Chosen(self.read, chosen),
            names=[self.names[i] for i in chosen],
            heads=None if self.heads is None else [self.heads[i] for i in chosen],
            labels=None if self.labels is None else self.labels[index],
        )

    def _first(self) -> Iterator[Head]:
        """Those of the first 16 that can be read.

        Raises:
            DataError: none can.
        """
        bad = []
        for i in range(min(16, len(self))):
            try:
                yield head_of_read(self.look(i))
            except UNREADABLE as error:
                bad.append(f"{self.names[i]} ({reason(error)})")
        if len(bad) == min(16, len(self)):
            raise unreadable(bad)

    @property
    def channels(self) -> int:
        """3 where any image has colour; the first 16 are asked where heads are unknown."""
        return max(head.channels for head in self.known())

    def known(self) -> Sequence[Head]:
        """The heads of all, or of the first 16 where they are unknown."""
        return self.heads if self.heads is not None else list(self._first())

    @property
    def types(self) -> set[str]:
        """NumPy's names of the types of the pixels."""
        return set(self.kinds) if self.heads is None else {head.type for head in self.heads}

    def few(self, kind: str) -> Iterator[Numbers]:
        """Up to 32 images whose pixels are of a type, from all over; those that can be read."""
        heads = self.heads or ()
        those = [i for i, head in enumerate(heads) if head.type == kind] or range(len(self))
        for i in those[:: -(-len(those) // 32)]:
            try:
                picture = self.look(i)
            except UNREADABLE:
                continue
            if not isinstance(picture, Image.Image) and picture.dtype == kind:
                yield picture

    def size(self) -> tuple[int, int]:
        """(height, width) of every image, as far as it is known before decoding.

        Raises:
            DataError: they differ; it names two of them.
        """
        if self.heads is None:
            return next(self._first())[:2]
        first = self.heads[0]
        for name, head in zip(self.names, self.heads, strict=True):
            if head[:2] != first[:2]:
                raise mixed(self.names[0], first[:2], name, head[:2])
        return first[:2]

    def shorter(self) -> list[int]:
        """The shorter side of every image, or of the first 16 where heads are unknown."""
        return [min(head[:2]) for head in self.known()]

    def large(self) -> bool:
        """Whether threads decode faster than one: small images spend their time in Python."""
        height, width = self.heads[0][:2] if self.heads else next(self._first())[:2]
        return width * height >= 1 << 16

    def bytes(self, channels: int) -> int:
        """Memory of all images decoded at their own sizes."""
        if self.heads is None:
            return len(self) * prod(self.size()) * channels
        return sum(head.height * head.width for head in self.heads) * channels


@dataclass(frozen=True)
class Chosen:
    """Reads the images of some of the numbers."""

    read: Callable[[int], Read]
    members: list[int]

    def __call__(self, index: int) -> Read:
        """The image of the i-th of them."""
        return self.read(self.members[index])


Side: TypeAlias = Stack | Rows


@dataclass(frozen=True)
class Source:
    """What a data string stands for, before sizes are settled.

    Args:
        name: what messages call it.
        kind: `Images` (one side), `Paired` or `Unpaired` (two).
        train: the sides.
        test: the sides of the test split, or None.
        query: what the string asked for.
        doubts: what could be read otherwise, with the switch that decides it.
        passed: what lies there and is not read, a phrase each.
        factor: how many times higher and wider the images of the second side are.
        marks: its fingerprint, where it is known already.
    """

    name: str
    kind: type[Batch]
    train: tuple[Side, ...]
    test: tuple[Side, ...] | None = None
    query: Query = field(default_factory=Query)
    doubts: tuple[str, ...] = ()
    passed: tuple[str, ...] = ()
    factor: int = 1
    marks: dict[str, Any] | None = None

    @property
    def enlarged(self) -> int:
        """The factor between pairs of low and high resolution, files of both or made; else 1."""
        return self.query.low if isinstance(self.query.low, int) else self.factor

    @property
    def smallest(self) -> int:
        """The shorter side of the smallest image; of the higher of two resolutions."""
        first = 1 if self.factor > 1 else 0
        sides = [*self.train[first:], *(self.test or ())[first:]]
        return min((length for side in sides for length in side.shorter()), default=0)

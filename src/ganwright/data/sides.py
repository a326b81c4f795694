"""Sides: one domain's images, in memory or read one at a time, and the sources they make up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import TypeAlias

from PIL import Image
from torch import Tensor

from ganwright.data.label_map import LabelMap
from ganwright.data.messages import mixed, reason, unreadable
from ganwright.data.picture import UNREADABLE, Head, channels_of
from ganwright.data.query import Query
from ganwright.data.types import Batch
from ganwright.seeds import generators_kept, seed_everything


@dataclass(frozen=True)
class Stack:
    """Images in memory: uint8 or float [n, C, H, W], or points, float [n, 2]."""

    pictures: Tensor
    labels: Tensor | None = None
    classes: tuple[str, ...] = ()
    label_map: LabelMap | None = None

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def channels(self) -> int:
        """Channels of every image."""
        return self.pictures.shape[1]

    def size(self) -> tuple[int, int]:
        """(height, width) of every image."""
        return (self.pictures.shape[2], self.pictures.shape[3])

    def at(self, index: Tensor) -> Stack:
        """The chosen images with their labels."""
        labels = None if self.labels is None else self.labels[index]
        return replace(self, pictures=self.pictures[index], labels=labels)


@dataclass(frozen=True)
class Rows:
    """Images that are decoded when they are asked for.

    Args:
        read: the i-th as a Pillow image; called from threads and from worker processes.
        names: what messages call each.
        heads: sizes and modes, where they are known without decoding.
        labels: int64 [n], or None.
        classes: names of the labels.
        label_map: the pixels are class numbers.
        again: what `read` gives may differ each time, as of a data set that augments its images
            with the global generators: whoever calls it seeds them and gives them back.
    """

    read: Callable[[int], Image.Image]
    names: Sequence[str]
    heads: Sequence[Head] | None = None
    labels: Tensor | None = None
    classes: tuple[str, ...] = ()
    label_map: LabelMap | None = None
    anew: bool = False

    def __len__(self) -> int:
        return len(self.names)

    def look(self, index: int) -> Image.Image:
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

    def _first(self) -> Iterator[Image.Image]:
        """Those of the first 16 that can be read.

        Raises:
            DataError: none can.
        """
        bad = []
        for i in range(min(16, len(self))):
            try:
                yield self.look(i)
            except UNREADABLE as error:
                bad.append(f"{self.names[i]} ({reason(error)})")
        if len(bad) == min(16, len(self)):
            raise unreadable(bad)

    @property
    def channels(self) -> int:
        """3 where any image has colour; the first 16 are asked where heads are unknown."""
        if self.heads is not None:
            return max(head.channels for head in self.heads)
        return max(channels_of(image.mode) for image in self._first())

    def size(self) -> tuple[int, int]:
        """(height, width) of every image, as far as it is known before decoding.

        Raises:
            DataError: they differ; it names two of them.
        """
        if self.heads is None:
            width, height = next(self._first()).size
            return (height, width)
        first = self.heads[0]
        for name, head in zip(self.names, self.heads, strict=True):
            if head[:2] != first[:2]:
                raise mixed(self.names[0], first[:2], name, head[:2])
        return first[:2]

    def large(self) -> bool:
        """Whether threads decode faster than one: small images spend their time in Python."""
        width, height = self.heads[0][1::-1] if self.heads else next(self._first()).size
        return width * height >= 1 << 16

    def bytes(self, channels: int) -> int:
        """Memory of all images decoded at their own sizes."""
        if self.heads is None:
            return len(self) * prod(self.size()) * channels
        return sum(head.height * head.width for head in self.heads) * channels


@dataclass(frozen=True)
class Chosen:
    """Reads the images of some of the numbers."""

    read: Callable[[int], Image.Image]
    members: list[int]

    def __call__(self, index: int) -> Image.Image:
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
    """

    name: str
    kind: type[Batch]
    train: tuple[Side, ...]
    test: tuple[Side, ...] | None = None
    query: Query = field(default_factory=Query)

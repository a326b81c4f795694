"""Sides: one domain's pictures, in memory or read one at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from math import prod
from typing import TypeAlias

from PIL import Image, UnidentifiedImageError
from torch import Tensor

from ganwright.data.label_map import LabelMap
from ganwright.data.picture import UNREADABLE, Fit, Head, channels_of
from ganwright.data.types import Batch
from ganwright.errors import DataError
from ganwright.seeds import generators_kept, seed_everything


@dataclass(frozen=True)
class Stack:
    """Pictures in memory: uint8 or float [n, C, H, W], or points, float [n, 2]."""

    pictures: Tensor
    labels: Tensor | None = None
    classes: tuple[str, ...] = ()
    label_map: LabelMap | None = None

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def channels(self) -> int:
        """Channels of every picture."""
        return self.pictures.shape[1]

    def size(self) -> tuple[int, int]:
        """(height, width) of every picture."""
        return (self.pictures.shape[2], self.pictures.shape[3])

    def at(self, index: Tensor) -> Stack:
        """The chosen pictures with their labels."""
        labels = None if self.labels is None else self.labels[index]
        return replace(self, pictures=self.pictures[index], labels=labels)


@dataclass(frozen=True)
class Rows:
    """Pictures that are decoded when they are asked for.

    Args:
        read: the i-th as a Pillow image; called from threads and from worker processes.
        names: what messages call each.
        heads: sizes and modes, where they are known without decoding.
        labels: int64 [n], or None.
        classes: names of the labels.
        label_map: the pixels are class numbers.
        anew: what `read` gives may differ each time, as of a data set that augments its pictures
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
        """The i-th picture, the same each time, with the global generators left alone."""
        if not self.anew:
            return self.read(index)
        with generators_kept():
            seed_everything("look", index)
            return self.read(index)

    def at(self, index: Tensor) -> Rows:
        """The chosen pictures with their labels."""
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
        """3 where any picture has colour; the first 16 are asked where heads are unknown."""
        if self.heads is not None:
            return max(head.channels for head in self.heads)
        return max(channels_of(image.mode) for image in self._first())

    def size(self) -> tuple[int, int]:
        """(height, width) of every picture, as far as it is known before decoding.

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
        """Whether threads decode faster than one: small pictures spend their time in Python."""
        width, height = self.heads[0][1::-1] if self.heads else next(self._first()).size
        return width * height >= 1 << 16

    def bytes(self, channels: int) -> int:
        """Memory of all pictures decoded at their own sizes."""
        if self.heads is None:
            return len(self) * prod(self.size()) * channels
        return sum(head.height * head.width for head in self.heads) * channels


@dataclass(frozen=True)
class Chosen:
    """Reads the pictures of some of the numbers."""

    read: Callable[[int], Image.Image]
    members: list[int]

    def __call__(self, index: int) -> Image.Image:
        """The picture of the i-th of them."""
        return self.read(self.members[index])


Side: TypeAlias = Stack | Rows


def mixed(one: str, size: Sequence[int], other: str, other_size: Sequence[int]) -> DataError:
    """The error for pictures of several sizes."""
    return DataError(
        f"pictures differ in size ({one} is {size[1]}x{size[0]}, {other} is "
        f"{other_size[1]}x{other_size[0]}); give --image-size to bring them to one"
    )


@dataclass(frozen=True)
class Options:
    """What a data string asks for behind its question mark."""

    a: str | None = None
    """Name of the subfolder (or `left`, `right`) that is domain a."""
    b: str | None = None
    """Name of the subfolder that is domain b."""
    onehot: str | None = None
    """`a` if its label maps become one channel a class."""
    jitter: float = 1.0
    """Pictures are scaled to this multiple of the size, then cut at random (pix2pix: 1.117)."""
    low: int | None = None
    """Pairs of low resolution (this factor, bicubic with antialias) and high."""
    crop: bool = False
    """Cut pictures at random from their own resolution instead of scaling them."""
    stack: int | None = None
    """Random grey pictures as the channels of one (3: Stacked MNIST and its 1,000 modes)."""


@dataclass(frozen=True)
class Source:
    """What a data string stands for, before sizes are settled.

    Args:
        name: what messages call it.
        kind: `Images` (one side), `Paired` or `Unpaired` (two).
        train: the sides.
        test: the sides of the test split, or None.
        options: what the string asked for.
    """

    name: str
    kind: type[Batch]
    train: tuple[Side, ...]
    test: tuple[Side, ...] | None = None
    options: Options = field(default_factory=Options)


def cores() -> int:
    """The cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True)
class Fitted:
    """A side whose pictures come out in their final type, channels and stored size.

    Args:
        side: the pictures.
        fit: how each is brought into shape.
        window: (height, width) of what batches hold; empty for points.
        cut: windows are cut from larger pictures, whose sizes may differ.
    """

    side: Side
    fit: Fit
    window: tuple[int, ...]
    cut: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one picture in a batch: (C, H, W), or (2,) for points."""
        if not self.window:
            assert isinstance(self.side, Stack)
            return tuple(self.side.pictures.shape[1:])
        classes = self.fit.label_map
        channels = classes.classes if classes and classes.onehot else self.fit.channels
        return (channels, *self.window)

    def __len__(self) -> int:
        return len(self.side)

    def name(self, index: int) -> str:
        """What messages call the picture."""
        return self.side.names[index] if isinstance(self.side, Rows) else f"number {index}"

    def __getitem__(self, index: int) -> Tensor:
        """One picture, [C, h, w].

        Raises:
            DataError: it cannot be read; the message names it.
        """
        if isinstance(self.side, Stack):
            return self.side.pictures[index]
        try:
            picture = self.fit.picture(self.side.read(index))
        except UNREADABLE as error:
            raise DataError(f"{self.name(index)} ({reason(error)})") from error
        height, width = picture.shape[1:]
        small = height < self.window[0] or width < self.window[1]
        if small or (not self.cut and (height, width) != self.window):
            wanted = f"{self.window[1]}x{self.window[0]}{' or more' if self.cut else ''}"
            raise DataError(f"{self.name(index)} (is {width}x{height}, not {wanted})")
        return picture

    @property
    def anew(self) -> bool:
        """Whether a picture may differ each time that it is read."""
        return isinstance(self.side, Rows) and self.side.anew

    def read(self, indices: Sequence[int]) -> list[Tensor | DataError]:
        """Many pictures, decoded by threads; an error stands in for what cannot be read.

        Pictures that may differ each time are those of `Rows.look`.
        """

        def attempt(index: int) -> Tensor | DataError:
            try:
                return self[index]
            except DataError as error:
                return error

        def looked(index: int) -> Tensor | DataError:
            seed_everything("look", index)
            return attempt(index)

        if self.anew:
            # Threads would draw from one generator in any order.
            with generators_kept():
                return [looked(index) for index in indices]
        if isinstance(self.side, Stack) or not self.side.large():
            return [attempt(index) for index in indices]
        with ThreadPoolExecutor(min(8, cores())) as pool:
            return list(pool.map(attempt, indices))


def reason(error: BaseException) -> str:
    """Why a file cannot be read, in a few words."""
    if isinstance(error, UnidentifiedImageError):
        return "not a picture"
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def unreadable(bad: Sequence[str]) -> DataError:
    """The error that names the first few of the pictures that cannot be read."""
    return DataError(
        f"{counted(len(bad), 'picture')} cannot be used: {some(bad)}; mend or remove "
        f"{'them' if len(bad) > 1 else 'it'}, or pass --on-bad-file skip"
    )


def some(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more}"


def counted(n: int, noun: str, nouns: str | None = None) -> str:
    """`1 picture`, `2 pictures`."""
    return f"{n} {noun if n == 1 else nouns or f'{noun}s'}"

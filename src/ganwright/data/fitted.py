"""Sides whose images come out as batches want them: type, channels and size."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from torch import Tensor

from ganwright.data.cores import cores
from ganwright.data.image import UNREADABLE, Fit
from ganwright.data.messages import reason
from ganwright.data.sides import Rows, Side, Stack
from ganwright.errors import DataError
from ganwright.seeds import generators_kept, seed_everything


@dataclass(frozen=True)
class Fitted:
    """A side whose images come out in their final type, channels and stored size.

    Args:
        side: the images.
        fit: how each is brought into shape.
        window: (height, width) of what batches hold; empty for points.
        cut: windows are cut from larger images, whose sizes may differ.
        grid: windows begin at multiples of this, as on a side so many times as large.
    """

    side: Side
    fit: Fit
    window: tuple[int, ...]
    cut: bool = False
    grid: int = 1

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one image in a batch: (C, H, W), or (2,) for points."""
        if not self.window:
            assert isinstance(self.side, Stack)
            return tuple(self.side.pictures.shape[1:])
        maps = self.fit.label_map
        return (maps.channels if maps else self.fit.channels, *self.window)

    def __len__(self) -> int:
        return len(self.side)

    def name(self, index: int) -> str:
        """What messages call the image."""
        return self.side.names[index] if isinstance(self.side, Rows) else f"number {index}"

    def __getitem__(self, index: int) -> Tensor:
        """One image, [C, h, w].

        Raises:
            DataError: it cannot be read; the message names it.
        """
        if isinstance(self.side, Stack):
            return self.side.pictures[index]
        try:
            convert = self.fit.file if self.side.fresh else self.fit.picture
            picture = convert(self.side.read(index))
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
        """Whether an image may differ each time that it is read."""
        return isinstance(self.side, Rows) and self.side.anew

    def read(self, indices: Sequence[int]) -> list[Tensor | DataError]:
        """Many images, decoded by threads; an error stands in for what cannot be read.

        Images that may differ each time are those of `Rows.look`.
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

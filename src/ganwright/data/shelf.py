"""Where training pictures wait: all on the device, or behind workers that read ahead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from typing import Protocol, TypeAlias

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from ganwright.data.order import Draw, Picks, Stream, corner
from ganwright.data.sides import Fitted, cores, unreadable
from ganwright.errors import DataError

# For each stream: the indices that were read, and the windows of each of its sides.
Windows: TypeAlias = list[tuple[Tensor, list[Tensor]]]


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """A copy on the device that the host does not wait for."""
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


class Shelf:
    """One side's pictures on the device, as one tensor; their sizes may differ."""

    def __init__(self, pictures: Sequence[Tensor] | Tensor, device: torch.device) -> None:
        self.channels = pictures[0].shape[0]
        self.device = device
        if isinstance(pictures, Tensor):
            self.whole: Tensor | None = pictures.to(device).contiguous()
            self.flat = self.whole.view(-1)
            self.sizes = torch.tensor([list(pictures.shape[2:])]).expand(len(pictures), -1)
        else:
            self.whole = None
            self.flat = torch.cat([picture.reshape(-1) for picture in pictures]).to(device)
            self.sizes = torch.tensor([list(picture.shape[1:]) for picture in pictures])
        lengths = self.sizes.prod(1) * self.channels
        self.starts = lengths.cumsum(0) - lengths

    def take(self, picks: Picks, window: tuple[int, ...]) -> Tensor:
        """Windows of the picked pictures: [n, C, *window], in one gather."""
        if self.whole is not None and tuple(self.whole.shape[2:]) == window:
            return self.whole.index_select(0, to_device(picks.members, self.device))
        sizes = self.sizes[picks.members]
        top, left = corner(picks.place, sizes, window).unbind(1)
        height, width = sizes.unbind(1)
        first = self.starts[picks.members] + top * width + left
        steps = torch.stack([first, height * width, width]).view(3, -1, 1, 1)
        first, plane, row = to_device(steps, self.device)
        c = torch.arange(self.channels, device=self.device)[:, None]
        y = torch.arange(window[0], device=self.device)
        # Every run of `width` bytes is a row of this view, so that one index fetches one row.
        return self.flat.unfold(0, window[1], 1)[first + c * plane + y * row]


class Keeper(Protocol):
    """Hands out the windows of a draw."""

    def take(self, draw: Draw) -> tuple[Windows, list[Picks]]:
        """For each stream its indices and windows, and its picks."""

    def close(self) -> None:
        """Let go of all processes."""


class Resident:
    """All pictures are on the device."""

    def __init__(
        self, shelves: Sequence[Shelf], streams: Sequence[Stream], window: tuple[int, ...]
    ) -> None:
        self.shelves, self.streams, self.window = shelves, streams, window

    def take(self, draw: Draw) -> tuple[Windows, list[Picks]]:
        """For each stream its indices and windows, and its picks."""
        picks = [stream.picks(draw) for stream in self.streams]
        return [
            (
                picked.members,
                [self.shelves[side].take(picked, self.window) for side in stream.sides],
            )
            for picked, stream in zip(picks, self.streams, strict=True)
        ], picks

    def close(self) -> None:
        """There is nothing to let go of."""


class _Reader(Dataset[Windows | DataError]):
    """Reads whole batches in a worker. Picks are pure, so only the draw travels to it."""

    def __init__(
        self,
        sides: Sequence[Fitted],
        streams: Sequence[Stream],
        window: tuple[int, ...],
        skip: bool,
    ) -> None:
        self.sides, self.streams, self.window, self.skip = sides, streams, window, skip

    def __getitem__(self, draw: Draw) -> Windows | DataError:
        try:
            return [self._windows(stream, stream.picks(draw)) for stream in self.streams]
        except DataError as error:
            # An error raised in a worker would arrive as a page of traceback.
            return error

    def _windows(self, stream: Stream, picks: Picks) -> tuple[Tensor, list[Tensor]]:
        read, rows = [], []
        for k, wanted in enumerate(picks.members.tolist()):
            index, pictures = self._readable(stream, wanted)
            place = None if picks.place is None else picks.place[k : k + 1]
            read.append(index)
            rows.append([cut(picture, self.window, place) for picture in pictures])
        return torch.tensor(read), [torch.stack(side) for side in zip(*rows, strict=True)]

    def _readable(self, stream: Stream, index: int) -> tuple[int, list[Tensor]]:
        """The pictures at the index; where skipping is allowed, at the next that can be read."""
        error = DataError("no picture can be read")
        for ahead in range(100 if self.skip else 1):
            other = (index + ahead) % stream.count
            try:
                return other, [self.sides[side][other] for side in stream.sides]
            except DataError as problem:
                error = problem
        raise error


def cut(picture: Tensor, window: tuple[int, ...], place: Tensor | None = None) -> Tensor:
    """The window [C, *window] of a picture [C, h, w]; the middle one without a place [1, 2].

    Points, which have no window, pass.
    """
    if not window:
        return picture
    top, left = corner(place, torch.tensor([picture.shape[1:]]), window)[0].tolist()
    return picture[:, top : top + window[0], left : left + window[1]]


class _Draws(Sampler[Draw]):
    """The draws from one on, without end."""

    def __init__(self, first: Draw) -> None:
        self.first = first

    def __iter__(self) -> Iterator[Draw]:
        return (self.first._replace(number=number) for number in count(self.first.number))


class Streamed:
    """Pictures are read ahead by workers, in the order that residents would have."""

    def __init__(
        self,
        sides: Sequence[Fitted],
        streams: Sequence[Stream],
        window: tuple[int, ...],
        *,
        device: torch.device,
        workers: int,
        skip: bool,
    ) -> None:
        self.reader = _Reader(sides, streams, window, skip)
        self.device, self.workers = device, workers
        self._expected: Draw | None = None
        self._ahead: Iterator[Windows | DataError] = iter(())

    def take(self, draw: Draw) -> tuple[Windows, list[Picks]]:
        """For each stream its indices and windows, and its picks.

        Raises:
            DataError: a picture can not be read.
        """
        if draw != self._expected:
            self._ahead = iter(self._loader(draw))
        self._expected = draw._replace(number=draw.number + 1)
        windows = next(self._ahead)
        if isinstance(windows, DataError):
            raise unreadable([str(windows)])
        on_device = [
            (index, [side.to(self.device, non_blocking=True) for side in sides])
            for index, sides in windows
        ]
        return on_device, [stream.picks(draw) for stream in self.reader.streams]

    def close(self) -> None:
        """End the workers."""
        self._expected, self._ahead = None, iter(())

    def _loader(self, first: Draw) -> DataLoader[Windows | DataError]:
        return DataLoader(
            self.reader,
            batch_size=None,
            sampler=_Draws(first),
            num_workers=min(self.workers, cores()),
            prefetch_factor=4 if self.workers else None,
            pin_memory=self.device.type == "cuda",
            # Without one of its own it would draw from the generator that seeds the run.
            generator=torch.Generator(),
        )

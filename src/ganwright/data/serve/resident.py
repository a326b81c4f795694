"""Where training images wait: all on the device, or behind workers that read ahead."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from itertools import count
from multiprocessing import get_all_start_methods, get_start_method
from multiprocessing.reduction import ForkingPickler
from typing import NamedTuple, Protocol, TypeAlias

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from ganwright.data.cores import cores
from ganwright.data.fitted import Fitted
from ganwright.data.messages import counted, some, unreadable
from ganwright.data.serve.order import Draw, Picks, Stream, corner
from ganwright.errors import DataError
from ganwright.memory import WORKER_KILLED
from ganwright.seeds import generators_kept, seed_everything
from ganwright.stopping import outlive

# For each stream: the indices that were read, and the windows of each of its sides.
Windows: TypeAlias = list[tuple[Tensor, list[Tensor]]]


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """A copy on the device that the host does not wait for."""
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


class Shelf:
    """One side's images on the device, as one tensor; their sizes may differ."""

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

    def take(self, picks: Picks, window: tuple[int, ...], grid: int = 1) -> Tensor:
        """Windows of the picked images: [n, C, *window], in one gather; all of them without one."""
        if self.whole is not None and window in ((), tuple(self.whole.shape[2:])):
            return self.whole.index_select(0, to_device(picks.members, self.device))
        sizes = self.sizes[picks.members]
        top, left = corner(picks.place, sizes, window, grid).unbind(1)
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
    """All images are on the device."""

    def __init__(
        self, shelves: Sequence[Shelf], streams: Sequence[Stream], sides: Sequence[Fitted]
    ) -> None:
        self.shelves, self.streams = shelves, streams
        self.windows = [(side.window, side.grid) for side in sides]

    def take(self, draw: Draw) -> tuple[Windows, list[Picks]]:
        """For each stream its indices and windows, and its picks."""
        picks = [stream.picks(draw) for stream in self.streams]
        return [
            (
                picked.members,
                [self.shelves[s].take(picked, *self.windows[s]) for s in stream.sides],
            )
            for picked, stream in zip(picks, self.streams, strict=True)
        ], picks

    def close(self) -> None:
        """There is nothing to let go of."""


class _Read(NamedTuple):
    """What a worker sends back for a draw."""

    windows: Windows
    skipped: list[str]
    """Why images were skipped, each with its name."""


class _Reader(Dataset[_Read | DataError]):
    """Reads whole batches in a worker. Picks are pure, so only the draw travels to it."""

    def __init__(
        self,
        sides: Sequence[Fitted],
        streams: Sequence[Stream],
        skip: bool,
    ) -> None:
        self.sides, self.streams, self.skip = sides, streams, skip
        self.anew = any(side.anew for side in sides)

    def __getitem__(self, draw: Draw) -> _Read | DataError:
        skipped: list[str] = []
        try:
            with generators_kept() if self.anew else nullcontext():
                windows = [self._windows(stream, draw, skipped) for stream in self.streams]
        except DataError as error:
            # An error raised in a worker would arrive as a page of traceback.
            return error
        return _Read(windows, skipped)

    def _windows(
        self, stream: Stream, draw: Draw, skipped: list[str]
    ) -> tuple[Tensor, list[Tensor]]:
        picks = stream.picks(draw)
        read, rows = [], []
        for k, wanted in enumerate(picks.members.tolist()):
            # The place in the endless order: whichever process reads it, and of how many.
            position = draw.number * draw.size + draw.share.start + k
            seed = (stream.seed, "item", stream.name, position, wanted)
            index, pictures = self._readable(stream, wanted, seed, skipped)
            place = None if picks.place is None else picks.place[k : k + 1]
            read.append(index)
            sides = [self.sides[side] for side in stream.sides]
            rows.append([cut(x, s, place) for x, s in zip(pictures, sides, strict=True)])
        return torch.tensor(read), [torch.stack(side) for side in zip(*rows, strict=True)]

    def _readable(
        self, stream: Stream, index: int, seed: tuple[int | str, ...], skipped: list[str]
    ) -> tuple[int, list[Tensor]]:
        """The images at the index; where skipping is allowed, at the next that can be read."""
        error = DataError("no image can be read")
        for ahead in range(100 if self.skip else 1):
            other = stream.behind(index, ahead)
            try:
                return other, [
                    self._picture(self.sides[side], other, seed) for side in stream.sides
                ]
            except DataError as problem:
                error = problem
                skipped.append(str(problem))
        raise error

    def _picture(self, side: Fitted, index: int, seed: tuple[int | str, ...]) -> Tensor:
        """One image. Both of a pair have the same seed, so they are augmented equally."""
        if side.anew:
            seed_everything(*seed)
        return side[index]


def cut(picture: Tensor, side: Fitted, place: Tensor | None = None) -> Tensor:
    """The window [C, *window] of a side's image [C, h, w]; the middle one without a place [1, 2].

    Points, which have no window, pass.
    """
    window = side.window
    if not window:
        return picture
    sizes = torch.tensor([picture.shape[1:]])
    top, left = corner(place, sizes, window, side.grid)[0].tolist()
    return picture[:, top : top + window[0], left : left + window[1]]


class _Draws(Sampler[Draw]):
    """The draws from one on, without end."""

    def __init__(self, first: Draw) -> None:
        self.first = first

    def __iter__(self) -> Iterator[Draw]:
        return (self.first._replace(number=number) for number in count(self.first.number))


class Streamed:
    """Images are read ahead by workers, in the order that residents would have."""

    def __init__(
        self,
        sides: Sequence[Fitted],
        streams: Sequence[Stream],
        *,
        device: torch.device,
        workers: int,
        skip: bool,
    ) -> None:
        self.reader = _Reader(sides, streams, skip)
        self.device = device
        self.workers = min(workers, cores()) if _travels(self.reader) else 0
        self._expected: Draw | None = None
        self._ahead: Iterator[_Read | DataError] = iter(())
        self._skipped: dict[str, None] = {}
        self._said = 0

    def take(self, draw: Draw) -> tuple[Windows, list[Picks]]:
        """For each stream its indices and windows, and its picks.

        Raises:
            DataError: an image cannot be read, or a worker died.
        """
        if draw != self._expected:
            self._ahead = iter(self._loader(draw))
        self._expected = draw._replace(number=draw.number + 1)
        read = self._next()
        self._warn(read.skipped)
        on_device = [
            (index, [side.to(self.device, non_blocking=True) for side in sides])
            for index, sides in read.windows
        ]
        return on_device, [stream.picks(draw) for stream in self.reader.streams]

    def close(self) -> None:
        """End the workers, and say how many images were skipped, if not said before."""
        self._expected, self._ahead = None, iter(())
        if (n := len(self._skipped)) > self._said:
            self._said = n
            warnings.warn(
                f"skipped {counted(n, 'image')} in all: {some(list(self._skipped))}",
                stacklevel=4,
            )

    def _next(self) -> _Read:
        try:
            read = next(self._ahead)
        except (RuntimeError, ConnectionError, EOFError) as error:
            if isinstance(error, RuntimeError) and "worker" not in str(error):
                raise
            raise DataError(WORKER_KILLED) from error
        if isinstance(read, DataError):
            raise unreadable([str(read)])
        return read

    def _warn(self, skipped: list[str]) -> None:
        """Say that images are skipped, at the 1st, 10th, 100th ... of them."""
        for why in skipped:
            if why not in self._skipped:
                self._skipped[why] = None
                if (n := len(self._skipped)) == 10 ** (len(str(n)) - 1):
                    self._said = n
                    pictures = counted(n, "image")
                    warnings.warn(f"skipped {pictures} so far, the last {why}", stacklevel=5)

    def _loader(self, first: Draw) -> DataLoader[_Read | DataError]:
        return DataLoader(
            self.reader,
            batch_size=None,
            sampler=_Draws(first),
            num_workers=self.workers,
            prefetch_factor=4 if self.workers else None,
            pin_memory=self.device.type == "cuda",
            # Without one of its own it would draw from the generator that seeds the run.
            generator=torch.Generator(),
            worker_init_fn=outlive,
        )


def _travels(reader: _Reader) -> bool:
    """Whether worker processes can be handed the data set; where they are forks, always."""
    # To ask without `allow_none` would settle what the user may still choose.
    method = get_start_method(allow_none=True) or get_all_start_methods()[0]
    if not reader.anew or method == "fork":
        return True
    try:
        ForkingPickler.dumps(reader)
    except Exception as error:  # pickling runs the user's own code
        warnings.warn(
            f"the data set cannot be sent to worker processes ({error}), so this process reads "
            "it; define it at the top of a module to read it with --workers",
            stacklevel=7,
        )
        return False
    return True

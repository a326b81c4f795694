"""Which images a batch holds, where they are cut and which are mirrored: pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from ganwright.errors import SettingsError
from ganwright.seeds import seed_of


class Draw(NamedTuple):
    """Which batch of the run, and whose share of it."""

    number: int
    size: int
    rank: int = 0
    world: int = 1

    @property
    def share(self) -> slice:
        """The rank's rows in the whole batch.

        Raises:
            SettingsError: the batch cannot be shared out evenly.
        """
        if self.size % self.world:
            raise SettingsError(
                f"a batch of {self.size} cannot be shared evenly by {self.world} processes; "
                f"make --batch-size a multiple of {self.world}"
            )
        rows = self.size // self.world
        return slice(self.rank * rows, (self.rank + 1) * rows)


class Picks(NamedTuple):
    """One rank's rows of one stream, on the CPU."""

    members: Tensor
    """int64 [n]: which images."""
    place: Tensor | None
    """float64 [n, 2] in [0, 1): where a window is cut, down and across; None for the middle."""
    mirror: Tensor | None
    """bool [n]: which are mirrored."""


@dataclass(frozen=True)
class Stream:
    """An endless order over the images of one domain, or of pairs.

    Args:
        name: part of every seed, so that two domains are shuffled apart.
        sides: the sides that are read at the same index and processed in the same way.
        count: how many images there are.
        seed: the run's.
        flip: whether images are mirrored at random.
        cut: whether windows are cut at random.
        subset: the indices to keep to, int64, or None for all.
        classes: the indices of each class, int64, where all are drawn equally often; else empty.
    """

    name: str
    sides: tuple[int, ...]
    count: int
    seed: int
    flip: bool = False
    cut: bool = False
    subset: Tensor | None = None
    classes: tuple[Tensor, ...] = ()
    _newest: dict[int, tuple[int, Tensor]] = field(default_factory=dict, repr=False, compare=False)

    def picks(self, draw: Draw) -> Picks:
        """The rows of a draw: positions [number * size, ...) of endless shuffled epochs."""
        share = draw.share
        start = draw.number * draw.size
        index = self._order(start + share.start, start + share.stop)
        shape = (draw.size, 2)
        place = mirror = None
        if self.cut:
            random = torch.rand(shape, generator=self.random(draw, "cut"), dtype=torch.float64)
            place = random[share]
        if self.flip:
            mirror = torch.rand(draw.size, generator=self.random(draw, "flip"))[share] < 0.5
        return Picks(index, place, mirror)

    def _order(self, start: int, stop: int) -> Tensor:
        if self.classes:
            return torch.stack([self._balanced(position) for position in range(start, stop)])
        members = len(self.subset) if self.subset is not None else self.count
        parts = []
        while start < stop:
            epoch, first = divmod(start, members)
            last = min(members, first + stop - start)
            parts.append(shuffled(members, seed_of(self.seed, epoch, self.name))[first:last])
            start += last - first
        index = torch.cat(parts)
        return index if self.subset is None else self.subset[index]

    def behind(self, index: int, ahead: int) -> int:
        """The image so many places behind another, of those that the stream keeps to."""
        if self.subset is None or not ahead:
            return (index + ahead) % self.count
        place = int((self.subset == index).nonzero()[0])
        return int(self.subset[(place + ahead) % len(self.subset)])

    def _balanced(self, position: int) -> Tensor:
        """The index at a position: every round has each class once, in a new order.

        Each class has epochs of its own, so that a small one comes round sooner.
        """
        number, place = divmod(position, len(self.classes))
        turn = shuffled(len(self.classes), seed_of(self.seed, number, self.name, "round"))
        chosen = int(turn[place])
        members = self.classes[chosen]
        epoch, place = divmod(number, len(members))
        return members[self._of_class(chosen, epoch)[place]]

    def _of_class(self, chosen: int, epoch: int) -> Tensor:
        """The order of a class's images in an epoch; of each class the newest one is kept."""
        seed = seed_of(self.seed, epoch, self.name, "class", chosen)
        kept = self._newest.get(chosen)
        if kept is None or kept[0] != seed:
            kept = self._newest[chosen] = seed, _permutation(len(self.classes[chosen]), seed)
        return kept[1]

    def random(self, draw: Draw, what: str) -> torch.Generator:
        """What a draw's random numbers of one kind come from, of all ranks."""
        seed = seed_of(self.seed, draw.number, self.name, what)
        return torch.Generator().manual_seed(seed)


@lru_cache(maxsize=16)
def shuffled(count: int, seed: int) -> Tensor:
    """A permutation of [0, count)."""
    return _permutation(count, seed)


def _permutation(count: int, seed: int) -> Tensor:
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))


def corner(place: Tensor | None, sizes: Tensor, window: Sequence[int], grid: int = 1) -> Tensor:
    """The upper left corner of each window, int64 [n, 2].

    Args:
        place: float64 [n, 2] in [0, 1), or None for the middle.
        sizes: int64 [n, 2], (height, width) of the stored images.
        window: (height, width).
        grid: corners are multiples of this.
    """
    room = (sizes - torch.tensor(list(window))) // grid
    if place is None:
        return room // 2 * grid
    return (place * (room + 1)).floor().to(torch.int64) * grid

"""The numbers that images are made of: how many bits, and which of them are -1 and 1."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from ganwright.errors import DataError

Numbers = np.ndarray[Any, Any]

TWELVE_BITS, SIXTEEN_BITS = 4095, 65535
"""Sensors of 12 bits write files of 16; where no number is larger, this is white."""
_BEYOND = 1e-3
"""Floats may leave their range by this share of it: arithmetic rounds."""


class BeyondError(ValueError):
    """An image holds numbers beyond those of the others."""

    def __init__(self, found: str, known: str) -> None:
        self.found, self.known = found, known
        super().__init__(f"holds {found}, beyond the {known} of the others; give --range LOW HIGH")

    @property
    def of_a_run(self) -> str:
        """What is said where the others are what a run learned, whose range stays as it is."""
        return f"holds {self.found}, beyond the {self.known} that this run learned"


@dataclass(frozen=True)
class Levels:
    """The numbers of one type, between two ends, as floats in [-1, 1] and back.

    Integers of up to 16 bits come back exactly: float32 has 24 bits.

    Args:
        low: becomes -1.
        high: becomes 1.
        type: NumPy's name of the type that files have.
        clip: numbers beyond the ends are cut off, not refused.
        alpha: the last channel is transparency.
    """

    low: float
    high: float
    type: str
    clip: bool = False
    alpha: bool = False

    @property
    def deep(self) -> bool:
        """Whether they are others than those of most image files."""
        return replace(self, alpha=False) != EIGHT_BITS

    def floats(self, numbers: Numbers) -> Tensor:
        """float32 in [-1, 1], of the same shape.

        Raises:
            BeyondError: a number is beyond the ends.
            ValueError: one is not finite; it follows an image's name, as the other does.
        """
        values = numbers.astype(np.float64)
        low, high = float(values.min()), float(values.max())
        if not (-np.inf < low and high < np.inf):
            raise ValueError("holds NaN or infinite values")
        room = _BEYOND * (self.high - self.low)
        if not self.clip and (low < self.low - room or high > self.high + room):
            raise BeyondError(f"{low:g} to {high:g}", f"{self.low:g} to {self.high:g}")
        unit = (values - self.low) / (self.high - self.low)
        return torch.from_numpy((2 * unit - 1).clip(-1, 1).astype(np.float32))

    def numbers(self, images: Tensor) -> Numbers:
        """Floats in [-1, 1] as numbers of the type; integers are the nearest."""
        unit = (images.detach().cpu().double().clamp(-1, 1) + 1) / 2
        values: Numbers = (unit * (self.high - self.low) + self.low).numpy()
        if np.issubdtype(self.type, np.integer):
            ends = np.iinfo(self.type)
            values = values.round().clip(ends.min, ends.max)
        return values.astype(self.type)


FLOATS = Levels(-1, 1, "float32")
"""Those of Python's floats."""
EIGHT_BITS = Levels(0, 255, "uint8")
"""Those of most image files, which stay bytes until a batch is made of them."""


_PLAIN = {"uint8": EIGHT_BITS, "bool": Levels(0, 1, "uint8")}
"""Types that say what is black and white."""


@dataclass(frozen=True)
class Reading:
    """How the numbers in files are read: as a user says, and as a run has read its own.

    Args:
        range: the two numbers that become -1 and 1, and beyond which all is cut off; () for those
            of the type.
        depth: `keep`, or 8 to bring all to 8 bits.
        alpha: what becomes of transparency: a channel, white paper, or nothing.
        known: what numbers of each type that a run has learned mean, by NumPy's name of the type.
    """

    range: tuple[float, ...] = ()
    depth: Literal["keep", 8] = "keep"
    alpha: Literal["keep", "white", "drop"] = "white"
    known: Mapping[str, Levels] = field(default_factory=dict)

    @classmethod
    def of(cls, levels: Levels | None) -> Reading:
        """That of a run of which no more is known than the numbers of its outputs."""
        if levels is None:  # 8 bits, or Python's floats
            return cls(known={FLOATS.type: FLOATS})
        known = {levels.type: levels} if levels.deep else {}
        return cls(alpha="keep" if levels.alpha else "white", known=known)

    @classmethod
    def stored(cls, values: Mapping[str, Any]) -> Reading:
        """That of a run folder, as JSON has it."""
        known = {kind: Levels(**levels) for kind, levels in values["known"].items()}
        return cls(tuple(values["range"]), values["depth"], values["alpha"], known)

    @property
    def shallow(self) -> bool:
        """Whether what does not say which of its numbers are black and white becomes 8 bits."""
        return self.depth == 8 and not self.range

    def levels(self, kind: str) -> Levels | None:
        """What numbers of a type mean, where that needs no look at them.

        A run that has learned from other types alone takes 8 bits as most image files have them:
        its range speaks of more bits.
        """
        if kind in self.known:
            return self.known[kind]
        if self.range and not (self.known and kind == "uint8"):
            low, high = self.range
            return Levels(low, high, kind, clip=True)
        return _PLAIN.get(kind)


def native(array: Any) -> Numbers:
    """An array as torch takes it: writable, not mirrored, in this machine's order of bytes."""
    kept: Numbers = np.require(array, requirements=["C", "W"])
    return kept.astype(kept.dtype.newbyteorder("="), copy=False)


def plain_type(dtype: Any) -> str:
    """The type that images are kept in: floats of all widths are float32.

    Raises:
        ValueError: it holds no numbers; the sentence follows an image's name.
    """
    dtype = np.dtype(dtype).newbyteorder("=")
    if dtype.kind == "f":
        return "float32"
    if dtype.kind not in "iub":
        raise ValueError(f"holds {dtype}, no numbers")
    return str(dtype)


@dataclass(frozen=True)
class Chosen:
    """The levels of each type that images have, and what is said of them."""

    levels: Mapping[str, Levels]
    notes: tuple[str, ...] = ()

    @property
    def widest(self) -> Levels:
        """Those of the type with most bits, which the others fit into."""
        return max(self.levels.values(), key=lambda known: np.dtype(known.type).itemsize)


def choose(
    name: str, types: Iterable[str], look: Callable[[str], Iterator[Numbers]], reading: Reading
) -> Chosen:
    """The levels of the types among some images.

    Args:
        name: what messages call the images.
        types: that they have.
        look: some images of a type, those that can be read.
        reading: what the user says.

    Raises:
        DataError: a type does not say which of its numbers are black and white.

    Returns:
        The levels, less those of types of which no image can be read.
    """
    levels, notes = {}, []
    for kind in sorted(types):
        if (known := reading.levels(kind)) is not None:
            levels[kind] = known
            continue
        found = _of_look(name, kind, look)
        if found is None:  # none can be read, which is said of those images when they are
            continue
        levels[kind], note = found
        notes += [note] if note else []
    return Chosen(levels, tuple(notes))


def white_of(highest: float) -> int:
    """What is white in 16-bit images whose numbers do not say it, by the highest of them."""
    return SIXTEEN_BITS if highest > TWELVE_BITS else TWELVE_BITS


def _of_look(
    name: str, kind: str, look: Callable[[str], Iterator[Numbers]]
) -> tuple[Levels, str | None] | None:
    seen = [(float(x.min()), float(x.max())) for x in look(kind)]
    if not seen:
        return None
    low, high = min(low for low, _ in seen), max(high for _, high in seen)
    about = f"{name} holds numbers from {low:g} to {high:g} in {kind}"
    if kind == "uint16":
        white, note = white_of(high), "taken for 12 bits, 0 to 4095; --range 0 65535 takes all 16"
        return Levels(0, white, kind), f"{about}: {note}" if white == TWELVE_BITS else None
    if kind == "float32" and low >= -1 - _BEYOND and high <= 1 + _BEYOND:
        least = 0 if low >= 0 else -1
        return Levels(least, 1, kind), f"{about}: taken for {least} to 1; --range says otherwise"
    raise DataError(
        f"{about}, which does not say what is black and what is white; give the two numbers, "
        "--range LOW HIGH"
    )

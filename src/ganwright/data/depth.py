"""Channels and levels of a source's sides: what the data has, and what is asked of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ganwright.data.image import head_of_read
from ganwright.data.levels import EIGHT_BITS, Levels, Numbers, Reading, choose
from ganwright.data.options import DataOptions
from ganwright.data.read.items import image_of
from ganwright.data.sides import Rows, Side, Source, Stack
from ganwright.data.types import Unpaired
from ganwright.errors import DataError, SettingsError

GREY_OR_COLOUR = (1, 3)
"""Channels that are made of each other, and that all image files have."""
FLOATS = Levels(-1, 1, "float32")


@dataclass(frozen=True)
class Depth:
    """What a side's images are made of.

    Args:
        channels: of each.
        levels: what numbers of each type mean; empty where all are 8 bits, or floats in memory.
        written: what numbers outputs hold; None for images of 8 bits, grey or in colour.
        reading: what becomes of transparency, and of more than 8 bits.
        notes: sentences that are said when a run begins.
    """

    channels: int
    levels: Mapping[str, Levels] = field(default_factory=dict)
    written: Levels | None = None
    reading: Reading = Reading()
    notes: tuple[str, ...] = ()


def depths(source: Source, options: DataOptions, task: type[Any]) -> list[Depth]:
    """The depth of each side of a source.

    Raises:
        DataError: a type does not say what is black and white, or domains differ in channels.
        SettingsError: channels are asked for that cannot be made of those there are.
    """
    found = [_depth(side, source.name, options) for side in source.train]
    own = [depth.channels for depth in found]
    alike = task is Unpaired or source.factor > 1
    if alike and options.channels is None and len(set(own)) > 1:
        if not set(own) <= set(GREY_OR_COLOUR):
            raise DataError(
                f"the sides of {source.name} have {own[0]} and {own[1]} channels; give both the "
                "same"
            )
        found = [replace(depth, channels=max(own)) for depth in found]
    return found


def _depth(side: Side, name: str, options: DataOptions) -> Depth:
    if side.label_map is not None:
        return Depth(3)
    if isinstance(side, Stack):
        found = Depth(side.channels, written=side.levels, notes=side.notes)
        floats = side.pictures.is_floating_point()
    else:
        found, floats = _of_rows(side, name, options.reading), side.levels is not None
    alpha = found.reading.alpha == "keep"
    channels, widest = _asked(found.channels, name, options), found.written
    if widest is None and channels not in GREY_OR_COLOUR:
        widest = FLOATS if floats and options.depth == "keep" else EIGHT_BITS
    notes = list(found.notes)
    if channels not in GREY_OR_COLOUR:
        shown = "the first 3" if channels > 3 else "the first"
        notes.append(f"grids show {shown} of the {channels} channels")
    written = widest and replace(widest, alpha=alpha)
    return replace(found, channels=channels, written=written, notes=tuple(notes))


def _of_rows(side: Rows, name: str, reading: Reading) -> Depth:
    heads, reading = side.known(), Reading() if side.ready else reading
    alpha, channels = any(head.alpha for head in heads), max(head.channels for head in heads)
    notes: tuple[str, ...] = ()
    if alpha and reading.alpha != "keep":
        what = "shows white" if reading.alpha == "white" else "is dropped"
        notes = (f"transparency in {name} {what}; --alpha keep makes it a channel",)
    if not alpha:
        reading = replace(reading, alpha="white")
    channels += reading.alpha == "keep"
    if side.levels is not None and not reading.range:
        return Depth(channels, {side.levels.type: side.levels}, None, reading, notes)
    if side.types == {"uint8"} and not reading.range:
        return Depth(channels, {}, None, reading, notes)
    chosen = choose(name, side.types, side.few, reading)
    if set(chosen.levels) <= {"uint8"} and not reading.range:  # no other can be read
        return Depth(channels, {}, None, reading, notes)
    widest = None if reading.depth == 8 else chosen.widest
    return Depth(channels, chosen.levels, widest, reading, (*notes, *chosen.notes))


def of_items(pictures: Sequence[Any], channels: int, options: DataOptions) -> Depth:
    """The depth of an iterable's images, by the first of them.

    Raises:
        DataError, SettingsError: as of `depths`.
    """
    reading, found = options.reading, []
    for picture in pictures:
        try:
            read = image_of(picture, None, reading)
        except ValueError:  # named when it comes to be drawn
            continue
        found.append(read)
    kinds = {head_of_read(read).type for read in found}
    channels = _asked(channels, "the iterable", options)
    if kinds <= {"uint8"} and not reading.range:
        return Depth(channels)
    if kinds <= {"uint8", "float32"} and not reading.range:
        return Depth(channels, {"float32": FLOATS})

    def look(kind: str) -> Iterator[Numbers]:
        return (x for x in found if isinstance(x, np.ndarray) and x.dtype == kind)

    chosen = choose("the iterable", kinds, look, reading)
    widest = None if reading.depth == 8 else chosen.widest
    return Depth(channels, chosen.levels, widest, reading, chosen.notes)


def _asked(own: int, name: str, options: DataOptions) -> int:
    wanted = options.channels
    if wanted is None or wanted == own or {wanted, own} == set(GREY_OR_COLOUR):
        return wanted or own
    raise SettingsError(
        f"channels is {wanted}, but the images of {name} have {own}; only 1 and 3 are made of "
        "each other, and transparency is a channel with alpha=keep (--alpha keep)"
    )


def notes_of(found: Sequence[Depth]) -> tuple[str, ...]:
    """What is said of all sides, each sentence once."""
    return tuple(dict.fromkeys(note for depth in found for note in depth.notes))

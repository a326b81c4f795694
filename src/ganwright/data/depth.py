"""Channels and levels of a source's sides: what the data has, and what is asked of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ganwright.data.image import Head, head_of_read
from ganwright.data.levels import EIGHT_BITS, FLOATS, Chosen, Levels, Numbers, Reading, choose
from ganwright.data.options import DataOptions
from ganwright.data.read.items import image_of
from ganwright.data.sides import Rows, Side, Source, Stack
from ganwright.data.types import Unpaired
from ganwright.errors import DataError, SettingsError

GREY_OR_COLOUR = (1, 3)
"""Channels that are made of each other, and that all image files have."""


@dataclass(frozen=True)
class Depth:
    """What a side's images are made of.

    Args:
        channels: of each.
        levels: what numbers of each type mean; empty where all are 8 bits, or floats in memory.
        written: what numbers outputs hold; None for images of 8 bits, grey or in colour.
        reading: how files of such images are read.
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
        floats = side.pictures.is_floating_point()
        reading = side.reading or _plainly(options.reading, floats=floats)
        if reading.alpha == "keep":  # no array says which channel is transparency
            reading = replace(reading, alpha="white")
        found = Depth(side.channels, {}, side.levels, reading, side.notes)
    else:
        found, floats = _of_rows(side, name, options.reading), side.levels is not None
    return _as_asked(found, name, options, floats=floats)


def _plainly(reading: Reading, *, floats: bool) -> Reading:
    """How files are read as bytes or as floats that are in memory, which are taken as they are."""
    if floats:
        return replace(reading, range=(), depth="keep", known={FLOATS.type: FLOATS})
    return replace(reading, range=(), known={})


def _as_asked(found: Depth, name: str, options: DataOptions, *, floats: bool) -> Depth:
    """The depth with the channels that are asked for, and what outputs of them hold.

    Raises:
        SettingsError: channels are asked for that cannot be made of those there are.
    """
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
    if side.ready is not None:
        return Depth(side.channels, reading=side.ready)
    channels, reading, notes = _transparent(side.known(), name, reading)
    if side.levels is not None and not reading.range:
        known = {side.levels.type: side.levels}
        return Depth(channels, known, None, replace(reading, known=known), notes)
    return _chosen(channels, choose(name, side.types, side.few, reading), reading, notes)


def _chosen(channels: int, chosen: Chosen, reading: Reading, notes: tuple[str, ...]) -> Depth:
    """The depth of images of such levels; where all are plain bytes, they stay bytes."""
    if all(levels == EIGHT_BITS for levels in chosen.levels.values()):  # no other can be read
        return Depth(channels, reading=replace(reading, range=(), known={}), notes=notes)
    widest = None if reading.depth == 8 else chosen.widest
    reading = replace(reading, known=chosen.levels)
    return Depth(channels, chosen.levels, widest, reading, (*notes, *chosen.notes))


def _transparent(
    heads: Sequence[Head], name: str, reading: Reading
) -> tuple[int, Reading, tuple[str, ...]]:
    """Channels with that of transparency if it is kept, what becomes of it, and notes on it."""
    alpha, channels = any(head.alpha for head in heads), max(head.channels for head in heads)
    notes: tuple[str, ...] = ()
    if alpha and reading.alpha != "keep":
        what = "shows white" if reading.alpha == "white" else "is dropped"
        notes = (f"transparency in {name} {what}; --alpha keep makes it a channel",)
    if not alpha and reading.alpha == "keep":
        reading = replace(reading, alpha="white")
    return channels + (reading.alpha == "keep"), reading, notes


def of_items(pictures: Sequence[Any], options: DataOptions) -> Depth:
    """The depth of an iterable's images, by the first of them.

    Raises:
        DataError, SettingsError: as of `depths`.
    """
    name, found = "the iterable", []
    for picture in pictures:
        try:
            found.append(image_of(picture, None, options.reading))
        except ValueError:  # named when it comes to be drawn
            continue
    heads = [head_of_read(read) for read in found] or [Head(0, 0, 3, "")]
    channels, reading, notes = _transparent(heads, name, options.reading)
    kinds = {head.type for head in heads}
    if "float32" in kinds and kinds <= {"uint8", "float32"} and not reading.range:
        known = {FLOATS.type: FLOATS}
        depth = Depth(channels, known, None, replace(reading, known=known), notes)
    else:

        def look(kind: str) -> Iterator[Numbers]:
            return (x for x in found if isinstance(x, np.ndarray) and x.dtype == kind)

        depth = _chosen(channels, choose(name, kinds, look, reading), reading, notes)
    return _as_asked(depth, name, options, floats="float32" in kinds)


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

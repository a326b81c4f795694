"""Which side of pairs holds class numbers: known by its files, or by the data string."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Any

import numpy as np
import torch
from PIL import Image

from ganwright.data.cores import cores
from ganwright.data.image import UNREADABLE, Head, Read, class_pixels
from ganwright.data.label_map import LabelMap, classes_of, readable
from ganwright.data.query import Query
from ganwright.data.sides import Rows
from ganwright.errors import DataError

MOST_CLASSES = 64
"""Untold, class numbers stay below this; images with higher ones are images."""
IGNORED = 255
"""The number that marks pixels of no class among class numbers (as in Pascal VOC, Cityscapes)."""
_MANY = 32
"""More numbers than masks have shades, as of data sets of over 64 classes (COCO-Stuff)."""
_MOST_GREY, _LOWEST_GREY, _GRADED = 32, 8, 8
_FEW = 8


@dataclass(frozen=True)
class Marked:
    """Two sides, over all splits, and what was decided of them.

    Args:
        splits: the sides of each split, label maps marked.
        doubts: what could be read otherwise, with the switch that decides it.
    """

    splits: list[tuple[Rows, Rows]]
    doubts: tuple[str, ...] = ()


def mark(
    splits: Sequence[tuple[Rows, Rows]],
    query: Query,
    channels: int | None,
    names: Mapping[int, str] | None = None,
) -> Marked:
    """Mark the sides whose pixels are class numbers, in all splits.

    A side is one if the data string says so (`?a:mask`); else if its files are palette images
    of numbers below 64, or grey ones of few such numbers that do not rise and fall by single
    steps as light does, and 255 for pixels of no class. With `channels` 1 none is guessed.
    `names` are those of class numbers, as far as they are known.

    Raises:
        DataError: a side that is to be one cannot be.
    """
    marked: list[list[Rows]] = []
    doubts: list[str] = []
    for key, rows in zip("ab", zip(*splits, strict=True), strict=True):
        told = query.kind(key)
        found = None
        if told == "mask" or query.onehot == key:
            found = _told(key, rows, query)
        elif told is None:
            found, doubt = _guessed(key, rows, grey=channels == 1)
            doubts += [doubt] if doubt else []
        if found is not None and names:
            found = found.called(names)
        if found is not None:
            found = replace(found, colours=_colours(rows, found))
        marked.append([replace(split, label_map=found) for split in rows])
    return Marked(list(zip(*marked, strict=True)), tuple(doubts))


def _told(key: str, splits: Sequence[Rows], query: Query) -> LabelMap:
    """The class numbers of what is to be label maps."""
    onehot, instances = query.onehot == key, query.instances == key
    for rows in splits:
        for name, head in zip(rows.names, rows.heads or (), strict=True):
            if not readable(head.mode, instances=instances):
                ids = readable(head.mode, instances=True)
                hint = "; for ids of instances, add onehot=a&instances=a" if ids else ""
                raise DataError(
                    f"side {key} cannot be {'one-hot' if onehot else 'masks'}: {name} is no label "
                    f"map (a grey or palette image of class numbers) but {head.mode}{hint}"
                )
    seen = _seen(splits, instances=instances)
    values = set().union(*(each.values for each in seen))
    restless = 2 * sum(each.restless for each in seen) > len(seen)
    if onehot and len(values) > MOST_CLASSES and restless:
        raise DataError(
            f"side {key} cannot be one-hot: it has {len(values)} values, and most pixels differ "
            "from the next one, so it holds grey images and no label maps"
        )
    return replace(_of_values(values, onehot), instances=instances)


def _guessed(key: str, splits: Sequence[Rows], *, grey: bool) -> tuple[LabelMap | None, str | None]:
    """Class numbers, where the files speak of them, and what is to be said of it."""
    heads: list[Head] = [head for rows in splits for head in rows.heads or ()]
    modes = {head.mode for head in heads}
    if not modes <= {"P", "L"}:
        return None, None
    # A look at a few spares photographs the full search.
    first = splits[0].at(torch.arange(min(_FEW, len(splits[0]))))
    if max(_highest(each.values) for each in _seen([first])) >= MOST_CLASSES:
        few = set().union(*(each.values for each in _seen([first])))
        return None, _two_values(key) if few == {0, IGNORED} else None
    seen = _seen(splits)
    values = set().union(*(each.values for each in seen))
    if _highest(values) >= MOST_CLASSES:
        return None, None
    if values == {0, IGNORED}:
        return None, _two_values(key)
    dim = "L" in modes and (
        len(values) > _MOST_GREY or min(values) > _LOWEST_GREY or any(each.graded for each in seen)
    )
    if grey or dim:
        return None, (
            f"side {key} is read as grey images, though all its values are below {MOST_CLASSES}; "
            f"?{key}:mask reads them as class numbers"
        )
    found = _of_values(values, onehot=False)
    return found, (
        f"side {key} is read as label maps of the classes {found.named()}; ?{key}:image reads it "
        "as images"
    )


def _two_values(key: str) -> str:
    return (
        f"side {key} has the values 0 and 255 alone and is read as grey images; ?{key}:mask "
        "reads them as two classes"
    )


def _of_values(values: set[int], onehot: bool) -> LabelMap:
    """Numbers below 64 stand for all between the lowest and the highest; others for themselves.

    Next to a few higher ones, which are shades (0, 128 and 255), 255 is a class like them.
    """
    counted = _highest(values) < MOST_CLASSES or len(values - {IGNORED}) > _MANY
    ignore = IGNORED if IGNORED in values and len(values) > 2 and counted else None
    known = sorted(values - {ignore})
    if known[-1] < MOST_CLASSES:
        known = list(range(known[0], known[-1] + 1))
    return LabelMap(tuple(known), onehot, ignore)


def _colours(splits: Sequence[Rows], found: LabelMap) -> tuple[tuple[int, ...], ...]:
    """What the palette of the first palette image says of the classes and of `ignore`."""
    for rows in splits:
        for index, head in enumerate(rows.heads or ()):
            if head.mode != "P":
                continue
            try:
                read = rows.look(index)
            except UNREADABLE:
                continue
            if isinstance(read, Image.Image) and (listed := read.getpalette()):
                table = np.zeros((256, 3), np.uint8)
                table[: len(listed) // 3] = np.reshape(listed, (-1, 3))
                return tuple(map(tuple, table[[*found.values, found.ignore or 0]].tolist()))
    return ()


@dataclass(frozen=True)
class _Seen:
    """What a file holds: its values, and how they lie.

    Args:
        graded: whether they rise and fall by single steps.
        restless: whether most differ from the one to the left, as light does and areas do not.
    """

    values: frozenset[int]
    graded: bool = False
    restless: bool = False


def _highest(values: set[int] | frozenset[int]) -> int:
    """The highest value, 255 aside where there are others."""
    return max(values - {IGNORED} or values or {0})


def _seen(splits: Sequence[Rows], *, instances: bool = False) -> list[_Seen]:
    with ThreadPoolExecutor(min(8, cores())) as pool:
        found = [
            each
            for rows in splits
            for each in pool.map(_look, repeat(rows), range(len(rows)), repeat(instances))
        ]
    return [each for each in found if each.values] or [_Seen(frozenset({IGNORED}))]


def _look(rows: Rows, index: int, instances: bool) -> _Seen:
    """One file; of one that cannot be read, nothing."""
    try:
        read = rows.read(index)
        pixels = _classes(read) if instances else np.asarray(read)
    except UNREADABLE:
        return _Seen(frozenset())
    if pixels.ndim != 2:
        return _Seen(frozenset({IGNORED}))
    values = frozenset(np.flatnonzero(np.bincount(pixels.reshape(-1), minlength=1)).tolist())
    if len(values) <= _GRADED:
        return _Seen(values)
    steps = np.abs(np.diff(pixels.astype(np.int16), axis=1))
    graded = bool((steps[steps > 0] <= 2).mean() > 0.75) if steps.any() else False
    return _Seen(values, graded, restless=bool(steps.size and (steps > 0).mean() > 0.5))


def _classes(read: Read) -> np.ndarray[Any, Any]:
    """The class numbers of ids; those that fit no byte are refused when the file is used."""
    found = classes_of(np.asarray(class_pixels(read)))
    return np.where((found >= 0) & (found < 256), found, IGNORED)

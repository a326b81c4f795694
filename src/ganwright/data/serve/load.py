"""Bringing a whole data set onto the device, where it fits."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from math import prod

import torch
from torch import Tensor

from ganwright.data.fitted import Fitted
from ganwright.data.messages import counted, some, unreadable
from ganwright.data.serve.resident import Shelf
from ganwright.data.sides import Rows, Stack
from ganwright.errors import DataError, SettingsError
from ganwright.memory import free

RESIDENT_BYTES = 2 << 30
"""Larger data sets are streamed."""


def resident(sides: Sequence[Fitted], device: torch.device, *, cache: bool) -> bool:
    """Whether all images are read once and stay on the device.

    What may differ each time that it is read is kept only if `cache` says so.

    Raises:
        SettingsError: `cache` says so, and they do not fit.
    """
    anew = any(side.anew for side in sides)
    if anew and cache and not fits(sides, device):
        needed = sum(_bytes(side, device) for side in sides)
        raise SettingsError(
            f"the data set takes {needed / 2**30:.1f} GiB, too much to keep; leave cache out"
        )
    return cache if anew else fits(sides, device)


def fits(sides: Sequence[Fitted], device: torch.device) -> bool:
    """Whether all images may stay on the device: at most 2 GiB and a quarter of what is free."""
    needed = sum(_bytes(side, device) for side in sides)
    return needed == 0 or needed <= min(RESIDENT_BYTES, _free(device) // 4)


def _bytes(side: Fitted, device: torch.device) -> int:
    inside = side.side
    if isinstance(inside, Stack):
        # What the caller already holds in the same memory costs nothing.
        held = inside.pictures.device.type == device.type
        return 0 if held else inside.pictures.numel() * inside.pictures.element_size()
    if side.fit.size is None:
        return inside.bytes(side.fit.channels * side.fit.bytes_a_number)
    return len(inside) * side.fit.channels * prod(side.fit.size) * side.fit.bytes_a_number


def _free(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return free()


def load(
    sides: Sequence[Fitted], device: torch.device, *, skip: bool, together: bool
) -> tuple[tuple[Fitted, ...], list[Shelf]]:
    """All images on the device, and the sides as they are once bad files are dropped.

    Args:
        skip: drop files that cannot be read, with a warning, instead of refusing.
        together: a file that is dropped takes its partner on the other side with it.
    """
    found = [
        None if isinstance(side.side, Stack) else side.read(range(len(side))) for side in sides
    ]
    bad = [
        {i: str(row) for i, row in enumerate(rows or ()) if isinstance(row, DataError)}
        for rows in found
    ]
    names = [name for side in bad for name in side.values()]
    if names and not skip:
        raise unreadable(names)
    if names:
        warnings.warn(f"skipped {counted(len(names), 'image')}: {some(names)}", stacklevel=5)
    everywhere = set().union(*bad)
    kept, shelves = [], []
    for side, rows, dropped in zip(sides, found, bad, strict=True):
        fitted, pictures = _keep(side, rows, everywhere if together else set(dropped))
        kept.append(fitted)
        shelves.append(Shelf(pictures, device))
    return tuple(kept), shelves


def _keep(
    side: Fitted, rows: Sequence[Tensor | DataError] | None, dropped: set[int]
) -> tuple[Fitted, Sequence[Tensor] | Tensor]:
    good = [i for i in range(len(side)) if i not in dropped]
    if not good:
        raise DataError("none of the images can be read; see the warnings above")
    if dropped:
        side = replace(side, side=side.side.at(torch.tensor(good)))
    if rows is None:
        assert isinstance(side.side, Stack)
        return side, side.side.pictures
    assert isinstance(side.side, Rows)
    pictures = [row for row in rows if isinstance(row, Tensor)]
    if len(pictures) > len(good):
        pictures = [row for i in good if isinstance(row := rows[i], Tensor)]
    same = all(picture.shape == pictures[0].shape for picture in pictures)
    return side, torch.stack(pictures) if same else pictures

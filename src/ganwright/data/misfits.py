"""Images that are too small for what batches hold, found by their heads before any is decoded."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import torch

from ganwright.data.fitted import Fitted
from ganwright.data.messages import counted, some
from ganwright.data.sides import Stack
from ganwright.errors import DataError


def without_misfits(sides: Sequence[Fitted], *, skip: bool, together: bool) -> tuple[Fitted, ...]:
    """The sides without images that no window can be cut from.

    Args:
        skip: leave them out, with a warning, instead of refusing; no image may remain.
        together: one that is left out takes its partner on the other side with it.

    Raises:
        DataError: there are some, and they may not be left out.
    """
    found = [_misfits(side) for side in sides]
    names = [name for side in found for name in side.values()]
    if not names:
        return tuple(sides)
    window, least = sides[0].window, " or more" if sides[0].cut else ""
    why = f"not of {window[1]}x{window[0]}{least}: {some(names)}"
    if not skip:
        raise DataError(
            f"{counted(len(names), 'image')} {'is' if len(names) == 1 else 'are'} {why}; give "
            f"{'a smaller' if least else 'an'} --image-size, remove them, or pass "
            "--on-bad-file skip"
        )
    warnings.warn(f"skipped {counted(len(names), 'image')} {why}", stacklevel=6)
    everywhere = set().union(*found)
    return tuple(
        _keep(side, everywhere if together else set(misfits))
        for side, misfits in zip(sides, found, strict=True)
    )


def _misfits(fitted: Fitted) -> dict[int, str]:
    """What messages call each misfit, by its number; images that are scaled always fit."""
    side, window = fitted.side, fitted.window
    if fitted.fit.size is not None or not window:
        return {}
    if isinstance(side, Stack):
        sizes = [side.size()] * len(side)
    else:
        sizes = [head[:2] for head in side.heads or ()]
    return {
        i: f"{fitted.name(i)} is {width}x{height}"
        for i, (height, width) in enumerate(sizes)
        if height < window[0]
        or width < window[1]
        or (not fitted.cut and (height, width) != tuple(window))
    }


def _keep(fitted: Fitted, dropped: set[int]) -> Fitted:
    if not dropped:
        return fitted
    kept = [i for i in range(len(fitted)) if i not in dropped]
    return replace(fitted, side=fitted.side.at(torch.tensor(kept, dtype=torch.int64)))

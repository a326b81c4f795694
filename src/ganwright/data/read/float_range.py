"""Floats that a Python caller passes as images, which are in [-1, 1]."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganwright.errors import DataError


def check_floats(pictures: Sequence[Any]) -> None:
    """Refuse floats of another range; a single item that is broken is left to be named later.

    Raises:
        DataError: as of `check_range`, of those that are finite.
    """
    floats = [x for picture in pictures if (x := _floats(picture)) is not None]
    finite = [x for x in floats if bool(x.isfinite().all())]
    if finite:
        positive = all(float(x.min()) >= 0 for x in finite)
        check_range(torch.cat(finite) if positive else finite[0])


def check_range(pictures: Tensor, *, points: bool = False) -> None:
    """Refuse floats that are not in [-1, 1].

    Raises:
        DataError: they are in [0, 1], are larger, or are not all finite.
    """
    low, high = (float(x) for x in pictures.aminmax())
    if not (-torch.inf < low and high < torch.inf):
        raise DataError("the data holds NaN or infinite values; remove or fix those images")
    if points:
        return
    if low >= 0 and high <= 1 and high > low:
        raise DataError("float images are in [0, 1]; bring them to [-1, 1] with x * 2 - 1")
    if not (low >= -1.001 and high <= 1.001):
        raise DataError(
            f"float images must be in [-1, 1], got [{low:.3g}, {high:.3g}]; "
            "scale them, or give uint8"
        )


def _floats(picture: Any) -> Tensor | None:
    if isinstance(picture, np.ndarray) and picture.dtype.kind == "f":
        picture = torch.from_numpy(picture.astype(np.float32))
    if isinstance(picture, Tensor) and picture.is_floating_point() and picture.numel():
        return picture.detach().float().flatten()
    return None

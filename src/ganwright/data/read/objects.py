"""Data that a Python caller passes: tensors, arrays, data sets, and loaders of these."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from ganwright.data.read import hub
from ganwright.data.read.items import check_range, rows
from ganwright.data.read.labels import dimensions, numbered, several
from ganwright.data.read.loaders import Unbatched, data_set_of, is_iterable
from ganwright.data.sides import Side, Source, Stack
from ganwright.data.types import Batch, Images, Paired, Unpaired
from ganwright.errors import DataError

_SHAPES = (
    "uint8 [n, H, W], [n, H, W, C] or [n, C, H, W] with 1 or 3 channels, floats in [-1, 1] of the "
    "same shapes, or points [n, 2]"
)


def source_of(given: Any, task: type[Batch], channels: int | None = None) -> Source:
    """The source that a tensor, an array, a pair of them, or a data set makes.

    Args:
        given: what the caller passes.
        task: tells pairs from domains.
        channels: to which images are turned; None where the first ones say it for all.

    Raises:
        DataError: it is none of these, or its shape, range or labels are not allowed.
    """
    if isinstance(given, DataLoader):
        given = data_set_of(given)
    if (rows_given := hub.named(given)) is not None:
        return hub.source_of_rows(rows_given)
    if _is_two(given):
        first, second = given
        if _are_labels(first, second):
            return Source("the data", Images, (_side(first, channels, second),))
        kind = Paired if task is Paired else Unpaired
        sides = (_side(first, channels), _side(second, channels))
        if kind is Paired and len(sides[0]) != len(sides[1]):
            raise DataError(
                f"pairs need as many images on either side, got {len(sides[0])} and {len(sides[1])}"
            )
        return Source("the data", kind, sides)
    return Source("the data", Images, (_side(given, channels),))


def one_by_one(given: Any) -> Any | None:
    """What can only be taken as it comes, as an iterable of items; None for all else."""
    if isinstance(given, DataLoader):
        inner = data_set_of(given)
        return Unbatched(given) if inner is None else one_by_one(inner)
    if (rows_given := hub.named(given)) is not None:
        return hub.passing(rows_given)
    return given if is_iterable(given) else None


def _is_two(given: Any) -> bool:
    """Whether it is (images, labels) or (a, b); a list of two is, unless it holds two items."""
    if not isinstance(given, tuple | list) or len(given) != 2:
        return False
    return isinstance(given, tuple) or np.ndim(given[0]) in (2, 4)


def _are_labels(first: Any, second: Any) -> bool:
    axes = dimensions(second)
    if axes == 2 and not (_are_points(first) and _are_points(second)):
        raise several(np.shape(second))
    return axes == 1


def _are_points(given: Any) -> bool:
    return isinstance(given, Tensor | np.ndarray) and given.ndim == 2 and given.shape[1] == 2


def _side(given: Any, channels: int | None, labels: Any = None) -> Side:
    if isinstance(given, type):
        raise DataError(
            f"the data is the class {given.__name__}; pass an instance, as in "
            f"data={given.__name__}()"
        )
    if isinstance(given, Tensor | np.ndarray):
        return _stack(given, labels)
    if isinstance(given, DataLoader) and data_set_of(given) is not None:
        return _side(data_set_of(given), channels, labels)
    if (rows_given := hub.named(given)) is not None:
        return hub.rows_of(rows_given, "the data set")
    if isinstance(given, tuple) and len(given) == 2 and _are_labels(*given):
        return _side(given[0], channels, given[1])
    if hasattr(given, "__getitem__") and hasattr(given, "__len__") and not isinstance(given, dict):
        return rows(given, channels, labels)
    raise DataError(
        f"data of type {type(given).__name__} cannot be read; give a name, a folder, "
        f"{_SHAPES}, a Dataset, a DataLoader, or an object with `batch` and `spec`"
    )


def _stack(given: Any, labels: Any) -> Stack:
    pictures = as_tensor(given)
    if not len(pictures):
        raise DataError("the data is empty; give at least one image")
    if pictures.ndim == 3:
        pictures = pictures[:, None]
    elif pictures.ndim == 4 and pictures.shape[1] not in (1, 3) and pictures.shape[3] in (1, 3):
        pictures = pictures.permute(0, 3, 1, 2)
    points = pictures.ndim == 2 and pictures.shape[1] == 2 and pictures.is_floating_point()
    if not points and (pictures.ndim != 4 or pictures.shape[1] not in (1, 3)):
        raise DataError(f"data of shape {tuple(np.shape(given))} cannot be read; give {_SHAPES}")
    if pictures.is_floating_point():
        pictures = pictures.float()
        check_range(pictures, points=points)
    elif pictures.dtype != torch.uint8:
        raise DataError(f"data of type {pictures.dtype} cannot be read; give {_SHAPES}")
    if labels is None:
        return Stack(pictures)
    return Stack(pictures, *numbered(labels, len(pictures)))


def as_tensor(given: Any) -> Tensor:
    """A tensor of an array, copied where torch cannot share it: read-only, or mirrored.

    Raises:
        DataError: its type is none of torch's.
    """
    if isinstance(given, np.ndarray):
        given = np.require(given, requirements=["C", "W"])
    try:
        return torch.as_tensor(given)
    except TypeError:
        raise DataError(f"data of type {given.dtype} cannot be read; give {_SHAPES}") from None

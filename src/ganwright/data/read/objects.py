"""Data that a Python caller passes: tensors, arrays, data sets, and loaders of these."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from ganwright.data.levels import Reading, choose, native, plain_type
from ganwright.data.read import hub
from ganwright.data.read.float_range import check_range
from ganwright.data.read.items import EIGHT, rows
from ganwright.data.read.labels import dimensions, numbered
from ganwright.data.read.loaders import Unbatched, data_set_of, is_iterable
from ganwright.data.read.parts import parts_of
from ganwright.data.read.signals import Signals, are_points, are_signals, stack_of
from ganwright.data.read.tables import is_frame, source_of_frame
from ganwright.data.sides import Side, Source, Stack
from ganwright.data.types import Batch, Images, Paired, Unpaired
from ganwright.errors import DataError
from ganwright.pixels import to_bytes

_SHAPES = (
    "uint8 or uint16 [n, H, W], [n, H, W, C] or [n, C, H, W], floats in [-1, 1] of the same "
    "shapes, points [n, 2], or signals [n, L]"
)


def source_of(
    given: Any,
    task: type[Batch],
    channels: int | None = None,
    reading: Reading = EIGHT,
    *,
    files: bool = False,
) -> Source:
    """The source that a tensor, an array, a pair of them, or a data set makes.

    Args:
        given: what the caller passes.
        task: tells pairs from domains.
        channels: to which images are turned; None where the first ones say it for all.
        reading: what is said of the numbers.
        files: they come from a file, whose floats may be in [0, 1].

    Raises:
        DataError: it is none of these, or its shape, range or labels are not allowed.
    """
    if isinstance(given, DataLoader):
        given = data_set_of(given)
    if (rows_given := hub.named(given)) is not None:
        return hub.source_of_rows(rows_given, reading)
    if is_frame(given):
        return source_of_frame(given)
    if isinstance(given, tuple) and len(given) == 2 and is_frame(given[0]):
        return source_of_frame(*given)
    how = _How(channels, reading, files)
    if _is_two(given):
        first, second = given
        if _are_labels(first, second):
            return Source("the data", Images, (_side(first, how, second),))
        kind = Paired if task is Paired else Unpaired
        sides = (_side(first, how), _side(second, how))
        if kind is Paired and len(sides[0]) != len(sides[1]):
            raise DataError(
                f"pairs need as many images on either side, got {len(sides[0])} and {len(sides[1])}"
            )
        return Source("the data", kind, sides)
    if task in (Paired, Unpaired) and (parts := parts_of(given)) is not None:
        sides = (_side(parts[0], how), _side(parts[1], how))
        return Source("the data", Paired, sides)
    return Source("the data", Images, (_side(given, how),))


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
    if axes == 2:
        return not (_are_points(first) and _are_points(second))
    return axes == 1


def _are_points(given: Any) -> bool:
    return isinstance(given, Tensor | np.ndarray) and given.ndim == 2 and given.shape[1] == 2


class _How(NamedTuple):
    channels: int | None
    reading: Reading
    files: bool


def _side(given: Any, how: _How, labels: Any = None) -> Side:
    if isinstance(given, type):
        raise DataError(
            f"the data is the class {given.__name__}; pass an instance, as in "
            f"data={given.__name__}()"
        )
    if isinstance(given, Tensor | np.ndarray | Signals):
        return _stack(given, how, labels)
    if isinstance(given, DataLoader) and data_set_of(given) is not None:
        return _side(data_set_of(given), how, labels)
    if (rows_given := hub.named(given)) is not None:
        return hub.rows_of(rows_given, "the data set", how.reading)
    if isinstance(given, tuple) and len(given) == 2 and _are_labels(*given):
        return _side(given[0], how, given[1])
    if hasattr(given, "__getitem__") and hasattr(given, "__len__") and not isinstance(given, dict):
        return rows(given, how.channels, labels, how.reading)
    raise DataError(
        f"data of type {type(given).__name__} cannot be read; give a name, a folder, "
        f"{_SHAPES}, a Dataset, a DataLoader, or an object with `batch` and `spec`"
    )


def _stack(given: Any, how: _How, labels: Any) -> Stack:
    array = as_tensor(given.numbers if isinstance(given, Signals) else given)
    if not array.ndim or not len(array):
        raise DataError("the data is empty; give at least one image")
    if isinstance(given, Signals) or are_signals(array):
        stack = stack_of(array)
    else:
        stack = _images(array, how)
    if labels is None:
        return stack
    numbers, classes = numbered(labels, len(array))
    return replace(stack, labels=numbers, classes=classes)


def _images(pictures: Tensor, how: _How) -> Stack:
    """Images, or points."""
    shape = tuple(pictures.shape)
    if pictures.ndim == 3:
        pictures = pictures[:, None]
    elif pictures.ndim == 4 and _channels_last(pictures.shape[1], pictures.shape[3]):
        pictures = pictures.permute(0, 3, 1, 2)
    points = are_points(pictures)
    if not points and pictures.ndim != 4:
        raise DataError(f"data of shape {shape} cannot be read; give {_SHAPES}")
    stack = Stack(pictures) if points else _levelled(pictures, how)
    if points or (stack.levels is None and pictures.is_floating_point()):
        stack = replace(stack, pictures=pictures.float())
        check_range(stack.pictures, points=points)
    return stack


def _channels_last(first: int, last: int) -> bool:
    """Whether [n, first, ..., last] has its channels last: they are fewer than pixels."""
    return first not in (1, 3) and (last in (1, 3) or last < first)


def _levelled(pictures: Tensor, how: _How) -> Stack:
    """Images in memory as bytes, or as floats in [-1, 1] with the levels that they had.

    Raises:
        DataError: their type does not say what is black and white.
    """
    plain = pictures.is_floating_point() and not how.files
    if (pictures.dtype == torch.uint8 or plain) and not how.reading.range:
        return Stack(pictures)
    numbers = (pictures.float() if pictures.is_floating_point() else pictures).numpy(force=True)
    try:
        kind = plain_type(numbers.dtype)
        chosen = choose("the data", [kind], lambda _: iter([numbers]), how.reading)
        levels = chosen.levels[kind]
        parts = [levels.floats(numbers[i : i + 256]) for i in range(0, len(numbers), 256)]
    except ValueError as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"the data {error}") from None
    floats, reading = torch.cat(parts), replace(how.reading, known=chosen.levels)
    if how.reading.depth == 8:
        return Stack(to_bytes(floats), notes=chosen.notes, reading=reading)
    return Stack(floats, levels=levels, notes=chosen.notes, reading=reading)


def as_tensor(given: Any) -> Tensor:
    """A tensor of an array, copied where torch cannot share it, see `native`.

    Raises:
        DataError: its type is none of torch's.
    """
    if isinstance(given, np.ndarray):
        given = native(given)
    try:
        return torch.as_tensor(given)
    except TypeError:
        raise DataError(f"data of type {given.dtype} cannot be read; give {_SHAPES}") from None

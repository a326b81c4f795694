"""Labels that a Python caller passes: numbers of classes, or their names."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganwright.data.levels import native
from ganwright.errors import DataError

MOST = 100_000
"""The most classes that numbers may speak of: each has a place in the networks."""


def dimensions(value: Any) -> int | None:
    """1 for a label an image, 2 for several labels an image, None for what holds no labels."""
    if isinstance(value, Tensor | np.ndarray):
        return value.ndim if value.ndim in (1, 2) else None
    if not isinstance(value, list | tuple) or not value:
        return None
    if all(is_label(item) for item in value):
        return 1
    first = value[0]
    return 2 if dimensions(first) == 1 else None


def names_a_class(value: Any) -> bool:
    """Whether it is a whole number or a name, as labels are."""
    return is_label(value) and _array([value]).dtype.kind in "biuUS"


def is_label(value: Any) -> bool:
    """Whether it is one number or one name."""
    if isinstance(value, Tensor | np.ndarray):
        return value.ndim == 0
    return isinstance(value, int | float | str | np.generic)


def numbered(labels: Any, count: int, named: Any = None) -> tuple[Tensor, tuple[str, ...]]:
    """Labels as numbers of classes, int64 [count], and the names of the classes.

    Several labels per image, rows of 0 and 1, are float32 [count, classes].

    Names become classes in the order of the alphabet, or of numbers where all are numbers. Numbers
    are those of the classes, so that {3, 7} are two of eight, called 0 to 7.

    Args:
        labels: numbers or names, one per image, also in one column; or 0 and 1, [count, classes].
        count: how many images there are.
        named: the names that a data set gives its classes, if it does.

    Raises:
        DataError: they are neither, too few, negative, too large, or an empty name.
    """
    labels = _without_column(labels)
    if dimensions(labels) == 2:
        return _rows(labels, count)
    values = _array(labels)
    known = tuple(map(str, named)) if isinstance(named, list | tuple) else ()
    if len(values) != count or values.dtype.kind not in "biuUS":
        raise DataError(
            f"labels must be {count} whole numbers from 0, or names, one per image; "
            f"got {len(values)} of type {values.dtype}"
        )
    if values.dtype.kind in "US":
        return _from_names(values.astype(str), known)
    numbers = torch.from_numpy(values.astype(np.int64))
    low, high = int(numbers.min()), int(numbers.max())
    if low < 0:
        raise DataError(
            f"labels are class numbers from 0, but image {int(numbers.argmin())} has "
            f"{low}; renumber them, or leave the labels out"
        )
    if high >= MOST or (known and high >= len(known)):
        have = f"the data set names {len(known)} classes" if known else f"at most {MOST} may be"
        raise DataError(
            f"a label is {high}, but {have}; number the classes from 0 on without gaps, or give "
            "their names as labels"
        )
    return numbers, known or tuple(str(k) for k in range(high + 1))


def _without_column(labels: Any) -> Any:
    """One label per image where rows have one value each, as columns of tables do."""
    if dimensions(labels) != 2:
        return labels
    if isinstance(labels, Tensor | np.ndarray):
        return labels[:, 0] if labels.shape[1] == 1 else labels
    one = all(dimensions(row) == 1 and len(row) == 1 for row in labels)
    return [row[0] for row in labels] if one else labels


def _rows(labels: Any, count: int) -> tuple[Tensor, tuple[str, ...]]:
    """Several labels per image.

    Raises:
        DataError: rows hold other numbers than 0 and 1, or are too few.
    """
    try:
        rows = torch.as_tensor(native(labels)).float()
    except (TypeError, ValueError):
        rows = torch.empty(0, 0)
    if len(rows) != count or not ((rows == 0) | (rows == 1)).all():
        raise DataError(
            f"labels of shape {tuple(np.shape(labels))} give each image several values; they "
            f"must be 0 or 1 in {count} rows, one column per class, or one number or name an image"
        )
    return rows, tuple(str(k) for k in range(rows.shape[1]))


def _from_names(
    values: np.ndarray[Any, Any], known: tuple[str, ...]
) -> tuple[Tensor, tuple[str, ...]]:
    empty = next((i for i, name in enumerate(values.tolist()) if not name.strip()), None)
    if empty is not None:
        raise DataError(f"image {empty} has an empty label; fill it or leave the image out")
    names = sorted(set(values.tolist()))
    if all(name.isdecimal() for name in names):
        names.sort(key=int)
    classes = known if set(names) <= set(known) else tuple(names)
    place = {name: number for number, name in enumerate(classes)}
    return torch.tensor([place[name] for name in values.tolist()]), classes


def is_missing(value: Any) -> bool:
    """Whether a cell of a column holds nothing: None, or NaN."""
    return value is None or (isinstance(value, float) and value != value)


def _array(labels: Any) -> np.ndarray[Any, Any]:
    if isinstance(labels, Tensor):
        numbers = labels.detach().cpu()
        return (numbers.double() if numbers.is_floating_point() else numbers).numpy()
    if isinstance(labels, list | tuple):
        labels = [label.item() if isinstance(label, Tensor) else label for label in labels]
        if any(isinstance(label, str) for label in labels):
            labels = ["" if is_missing(label) else str(label) for label in labels]
    return np.asarray(labels)

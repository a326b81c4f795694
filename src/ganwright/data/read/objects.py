"""Data that a Python caller hands over: tensors, arrays, and map-style data sets."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganwright.data.picture import as_image, plain
from ganwright.data.sides import Rows, Side, Source, Stack
from ganwright.data.types import Batch, Images, Paired, Unpaired
from ganwright.errors import DataError

_SHAPES = (
    "uint8 [n, H, W], [n, H, W, C] or [n, C, H, W] with 1 or 3 channels, floats in [-1, 1] of the "
    "same shapes, or points [n, 2]"
)


def source_of(given: Any, task: type[Batch]) -> Source:
    """The source that a tensor, an array, a pair of them, or a data set makes.

    Raises:
        DataError: it is none of these, or its shape or range is not allowed.
    """
    if isinstance(given, tuple) and len(given) == 2:
        first, second = given
        if _is_labels(second):
            return Source("the data", Images, (_stack(first, second),))
        kind = Paired if task is Paired else Unpaired
        sides = (_side(first), _side(second))
        if kind is Paired and len(sides[0]) != len(sides[1]):
            raise DataError(
                f"pairs need as many pictures on either side, got {len(sides[0])} and "
                f"{len(sides[1])}"
            )
        return Source("the data", kind, sides)
    return Source("the data", Images, (_side(given),))


def _is_labels(value: Any) -> bool:
    return np.ndim(value) == 1 if isinstance(value, Tensor | np.ndarray | list) else False


def _side(given: Any) -> Side:
    if isinstance(given, Tensor | np.ndarray):
        return _stack(given, None)
    if isinstance(given, tuple) and len(given) == 2 and _is_labels(given[1]):
        return _stack(*given)
    if hasattr(given, "__getitem__") and hasattr(given, "__len__") and not isinstance(given, dict):
        return _rows(given)
    raise DataError(
        f"data of type {type(given).__name__} can not be read; give a name, a folder, "
        f"{_SHAPES}, or a map-style Dataset"
    )


def _stack(given: Any, labels: Any) -> Stack:
    pictures = as_tensor(given)
    if not len(pictures):
        raise DataError("the data is empty; give at least one picture")
    if pictures.ndim == 3:
        pictures = pictures[:, None]
    elif pictures.ndim == 4 and pictures.shape[1] not in (1, 3) and pictures.shape[3] in (1, 3):
        pictures = pictures.permute(0, 3, 1, 2)
    points = pictures.ndim == 2 and pictures.shape[1] == 2 and pictures.is_floating_point()
    if not points and (pictures.ndim != 4 or pictures.shape[1] not in (1, 3)):
        raise DataError(f"data of shape {tuple(np.shape(given))} can not be read; give {_SHAPES}")
    if pictures.is_floating_point():
        pictures = pictures.float()
        if not points:
            _check_range(pictures)
    elif pictures.dtype != torch.uint8:
        raise DataError(f"data of type {pictures.dtype} can not be read; give {_SHAPES}")
    if labels is None:
        return Stack(pictures)
    numbers = torch.as_tensor(labels).cpu()
    if len(numbers) != len(pictures) or numbers.is_floating_point() or int(numbers.min()) < 0:
        raise DataError(
            f"labels must be {len(pictures)} whole numbers from 0 on, one a picture; "
            f"got {len(numbers)} of type {numbers.dtype}"
        )
    return Stack(pictures, numbers.long(), _names(numbers))


def as_tensor(given: Any) -> Tensor:
    """A tensor of an array, copied where torch can not share it: read-only, or mirrored."""
    if isinstance(given, np.ndarray):
        given = np.require(given, requirements=["C", "W"])
    return torch.as_tensor(given)


def _check_range(pictures: Tensor) -> None:
    low, high = pictures.aminmax()
    if float(low) >= 0 and float(high) <= 1 and float(high) > float(low):
        raise DataError("float pictures are in [0, 1]; bring them to [-1, 1] with x * 2 - 1")
    if not (float(low) >= -1.001 and float(high) <= 1.001):
        raise DataError(
            f"float pictures must be in [-1, 1], got [{float(low):.3g}, {float(high):.3g}]; "
            "scale them, or give uint8"
        )


def _names(labels: Tensor) -> tuple[str, ...]:
    return tuple(str(k) for k in range(int(labels.max()) + 1))


class Items:
    """Reads one item of a map-style data set as a Pillow image. Floats become 8 bits."""

    def __init__(self, items: Any) -> None:
        self.items = items

    def __call__(self, index: int) -> Image.Image:
        item = self.items[index]
        picture = item[0] if isinstance(item, tuple | list) else item
        if isinstance(picture, np.ndarray):
            picture = torch.from_numpy(picture)
            if picture.ndim == 3 and picture.shape[2] in (1, 3):
                picture = picture.permute(2, 0, 1)
        if isinstance(picture, Tensor):
            picture = picture[None] if picture.ndim == 2 else picture
            if picture.is_floating_point():
                picture = picture.add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
            return as_image(picture)
        return plain(picture)


def _rows(items: Any) -> Rows:
    if not len(items):
        raise DataError("the data set is empty; give at least one picture")
    first = items[0]
    has_label = isinstance(first, tuple | list) and len(first) > 1
    picture = first[0] if isinstance(first, tuple | list) else first
    if not isinstance(picture, Image.Image | Tensor | np.ndarray):
        raise DataError(
            f"items of the data set hold {type(picture).__name__}; they must be a Pillow image or "
            "a tensor, alone or with a label"
        )
    if isinstance(picture, Tensor) and picture.is_floating_point():
        some = [items[i] for i in range(min(16, len(items)))]
        _check_range(torch.cat([(x[0] if has_label else x).flatten() for x in some]))
    labels = _labels(items) if has_label else None
    classes: tuple[str, ...] = ()
    if labels is not None:
        classes = tuple(getattr(items, "classes", ())) or _names(labels)
    names = [f"item {i}" for i in range(len(items))]
    return Rows(Items(items), names, labels=labels, classes=classes)


def _labels(items: Any) -> Tensor | None:
    """Labels from the data set's own list where it has one, else from one pass over its items."""
    known = getattr(items, "targets", getattr(items, "labels", None))
    if known is None or len(known) != len(items):
        known = [items[i][1] for i in range(len(items))]
    try:
        numbers = torch.as_tensor(np.asarray(known))
    except (TypeError, ValueError):
        return None
    whole = numbers.ndim == 1 and not numbers.is_floating_point()
    return numbers.long() if whole else None

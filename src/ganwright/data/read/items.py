"""Map-style data sets: items that are read again, and checked, each time they are needed."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from traceback import extract_tb
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganwright.data.image import Read, as_image, channels_of, head_of_read
from ganwright.data.levels import Levels, Reading, native, plain_type
from ganwright.data.read.deep import numbers_of
from ganwright.data.read.float_range import check_floats
from ganwright.data.read.labels import is_label, names_a_class, numbered
from ganwright.data.sides import Rows
from ganwright.errors import DataError
from ganwright.pixels import to_bytes
from ganwright.seeds import generators_kept, seed_everything

EIGHT = Reading(depth=8)
LOOK = 16
"""The first so many items say what the others are to be like."""


class Items:
    """Reads one item of a map-style data set.

    Args:
        items: the data set.
        channels: how many items may have; None allows any.
        reading: whether more than 8 bits are kept, and what floats may be.
    """

    def __init__(
        self, items: Any, channels: frozenset[int] | None = None, reading: Reading = EIGHT
    ) -> None:
        self.items, self.channels, self.reading = items, channels, reading

    def __call__(self, index: int) -> Read:
        """The i-th image.

        Raises:
            ValueError: the data set raised something, or its image is not allowed.
        """
        return image_of(picture_in(self.item(index)), self.channels, self.reading)

    def item(self, index: int) -> Any:
        """The item as the data set gives it.

        Raises:
            ValueError: whatever the data set raised.
        """
        try:
            return self.items[index]
        except Exception as error:
            raise ValueError(raised(error)) from error


def raised(error: Exception) -> str:
    """What the code of a data set raised, and where, in words that follow the item's name."""
    last = extract_tb(error.__traceback__)[-1]
    where = f"{Path(last.filename).name}, line {last.lineno}"
    return f"raised {type(error).__name__}: {error}, in {where}"


def image_of(picture: Any, channels: frozenset[int] | None, reading: Reading) -> Read:
    """An image as a Pillow image of 8 bits, or as numbers where it has more, or other channels.

    Args:
        picture: a Pillow image, or a tensor or an array: floats are in [-1, 1] without a range.
        channels: how many it may have; None allows any.
        reading: whether there is a range.

    Raises:
        ValueError: it is something else; the sentence goes behind its name.
    """
    if isinstance(picture, Tensor | np.ndarray):
        image = _numbers(_upright(picture), reading)
        found = channels_of(image.mode) if isinstance(image, Image.Image) else len(image)
        wrong = channels is not None and found not in channels
    elif isinstance(picture, Image.Image):
        kept = numbers_of(picture, reading)
        image, found = picture if kept is None else kept, channels_of(picture.mode)
        # Files of a set are often grey and coloured; to turn grey ones coloured loses nothing.
        wrong = channels is not None and found > max(channels)
    else:
        raise ValueError(f"is of type {type(picture).__name__}")
    if wrong:
        assert channels is not None
        known = " or ".join(map(str, sorted(channels)))
        advice = "; channels=3 allows it" if {found, *channels} == {1, 3} else ""
        raise ValueError(f"has {found} channels, the first items {known}{advice}")
    return image


def _numbers(picture: Tensor, reading: Reading) -> Read:
    """A tensor [C, H, W]: grey or colour of 8 bits as an image, all else as it is.

    Raises:
        ValueError: floats are not in [-1, 1], and there is no range.
    """
    if picture.dtype == torch.uint8:
        return as_image(picture) if len(picture) in (1, 3) else picture.numpy()
    if picture.is_floating_point() and not reading.range:
        _bytes(picture)
    numbers = picture.numpy() if picture.dtype != torch.bfloat16 else picture.float().numpy()
    return numbers.astype(plain_type(numbers.dtype))


def rows(items: Any, channels: int | None, labels: Any = None, reading: Reading = EIGHT) -> Rows:
    """The images of a map-style data set, with its labels or those that are given.

    A list or a tuple holds still; any other data set is read again each time.

    Raises:
        DataError: it is empty, or its first items or its labels are not allowed.
    """
    if not len(items):
        raise DataError("the data set is empty; give at least one image")
    reader = Items(items, reading=reading)
    first = _looked_at(reader, range(min(LOOK, len(items))))
    pictures = [picture_in(item) for item in first]
    found = channels_among(pictures, reading)
    if channels is None:
        reader = Items(items, found, reading)
    kinds = kinds_among(pictures, reading)
    levels = Levels(-1, 1, "float32") if "float32" in kinds else None
    numbers: Tensor | None = None
    classes: tuple[str, ...] = ()
    if labels is not None:
        numbers, classes = numbered(labels, len(items))
    elif (known := _labels(reader, first)) is not None:
        numbers, classes = numbered(known, len(items), getattr(items, "classes", None))
    names = [f"item {i}" for i in range(len(items))]
    anew = type(items) not in (list, tuple)
    return Rows(
        reader, names, labels=numbers, classes=classes, anew=anew, kinds=kinds, levels=levels
    )


def _looked_at(reader: Items, indices: Sequence[int]) -> list[Any]:
    """Items outside of any draw: the same each time, with the global generators left alone."""
    found = []
    with generators_kept():
        for index in indices:
            seed_everything("look", index)
            try:
                found.append(reader.item(index))
            except ValueError as error:
                raise DataError(f"item {index} of the data set {error}") from error
    return found


def _labels(reader: Items, first: Sequence[Any]) -> Any:
    """The data set's own list of labels where it has one, else from one pass over its items."""
    if not isinstance(first[0], tuple | list) or len(first[0]) < 2:
        return None
    if not names_a_class(first[0][1]):
        shown = "arrays" if hasattr(first[0][1], "shape") else type(first[0][1]).__name__
        warnings.warn(
            f"the second part of the data set's items is not a label but {shown}, so it is "
            "ignored; "
            "labels are one whole number or name per image",
            stacklevel=6,
        )
        return None
    count = len(reader.items)
    known = getattr(reader.items, "targets", getattr(reader.items, "labels", None))
    if _lists(known, count, first):
        return known
    return [item[1] for item in _looked_at(reader, range(count))]


def _lists(known: Any, count: int, first: Sequence[Any]) -> bool:
    """Whether it is a list of so many labels, which where a transform changes them is not so."""
    try:
        return len(known) == count and all(map(_agree, known, first))
    except TypeError:  # a method, or a single number
        return False


def _agree(known: Any, item: Any) -> bool:
    return is_label(known) and is_label(item[1]) and bool(known == item[1])


def picture_in(item: Any) -> Any:
    """An item's image, which stands alone or first."""
    return item[0] if isinstance(item, tuple | list) and len(item) else item


def _upright(picture: Tensor | np.ndarray[Any, Any]) -> Tensor:
    """[C, H, W] of a tensor or an array [(C,) H, W] or [H, W, C].

    Raises:
        ValueError: the shape is another.
    """
    shape = tuple(picture.shape)
    last = len(shape) == 3 and (
        shape[0] not in (1, 3) and (shape[2] in (1, 3) or shape[2] < shape[0])
    )
    if isinstance(picture, np.ndarray):
        # Arrays have their channels last, unless that cannot be.
        last = last or (len(shape) == 3 and (shape[2] in (1, 3) or shape[2] == shape[0]))
        picture = torch.as_tensor(native(picture))
    picture = picture.permute(2, 0, 1) if last else picture
    picture = picture[None] if picture.ndim == 2 else picture
    if picture.ndim != 3 or not picture.numel():
        raise ValueError(f"has the shape {shape}, not [C, H, W]")
    return picture.detach().cpu()


def _bytes(picture: Tensor) -> Tensor:
    """The image as uint8.

    Raises:
        ValueError: it is neither uint8 nor of floats in [-1, 1].
    """
    if picture.dtype == torch.uint8:
        return picture
    low, high = (float(x) for x in picture.aminmax())
    if not (low == low and high == high):
        raise ValueError("holds NaN")
    if not picture.is_floating_point() or low < -1.001 or high > 1.001:
        raise ValueError(
            f"spans {low:.4g} to {high:.4g} in {str(picture.dtype).removeprefix('torch.')}; "
            "images are uint8, or floats in [-1, 1]"
        )
    return to_bytes(picture)


def kinds_among(pictures: Sequence[Any], reading: Reading) -> frozenset[str]:
    """The types of a data set's first images, as they are read."""
    found = set()
    for picture in pictures:
        try:
            found.add(head_of_read(image_of(picture, None, reading)).type)
        except ValueError:
            continue
    return frozenset(found) or frozenset({"uint8"})


def channels_among(pictures: Sequence[Any], reading: Reading) -> frozenset[int] | None:
    """The numbers of channels among a data set's first images.

    Raises:
        DataError: they are no images, or floats of another range than [-1, 1].
    """
    if not isinstance(pictures[0], Image.Image | Tensor | np.ndarray):
        raise DataError(
            f"items of the data set hold {type(pictures[0]).__name__}; they must be a Pillow image "
            "or a tensor, alone or with a label"
        )
    if not reading.range:
        check_floats(pictures)
    found: set[int] = set()
    for picture in pictures:
        if isinstance(picture, Image.Image):
            found.add(channels_of(picture.mode))
        elif isinstance(picture, Tensor | np.ndarray):
            try:
                found.add(len(_upright(picture)))
            except ValueError:
                continue
    return frozenset(found) or None

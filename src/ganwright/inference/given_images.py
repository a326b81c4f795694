"""Images from Python instead of files: Pillow images and arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganwright.data.image import SIXTEEN_BIT, UNREADABLE, Read, plain
from ganwright.data.label_map import LabelMap
from ganwright.data.levels import Levels, Reading
from ganwright.data.messages import counted
from ganwright.data.read.deep import numbers_of
from ganwright.errors import DataError, SettingsError
from ganwright.inference.image_files import by_numbers, fit_of, why
from ganwright.inference.pictures import Picture, picture_of, white_told
from ganwright.pixels import as_floats, to_bytes

_DEEP = ("uint8", "uint16", "int32", "float32")
"""Types of numbers that Pillow has grey images of."""


@dataclass(frozen=True)
class Kind:
    """What images are: so many channels of 8 bits, of other numbers, or of classes.

    Args:
        channels: of each.
        levels: the numbers that they are written in.
        label_map: their pixels are class numbers.
        reading: how they are read.
    """

    channels: int
    levels: Levels | None = None
    label_map: LabelMap | None = None
    reading: Reading = Reading()

    @property
    def deep(self) -> bool:
        """Whether they have other numbers than 8 bits."""
        return self.label_map is None and self.levels is not None and self.levels.deep

    def check(self) -> None:
        """Refuse what Pillow has no images of.

        Raises:
            SettingsError: naming the way to get them.
        """
        if self.levels is None or not self.deep:
            return
        if self.channels != 1 or self.levels.type not in _DEEP:
            raise SettingsError(
                f"Pillow has no images of {counted(self.channels, 'channel')} in "
                f"{self.levels.type}; give tensors, or files to `ganwright translate`"
            )

    def read(self, image: Image.Image) -> Picture:
        """One of them, as its file would be read."""
        if self.label_map is not None or not by_numbers(self.reading, self.channels):
            return picture_of(image, self.channels, self.label_map, self.reading.alpha)
        return Picture(_brought(image, self.channels, self.reading))

    def image(self, strips: Iterable[Tensor], source: Picture) -> Image.Image:
        """What was made of `source`, in strips [1, C, rows, W] in [-1, 1]."""
        if self.deep and self.levels is not None:
            return Image.fromarray(self.levels.numbers(torch.cat(list(strips), 2)[0, 0]))
        pixels = torch.cat([to_bytes(rows) for rows in strips], 2)[0]
        return source.with_pixels(pixels, self.label_map).image()


def like(
    images: Any, function: Callable[[Tensor], Iterable[Tensor]], taken: Kind, made: Kind
) -> Any:
    """Apply a function to Pillow images or arrays; give what was given.

    Args:
        images: a Pillow image, a list of them, or a uint8 array [H, W], [H, W, C], [n, H, W, C].
        function: from [1, C, H, W] to strips of an image, from the top.
        taken: what it takes.
        made: what it gives.

    Raises:
        DataError: they are nothing of that kind, cannot be read, or hold unknown classes.
        SettingsError: what it gives fits into none.
    """
    made.check()
    given = many(images)
    try:
        pictures = [taken.read(image) for image in given]
    except UNREADABLE as error:
        raise DataError(f"an image cannot be read ({why(error)})") from error
    drawn = [made.image(function(p.pixels[None]), p) for p in pictures]
    if isinstance(images, Image.Image):
        return drawn[0]
    if not isinstance(images, np.ndarray):
        return drawn
    arrays = [np.asarray(image) for image in drawn]
    return np.stack(arrays) if images.ndim == 4 else arrays[0]


def many(images: Any) -> list[Image.Image]:
    """Pillow images of an image, of a list of them, or of a uint8 array.

    Raises:
        DataError: it is something else.
    """
    if isinstance(images, Image.Image):
        return [images]
    if isinstance(images, np.ndarray) and images.size and _drawn(images):
        stack = images if images.ndim == 4 else images[None]
        return [Image.fromarray(a[..., 0] if a.shape[2:] == (1,) else a) for a in stack]
    if isinstance(images, Sequence) and all(isinstance(i, Image.Image) for i in images):
        return list(images)
    what = f"{images.dtype} {images.shape}" if isinstance(images, np.ndarray) else type(images)
    raise DataError(
        f"images are tensors [n, C, H, W] in [-1, 1], Pillow images, or uint8 arrays "
        f"[H, W], [H, W, C] or [n, H, W, C] of 1 to 4 channels; got {what}"
    )


def _drawn(array: np.ndarray[Any, Any]) -> bool:
    """Whether Pillow has images of such an array; of two channels, the second is transparency."""
    channels = 1 if array.ndim == 2 else array.shape[-1]
    return array.dtype == np.uint8 and array.ndim in (2, 3, 4) and channels in (1, 2, 3, 4)


def fitted_all(images: Any, shape: tuple[int, ...], reading: Reading | None = None) -> Tensor:
    """Pillow images or a uint8 array, as `many` takes them: float [n, C, H, W].

    Each is read as its file would be, scaled to cover `shape` (C, H, W), and its middle cut out.

    Raises:
        SettingsError: the shape is not that of images.
        DataError: there is none, they are nothing of that kind, or have other channels or numbers.
    """
    if len(shape) != 3:
        sides = ", ".join(map(str, shape))
        raise SettingsError(f"this run learned no images; give a tensor [n, {sides}]")
    given = many(images)
    if not given:
        raise DataError("there is no image; give one or several")
    reading, size = reading or Reading(), (shape[1], shape[2])
    try:
        made = [_brought(image, shape[0], reading, size) for image in given]
        return torch.stack([as_floats(pixels) for pixels in made])
    except UNREADABLE as error:
        raise DataError(f"an image cannot be read ({why(error)})") from error


def _brought(
    image: Image.Image, channels: int, reading: Reading, size: tuple[int, int] | None = None
) -> Tensor:
    """The image as its file would be; of many bits, Pillow's own conversion would lose some."""
    by_number = by_numbers(reading, channels) or image.mode == "F"
    numbers = numbers_of(image, reading) if by_number else None
    read: Read = image if numbers is None else numbers
    if numbers is None and image.mode in SIXTEEN_BIT:
        read = plain(image, reading.alpha, white_told(image))
    return fit_of(reading, channels, read, size).picture(read)

"""Image files: read with all their metadata, and written back with it."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ganwright import atomic
from ganwright.data.depth import GREY_OR_COLOUR
from ganwright.data.image import (
    UNREADABLE,
    Fit,
    Read,
    as_image,
    head_of,
)
from ganwright.data.label_map import LabelMap
from ganwright.data.levels import (
    EIGHT_BITS,
    FLOATS,
    BeyondError,
    Levels,
    Numbers,
    Reading,
)
from ganwright.data.messages import reason
from ganwright.data.read.deep import ARRAYS, DICOM, read_in
from ganwright.errors import DataError, RunError
from ganwright.inference.array_files import endings, write_numbers
from ganwright.inference.pictures import Picture, picture_of
from ganwright.pixels import as_floats

WRITABLE = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm")
"""Formats that outputs keep; images of other formats become PNG files."""
EXACT = (".png", ".bmp", ".tif", ".tiff")
"""Formats that hold class numbers with their palette."""
_OPTIONS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"lossless": True},
    "TIFF": {"compression": "tiff_deflate"},
}
_LONGEST_EXIF = 65533
"""Bytes that a segment of a JPEG file holds."""
_TAGS = ("PNG", "JPEG", "WEBP", "TIFF")
"""Formats that hold EXIF data and colour profiles."""


def read_picture(
    path: Path,
    channels: int,
    label_map: LabelMap | None = None,
    reading: Reading | None = None,
) -> Picture:
    """Read a file as an image of so many channels, or as a label map.

    Args:
        path: the file.
        channels: of the image.
        label_map: how class numbers become an image.
        reading: how a run reads its files, see `Spec.read_as`; 8 bits when not given.

    Raises:
        DataError: it is none, is broken, or has several frames or unknown classes; the sentence
            names it.
    """
    array, reading = path.suffix.lower() in (*ARRAYS, *DICOM), reading or Reading()
    try:
        if array or (label_map is None and by_numbers(reading, channels)):
            return _of_depth(path, channels, reading)
        with Image.open(path) as file:
            if file.mode != "F" or label_map is not None:
                head_of(file)
                return picture_of(file, channels, label_map, reading.alpha)
        return _of_depth(path, channels, reading)
    except UNREADABLE as error:
        raise DataError(f"{path} cannot be read as an image ({why(error)})") from error


def why(error: BaseException) -> str:
    """Why an image cannot be read by a trained run, in a few words."""
    return error.of_a_run if isinstance(error, BeyondError) else reason(error)


def by_numbers(reading: Reading, channels: int) -> bool:
    """Whether images are read by their numbers, and not as Pillow has them in 8 bits.

    Of a run that has learned Python's floats, or 8 bits, only floats are.
    """
    return _learned(reading) or reading.alpha == "keep" or channels not in GREY_OR_COLOUR


def _learned(reading: Reading) -> bool:
    """Whether the run has learned other numbers than plain bytes and Python's floats."""
    return any(levels != FLOATS for levels in reading.known.values())


def _of_depth(path: Path, channels: int, reading: Reading) -> Picture:
    """An image whose numbers mean what those of the training images did."""
    with path.open("rb") as file:
        read = read_in(file, path.name, reading)
    return Picture(fit_of(reading, channels, read).picture(read))


def fit_of(reading: Reading, channels: int, read: Read, size: tuple[int, int] | None = None) -> Fit:
    """How an image becomes numbers that mean what those of the training images did.

    Args:
        reading: how the run reads its files.
        channels: of its images.
        read: the image as it is read.
        size: (height, width) to cover; None for its own.
    """
    kind = str(read.dtype) if isinstance(read, np.ndarray) else "uint8"
    levels = reading.levels(kind)
    if levels is None and isinstance(read, np.ndarray) and kind == FLOATS.type:
        levels = None if reading.known else _of_floats(read)
    known = {} if levels is None else {kind: levels}
    if levels == EIGHT_BITS and not _learned(reading):
        known = {}  # they stay bytes
    return Fit(size, channels, levels=known, alpha=reading.alpha, depth=reading.depth)


def _of_floats(numbers: Numbers) -> Levels:
    """What floats mean to a run that has learned none, which their least number says."""
    least = -1 if float(numbers.min()) < 0 else 0
    if not least:
        warnings.warn(
            "floats without negative numbers are read from 0 to 1, as this run learned no floats; "
            "give those from -1 to 1 as tensors, to model.translate",
            stacklevel=2,
        )
    return Levels(least, 1, FLOATS.type)


def written(levels: Levels | None, channels: int, *, masks: bool = False) -> tuple[str, ...]:
    """The formats that hold such images and can be written; .pgm holds grey alone."""
    if masks:
        return EXACT
    known = WRITABLE if levels is None else endings(levels, channels)
    return tuple(ending for ending in known if channels == 1 or ending != ".pgm")


def output_of(path: Path, levels: Levels | None, channels: int, *, masks: bool = False) -> Path:
    """The output's name: the input's, if its format holds such images and can be written."""
    allowed = written(levels, channels, masks=masks)
    return path if path.suffix.lower() in allowed else path.with_suffix(allowed[0])


def write_picture(picture: Picture, path: Path, levels: Levels | None = None) -> None:
    """Write a file in the format that its name asks for, whole or not at all.

    Args:
        picture: what to write.
        path: where to.
        levels: the numbers that it holds, where they are not 8 bits, grey or in colour.

    Raises:
        RunError: it cannot be written.
    """
    if levels is not None:
        write_numbers(as_floats(picture.pixels), levels, path)
        return
    image, buffer = picture.image(), io.BytesIO()
    kind = Image.registered_extensions()[path.suffix.lower()]
    if kind in ("JPEG", "PPM", "BMP") and picture.alpha is not None:
        image = as_image(picture.pixels)
    if path.suffix.lower() == ".ppm":
        image = image.convert("RGB")  # Pillow writes grey as a .pgm file
    tags = dict(picture.tags) if kind in _TAGS else {}
    if kind == "JPEG" and len(tags.get("exif", b"")) > _LONGEST_EXIF:
        del tags["exif"]
        warnings.warn(f"{path} lacks its input's EXIF data, too long for a JPEG", stacklevel=2)
    try:
        image.save(buffer, kind, **_OPTIONS.get(kind, {}), **tags)
    except (OSError, ValueError) as error:  # such as a WebP file of more than 16,383 pixels
        raise RunError(f"{path} cannot be written as {kind}: {error}") from error
    try:
        atomic.write(path, buffer.getvalue())
    except OSError as error:
        raise RunError(f"{path} cannot be written: {atomic.reason(error)}") from error

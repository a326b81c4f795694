"""Image files: read with all their metadata, and written back with it."""

from __future__ import annotations

import io
import struct
import warnings
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image, ImageCms
from torch import Tensor

from ganwright import atomic
from ganwright.data.depth import GREY_OR_COLOUR
from ganwright.data.image import (
    UNREADABLE,
    Fit,
    Read,
    as_image,
    channels_of,
    class_pixels,
    head_of,
    of_twelve_bits,
    plain,
    upright,
)
from ganwright.data.label_map import LabelMap, readable
from ganwright.data.levels import EIGHT_BITS, FLOATS, BeyondError, Levels, Numbers, Reading
from ganwright.data.messages import reason
from ganwright.data.read.deep import ARRAYS, DICOM, read_in
from ganwright.errors import DataError, RunError
from ganwright.inference.array_files import endings, write_numbers
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


_OWN = (
    *(254, 256, 257, 258, 259, 262, 273, 274, 277, 278, 279, 284, 317, 320, 322, 323, 324, 325),
    *(330, 338, 339, 34675),
    *(263, 264, 265, 266, 280, 281, 290, 291, 292, 293, 301, 332, 333, 334, 336, 340, 341, 342),
    347,
    *(512, 513, 514, 515, 517, 518, 519, 520, 521, 529, 530, 531, 532),
)
"""Tags of a file's own pixels, such as TIFF's offsets, its way of colours and the orientation."""


@dataclass(frozen=True)
class Picture:
    """An image and what came with it.

    Args:
        pixels: uint8 [1 or 3, H, W], upright; transparent parts are white. One-hot label maps
            have the channels of a `LabelMap`. Of other depth, [C, H, W], with floats in [-1, 1].
        alpha: uint8 [1, H, W], or None.
        tags: Pillow's arguments that keep EXIF data and the colour profile.
        mask: the pixels are what a network drew of classes, and files hold the class numbers.
    """

    pixels: Tensor
    alpha: Tensor | None = None
    tags: dict[str, bytes] = field(default_factory=dict)
    mask: LabelMap | None = None

    def with_pixels(self, pixels: Tensor, mask: LabelMap | None = None) -> Picture:
        """Other pixels with what this image carries; alpha is brought to their size.

        With `mask` they show its classes, and nothing is carried over.
        """
        if mask is not None:
            return Picture(pixels, mask=mask)
        alpha, tags = self.alpha, dict(self.tags)
        if alpha is not None and alpha.shape[1:] != pixels.shape[1:]:
            size = (pixels.shape[2], pixels.shape[1])
            alpha = as_tensor(as_image(alpha).resize(size, Image.Resampling.BICUBIC))
        if len(pixels) != len(self.pixels):  # the profile speaks of other channels
            tags.pop("icc_profile", None)
        return replace(self, pixels=pixels, alpha=alpha, tags=tags)

    def fitted(self, shape: tuple[int, ...]) -> Tensor:
        """The middle, scaled to `shape` (C, H, W), as for training: [1, C, H, W]."""
        if self.pixels.dtype == torch.uint8 and len(self.pixels) in (1, 3):
            return fitted(as_image(self.pixels), shape)  # they show white paper already
        made = Fit((shape[1], shape[2]), shape[0]).stack(self.pixels[None])
        return made.clamp(-1, 1) if made.is_floating_point() else made  # to scale is to overshoot

    def image(self) -> Image.Image:
        """The image as Pillow has it."""
        if self.mask is not None:
            return self.mask.as_mask(self.mask.likeliest(self.pixels))
        image = as_image(self.pixels)
        if self.alpha is not None:
            image.putalpha(as_image(self.alpha))
        return image


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


def picture_of(
    image: Image.Image,
    channels: int,
    label_map: LabelMap | None = None,
    alpha: Literal["keep", "white", "drop"] = "white",
) -> Picture:
    """A Pillow image of any mode, upright, in 8 bits, with 1 or 3 channels.

    With `label_map` its pixels are class numbers, and become what networks were shown. Transparent
    parts show what `alpha` says, see `plain`.

    Raises:
        OSError, ValueError: its pixels cannot be read, or are of unknown classes.
    """
    image.load()
    if label_map is not None:
        if not readable(image.mode, instances=label_map.instances):
            raise ValueError(
                f"is {image.mode}, and this run takes label maps: grey or palette images of "
                "class numbers"
            )
        return Picture(label_map.channelled(label_map.numbers(np.asarray(class_pixels(image)))))
    profile, exif = image.info.get("icc_profile"), _exif(image)
    image = upright(image)
    if (widened := of_twelve_bits(image)) is not None:
        warnings.warn(
            "a 16-bit image without numbers above 4095 is taken for 12 bits, as training images "
            "are; this run learned 8 bits",
            stacklevel=2,
        )
        image = widened
    if image.mode in ("CMYK", "LAB"):
        # Their profile does not describe the colours that they are turned into.
        image, profile = _in_rgb(image, profile), None
    transparency = _alpha(image)
    grey = channels_of(image.mode) == 1
    flat = plain(image, alpha).convert("L" if channels == 1 else "RGB")
    tags = {"exif": exif} if exif else {}
    if profile and grey == (channels == 1):
        tags["icc_profile"] = profile
    return Picture(as_tensor(flat), transparency, tags)


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


def fitted(image: Image.Image, shape: tuple[int, ...]) -> Tensor:
    """The middle of an image scaled to `shape` (C, H, W), as for training: uint8 [1, C, H, W]."""
    return Fit((shape[1], shape[2]), shape[0]).picture(image)[None]


def as_tensor(image: Image.Image) -> Tensor:
    """uint8 [channels, H, W]."""
    pixels = torch.from_numpy(np.array(image))
    return pixels[None] if pixels.ndim == 2 else pixels.permute(2, 0, 1).contiguous()


def _alpha(image: Image.Image) -> Tensor | None:
    if image.mode not in ("RGBA", "RGBa", "LA", "La", "PA") and "transparency" not in image.info:
        return None
    return as_tensor(image.convert("RGBA").getchannel("A"))


def _exif(image: Image.Image) -> bytes:
    """The EXIF data that hold for an image made of this one; empty if there are none, or broken
    ones."""
    exif = Image.Exif()
    try:
        exif.load(image.getexif().tobytes())
        for tag in _OWN:
            exif.pop(tag, None)
        return exif.tobytes() if exif else b""
    except (*UNREADABLE, struct.error, TypeError, KeyError):
        return b""


def _in_rgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """CMYK or Lab as RGB; inks by their profile where they have one that works."""
    if profile and image.mode == "CMYK":
        try:
            return ImageCms.profileToProfile(  # type: ignore[return-value]
                image, io.BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
        except ImageCms.PyCMSError:
            pass
    return image.convert("RGB")

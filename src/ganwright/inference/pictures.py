"""Pillow images as what networks take, with what came with them."""

from __future__ import annotations

import io
import struct
import warnings
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import torch
from PIL import Image, ImageCms
from torch import Tensor

from ganwright.data.image import (
    SIXTEEN_BIT,
    UNREADABLE,
    Fit,
    as_image,
    channels_of,
    class_pixels,
    plain,
    upright,
)
from ganwright.data.label_map import LabelMap, readable
from ganwright.data.levels import SIXTEEN_BITS, TWELVE_BITS, white_of

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
    if image.mode in ("CMYK", "LAB"):
        # Their profile does not describe the colours that they are turned into.
        image, profile = _in_rgb(image, profile), None
    transparency = _alpha(image)
    grey = channels_of(image.mode) == 1
    flat = plain(image, alpha, white_told(image)).convert("L" if channels == 1 else "RGB")
    tags = {"exif": exif} if exif else {}
    if profile and grey == (channels == 1):
        tags["icc_profile"] = profile
    return Picture(as_tensor(flat), transparency, tags)


def white_told(image: Image.Image) -> int:
    """What is white in a 16-bit image, told as among training images."""
    if image.mode not in SIXTEEN_BIT or white_of(np.asarray(image).max()) == SIXTEEN_BITS:
        return SIXTEEN_BITS
    warnings.warn(
        "a 16-bit image without numbers above 4095 is taken for 12 bits, as training images are; "
        "this run learned 8 bits",
        stacklevel=3,
    )
    return TWELVE_BITS


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

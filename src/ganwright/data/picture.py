"""One image: from what a file holds to a uint8 tensor of the size and channels asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn.functional import interpolate

from ganwright.data.label_map import LabelMap

# What Pillow raises for files that are broken, truncated, refused or no pictures at all.
UNREADABLE = (
    *(OSError, SyntaxError, ValueError, EOFError, RuntimeError),
    Image.DecompressionBombError,
)

_SIXTEEN_BIT = {"I", "I;16", "I;16L", "I;16B", "I;16N"}
_GREY = {"1", "L", "LA", "La"} | _SIXTEEN_BIT
_ALPHA = {"RGBA", "RGBa", "LA", "La", "PA"}
_ORIENTATION = 0x0112
_ROTATION = {"exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif"}


class Head(NamedTuple):
    """What a file says of its image before it is decoded: upright size, channels, mode."""

    height: int
    width: int
    channels: int
    mode: str


def head_of(image: Image.Image) -> Head:
    """The head of an opened image, EXIF rotation considered.

    Raises:
        ValueError: it is an animation, or its pixels are floating-point numbers.
    """
    # Phones write MPO: a JPEG with a second view behind the picture.
    if getattr(image, "is_animated", False) and image.format != "MPO":
        raise ValueError("has several frames")
    if image.mode == "F":
        raise ValueError("has floating-point pixels")
    width, height = image.size
    if _may_turn(image) and image.getexif().get(_ORIENTATION, 1) >= 5:
        width, height = height, width
    return Head(height, width, channels_of(image.mode), image.mode)


def _may_turn(image: Image.Image) -> bool:
    """Whether the head speaks of rotation; to ask Pillow decodes a PNG, and copies all images."""
    return image.format == "TIFF" or not _ROTATION.isdisjoint(image.info)


def upright(image: Image.Image) -> Image.Image:
    """The image as it should be seen, EXIF rotation considered."""
    return ImageOps.exif_transpose(image) if _may_turn(image) else image


def channels_of(mode: str) -> int:
    """1 for Pillow's grey modes, 3 for all others."""
    return 1 if mode in _GREY else 3


def plain(image: Image.Image) -> Image.Image:
    """The image upright, in 8 bits, grey (`L`) or `RGB`; transparent parts show white.

    Raises:
        ValueError: its pixels are floating-point numbers or wider than 16 bits.
    """
    image = upright(image)
    if image.mode in _SIXTEEN_BIT:
        return _of_sixteen_bits(image)
    if image.mode == "F":
        raise ValueError("has floating-point pixels")
    grey = channels_of(image.mode) == 1
    if image.mode in _ALPHA or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("L" if grey else "RGB")


def _of_sixteen_bits(image: Image.Image) -> Image.Image:
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise ValueError("has pixels wider than 16 bits")
    return Image.fromarray(((values + 128) // 257).astype(np.uint8))


@dataclass(frozen=True)
class Fit:
    """How an image is brought into shape.

    Args:
        size: (height, width) to cover: the image is scaled with antialiasing until it just
            covers it, and the middle is cut out; None leaves the size.
        channels: 1 or 3.
        label_map: the image holds class numbers, which are never blended.
    """

    size: tuple[int, int] | None
    channels: int
    label_map: LabelMap | None = None

    def picture(self, image: Image.Image) -> Tensor:
        """A uint8 tensor [channels, H, W]; [1, H, W] class numbers for one-hot label maps."""
        if self.label_map is not None:
            return self._label_map(image, self.label_map)
        image = plain(image).convert("L" if self.channels == 1 else "RGB")
        return _tensor(self._cover(image, Image.Resampling.BICUBIC))

    def _label_map(self, image: Image.Image, classes: LabelMap) -> Tensor:
        image = self._cover(upright(image), Image.Resampling.NEAREST)
        numbers = classes.numbers(np.asarray(image))
        return numbers if classes.onehot else classes.coloured(numbers)

    def _cover(self, image: Image.Image, resample: Image.Resampling) -> Image.Image:
        if self.size is None or image.size == self.size[::-1]:
            return image
        height, width = self.size
        scale = min(image.width / width, image.height / height)
        left, top = (image.width - width * scale) / 2, (image.height - height * scale) / 2
        box = (left, top, left + width * scale, top + height * scale)
        return image.resize((width, height), resample, box)

    def stack(self, pictures: Tensor) -> Tensor:
        """The same for uint8 or float images that are in memory, [n, C, H, W]."""
        if pictures.shape[1] != self.channels:
            pictures = grey(pictures) if self.channels == 1 else pictures.expand(-1, 3, -1, -1)
        if self.size is None or pictures.shape[2:] == self.size:
            return pictures.contiguous()
        height, width = self.size
        scale = max(height / pictures.shape[2], width / pictures.shape[3])
        whole = [round(side * scale) for side in pictures.shape[2:]]
        top, left = (whole[0] - height) // 2, (whole[1] - width) // 2
        chunks = [
            interpolate(part, whole, mode="bicubic", antialias=True)
            for part in pictures.split(4096)
        ]
        return torch.cat([x[..., top : top + height, left : left + width] for x in chunks])


def grey(pictures: Tensor) -> Tensor:
    """Luminance (ITU-R 601) of colour images: [n, 3, H, W] to [n, 1, H, W], same type."""
    if pictures.shape[1] == 1:
        return pictures
    weights = torch.tensor([0.299, 0.587, 0.114], device=pictures.device)[:, None, None]
    parts = [(part.float() * weights).sum(1, keepdim=True) for part in pictures.split(4096)]
    light = torch.cat(parts)
    return light.round().to(torch.uint8) if pictures.dtype == torch.uint8 else light


def _tensor(image: Image.Image) -> Tensor:
    pixels = torch.from_numpy(np.array(image))
    return pixels[None] if pixels.ndim == 2 else pixels.permute(2, 0, 1).contiguous()


def as_image(pixels: Tensor) -> Image.Image:
    """The Pillow image of a uint8 tensor [1, 3 or 4 channels, H, W]."""
    array = pixels.permute(1, 2, 0).numpy()
    return Image.fromarray(np.ascontiguousarray(array[..., 0] if array.shape[2] == 1 else array))

"""One image: from what a file holds to a tensor of the size and channels asked for."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn.functional import interpolate

from ganwright.data.label_map import LabelMap
from ganwright.data.levels import EIGHT_BITS, SIXTEEN_BITS, Levels, Numbers
from ganwright.data.reduced import decoded_smaller, told_behind, turned
from ganwright.pixels import to_bytes

Read: TypeAlias = Image.Image | Numbers
"""An image as it is read: as Pillow has it, or as numbers [C, H, W]."""

# What readers of images raise for files that are broken, altered, refused or no images at all.
UNREADABLE = (
    *(OSError, SyntaxError, ValueError, EOFError, RuntimeError, MemoryError),
    *(ArithmeticError, LookupError, struct.error),
    Image.DecompressionBombError,
)

SIXTEEN_BIT = {"I", "I;16", "I;16L", "I;16B", "I;16N"}
_GREY = {"1", "L", "LA", "La"} | SIXTEEN_BIT
_ALPHA = {"RGBA", "RGBa", "LA", "La", "PA"}
_ORIENTATION = 0x0112
_ROTATION = {"exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif"}


class Head(NamedTuple):
    """What a file says of its image before it is decoded: upright size, channels, mode."""

    height: int
    width: int
    channels: int
    mode: str
    type: str = "uint8"
    """NumPy's name of the type of its pixels."""
    alpha: bool = False
    """Whether it has an alpha channel, which `channels` does not count."""


def head_of(image: Image.Image) -> Head:
    """The head of an opened image, EXIF rotation considered.

    Raises:
        ValueError: it is an animation.
    """
    # Phones write MPO: a JPEG with a second view behind the picture.
    if getattr(image, "is_animated", False) and image.format != "MPO":
        raise ValueError("has several frames")
    width, height = image.size
    if (_may_turn(image) or told_behind(image)) and image.getexif().get(_ORIENTATION, 1) >= 5:
        width, height = height, width
    return Head(height, width, channels_of(image.mode), image.mode, alpha=has_alpha(image))


def has_alpha(image: Image.Image) -> bool:
    """Whether parts of the image may be transparent."""
    return image.mode in _ALPHA or "transparency" in image.info


def head_of_read(picture: Read) -> Head:
    """The head of an image that has been read."""
    if isinstance(picture, Image.Image):
        return head_of(picture)
    channels, height, width = picture.shape
    return Head(height, width, channels, "array", str(picture.dtype))


def _may_turn(image: Image.Image) -> bool:
    """Whether the head speaks of rotation; to ask Pillow decodes a PNG, and copies all images."""
    return image.format == "TIFF" or not _ROTATION.isdisjoint(image.info)


def upright(image: Image.Image) -> Image.Image:
    """The image as it should be seen, EXIF rotation considered."""
    image.load()  # a PNG may speak of it behind its pixels
    return ImageOps.exif_transpose(image) if _may_turn(image) else image


def class_pixels(picture: Read) -> Image.Image:
    """A label map upright, in 32 bits where it has more than 8: Pillow cannot resize all others.

    Raises:
        ValueError: it has several channels.
    """
    if isinstance(picture, Image.Image):
        image = upright(picture)
        return image.convert("I") if image.mode in SIXTEEN_BIT else image
    if len(picture) != 1:
        raise ValueError(f"has {len(picture)} channels, not 1")
    return Image.fromarray(picture[0].astype(np.int32))


def channels_of(mode: str) -> int:
    """1 for Pillow's grey modes, 3 for all others."""
    return 1 if mode in _GREY else 3


def plain(
    image: Image.Image,
    alpha: Literal["keep", "white", "drop"] = "white",
    white: int = SIXTEEN_BITS,
) -> Image.Image:
    """The image upright, in 8 bits, grey (`L`) or `RGB`.

    Args:
        image: of any mode.
        alpha: what becomes of transparent parts: they show white, or the colour that is hidden
            under them, or there is a further channel (`LA`, `RGBA`).
        white: what is white in a 16-bit image.

    Raises:
        ValueError: its pixels are floating-point numbers or wider than 16 bits.
    """
    image = upright(image)
    if image.mode in SIXTEEN_BIT:
        return _of_sixteen_bits(image, white)
    if image.mode == "F":
        raise ValueError("has floating-point pixels")
    grey = channels_of(image.mode) == 1
    if alpha == "keep":
        return image.convert("LA" if grey else "RGBA")
    if has_alpha(image):
        image = image.convert("RGBA")
        if alpha == "white":
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("L" if grey else "RGB")


def _of_sixteen_bits(image: Image.Image, white: int) -> Image.Image:
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > SIXTEEN_BITS:
        raise ValueError("has pixels wider than 16 bits")
    return Image.fromarray(((255 * values + white // 2) // white).astype(np.uint8))


_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


@dataclass(frozen=True)
class Fit:
    """How an image is brought into shape.

    Args:
        size: (height, width) to cover: the image is scaled with antialiasing until it just
            covers it, and the middle is cut out; None leaves the size.
        channels: 1 and 3 are made of each other; others are what the data has.
        label_map: the image holds class numbers, which are never blended.
        levels: what numbers of each type mean; without any, all are 8 bits and stay bytes.
        alpha: what becomes of transparent parts, see `plain`.
        depth: 8 brings all to 8 bits.
    """

    size: tuple[int, int] | None
    channels: int
    label_map: LabelMap | None = None
    levels: Mapping[str, Levels] = field(default_factory=dict)
    alpha: Literal["keep", "white", "drop"] = "white"
    depth: Literal["keep", 8] = "keep"

    @property
    def bytes_a_number(self) -> int:
        """Memory that one number of an image takes."""
        return 4 if self.levels and self.depth == "keep" else 1

    def picture(self, picture: Read) -> Tensor:
        """A tensor [channels, H, W]: uint8, or floats in [-1, 1] where there are levels.

        One-hot label maps are [1 or 2, H, W], see `LabelMap.numbers`.

        Raises:
            ValueError: its numbers or its channels are not those of the others.
        """
        if self.label_map is not None:
            return self._label_map(picture, self.label_map)
        if isinstance(picture, Image.Image) and not self.levels:
            if self.channels not in _MODES:
                raise ValueError(f"has {len(picture.getbands())} channels, not {self.channels}")
            image = plain(picture, self.alpha).convert(_MODES[self.channels])
            return _tensor(self._cover(image, Image.Resampling.BICUBIC))
        pixels = self._pixels(picture)
        if len(pixels) != self.channels and {len(pixels), self.channels} != {1, 3}:
            raise ValueError(f"has {len(pixels)} channels, not {self.channels}")
        if self.levels and self.depth == 8 and {len(pixels), self.channels} <= {1, 3}:
            image = as_image(to_bytes(pixels)).convert(_MODES[self.channels])
            return _tensor(self._cover(image, Image.Resampling.BICUBIC))
        fitted = self.stack(pixels[None])[0]
        if fitted.dtype == torch.uint8 or not self.levels:
            return fitted
        fitted = fitted.clamp(-1, 1)
        return to_bytes(fitted) if self.depth == 8 else fitted

    def _pixels(self, picture: Read) -> Tensor:
        if isinstance(picture, Image.Image):
            picture = _tensor(plain(picture, self.alpha)).numpy()
        levels = self.levels.get(str(picture.dtype), EIGHT_BITS)
        if levels is EIGHT_BITS and picture.dtype != np.uint8:
            raise ValueError(f"holds {picture.dtype}, which the others do not")
        if not self.levels:
            return torch.from_numpy(np.ascontiguousarray(picture))
        return levels.floats(np.ascontiguousarray(picture))

    def file(self, image: Read) -> Tensor:
        """The same of a file that was opened and not decoded: large JPEGs are decoded smaller."""
        decoded = not isinstance(image, Image.Image) or bool(self.levels) or self.alpha == "keep"
        if decoded or self.size is None or self.label_map is not None:
            return self.picture(image)
        assert isinstance(image, Image.Image)
        smaller = decoded_smaller(image, self.size)
        if smaller is None:
            return self.picture(image)
        grey = channels_of(image.mode) == 1
        flat = image.convert("L" if grey else "RGB").convert("L" if self.channels == 1 else "RGB")
        # Turned once it is small, so that pixels beyond its edge lie right and below.
        size = self.size[::-1] if turned(image) else self.size
        return _tensor(upright(_covering(flat, smaller, size, Image.Resampling.BICUBIC)))

    def _label_map(self, picture: Read, classes: LabelMap) -> Tensor:
        image = self._cover(class_pixels(picture), Image.Resampling.NEAREST)
        numbers = classes.numbers(np.asarray(image))
        return numbers if classes.onehot else classes.coloured(numbers)

    def _cover(self, image: Image.Image, resample: Image.Resampling) -> Image.Image:
        if self.size is None or image.size == self.size[::-1]:
            return image
        return _covering(image, image.size, self.size, resample)

    def stack(self, pictures: Tensor) -> Tensor:
        """The same for uint8 or float images that are in memory, [n, C, H, W]."""
        if pictures.shape[1] != self.channels:
            pictures = (
                grey(pictures) if self.channels == 1 else pictures.expand(-1, self.channels, -1, -1)
            )
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


def _covering(
    image: Image.Image,
    extent: tuple[float, float],
    size: tuple[int, int],
    resample: Image.Resampling,
) -> Image.Image:
    """The middle of the image, whose (width, height) is `extent`, at a size (height, width)."""
    height, width = size
    scale = min(extent[0] / width, extent[1] / height)
    left, top = (extent[0] - width * scale) / 2, (extent[1] - height * scale) / 2
    box = (left, top, left + width * scale, top + height * scale)
    return image.resize((width, height), resample, box)


def _tensor(image: Image.Image) -> Tensor:
    pixels = torch.from_numpy(np.array(image))
    return pixels[None] if pixels.ndim == 2 else pixels.permute(2, 0, 1).contiguous()


def as_image(pixels: Tensor) -> Image.Image:
    """The Pillow image of a uint8 tensor [1, 3 or 4 channels, H, W]."""
    array = pixels.permute(1, 2, 0).numpy()
    return Image.fromarray(np.ascontiguousarray(array[..., 0] if array.shape[2] == 1 else array))

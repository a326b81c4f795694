"""Label maps: images whose pixels are class numbers."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ganwright.pixels import from_bytes

if TYPE_CHECKING:
    from PIL import Image

MODES = ("P", "L", "1")
"""Pillow's modes whose pixels can be class numbers."""
_INSTANCES = 1000
_IGNORED = (255, 255, 255)
_CHUNK = 1 << 16


@dataclass(frozen=True)
class LabelMap:
    """The class numbers of label maps, and how they become images.

    They are shown in one colour a class, or, with `onehot`, as one channel a class in {-1, 1}.
    Pixels of the number `ignore` belong to no class: they are white, or -1 in every channel.
    `names` are those of the classes, in the same order; empty where they have none.
    With `instances` pixels are ids, see `classes_of`, and one more channel is 1 at the edges of
    instances: where an id is not that of the pixel to the left, to the right, above or below
    (pix2pixHD, arXiv:1711.11585, section 3.3).
    `colours` are those that the files have for the classes and, behind them, for `ignore`: RGB, or
    empty where files have none. Masks are written in them, and everything else is shown in colours
    that are surely distinct.
    """

    values: tuple[int, ...]
    onehot: bool = False
    ignore: int | None = None
    names: tuple[str, ...] = ()
    instances: bool = False
    colours: tuple[tuple[int, ...], ...] = field(default=(), compare=False)

    @classmethod
    def stored(cls, values: Mapping[str, Any]) -> LabelMap:
        """A label map as JSON holds it, also of runs that kept the lowest and highest number."""
        if "low" in values:
            numbers = range(values["low"], values["high"] + 1)
            return cls(tuple(numbers), bool(values["onehot"]))
        names = tuple(values.get("names", ()))
        onehot, instances = bool(values["onehot"]), bool(values.get("instances"))
        colours = tuple(map(tuple, values.get("colours", ())))
        return cls(tuple(values["values"]), onehot, values["ignore"], names, instances, colours)

    def called(self, names: Mapping[int, str]) -> LabelMap:
        """The same with the names of its classes; one without a name is called by its number."""
        return replace(self, names=tuple(names.get(v, str(v)) for v in self.values))

    @property
    def titles(self) -> tuple[str, ...]:
        """What each class is called: its name, or its number."""
        return self.names or tuple(map(str, self.values))

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return len(self.values)

    @property
    def channels(self) -> int:
        """Channels that networks see."""
        return self.classes + self.instances if self.onehot else 3

    def named(self) -> str:
        """The class numbers in words: `0 to 18`, or `0, 128, 255`."""
        low, high = self.values[0], self.values[-1]
        if len(self.values) > 2 and high - low + 1 == len(self.values):
            return f"{low} to {high}"
        few = ", ".join(map(str, self.values[:8]))
        return few if len(self.values) <= 8 else f"{few} ... {high}"

    def palette(self) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """Distinct colours, [classes + 1, 3]: hues by the golden ratio, in three brightnesses.

        The last is that of pixels that belong to no class.
        """
        colours = [
            colorsys.hsv_to_rgb(0.618034 * k % 1, (1.0, 0.55, 0.8)[k % 3], (0.9, 1.0, 0.55)[k % 3])
            for k in range(self.classes)
        ]
        table = np.array(colours) * 255
        return np.concatenate([table.round(), [_IGNORED]]).astype(np.uint8)

    def numbers(self, pixels: np.ndarray[Any, Any]) -> Tensor:
        """Pixels [H, W] as classes counted from 0: uint8 [1, H, W].

        With `instances` it is [2, H, W], and the second are the `seams` of the ids.

        Raises:
            ValueError: a class is unknown; the sentence goes behind "cannot be read".
        """
        ids = pixels.astype(np.int32)
        own = classes_of(ids) if self.instances else ids
        table = np.full(257, -1)
        table[list(self.values)] = np.arange(self.classes)
        if self.ignore is not None:
            table[self.ignore] = self.classes
        found = table[np.where((own >= 0) & (own < 256), own, 256)]
        if found.min() < 0:
            also = "" if self.ignore is None else f", and {self.ignore} for no class"
            raise ValueError(
                f"holds class {int(own[found < 0][0])}; known are the training images' "
                f"{self.named()}{also}"
            )
        numbers = torch.from_numpy(found.astype(np.uint8))[None]
        between = [seams(torch.from_numpy(ids))[None]] if self.instances else []
        return torch.cat([numbers, *between])

    def coloured(self, numbers: Tensor) -> Tensor:
        """Classes [1, H, W] in their colours: uint8 [3, H, W]."""
        return self._colours(numbers.long())[0].contiguous()

    def shown(self, pictures: Tensor) -> Tensor:
        """What networks see, [n, C, H, W] in [-1, 1], as people do: [n, 3, H, W].

        At the edges of instances the colours of classes are half as bright.
        """
        if not self.onehot:
            return pictures
        high, number = pictures[:, : self.classes].max(1)
        colours = self._colours(torch.where(high > 0, number, self.classes))
        if self.instances:
            colours = torch.where(pictures[:, -1:] > 0, colours // 2, colours)
        return from_bytes(colours)

    def drawn(self, pictures: Tensor) -> Tensor:
        """The same of what a network drew: every pixel is of its likeliest class."""
        if not self.onehot:
            return pictures
        return from_bytes(self._colours(pictures[:, : self.classes].argmax(1)))

    def _colours(self, numbers: Tensor) -> Tensor:
        """Classes [n, H, W] in their colours: uint8 [n, 3, H, W]."""
        return torch.from_numpy(self.palette()).to(numbers.device)[numbers].movedim(-1, 1)

    def channelled(self, numbers: Tensor) -> Tensor:
        """Classes [1, H, W] as networks see them: uint8 [channels, H, W].

        One-hot label maps may be a batch of them. With `instances` the second channel is their
        seams; without one, each area of a class is an instance.
        """
        if not self.onehot:
            return self.coloured(numbers)
        own = numbers[..., :1, :, :]
        known = torch.arange(self.classes, dtype=torch.uint8, device=numbers.device)
        hot = own == known[:, None, None]
        if self.instances:
            between = seams(own) if numbers.shape[-3] == 1 else numbers[..., 1:, :, :]
            hot = torch.cat([hot, edges(between)], -3)
        return hot.to(torch.uint8) * 255

    def nearest(self, pixels: Tensor) -> Tensor:
        """What was drawn in colours, uint8 [3, H, W], as classes: uint8 [1, H, W]."""
        colours = torch.from_numpy(self.palette()[: self.classes]).float()
        points = pixels.permute(1, 2, 0).reshape(-1, 3).float()
        found = [torch.cdist(part, colours).argmin(1) for part in points.split(_CHUNK)]
        return torch.cat(found).to(torch.uint8).reshape(1, *pixels.shape[1:])

    def likeliest(self, pixels: Tensor) -> Tensor:
        """What a network drew, uint8 [channels, H, W], as classes: uint8 [1, H, W].

        Each pixel is of the class of its highest channel, or of the nearest colour.
        """
        if not self.onehot:
            return self.nearest(pixels)
        return pixels[: self.classes].argmax(0, keepdim=True).to(torch.uint8)

    def as_mask(self, numbers: Tensor) -> Image.Image:
        """Classes [1, H, W] as a palette image of the class numbers that files have."""
        from PIL import Image  # families know label maps, and load no reader

        own = np.asarray([*self.values, self.ignore or 0], np.uint8)
        image = Image.fromarray(own[numbers[0].numpy()])
        colours = np.asarray(self.colours or self.palette(), np.uint8)
        palette = np.zeros((256, 3), np.uint8)
        palette[own] = colours
        palette[list(self.values)] = colours[: self.classes]
        image.putpalette(palette.tobytes())
        return image


def readable(mode: str, *, instances: bool) -> bool:
    """Whether pixels of one of Pillow's modes can be class numbers, or ids of instances."""
    return mode in MODES or (instances and mode.startswith("I"))


def classes_of(ids: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The class numbers of ids, whole numbers of any shape, as Cityscapes has them: int32.

    Ids below 1000 are class numbers; others are 1000 times the class number plus the number of the
    instance.
    """
    ids = ids.astype(np.int32)  # a thousand is beyond 8 bits
    return np.where(ids < _INSTANCES, ids, ids // _INSTANCES)


def seams(ids: Tensor) -> Tensor:
    """Where ids [..., H, W] differ from the next to the right (1), below (2), or both (3): uint8.

    Windows may be cut from it, and have the `edges` that they would have been given by their ids.
    """
    found = torch.zeros(ids.shape, dtype=torch.uint8, device=ids.device)
    found[..., :-1] += ids[..., :-1] != ids[..., 1:]
    found[..., :-1, :] += 2 * (ids[..., :-1, :] != ids[..., 1:, :]).to(torch.uint8)
    return found


def edges(seams: Tensor) -> Tensor:
    """Pixels on either side of a seam, [..., H, W]: bool. Seams to beyond the window are none."""
    right, below = seams[..., :-1] % 2 > 0, seams[..., :-1, :] > 1
    found = torch.zeros(seams.shape, dtype=torch.bool, device=seams.device)
    found[..., :-1] |= right
    found[..., 1:] |= right
    found[..., :-1, :] |= below
    found[..., 1:, :] |= below
    return found

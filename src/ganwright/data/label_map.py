"""Label maps: images whose pixels are class numbers."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganwright.pixels import from_bytes

MODES = ("P", "L")
"""Pillow's modes whose pixels can be class numbers."""
MOST_CLASSES = 64
"""Class numbers stay below this; images with higher ones are grey or palette images."""


@dataclass(frozen=True)
class LabelMap:
    """The class numbers of label maps, `low` to `high`, and how they become images.

    They are shown in one colour a class, or, with `onehot`, as one channel a class in {-1, 1}.
    """

    low: int
    high: int
    onehot: bool = False

    @property
    def classes(self) -> int:
        """How many class numbers there are between the lowest and the highest."""
        return self.high - self.low + 1

    def palette(self) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """Distinct colours, [classes, 3]: hues by the golden ratio, in three brightnesses."""
        colours = [
            colorsys.hsv_to_rgb(0.618034 * k % 1, (1.0, 0.55, 0.8)[k % 3], (0.9, 1.0, 0.55)[k % 3])
            for k in range(self.classes)
        ]
        table = np.array(colours) * 255
        return table.round().astype(np.uint8)

    def numbers(self, pixels: np.ndarray[Any, Any]) -> Tensor:
        """Pixels [H, W] as classes counted from 0: uint8 [1, H, W].

        Raises:
            ValueError: a class is unknown; the sentence goes behind "cannot be read".
        """
        low, high = int(pixels.min()), int(pixels.max())
        if low < self.low or high > self.high:
            raise ValueError(
                f"holds class {low if low < self.low else high}; known are the training "
                f"images' {self.low} to {self.high}"
            )
        return torch.from_numpy((pixels - self.low).astype(np.uint8))[None]

    def coloured(self, numbers: Tensor) -> Tensor:
        """Classes [1, H, W] in their colours: uint8 [3, H, W]."""
        return torch.from_numpy(self.palette())[numbers[0].long()].permute(2, 0, 1).contiguous()

    def shown(self, pictures: Tensor) -> Tensor:
        """What networks see, [n, C, H, W] in [-1, 1], as people do: [n, 3, H, W]."""
        if not self.onehot:
            return pictures
        colours = torch.from_numpy(self.palette()).to(pictures.device)
        return from_bytes(colours[pictures.argmax(1)].movedim(-1, 1))

    def channelled(self, numbers: Tensor) -> Tensor:
        """Classes [1, H, W] as networks see them: uint8 [3 or classes, H, W]."""
        if not self.onehot:
            return self.coloured(numbers)
        return (numbers == torch.arange(self.classes)[:, None, None]).to(torch.uint8) * 255

"""Features that ship with the package: of colour photographs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ganwright.metrics import photo_net, weights
from ganwright.metrics.features import Extractor, Features, brought

LARGE = 2 * photo_net.SIDE
"""The larger of the two sizes at which images are looked at, where details are still sharp."""


@dataclass(frozen=True)
class PhotoFeatures(Features):
    """64 features of a classifier of CIFAR-10's photographs that ships with the package."""

    resize: ClassVar[str] = "bilinear with antialiasing to 64x64 and to 32x32, features averaged"
    classes: ClassVar[tuple[str, ...]] = photo_net.CLASSES

    @property
    def title(self) -> str:
        return "photos"

    @property
    def key(self) -> str:
        return f"photos-{weights.digest(photo_net.SHIPPED)[:16]}"

    def build(self, device: torch.device) -> Extractor:
        # channels last is faster on CPUs and on GPUs of tensor cores
        net = photo_net.trained().to(memory_format=torch.channels_last).to(device)

        def extract(x: Tensor) -> tuple[Tensor, Tensor | None]:
            x = x.float().expand(-1, 3, -1, -1)
            fine, _ = net(_seen(x, LARGE))
            whole, logits = net(_seen(x, photo_net.SIDE))
            return (fine + whole) / 2, logits

        return extract


def _seen(x: Tensor, side: int) -> Tensor:
    return brought(x, side, "bilinear").contiguous(memory_format=torch.channels_last)

"""Features that ship with the package: of digits and capital letters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ganwright.data.image import grey
from ganwright.metrics import digit_net, weights
from ganwright.metrics.features import Extractor, Features, brought


@dataclass(frozen=True)
class DigitFeatures(Features):
    """64 features of a classifier of digits and capital letters that ships with the package."""

    resize: ClassVar[str] = "grey, bilinear with antialiasing to 32x32"
    classes: ClassVar[tuple[str, ...]] = digit_net.CLASSES

    @property
    def title(self) -> str:
        return "digits"

    @property
    def key(self) -> str:
        return f"digits-{weights.digest(digit_net.SHIPPED)[:16]}"

    def build(self, device: torch.device) -> Extractor:
        net = digit_net.trained().to(device)

        def extract(x: Tensor) -> tuple[Tensor, Tensor | None]:
            x = brought(grey(x.float()), digit_net.SIDE, "bilinear")
            features, logits = net(x)
            return features, logits

        return extract

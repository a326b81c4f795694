"""Modes of Stacked MNIST: Metz et al. (2017), section 3.3.1, with PacGAN's protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ganwright.errors import SettingsError
from ganwright.metrics.digit_features import DigitFeatures
from ganwright.metrics.features import Extractor, built
from ganwright.metrics.image_set import ImageSet
from ganwright.metrics.metric import Metric
from ganwright.metrics.statistics import eight_bit

DIGITS = 10


@dataclass(frozen=True)
class StackedModes(Metric):
    """Modes covered of 1,000 triples of digits, and KL from uniform; usually 26,000 samples.

        modes: triples with a sample, of 1,000;  KL: sum p_i log(1000 p_i)

    p_i is the share of samples that show the i-th triple.
    """

    def rises(self, name: str) -> bool:
        return name.startswith("stacked modes")

    def judge(self, real: ImageSet | None, fake: ImageSet) -> Mapping[str, float]:
        extract = built(DigitFeatures(), fake.device)
        counts = torch.zeros(DIGITS**3, dtype=torch.float64)
        with torch.no_grad():
            for images, _ in fake.walk():
                counts += torch.bincount(triples(images, extract), minlength=DIGITS**3).cpu()
        share = counts / counts.sum()
        divergence = torch.special.xlogy(share, share * DIGITS**3).sum()
        return {
            "stacked modes (digits)": int((counts > 0).sum()),
            "stacked KL (digits)": float(divergence),
        }

    def about(self) -> dict[str, str]:
        return {"features": DigitFeatures().key, "resize": DigitFeatures.resize}


def triples(images: Tensor, extract: Extractor) -> Tensor:
    """The number that the digits of three channels spell: int64 [n], 0 to 999.

    Raises:
        SettingsError: images have not three channels.
    """
    if images.ndim != 4 or images.shape[1] != 3:
        raise SettingsError(
            f"StackedModes reads three digits, one per channel, got shape {tuple(images.shape)}; "
            'train on "mnist?stack=3"'
        )
    grey = eight_bit(images).float().div(127.5).sub(1).flatten(0, 1)[:, None]
    logits = extract(grey)[1]
    assert logits is not None
    digits = logits[:, :DIGITS].argmax(1).reshape(-1, 3)
    place = torch.tensor([100, 10, 1], device=digits.device)
    return (digits * place).sum(1)

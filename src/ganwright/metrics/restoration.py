"""How well images were restored: the protocol that super-resolution papers share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from ganwright.config.ranges import Whole
from ganwright.errors import SettingsError
from ganwright.layers.fidelity import luma, psnr, ssim
from ganwright.metrics.feature_metric import needed
from ganwright.metrics.image_set import ImageSet
from ganwright.metrics.metric import Metric
from ganwright.pixels import rounded

__all__ = ["Fidelity", "Restoration", "luma", "psnr", "restored", "ssim"]


class Fidelity(NamedTuple):
    """A number an image, each [n]."""

    psnr: Tensor
    """In dB."""
    ssim: Tensor
    """At most 1."""


@dataclass(frozen=True)
class Restoration(Metric):
    """PSNR and SSIM of translations on luminance, as super-resolution papers measure them.

        PSNR: 10 log10(255² / E[(y - ŷ)²]);  SSIM: Wang et al. (2004), eq. 13

    y and ŷ are the luminance (Y of BT.601) of an image and its restoration.
    """

    larger: ClassVar[bool] = True
    pairs: ClassVar[bool] = True

    border: Whole = 0
    """Pixels left out on each side: the scale in super-resolution."""

    def judge(self, real: ImageSet | None, fake: ImageSet) -> Mapping[str, float]:
        truth = needed(real, "Restoration")
        if not (truth.paired and fake.paired):
            raise SettingsError(
                "Restoration compares each translation with its truth; it needs a run that was "
                "trained on pairs, such as pix2pix's or srgan's"
            )
        found = [
            restored(made.cpu(), true.float().cpu(), self.border)
            for (made, _), (true, _) in zip(fake.walk(), truth.walk(), strict=True)
        ]
        means = (torch.cat(each).double().mean() for each in zip(*found, strict=True))
        return dict(zip(("PSNR", "SSIM"), map(float, means), strict=True))

    def about(self) -> dict[str, str]:
        return {"space": f"Y of BT.601, 8 bits, border {self.border}"}


def restored(made: Tensor, truth: Tensor, border: int = 0) -> Fidelity:
    """PSNR and SSIM on Y of BT.601, of images [n, C, H, W] in [-1, 1].

    Both are rounded to 8 bits first, as files would hold them, and a border is left out, since
    networks and filters lack context there (SRGAN, section 3.1: as wide as the scale).

    Args:
        border: pixels cut off on each side.

    Raises:
        SettingsError: the border leaves nothing of them.
    """
    height, width = made.shape[-2:]
    if 2 * border >= min(height, width):
        raise SettingsError(
            f"a border of {border} pixels leaves nothing of {height}x{width} images; take at most "
            f"{(min(height, width) - 1) // 2}"
        )
    x, y = (
        luma(rounded(t[..., border : t.shape[-2] - border, border : t.shape[-1] - border]))
        for t in (made, truth)
    )
    return Fidelity(psnr(x, y), ssim(x, y))

"""How well pictures were restored: the protocol that super-resolution papers share."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from ganwright.layers.fidelity import luma, psnr, ssim
from ganwright.pixels import rounded

__all__ = ["Fidelity", "luma", "psnr", "restored", "ssim"]


class Fidelity(NamedTuple):
    """A number a picture, each [n]."""

    psnr: Tensor
    """In dB."""
    ssim: Tensor
    """At most 1."""


def restored(made: Tensor, truth: Tensor, border: int = 0) -> Fidelity:
    """PSNR and SSIM on Y of BT.601, of pictures [n, C, H, W] in [-1, 1].

    Both are rounded to 8 bits first, as files would hold them, and a border is left out, since
    networks and filters lack context there (SRGAN, section 3.1: as wide as the scale).

    Args:
        border: pixels cut off on each side.
    """
    x, y = (
        luma(rounded(t[..., border : t.shape[-2] - border, border : t.shape[-1] - border]))
        for t in (made, truth)
    )
    return Fidelity(psnr(x, y), ssim(x, y))

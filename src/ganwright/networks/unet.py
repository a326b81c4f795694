"""The U-Net of pix2pix (Isola et al. 2017, arXiv:1611.07004, appendix 6.1.1)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganwright.config.ranges import BelowOne, Count, Several
from ganwright.layers.dropout import NoiseDropout
from ganwright.layers.norm import BatchNorm, NoNorm, Norm
from ganwright.layers.resample import Down, Strided, Transposed, Up
from ganwright.networks.base import normal_init
from ganwright.networks.translator import Translator, common_size
from ganwright.precision import wide


class Innermost(nn.Module):
    """A norm for a map [n, C, h, w] that may be a single pixel: then its shift is all that is left.

    Norms refuse a lone value, which has no variance; side by side with itself it has one, 0.
    """

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(torch.cat([x, x], 3))
        return out[..., : x.shape[3]]


class UNetTranslator(nn.Module):
    """Downsamplings to the smallest map and doublings back, each joined to the map of its own size.

    [n, C_in, H, W] -> float32 [n, C_out, H, W] in [-1, 1].
    """

    def __init__(self, cfg: UNet, channels_in: int, channels_out: int, depth: int) -> None:
        super().__init__()
        widths = [cfg.width * min(8, 2**i) for i in range(depth)]
        downs, ups = [], []
        for i, width in enumerate(widths):
            last = i == depth - 1
            norm = cfg.norm if i and (cfg.innermost or not last) else NoNorm()
            fan_in = widths[i - 1] if i else channels_in
            slope = nn.LeakyReLU(0.2) if i else nn.Identity()
            conv = cfg.down.build(fan_in, width, not norm.shifts)
            behind = Innermost(norm.build(width)) if cfg.innermost and last else norm.build(width)
            downs.append(nn.Sequential(slope, conv, behind))
        for i, width in enumerate(widths[-2::-1]):
            fan_in = widths[-1] if not i else 2 * widths[-1 - i]
            noise = NoiseDropout(cfg.dropout) if i < 3 and cfg.dropout else nn.Identity()
            up = cfg.up.build(fan_in, width, not cfg.norm.shifts)
            ups.append(nn.Sequential(nn.ReLU(), up, cfg.norm.build(width), noise))
        joined = widths[0] * (2 if depth > 1 else 1)
        ups.append(nn.Sequential(nn.ReLU(), cfg.up.build(joined, channels_out)))
        self.downs, self.ups = nn.ModuleList(downs), nn.ModuleList(ups)

    def forward(self, x: Tensor) -> Tensor:
        skips: list[Tensor] = []
        for down in self.downs:
            x = down(x)
            skips.append(x)
        x = self.ups[0](skips.pop())
        for up in list(self.ups)[1:]:
            x = up(torch.cat([x, skips.pop()], 1))
        return wide(x.tanh())


@dataclass(frozen=True, kw_only=True)
class UNet(Translator):
    """Encoder and decoder with skip connections at each size (pix2pix, DualGAN)."""

    width: Count = 64
    """Channels at half the size; they double as it halves, up to 8 times as many."""
    dropout: BelowOne = 0.5
    """Dropout rate in the decoder's first three blocks, also after training; 0 for none."""
    norm: Norm = BatchNorm(always_batch=True)
    """Normalisation of all but the outermost and the innermost layers."""
    innermost: bool = False
    """Normalise the innermost map, too; where it is one pixel, this leaves nothing but a shift."""
    down: Down = Strided()
    """How it halves."""
    up: Up = Transposed()
    """How it upsamples."""
    depth: Several | None = None
    """Downsamplings; as many as the size allows, at most 8, when not given."""

    def translator(self, shape_in: tuple[int, ...], shape_out: tuple[int, ...]) -> nn.Module:
        divisor = 1 << (self.depth or 2)
        h, w = common_size(shape_in, shape_out, "UNet", divisor, divisor)
        common = math.gcd(h, w)
        depth = self.depth or min(8, (common & -common).bit_length() - 1)
        network = UNetTranslator(self, shape_in[0], shape_out[0], depth)
        normal_init(network)
        return network

"""A discriminator of whole images with inner activations to match (DiscoGAN)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from ganwright.config.ranges import Count
from ganwright.layers.norm import BatchNorm, NoNorm, Norm
from ganwright.networks.base import halvings, normal_init
from ganwright.networks.patch import Patch
from ganwright.precision import wide


class WholeCritic(nn.Module):
    """Images [n, C, H, W] to one logit each, float32 [n, 1, 1, 1]."""

    def __init__(self, cfg: ConvCritic, shape: tuple[int, ...]) -> None:
        super().__init__()
        h, w, count = halvings(shape, "ConvCritic")
        fan_in, stages = shape[0], []
        for i in range(count):
            width, norm = cfg.width * min(8, 2**i), cfg.norm if i else NoNorm()
            conv = nn.Conv2d(fan_in, width, 4, 2, 1, bias=not norm.shifts)
            stages.append(nn.Sequential(conv, norm.build(width), nn.LeakyReLU(0.2)))
            fan_in = width
        self.stages = nn.ModuleList(stages)
        self.head = nn.Conv2d(fan_in, 1, (h, w))
        normal_init(self)

    def features(self, x: Tensor) -> tuple[Tensor, ...]:
        """The activations after all stages but the first, float32 [n, c, h, w], or after it alone
        where there is no other."""
        activations = tuple(wide(h) for h in self._activations(x))
        return activations[1:] or activations

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        logits: Tensor = self.head(self._activations(x)[-1])
        return wide(logits)

    def _activations(self, x: Tensor) -> list[Tensor]:
        out = []
        for stage in self.stages:
            x = stage(x)
            out.append(x)
        return out


@dataclass(frozen=True, kw_only=True)
class ConvCritic(Patch):
    """One logit per image, after downsampling to 4 to 7 pixels (DiscoGAN)."""

    width: Count = 64
    """Channels at half the size; they double as it halves, up to 8 times as many."""
    norm: Norm = BatchNorm()
    """Normalisation after all layers but the first and the last."""

    def discriminator(self, shape: tuple[int, ...]) -> nn.Module:
        return WholeCritic(self, shape)

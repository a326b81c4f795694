"""Discriminators that judge patches: a map of logits, one for each overlapping square."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor, nn

from ganwright.config.checked import Checked
from ganwright.config.ranges import Count
from ganwright.errors import SettingsError
from ganwright.layers.norm import InstanceNorm, NoNorm, Norm
from ganwright.networks.base import normal_init, spectral
from ganwright.precision import wide

HALVINGS = {16: 1, 34: 2, 70: 3, 142: 4, 286: 5}
"""Receptive field to the number of convolutions with stride 2, which two with stride 1 follow."""


class PatchDiscriminator(nn.Module):
    """Images [n, C, H, W] to a map of logits, float32 [n, 1, h, w].

    Isola et al. (2017), arXiv:1611.07004, appendix 6.1.2.
    """

    def __init__(self, cfg: PatchGAN, channels: int) -> None:
        super().__init__()
        kernel = 1 if cfg.field == 1 else cfg.kernel
        pad = (kernel - 1) // 2
        count = HALVINGS.get(cfg.field, 0)
        widths = [cfg.width * min(8, 2**i) for i in range(max(2, count + 1))]
        stages = []
        for i, (fan_in, width) in enumerate(zip([channels, *widths], widths, strict=False)):
            norm = cfg.norm if i else NoNorm()
            stride = 2 if i < count else 1
            conv = nn.Conv2d(fan_in, width, kernel, stride, pad, bias=not norm.shifts)
            stages.append(nn.Sequential(conv, norm.build(width), nn.LeakyReLU(0.2)))
        self.stages = nn.ModuleList(stages)
        self.head = nn.Conv2d(widths[-1], 1, kernel, 1, pad)
        normal_init(self)
        if cfg.spectral:
            spectral(self)

    def features(self, x: Tensor) -> tuple[Tensor, ...]:
        """The activations after each hidden stage, float32 [n, c, h, w], shallow to deep."""
        return tuple(wide(h) for h in self._activations(x))

    def forward(self, x: Tensor) -> Tensor:
        """A map of logits."""
        logits: Tensor = self.head(self._activations(x)[-1])
        return wide(logits)

    def _activations(self, x: Tensor) -> list[Tensor]:
        out = []
        for stage in self.stages:
            x = stage(x)
            out.append(x)
        return out


@dataclass(frozen=True, kw_only=True)
class Patch(Checked):
    """Base of the settings of discriminators that give a map of logits."""

    advice: ClassVar[str] = (
        "one of your own comes from a function in a module: CustomPatch(D=mine.make_D)"
    )
    """What the error for anything else adds."""

    def discriminator(self, shape: tuple[int, ...]) -> nn.Module:
        """A discriminator of images of `shape` (C, H, W) -> logits, float32 [n, 1, h, w].

        Its `features(x)` are a tuple of inner activations, for feature matching.

        Raises:
            SettingsError: if the images are too small.
        """
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class PatchGAN(Patch):
    """One logit per square patch (pix2pix, CycleGAN)."""

    field: Literal[1, 16, 34, 70, 142, 286] = 70
    """Side of the patch in pixels, under kernels of 4."""
    kernel: Literal[4, 5] = 4
    """Side of the kernels; 5 widens the patch: 70 becomes 93."""
    width: Count = 64
    """Channels of the first layer; they double up to 8 times as many."""
    norm: Norm = InstanceNorm()
    """Normalisation after the layers between the first and the last."""
    spectral: bool = False
    """Spectral norm."""

    def discriminator(self, shape: tuple[int, ...]) -> PatchDiscriminator:
        channels, h, w = shape
        fitting = [f for f, count in HALVINGS.items() if min(h, w) >= 3 << count]
        if self.field not in [1, *fitting]:
            raise SettingsError(
                f"PatchGAN with field={self.field} needs images of {3 << HALVINGS[self.field]} "
                f"pixels or more, got {h}x{w}; field={max(fitting, default=1)} fits"
            )
        return PatchDiscriminator(self, channels)

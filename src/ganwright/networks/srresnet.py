"""SRGAN's networks (Ledig et al. 2017, arXiv:1609.04802, figure 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from ganwright.config.ranges import Count, Whole
from ganwright.errors import SettingsError
from ganwright.layers.norm import BatchNorm, NoNorm, Norm
from ganwright.networks.patch import Patch
from ganwright.networks.translator import Translator
from ganwright.precision import wide

STEPS: dict[int, tuple[int, ...]] = {2: (2,), 3: (3,), 4: (2, 2), 8: (2, 2, 2)}
"""Scale to the factors of its sub-pixel layers."""


class Residue(nn.Module):
    """x + f(x) for any layers f that keep the shape."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.inner = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        residual: Tensor = self.inner(x)
        return x + residual


class Upscaler(nn.Module):
    """[n, C, h, w] in [-1, 1], of any size, to float32 [n, C, scale h, scale w] in [-1, 1].

    The paper's network takes low resolution in [0, 1], to which the input is brought here.
    """

    def __init__(self, cfg: SRResNet, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.scale = cfg.scale
        c, bias = cfg.width, not cfg.norm.shifts
        blocks = (
            Residue(
                nn.Conv2d(c, c, 3, 1, 1, bias=bias),
                cfg.norm.build(c),
                nn.PReLU(c),
                nn.Conv2d(c, c, 3, 1, 1, bias=bias),
                cfg.norm.build(c),
            )
            for _ in range(cfg.blocks)
        )
        ups = (
            nn.Sequential(nn.Conv2d(c, c * r * r, 3, 1, 1), nn.PixelShuffle(r), nn.PReLU(c))
            for r in STEPS[cfg.scale]
        )
        self.stack = nn.Sequential(
            nn.Conv2d(channels_in, c, 9, 1, 4),
            nn.PReLU(c),
            Residue(*blocks, nn.Conv2d(c, c, 3, 1, 1, bias=bias), cfg.norm.build(c)),
            *ups,
            nn.Conv2d(c, channels_out, 9, 1, 4),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.stack(x / 2 + 0.5)
        return wide(out.tanh())


@dataclass(frozen=True, kw_only=True)
class SRResNet(Translator):
    """Residual blocks at low resolution, then sub-pixel convolutions for upscaling (SRGAN)."""

    scale: Literal[2, 3, 4, 8] = 4
    """How many times larger the output is."""
    blocks: Whole = 16
    """Residual blocks."""
    width: Count = 64
    """Channels throughout."""
    norm: Norm = BatchNorm()
    """Normalisation in the residual blocks; NoNorm as in EDSR and ESRGAN."""

    def translator(self, shape_in: tuple[int, ...], shape_out: tuple[int, ...]) -> nn.Module:
        (h, w), s = shape_in[1:], self.scale
        if shape_out[1:] != (h * s, w * s):
            raise SettingsError(
                f"SRResNet with scale={s} makes {h * s}x{w * s} of {h}x{w}, but the target is "
                f"{shape_out[1]}x{shape_out[2]}; set the scale to what the data has"
            )
        return Upscaler(self, shape_in[0], shape_out[0])


class SRCritic(nn.Module):
    """Images [n, C, H, W] to one logit each, float32 [n, 1, 1, 1]."""

    def __init__(self, cfg: SRDiscriminator, shape: tuple[int, ...]) -> None:
        super().__init__()
        c, h, w = shape
        stages = []
        for i, factor in enumerate((1, 1, 2, 2, 4, 4, 8, 8)):
            norm = cfg.norm if i else NoNorm()
            width, stride = cfg.width * factor, 1 + i % 2
            conv = nn.Conv2d(c, width, 3, stride, 1, bias=not norm.shifts)
            stages.append(nn.Sequential(conv, norm.build(width), nn.LeakyReLU(0.2)))
            c, h, w = width, -(-h // stride), -(-w // stride)
        self.stages = nn.ModuleList(stages)
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Linear(c * h * w, 16 * cfg.width),
            nn.LeakyReLU(0.2),
            nn.Linear(16 * cfg.width, 1),
        )

    def features(self, x: Tensor) -> tuple[Tensor, ...]:
        """The activations after each convolution, float32 [n, c, h, w], shallow to deep."""
        return tuple(wide(h) for h in self._activations(x))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self._activations(x)[-1])
        return wide(logits)[:, :, None, None]

    def _activations(self, x: Tensor) -> list[Tensor]:
        out = []
        for stage in self.stages:
            x = stage(x)
            out.append(x)
        return out


@dataclass(frozen=True, kw_only=True)
class SRDiscriminator(Patch):
    """One logit per image of one fixed size, in the style of VGG (SRGAN)."""

    width: Count = 64
    """Channels of the first layers; up to 8 times as many, and 16 times as units, at the end."""
    norm: Norm = BatchNorm()
    """Normalisation after all convolutions but the first."""

    def discriminator(self, shape: tuple[int, ...]) -> nn.Module:
        return SRCritic(self, shape)

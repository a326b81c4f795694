"""Normalisation layers as settings: frozen values that build the layer for so many channels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganwright.config.checked import Checked
from ganwright.config.ranges import Count, NonNegative, Share
from ganwright.errors import SettingsError
from ganwright.precision import wide


class Conditioned(nn.Module):
    """A layer whose forward takes labels: `layer(x, y)`."""


def soft_labels(y: Tensor | None, classes: int) -> Tensor:
    """Labels, int64 [n] or a distribution [n, classes], as float32 [n, classes].

    Raises:
        SettingsError: if there are none.
    """
    if y is None:
        raise SettingsError(
            f"this network is conditional on {classes} classes; call it with labels"
        )
    if y.is_floating_point():
        return y
    return wide(y[:, None] == torch.arange(classes, device=y.device))


@dataclass(frozen=True)
class Norm(Checked):
    """Base of the normalisation settings."""

    @property
    def shifts(self) -> bool:
        """Whether a bias just before it would be undone, or replaced, by it."""
        return True

    def build(self, channels: int, classes: int = 0, dims: int = 2) -> nn.Module:
        """The layer.

        Args:
            channels: of its input.
            classes: for layers with gains and shifts per class; the others ignore it.
            dims: 2 for [n, C, H, W], 1 for [n, C, L], 0 for [n, C].
        """
        raise NotImplementedError

    def surround(self, stack: nn.Module, latent: int, classes: int) -> nn.Module:
        """What the norm needs around a generator's layers: (z, y) -> what `stack` gives."""
        return stack


@dataclass(frozen=True)
class NoNorm(Norm):
    """No normalisation."""

    @property
    def shifts(self) -> bool:
        return False

    def build(self, channels: int, classes: int = 0, dims: int = 2) -> nn.Module:
        return nn.Identity()


@dataclass(frozen=True)
class BatchNorm(Norm):
    """Batch normalisation (Ioffe and Szegedy 2015, arXiv:1502.03167)."""

    momentum: Share = 0.1
    """Weight of the newest batch in the running statistics."""
    eps: NonNegative = 1e-5
    """Added to the variance."""
    always_batch: bool = False
    """Use the batch's own statistics at test time too (pix2pix)."""

    def build(self, channels: int, classes: int = 0, dims: int = 2) -> nn.Module:
        kind = nn.BatchNorm2d if dims == 2 else nn.BatchNorm1d
        return kind(channels, self.eps, self.momentum, track_running_stats=not self.always_batch)


class ClassBatchNorm2d(nn.BatchNorm2d, Conditioned):
    """Batch normalisation with a gain and a shift for each class: (x [n, C, H, W], y) -> x's shape.

    Dumoulin et al. (2017), arXiv:1610.07629, eq. 5.
    """

    def __init__(self, channels: int, classes: int, cfg: BatchNorm) -> None:
        tracks = not cfg.always_batch
        super().__init__(channels, cfg.eps, cfg.momentum, False, track_running_stats=tracks)
        self.classes = classes
        self.gain = nn.Parameter(torch.ones(classes, channels))
        self.shift = nn.Parameter(torch.zeros(classes, channels))

    def forward(self, input: Tensor, y: Tensor | None = None) -> Tensor:
        x = super().forward(input)
        label = soft_labels(y, self.classes)
        gain, shift = (label @ p for p in (self.gain, self.shift))
        return x * gain[:, :, None, None] + shift[:, :, None, None]


@dataclass(frozen=True)
class ClassBatchNorm(BatchNorm):
    """Batch normalisation with scales and shifts per class; plain without classes."""

    def build(self, channels: int, classes: int = 0, dims: int = 2) -> nn.Module:
        if not classes:
            return super().build(channels, classes, dims)
        if dims != 2:
            raise SettingsError(
                "ClassBatchNorm normalises images; give a fully connected network Concat"
            )
        return ClassBatchNorm2d(channels, classes, self)


@dataclass(frozen=True)
class InstanceNorm(Norm):
    """Each channel of each image on its own (Ulyanov et al. 2016, arXiv:1607.08022)."""

    affine: bool = False
    """Learn gains and shifts."""
    eps: NonNegative = 1e-5
    """Added to the variance."""

    def build(self, channels: int, classes: int = 0, dims: int = 2) -> nn.Module:
        if not dims:
            raise SettingsError(
                "InstanceNorm normalises images; a fully connected network takes BatchNorm, "
                "LayerNorm or NoNorm"
            )
        kind = nn.InstanceNorm2d if dims == 2 else nn.InstanceNorm1d
        return kind(channels, self.eps, affine=self.affine)


@dataclass(frozen=True)
class GroupNorm(Norm):
    """Groups of channels of each image (Wu and He 2018, arXiv:1803.08494)."""

    groups: Count = 8
    """How many groups; fewer where the channels do not divide evenly."""
    eps: NonNegative = 1e-5
    """Added to the variance."""

    @property
    def shifts(self) -> bool:
        return False

    def build(self, channels: int, classes: int = 0, dims: int = 2) -> nn.Module:
        groups = next(g for g in range(min(self.groups, channels), 0, -1) if channels % g == 0)
        return nn.GroupNorm(groups, channels, self.eps)


@dataclass(frozen=True)
class LayerNorm(Norm):
    """All channels and pixels of an image together (Ba et al. 2016, arXiv:1607.06450)."""

    eps: NonNegative = 1e-5
    """Added to the variance."""

    @property
    def shifts(self) -> bool:
        return False

    def build(self, channels: int, classes: int = 0, dims: int = 2) -> nn.Module:
        return nn.GroupNorm(1, channels, self.eps)


class Virtual(nn.Module):
    """Normalise by statistics of a reference batch and of the sample itself; shape unchanged.

    The input's first rows are the reference, which its own statistics normalise. It works within
    `Reference`, which puts them there.
    """

    def __init__(self, channels: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.reference = 0
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        m = self.reference
        if not m:
            raise SettingsError("VirtualBatchNorm works only in generators of images from noise")
        flat = wide(x).reshape(*x.shape[:2], -1)
        moments = torch.stack([flat.mean(2), flat.square().mean(2)])
        reference = moments[:, :m].mean(1, keepdim=True)
        mixed = (m * reference + moments[:, m:]) / (m + 1)
        mean, square = torch.cat([reference.expand(-1, m, -1), mixed], 1)[..., None]
        scale = (square - mean.square() + self.eps).rsqrt() * self.weight[:, None]
        out: Tensor = (flat - mean) * scale + self.bias[:, None]
        return out.reshape(x.shape).to(x.dtype)


class Reference(nn.Module):
    """Runs a generator's layers on a fixed batch and the given one: (z, y) -> their output.

    The buffers z ~ N(0, I) and y, all classes in turn, are drawn once, when it is made.
    """

    z: Tensor
    y: Tensor

    def __init__(self, stack: nn.Module, latent: int, classes: int, count: int) -> None:
        super().__init__()
        self.stack = stack
        self.classes = classes
        self.register_buffer("z", torch.randn(count, latent))
        self.register_buffer("y", torch.arange(count) % max(1, classes))
        for layer in stack.modules():
            if isinstance(layer, Virtual):
                layer.reference = count

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        if self.classes:
            y = torch.cat([soft_labels(label, self.classes) for label in (self.y, y)])
        out: Tensor = self.stack(torch.cat([self.z, z]), y)
        return out[len(self.z) :]


@dataclass(frozen=True)
class VirtualBatchNorm(Norm):
    """Batch normalisation by a fixed reference batch (Salimans et al. 2016, section 3.5).

    For generators, as in the paper: each forward also runs the reference batch.
    """

    count: Count = 64
    """Samples in the reference batch."""
    eps: NonNegative = 1e-5
    """Added to the variance."""

    def build(self, channels: int, classes: int = 0, dims: int = 2) -> nn.Module:
        return Virtual(channels, self.eps)

    def surround(self, stack: nn.Module, latent: int, classes: int) -> nn.Module:
        return Reference(stack, latent, classes, self.count)


NORMS: dict[str, type[Norm]] = {
    "BatchNorm": BatchNorm,
    "ClassBatchNorm": ClassBatchNorm,
    "GroupNorm": GroupNorm,
    "InstanceNorm": InstanceNorm,
    "LayerNorm": LayerNorm,
    "NoNorm": NoNorm,
    "VirtualBatchNorm": VirtualBatchNorm,
}

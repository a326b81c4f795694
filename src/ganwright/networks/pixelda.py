"""PixelDA's networks (Bousmalis et al. 2017, arXiv:1612.05424, figure 2 and the authors' code)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganwright.config.checked import Checked
from ganwright.config.ranges import BelowOne, Count, NonNegative, Whole
from ganwright.errors import SettingsError
from ganwright.layers.dropout import Dropout
from ganwright.layers.norm import BatchNorm, InstanceNorm, NoNorm, Norm
from ganwright.networks.base import Discriminator, normal_init
from ganwright.networks.mlp import GaussianNoise
from ganwright.networks.srresnet import Residue
from ganwright.precision import wide


class Adapter(nn.Module):
    """A source image [n, C, H, W] and noise z [n, latent] to float32 [n, C', H, W] in [-1, 1]."""

    latent: int

    def __init__(
        self,
        cfg: AdaptationNets,
        latent: int,
        shape_in: tuple[int, ...],
        shape_out: tuple[int, ...],
    ) -> None:
        super().__init__()
        self.latent = latent
        c, bias = cfg.width, not cfg.norm.shifts
        h, w = shape_in[1:]
        # Instance norm has no pixels to average over where z becomes a plane.
        behind_z = NoNorm() if isinstance(cfg.norm, InstanceNorm) else cfg.norm
        self.plane = nn.Sequential(
            nn.Linear(latent, h * w, bias=not behind_z.shifts),
            behind_z.build(h * w, dims=0),
            nn.ReLU(),
            nn.Unflatten(1, (1, h, w)),
        )
        blocks = (
            Residue(
                nn.Conv2d(c, c, 3, 1, 1, bias=bias),
                cfg.norm.build(c),
                nn.ReLU(),
                nn.Conv2d(c, c, 3, 1, 1, bias=bias),
                cfg.norm.build(c),
            )
            for _ in range(cfg.blocks)
        )
        self.stack = nn.Sequential(
            nn.Conv2d(shape_in[0] + 1, c, 3, 1, 1),
            nn.ReLU(),
            *blocks,
            nn.Conv2d(c, shape_out[0], 1),
        )
        normal_init(self)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        noise: Tensor = self.plane(z)
        out: Tensor = self.stack(torch.cat([x, noise.to(x.dtype)], 1))
        return wide(out.tanh())


class AdaptationDiscriminator(Discriminator):
    """Convolutions with dropout and noise after each, halved while both sides are above 4 pixels.

    Channels double with each: of 28 pixels it makes 14, 7 and 4, with 128, 256 and 512 channels.
    """

    classes = 0

    def __init__(self, cfg: AdaptationNets, shape: tuple[int, ...]) -> None:
        super().__init__()
        channels, h, w = shape
        width = cfg.width
        layers = _stage(cfg, channels, width, 1, NoNorm())
        while min(h, w) > 4:
            layers += _stage(cfg, width, 2 * width, 2, cfg.norm)
            width, h, w = 2 * width, -(-h // 2), -(-w // 2)
        self.stack = nn.Sequential(*layers, nn.Flatten())
        self.width = width * h * w
        self.head = nn.Linear(self.width, 1)
        normal_init(self)

    def features(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        h: Tensor = self.stack(x)
        return wide(h)

    def score(self, h: Tensor, y: Tensor | None = None) -> Tensor:
        logits: Tensor = self.head(h)
        return wide(logits.squeeze(1))


def _stage(
    cfg: AdaptationNets, fan_in: int, width: int, stride: int, norm: Norm
) -> list[nn.Module]:
    return [
        nn.Conv2d(fan_in, width, 3, stride, 1, bias=not norm.shifts),
        norm.build(width),
        nn.LeakyReLU(0.2),
        Dropout(cfg.dropout),
        GaussianNoise(cfg.noise),
    ]


class TaskClassifier(nn.Module):
    """Images [n, C, H, W] to class logits, float32 [n, classes].

    Each domain may have a first layer of its own, as in the authors' code; they share the others.
    """

    def __init__(
        self, source: tuple[int, ...], target: tuple[int, ...], classes: int, *, private: bool
    ) -> None:
        super().__init__()
        domains = (source, target) if private else (target,)
        self.first = nn.ModuleList(_first(shape[0]) for shape in domains)
        h, w = (side // 4 for side in target[1:])
        self.shared = nn.Sequential(
            nn.Conv2d(32, 48, 5, 1, 2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(48 * h * w, 100),
            nn.ReLU(),
            nn.Linear(100, 100),
            nn.ReLU(),
            nn.Linear(100, classes),
        )
        normal_init(self)

    def forward(self, x: Tensor, *, source: bool = False) -> Tensor:
        """Class logits; `source` says that the images are of the source domain, unadapted."""
        logits: Tensor = self.shared(self.first[0 if source else -1](x))
        return wide(logits)


def _first(channels: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(channels, 32, 5, 1, 2), nn.ReLU(), nn.MaxPool2d(2))


@dataclass(frozen=True, kw_only=True)
class AdaptationNets(Checked):
    """G, D and T of PixelDA."""

    width: Count = 64
    """Channels of G throughout, and of D's first layer."""
    blocks: Whole = 6
    """G's residual blocks."""
    norm: Norm = BatchNorm(eps=1e-3)
    """Normalisation in G and D; of z's plane, too, unless it is InstanceNorm."""
    noise: NonNegative = 0.2
    """Standard deviation of the noise added after D's layers in training."""
    dropout: BelowOne = 0.1
    """Share of D's activations dropped in training."""
    private: bool = True
    """Give T a first layer for each domain; one for both keeps G from swapping classes."""

    def adapter(
        self, latent: int, shape_in: tuple[int, ...], shape_out: tuple[int, ...]
    ) -> Adapter:
        """G: (x [n, C, H, W], z [n, latent]) -> float32 images of the target's channels.

        Raises:
            SettingsError: if the two domains differ in size.
        """
        if shape_in[1:] != shape_out[1:]:
            raise SettingsError(
                f"PixelDA's domains must have one size, got {shape_in[1]}x{shape_in[2]} and "
                f"{shape_out[1]}x{shape_out[2]}; set --image-size"
            )
        return Adapter(self, latent, shape_in, shape_out)

    def discriminator(self, shape: tuple[int, ...]) -> Discriminator:
        """D of images of the target domain.

        Raises:
            SettingsError: if they are no images, or smaller than 4 pixels.
        """
        if len(shape) != 3 or min(shape[1:]) < 4:
            raise SettingsError(
                f"AdaptationNets takes images (C, H, W) of 4 pixels or more, got {shape}"
            )
        return AdaptationDiscriminator(self, shape)

    def classifier(
        self, source: tuple[int, ...], target: tuple[int, ...], classes: int
    ) -> TaskClassifier:
        """T.

        Raises:
            SettingsError: if one first layer is to take domains of different channels.
        """
        if not self.private and source[0] != target[0]:
            raise SettingsError(
                f"one first layer of T cannot take {source[0]} and {target[0]} channels; "
                "set --channels, or networks.private=true"
            )
        return TaskClassifier(source, target, classes, private=self.private)

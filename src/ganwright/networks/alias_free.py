"""StyleGAN3's networks: Karras et al. (2021), arXiv:2106.12423, section 3, and its code.

    G   z -> mapping -> w; frequencies, turned and shifted by w, as waves; 14 layers of convolution
        and filtered activation, each with a wider band than the last; 1x1 to an image
    D   StyleGAN2's

T, which moves with its input: 3x3 convolutions. R, which turns with it, too: 1x1 convolutions of
twice the channels, and radial filters.
"""

# ruff: noqa: N815 - the paper's G and D end the names of settings that belong to one of them

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from ganwright.config.ranges import Count, Positive, Whole
from ganwright.errors import SettingsError
from ganwright.layers.bandlimited import Band, FilteredActivation
from ganwright.layers.equalised import EqualLinear, limited
from ganwright.layers.forward_state import Memory
from ganwright.layers.modulated import modulated
from ganwright.networks.base import Discriminator, Encoder, Networks, halvings, spoken, squash
from ganwright.networks.style import StyleGenerator, StyleNet
from ganwright.precision import wide

OUTPUT = 0.25
"""Factor on images."""
FIRST_CUTOFF, FIRST_STOP = 2.0, 2**2.1
"""Of the first layer, in cycles per image side: kept, and gone."""
LAST_STOP = 2**0.3
"""Where frequencies are gone in the last layer, as a multiple of its cutoff."""


_SMALLEST = 8
"""The smallest side of an image, which D halves once."""


class FourierInput(nn.Module):
    """w [n, styles] -> [n, C, size, size]: waves over the plane, mixed by a learned matrix.

    The style turns and shifts the plane, which is then transformed by `transform`, the inverse of
    what is to happen to the image: [3, 3], in image sides around the centre.
    """

    transform: Tensor
    frequencies: Tensor
    phases: Tensor
    places: Tensor

    def __init__(self, channels: int, size: int, band: Band, styles: int) -> None:
        super().__init__()
        self.band = band
        self.affine = EqualLinear(styles, 4)
        nn.init.zeros_(self.affine.weight)
        with torch.no_grad():
            self.affine.bias.copy_(torch.tensor([1.0, 0.0, 0.0, 0.0]))
        self.weight = nn.Parameter(torch.randn(channels, channels))
        angle = 2 * math.pi * torch.rand(channels)
        ray = torch.stack([angle.cos(), angle.sin()], 1)
        radius = band.cutoff * torch.rand(channels, 1).sqrt()  # uniform in a disc
        self.register_buffer("frequencies", radius * ray)
        self.register_buffer("phases", torch.rand(channels) - 0.5)
        x = (torch.arange(size) + 0.5 - size / 2) / band.rate
        places = torch.stack([x.expand(size, -1), x[:, None].expand(-1, size)], 2)
        self.register_buffer("places", places, persistent=False)
        self.register_buffer("transform", torch.eye(3), persistent=False)

    def forward(self, w: Tensor) -> Tensor:
        with torch.autocast(w.device.type, enabled=False):
            t = self.affine(wide(w))
            c, s, x, y = (t / t[:, :2].norm(dim=1, keepdim=True)).unbind(1)
            turn = torch.stack([c, -s, s, c], 1).unflatten(1, (2, 2))
            shift = (self.transform[:2, 2] - torch.stack([x, y], 1))[:, :, None]
            phases = self.phases + (self.frequencies @ turn @ shift).squeeze(2)
            frequencies = self.frequencies @ turn @ self.transform[:2, :2]
            room = self.band.rate / 2 - self.band.cutoff
            beyond = (frequencies.norm(dim=2) - self.band.cutoff) / room
            size = (1 - beyond).clamp(0, 1)  # what the map cannot hold fades
            waves = self.places @ frequencies.mT[:, None] + phases[:, None, None]
            waves = (2 * math.pi * waves).sin() * size[:, None, None]
            mixed: Tensor = waves @ self.weight.T / len(self.weight) ** 0.5
            return mixed.permute(0, 3, 1, 2)


class Magnitude(Memory):
    """The running mean square of what a layer gets, which divides it by the root.

    Args:
        half_life: in images.
    """

    power: Tensor

    def __init__(self, half_life: float) -> None:
        super().__init__()
        self.half_life = half_life
        self.register_buffer("power", torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        if self.training and not self.held:
            with torch.no_grad():
                squares = self.of_all(wide(x).square().mean()[None])  # one of each process
                weight = 1 - 0.5 ** (len(squares) * len(x) / self.half_life)
                self.power.lerp_(squares.mean().to(self.power.dtype), weight)
        return x * self.power.rsqrt().to(x.dtype)


class AliasFreeLayer(nn.Module):
    """(x [n, I, side, side], w [n, styles]) -> [n, O, size, size]."""

    def __init__(
        self, fan_in: int, fan_out: int, styles: int, kernel: int, half_life: float
    ) -> None:
        super().__init__()
        self.magnitude = Magnitude(half_life)
        self.style = EqualLinear(styles, fan_in, bias=1.0)
        self.weight = nn.Parameter(torch.randn(fan_out, fan_in, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(fan_out))
        self.filtered: nn.Module | None = None

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        x, style = self.magnitude(x), self.style(w)
        if self.filtered is None:  # the last layer, which makes an image
            style = style / self.weight[0].numel() ** 0.5
            x = modulated(x, self.weight, style, demodulate=False)
            return wide(limited(x + self.bias[:, None, None].to(x.dtype)))
        x = pad(x, [self.weight.shape[-1] // 2] * 4)  # with the convolution's own, all that it sees
        x = modulated(x, self.weight, style) + self.bias[:, None, None].to(x.dtype)
        made: Tensor = self.filtered(x)
        return made


class AliasFreeSynthesis(nn.Module):
    """Styles [n, count, styles] to images, float32 [n, C, size, size]; it takes no noise."""

    def __init__(self, cfg: AliasFreeNet, shape: tuple[int, ...], tanh: bool) -> None:
        super().__init__()
        bands, sizes, widths = cfg.layout(shape)
        self.count, self.maps = len(bands) + 1, list[tuple[int, int]]()
        self.input = FourierInput(widths[0], sizes[0], bands[0], cfg.styles)
        kernel, last = 1 if cfg.rotation else 3, len(bands) - 1
        self.layers = nn.ModuleList()
        for i in range(len(bands)):
            before, k = max(0, i - 1), 1 if i == last else kernel
            layer = AliasFreeLayer(widths[before], widths[i], cfg.styles, k, cfg.magnitude)
            if i < last:
                layer.filtered = FilteredActivation(
                    sizes[before] + k - 1,
                    sizes[i],
                    bands[before],
                    bands[i],
                    radial=cfg.rotation and i < last - cfg.critical,
                )
            self.layers.append(layer)
        self.squash = squash(shape, tanh)

    def forward(self, w: Tensor, noise: Sequence[Tensor] = ()) -> Tensor:
        x = self.input(w[:, 0])
        for i, layer in enumerate(self.layers, 1):
            x = layer(x, w[:, i])
        out: Tensor = self.squash(OUTPUT * x)
        return wide(out)


def _square(shape: tuple[int, ...]) -> tuple[int, int]:
    """The channels and the side of images (C, H, W).

    Raises:
        SettingsError: they are no images, not square, or their side is no power of 2.
    """
    if len(shape) != 3:
        halvings(shape, "AliasFreeNet")  # refuses them
    channels, h, w = shape
    if h != w or h < _SMALLEST or h & (h - 1):
        near = max(_SMALLEST, 2 ** round(math.log2((h * w) ** 0.5)))
        raise SettingsError(
            f"AliasFreeNet makes square images whose side is a power of 2 from {_SMALLEST} up, not "
            f"{h}x{w}; the nearest is {spoken(near, near)}"
        )
    return channels, h


@dataclass(frozen=True, kw_only=True)
class AliasFreeNet(Networks):
    """StyleGAN3's networks, for square images whose side is a power of 2."""

    base: Count = 32_768
    """Channels times the smaller side of a feature map; the authors take 16384 at 256 pixels."""
    most: Count = 512
    """Most channels of a feature map."""
    styles: Count = 512
    """Length of w."""
    rotation: bool = False
    """R: G turns with its input, too; with 1x1 convolutions, twice as many channels as `most`."""
    layers: Count = 14
    """Layers of G before the one that makes an image."""
    critical: Whole = 2
    """The last layers, whose band is the image's."""
    margin: Whole = 10
    """Pixels around each map, so that its border is seen nowhere."""
    magnitude: Positive = 20_000.0
    """Half-life, in images, of the running mean square by which a layer's input is normalised."""
    mapping_G: Count = 2
    """Layers of G's mapping network."""
    mapping_D: Count = 8
    """Layers of D's mapping network, which labels alone pass."""
    group: Count = 4
    """Images over which D takes the deviation; fewer where the batch does not divide, or more."""

    def generator(
        self, latent: int, shape: tuple[int, ...], classes: int = 0, *, tanh: bool = True
    ) -> StyleGenerator:
        synthesis = partial(AliasFreeSynthesis, self, shape, tanh)
        return StyleGenerator(
            latent, classes, self.styles, self.mapping_G, synthesis=synthesis, beta=0.998
        )

    def discriminator(self, shape: tuple[int, ...], classes: int = 0) -> Discriminator:
        nets = StyleNet(base=self.base, most=self.most, mapping_D=self.mapping_D, group=self.group)
        return nets.discriminator(shape, classes)

    def encoder(self, shape: tuple[int, ...], outputs: int) -> Encoder:
        return Encoder(self.discriminator(shape), outputs)

    def layout(self, shape: tuple[int, ...]) -> tuple[list[Band], list[int], list[int]]:
        """Each layer's band, and the side and channels of the map that it makes.

        Raises:
            SettingsError: if `shape` is no such image, or no layer comes before the critical ones.
        """
        channels, size = _square(shape)
        if self.critical >= self.layers:
            raise SettingsError(
                f"AliasFreeNet has {self.layers} layers, of which {self.critical} are critical; "
                "give more layers, or fewer critical ones"
            )
        twice, last = 1 + self.rotation, size / 2
        bands, widths = [], []
        for i in range(self.layers + 1):
            part = min(i / (self.layers - self.critical), 1.0)
            cutoff = FIRST_CUTOFF * (last / FIRST_CUTOFF) ** part
            stop = FIRST_STOP * (last * LAST_STOP / FIRST_STOP) ** part
            rate = 2 ** math.ceil(math.log2(min(2 * stop, size)))
            bands.append(Band(rate, cutoff, max(stop, rate / 2) - cutoff))
            widths.append(max(1, round(min(twice * self.base / 2 / cutoff, twice * self.most))))
        sizes = [band.rate + 2 * self.margin for band in bands[:-2]]
        return bands, [*sizes, size, size], [*widths[:-1], channels]

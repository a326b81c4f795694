"""SPADE's networks: a map decides gains and shifts at every scale, an encoder the style.

Park, Liu, Wang and Zhu (2019), arXiv:1903.07291, section 3 and appendix A.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu, relu

from ganwright.config.checked import Checked
from ganwright.config.ranges import Count
from ganwright.layers.norm import BatchNorm, InstanceNorm, Norm
from ganwright.networks.base import halvings, spectral
from ganwright.networks.translator import common_size
from ganwright.precision import wide

SLOPE = 0.2
_MOST, _DOUBLINGS = 16, 5
_GAIN = 0.02


def unscaled(norm: nn.Module) -> nn.Module:
    """A normalisation without the gains and shifts of its own that it may have."""
    if getattr(norm, "affine", False):
        norm.affine = False  # type: ignore[assignment]
        norm.register_parameter("weight", None)
        norm.register_parameter("bias", None)
    return norm


def xavier_init(network: nn.Module) -> None:
    """Weights of Glorot's normal distribution times .02, biases 0. It runs before `spectral`."""
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.xavier_normal_(module.weight, _GAIN)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


class Spade(nn.Module):
    """Normalise, then scale and shift each pixel by what the map says there (eq. 1).

        (1 + gamma(m)) norm(x) + beta(m)

    x [n, C, h, w] and the map m [n, L, H, W], brought to h x w without interpolation, to x's shape.
    """

    def __init__(self, cfg: SpadeNet, channels: int, labels: int) -> None:
        super().__init__()
        self.norm = unscaled(cfg.norm.build(channels))
        self.shared = nn.Conv2d(labels, cfg.hidden, 3, 1, 1)
        self.gain = nn.Conv2d(cfg.hidden, channels, 3, 1, 1)
        self.shift = nn.Conv2d(cfg.hidden, channels, 3, 1, 1)

    def forward(self, x: Tensor, m: Tensor) -> Tensor:
        h = relu(self.shared(interpolate(m, x.shape[2:], mode="nearest")))
        out: Tensor = self.norm(x) * (1 + self.gain(h)) + self.shift(h)
        return out


class SpadeBlock(nn.Module):
    """A residual block whose norms are SPADE: [n, c, h, w] and the map to [n, C, h, w].

    With `doubles` its input is enlarged to [n, c, 2h, 2w] first.
    """

    def __init__(
        self, cfg: SpadeNet, fan_in: int, fan_out: int, labels: int, *, doubles: bool = True
    ) -> None:
        super().__init__()
        self.doubles = doubles
        middle = min(fan_in, fan_out)
        self.spade_0, self.spade_1 = (Spade(cfg, c, labels) for c in (fan_in, middle))
        convs = {
            "0": nn.Conv2d(fan_in, middle, 3, 1, 1, bias=not cfg.norm.shifts),
            "1": nn.Conv2d(middle, fan_out, 3, 1, 1),
        }
        if fan_in != fan_out:
            self.spade_skip = Spade(cfg, fan_in, labels)
            convs["skip"] = nn.Conv2d(fan_in, fan_out, 1, bias=False)
        self.convs = nn.ModuleDict(convs)

    def forward(self, x: Tensor, m: Tensor) -> Tensor:
        if self.doubles:
            x = interpolate(x, scale_factor=2.0, mode="nearest")
        h = self.convs["0"](leaky_relu(self.spade_0(x, m), SLOPE))
        h = self.convs["1"](leaky_relu(self.spade_1(h, m), SLOPE))
        skip = self.convs["skip"](self.spade_skip(x, m)) if "skip" in self.convs else x
        out: Tensor = skip + h
        return out


class SpadeGenerator(nn.Module):
    """Blocks that double: a map [n, L, H, W] in [-1, 1], and z [n, latent] where it starts from z.

    It gives float32 [n, C, H, W] in [-1, 1]. Without z it starts from the map itself, which is
    shrunk to the smallest size, and takes maps of any size that the doublings allow.
    """

    def __init__(
        self, cfg: SpadeNet, a: tuple[int, ...], channels: int, latent: int, doublings: int
    ) -> None:
        super().__init__()
        labels, h, w = a
        widths = [cfg.width * min(_MOST, 1 << i) for i in range(doublings, -1, -1)]
        self.shrink, self.top = 1 << doublings, widths[0]
        self.start: nn.Module = nn.Conv2d(labels, self.top, 3, 1, 1)
        if latent:
            self.start = nn.Linear(latent, self.top * (h // self.shrink) * (w // self.shrink))
        pairs = pairwise(widths)
        blocks = [SpadeBlock(cfg, self.top, self.top, labels, doubles=False)]
        blocks += [SpadeBlock(cfg, *pair, labels) for pair in pairs]
        if doublings <= _DOUBLINGS:  # the second of the middle blocks; with more it doubles, too
            blocks.insert(2, SpadeBlock(cfg, widths[1], widths[1], labels, doubles=False))
        self.blocks = nn.ModuleList(blocks)
        self.head = nn.Conv2d(cfg.width, channels, 3, 1, 1)
        xavier_init(self)
        if cfg.spectral_all:
            spectral(self)
        elif cfg.spectral:
            for block in blocks:
                spectral(block.convs)

    def forward(self, a: Tensor, z: Tensor | None = None) -> Tensor:
        m = (a + 1) / 2
        x = self._first(m, z)
        for block in self.blocks:
            x = block(x, m)
        return wide(self.head(leaky_relu(x, SLOPE)).tanh())

    def _first(self, m: Tensor, z: Tensor | None) -> Tensor:
        """What the first block is given, [n, top, h, w]."""
        size = (m.shape[2] // self.shrink, m.shape[3] // self.shrink)
        out: Tensor
        if z is None:
            out = self.start(interpolate(m, size, mode="nearest"))
        else:
            out = self.start(z).unflatten(1, (self.top, *size))
        return out


@dataclass(frozen=True, kw_only=True)
class SpadeNet(Checked):
    """SPADE's generator, for maps and images of one size."""

    width: Count = 64
    """Channels at full size; they double as it halves, up to 16 times as many."""
    hidden: Count = 128
    """Channels between a map and the gains and shifts that it gives."""
    doublings: Count | None = None
    """How often it doubles; as often as both sides allow, at most 5, when not given."""
    norm: Norm = BatchNorm()
    """Normalisation before the map's gains and shifts; it has none of its own."""
    spectral: bool = True
    """Spectral norm of the blocks' convolutions, as in the authors' code."""
    spectral_all: bool = False
    """Spectral norm of all other layers too, as the paper says."""

    def generator(self, a: tuple[int, ...], b: tuple[int, ...], latent: int = 0) -> SpadeGenerator:
        """A generator from maps of shape a (L, H, W) to images of shape b (C, H, W).

        Args:
            a: of a map.
            b: of an image.
            latent: length of z that it starts from; 0 starts from the map.

        Raises:
            SettingsError: the sizes differ, or cannot be halved so often.
        """
        doublings = self.doublings or next(
            (k for k in range(_DOUBLINGS, 1, -1) if _leaves(a, k)), 1
        )
        common_size(a, b, "SpadeNet", 1 << doublings, 2 << doublings)
        return SpadeGenerator(self, a, b[0], latent, doublings)


def _leaves(shape: tuple[int, ...], doublings: int) -> bool:
    """Whether so many halvings leave both sides whole, and 2 or more."""
    return all(s % (1 << doublings) == 0 and s >> doublings >= 2 for s in shape[1:])


class Encoder(nn.Module):
    """Photographs [n, C, H, W] to the mean and log variance of z, each float32 [n, latent]."""

    def __init__(self, cfg: StyleEncoder, shape: tuple[int, ...], latent: int) -> None:
        super().__init__()
        h, w, count = halvings(shape, "StyleEncoder")
        widths = [shape[0], *(cfg.width * min(8, 1 << i) for i in range(count))]
        stages = []
        for fan_in, width in pairwise(widths):
            conv = nn.Conv2d(fan_in, width, 3, 2, 1, bias=False)
            stages.append(nn.Sequential(conv, InstanceNorm().build(width), nn.LeakyReLU(SLOPE)))
        self.stages = nn.Sequential(*stages)
        self.mean, self.log_variance = (nn.Linear(widths[-1] * h * w, latent) for _ in range(2))
        xavier_init(self)
        spectral(self.stages)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.stages(x).flatten(1)
        return wide(self.mean(h)), wide(self.log_variance(h))


@dataclass(frozen=True, kw_only=True)
class StyleEncoder(Checked):
    """SPADE's encoder of photographs: convolutions of stride 2, and two linear layers."""

    width: Count = 64
    """Channels at half the size; they double as it halves, up to 8 times as many."""

    def encoder(self, shape: tuple[int, ...], latent: int) -> Encoder:
        """An encoder of images of `shape` (C, H, W).

        Raises:
            SettingsError: the sides cannot be halved down to 4 to 7 pixels.
        """
        return Encoder(self, shape, latent)


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL divergence of N(mean, e^log_variance) from N(0, I), a scalar: the mean over the batch.

        -1/2 sum_i (1 + log_variance_i - mean_i² - e^log_variance_i)

    Args:
        mean: [n, latent].
        log_variance: [n, latent].
    """
    mean, log_variance = wide(mean), wide(log_variance)
    each = 1 + log_variance - mean.square() - log_variance.exp()
    return -0.5 * each.sum(1).mean()

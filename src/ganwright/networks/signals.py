"""Convolutions over time: WaveGAN's networks (Donahue et al. 2019, arXiv:1802.04208), any length.

G is a linear layer onto a short signal of many channels, and transposed convolutions that make it
`stride` times as long each; D mirrors it. Kernels are long (25 at stride 4), as a period of a
sound is. Left out are D's phase shuffle, and G's tanh, since signals here are standardised.
"""

# ruff: noqa: N815 - the papers' G and D end the names of settings that belong to one of them

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from ganwright.config.ranges import Count, NonNegative, Positive, Several
from ganwright.errors import SettingsError
from ganwright.layers.condition import Concat, Score, Stack
from ganwright.layers.norm import NoNorm, Norm
from ganwright.networks.base import (
    Discriminator,
    Encoder,
    Generator,
    Networks,
    normal_init,
    spectral,
)
from ganwright.precision import wide

_LEAST = 4


class SignalGenerator(Generator):
    """z, joined by the label, to a signal of 4 or more times, lengthened step by step."""

    def __init__(self, cfg: ConvNet1d, latent: int, shape: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.latent, self.classes = latent, classes
        length, count = cfg.grid(shape)
        widths = cfg.widths(count)[::-1]
        join = cfg.labels.join(classes)
        stages: list[nn.Module] = [
            join,
            nn.Linear(latent + join.width, widths[0] * length),
            nn.Unflatten(1, (widths[0], length)),
        ]
        for width, after in zip(widths, [*widths[1:], shape[0]], strict=True):
            stages += [cfg.norm_G.build(width, dims=1), nn.ReLU(), cfg.longer(width, after)]
        self.stack = cfg.norm_G.surround(Stack(*stages), latent, classes)
        normal_init(self, cfg.std)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        out: Tensor = self.stack(z, y)
        return wide(out)


class SignalDiscriminator(Discriminator):
    """A signal, joined by the label as constant channels, shortened step by step."""

    def __init__(self, cfg: ConvNet1d, shape: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.classes = classes
        length, count = cfg.grid(shape)
        join = cfg.labels.join(classes)
        stages: list[nn.Module] = [join]
        fan_in = shape[0] + join.width
        for i, width in enumerate(cfg.widths(count)):
            stages += [
                cfg.shorter(fan_in, width),
                *([cfg.norm_D.build(width, dims=1)] if i else []),
            ]
            stages += [nn.LeakyReLU(cfg.slope)]
            fan_in = width
        self.stack = Stack(*stages, nn.Flatten())
        self.width = fan_in * length
        self.head = Score(self.width)
        normal_init(self, cfg.std)
        if cfg.spectral_D:
            spectral(self)

    def features(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        h: Tensor = self.stack(x, y)
        return wide(h)

    def score(self, h: Tensor, y: Tensor | None = None) -> Tensor:
        score: Tensor = self.head(h)
        return score


@dataclass(frozen=True, kw_only=True)
class ConvNet1d(Networks):
    """WaveGAN's convolutions over time, for signals [C, L] whose length the stride divides."""

    width: Count = 64
    """Channels of the longest feature map; they double as it shortens, up to 8 times as many."""
    kernel: Several = 25
    """Times that a convolution spans."""
    stride: Several = 4
    """How many times longer, or shorter, a layer makes the signal."""
    norm_G: Norm = NoNorm()
    """Normalisation of G's hidden layers."""
    norm_D: Norm = NoNorm()
    """Normalisation of D's hidden layers but the first."""
    spectral_D: bool = False
    """Spectral norm in D."""
    slope: NonNegative = 0.2
    """Slope of D's LeakyReLU below 0."""
    labels: Concat = Concat()
    """How labels join the inputs of G and D."""
    std: Positive = 0.02
    """Standard deviation of the initial weights."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kernel < self.stride:
            raise SettingsError(
                f"kernel={self.kernel} is shorter than stride={self.stride}, which skips values; "
                f"choose a kernel of at least {self.stride}"
            )

    def generator(
        self, latent: int, shape: tuple[int, ...], classes: int = 0, *, tanh: bool = True
    ) -> Generator:
        return SignalGenerator(self, latent, shape, classes)

    def discriminator(self, shape: tuple[int, ...], classes: int = 0) -> Discriminator:
        return SignalDiscriminator(self, shape, classes)

    def encoder(self, shape: tuple[int, ...], outputs: int) -> Encoder:
        """As the discriminator: x -> float32 [n, outputs]."""
        return Encoder(self.discriminator(shape), outputs)

    def grid(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """The length of the shortest feature map, at least 4, and how often it is lengthened.

        Raises:
            SettingsError: these are no signals, or the stride does not divide their length.
        """
        if len(shape) != 2:
            raise SettingsError(
                f"ConvNet1d makes signals (C, L), not samples of shape {shape}; use "
                f"{'ConvNet' if len(shape) == 3 else 'MLP'}"
            )
        length, count = shape[1], 0
        while length % self.stride == 0 and length // self.stride >= _LEAST:
            length, count = length // self.stride, count + 1
        if not count:
            raise SettingsError(
                f"ConvNet1d with stride={self.stride} makes signals of {_LEAST * self.stride} or "
                f"more values that {self.stride} divides, and these have {shape[1]}; cut or pad "
                "them, choose another stride, or use MLP"
            )
        return length, count

    def widths(self, count: int) -> Sequence[int]:
        """Channels of the feature maps from the longest to the shortest."""
        return [self.width * min(8, 2**i) for i in range(count)]

    def shorter(self, fan_in: int, fan_out: int) -> nn.Module:
        """A convolution to 1/stride of the length."""
        return nn.Conv1d(fan_in, fan_out, self.kernel, self.stride, self._padding)

    def longer(self, fan_in: int, fan_out: int) -> nn.Module:
        """A transposed convolution to `stride` times the length."""
        odd = self.stride - self.kernel + 2 * self._padding
        return nn.ConvTranspose1d(fan_in, fan_out, self.kernel, self.stride, self._padding, odd)

    @property
    def _padding(self) -> int:
        return (self.kernel - self.stride + 1) // 2

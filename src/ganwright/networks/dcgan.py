"""DCGAN's convolutional networks (Radford et al. 2016, arXiv:1511.06434), at any fitting size."""

# ruff: noqa: N815 - the papers' G and D end the names of settings that belong to one of them

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from ganwright.config.ranges import BelowOne, Count, NonNegative, Positive
from ganwright.layers.activation import LeakyReLU, ReLU
from ganwright.layers.attention import SelfAttention
from ganwright.layers.blocks import Blocks, NoBlocks, Style
from ganwright.layers.condition import ClassNorm, Concat, Projection, Stack
from ganwright.layers.dropout import Dropout
from ganwright.layers.minibatch import Minibatch, NoMinibatch
from ganwright.layers.norm import BatchNorm, Norm
from ganwright.layers.resample import Down, Strided, Transposed, Up
from ganwright.networks.base import (
    Discriminator,
    Encoder,
    Generator,
    Networks,
    check_attention,
    halvings,
    normal_init,
    pixels,
    spectral,
    squash,
)
from ganwright.networks.mlp import Regular, layers
from ganwright.precision import wide


class ConvGenerator(Generator):
    """z, joined by the label, to a grid of 4 to 7 pixels, doubled up to the image."""

    def __init__(
        self, cfg: ConvNet, latent: int, shape: tuple[int, ...], classes: int, tanh: bool
    ) -> None:
        super().__init__()
        self.latent, self.classes = latent, classes
        h, w, doublings = halvings(shape, "ConvNet")
        widths = cfg.widths(doublings)[::-1]
        norm, join = cfg.labels_G.norm(cfg.norm_G, classes), cfg.labels_G.join(classes)
        bias = not norm.shifts
        sizes = (latent + join.width, *cfg.hidden_G)
        stages: list[nn.Module] = [
            join,
            *layers(sizes, ReLU(), Regular(cfg.norm_G)),
            nn.Linear(sizes[-1], widths[0] * h * w, bias=bias),
            nn.Unflatten(1, (widths[0], h, w)),
        ]
        for i, width in enumerate(widths):
            if i:
                stages.append(cfg.up.build(widths[i - 1], width, bias))
            stages += [norm.build(width, classes), nn.ReLU()]
            stages += cfg.blocks.build(width, Style(norm, ReLU(), classes))
            stages += cfg.attend(width, h << i)
        stages += [cfg.up.build(widths[-1], shape[0]), squash(shape, tanh, cfg.unit)]
        self.stack = norm.surround(Stack(*stages), latent, classes)
        cfg.finish(self, cfg.spectral_G)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        out: Tensor = self.stack(z, y)
        return wide(out)


class ConvDiscriminator(Discriminator):
    """An image, joined by the label as constant channels, halved down to 4 to 7 pixels."""

    def __init__(
        self, cfg: ConvNet, shape: tuple[int, ...], classes: int, minibatch: Minibatch
    ) -> None:
        super().__init__()
        self.classes = classes
        h, w, count = halvings(shape, "ConvNet")
        join = cfg.labels_D.join(classes)
        sizes = (cfg.widths(count)[-1] * h * w, *cfg.hidden_D)
        self.stack = Stack(
            *pixels(shape, cfg.unit),
            join,
            *self.stages(cfg, shape[0] + join.width, shape[1], count),
            *layers(sizes, LeakyReLU(cfg.slope), Regular(cfg.norm_D, dropout=cfg.dropout)),
        )
        flat = sizes[-1]
        self.minibatch = minibatch.build(flat)
        self.width = flat + minibatch.extra(flat)
        self.head = cfg.labels_D.score(self.width, classes)
        cfg.finish(self, cfg.spectral_D)

    @staticmethod
    def stages(cfg: ConvNet, fan_in: int, height: int, count: int) -> list[nn.Module]:
        """Downsampling layers, each with norm (but the first), activation, dropout, attention."""
        out: list[nn.Module] = []
        for i, width in enumerate(cfg.widths(count)):
            out.append(cfg.down.build(fan_in, width, bias=i == 0 or not cfg.norm_D.shifts))
            out += [cfg.norm_D.build(width)] if i else []
            out += [nn.LeakyReLU(cfg.slope)]
            out += [Dropout(cfg.dropout)] if cfg.dropout else []
            out += cfg.blocks.build(width, Style(cfg.norm_D, LeakyReLU(cfg.slope)))
            out += cfg.attend(width, height >> (i + 1))
            fan_in = width
        return [*out, nn.Flatten()]

    def features(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        h: Tensor = self.minibatch(self.stack(x, y))
        return wide(h)

    def score(self, h: Tensor, y: Tensor | None = None) -> Tensor:
        score: Tensor = self.head(h, y)
        return score


@dataclass(frozen=True, kw_only=True)
class ConvNet(Networks):
    """DCGAN: strided and transposed convolutions, for sides that halve to 4 to 7 pixels."""

    width: Count = 64
    """Channels of the largest feature map; they double as it halves, up to 8 times as many."""
    norm_G: Norm = BatchNorm()
    """Normalisation after all of G's layers but the last."""
    norm_D: Norm = BatchNorm()
    """Normalisation after all of D's layers but the first; NoNorm or LayerNorm for WGAN-GP."""
    spectral_G: bool = False
    """Spectral norm in G."""
    spectral_D: bool = False
    """Spectral norm in D."""
    hidden_G: tuple[Count, ...] = ()
    """Units of fully connected layers between z and G's first grid (InfoGAN: 1024)."""
    hidden_D: tuple[Count, ...] = ()
    """Units of fully connected layers between D's last grid and its score (InfoGAN: 1024)."""
    attention: tuple[Count, ...] = ()
    """Heights of the feature maps of G and D that are followed by self-attention."""
    up: Up = Transposed()
    """How G upsamples."""
    down: Down = Strided()
    """How D downsamples."""
    blocks: Blocks = NoBlocks()
    """What refines each feature map, in G and in D."""
    slope: NonNegative = 0.2
    """Slope of D's LeakyReLU below 0."""
    dropout: BelowOne = 0.0
    """Dropout rate of D's activations (ACGAN: 0.5)."""
    minibatch: Minibatch = NoMinibatch()
    """Batch features that are added to D's own features."""
    labels_G: Concat | ClassNorm = Concat()
    """How G uses labels: concatenated with z, or in its normalisation."""
    labels_D: Concat | Projection = Concat()
    """How labels enter D: as constant channels, or by projection."""
    std: Positive = 0.02
    """Standard deviation of the initial weights."""
    unit: bool = False
    """Compute with pixels in [0, 1]: G ends in a sigmoid, as in InfoGAN's code, not tanh."""

    def generator(
        self, latent: int, shape: tuple[int, ...], classes: int = 0, *, tanh: bool = True
    ) -> Generator:
        self._check(shape)
        return ConvGenerator(self, latent, shape, classes, tanh)

    def discriminator(self, shape: tuple[int, ...], classes: int = 0) -> Discriminator:
        self._check(shape)
        return ConvDiscriminator(self, shape, classes, self.minibatch)

    def encoder(self, shape: tuple[int, ...], outputs: int) -> Encoder:
        """As the discriminator, without features of the batch: x -> float32 [n, outputs]."""
        self._check(shape)
        encoder = Encoder(ConvDiscriminator(self, shape, 0, NoMinibatch()), outputs)
        normal_init(encoder.head, self.std)
        return encoder

    def widths(self, count: int) -> Sequence[int]:
        """Channels of the feature maps from the largest to the smallest."""
        return [self.width * min(8, 2**i) for i in range(count)]

    def attend(self, channels: int, height: int) -> list[nn.Module]:
        """Self-attention, where it stands at this height."""
        return [SelfAttention(channels)] if height in self.attention else []

    def finish(self, network: nn.Module, spectrally: bool) -> None:
        """Initialise the weights, and normalise them where that is set."""
        normal_init(network, self.std)
        if spectrally:
            spectral(network)

    def _check(self, shape: tuple[int, ...]) -> None:
        h, _, count = halvings(shape, "ConvNet")
        check_attention(self.attention, [h << i for i in range(count)])

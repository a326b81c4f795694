"""What every network promises, and the settings that build a fitting pair."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ganwright.config.checked import Checked
from ganwright.errors import SettingsError
from ganwright.layers.forward_state import BATCH_NORMS, INSTANCE_NORMS
from ganwright.precision import wide

WEIGHTED = (nn.Conv1d, nn.ConvTranspose1d, nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
"""Layers with filters, or rows, as their weight."""


class Generator(nn.Module):
    """Noise, and labels where it has classes, to images."""

    latent: int
    """Length of z."""
    classes: int = 0
    """How many classes it is conditional on; 0 for none, and then it ignores labels."""

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Draw images.

        Args:
            z: [n, latent].
            y: int64 [n], or a distribution over classes, float [n, classes].

        Returns:
            float32 [n, C, H, W] in [-1, 1], or unbounded [n, d] or [n, C, L] where the data are
            points or signals.
        """
        raise NotImplementedError


class Discriminator(nn.Module):
    """Images, and labels where it has classes, to logits, by way of features."""

    width: int
    """Number of features."""
    classes: int = 0
    """How many classes it is conditional on; 0 for none, and then it ignores labels."""

    def features(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """What the score, and any further heads, are computed from: float32 [n, width]."""
        raise NotImplementedError

    def disturbed(self, h: Tensor) -> Tensor:
        """Features as heads see them: with the last layer's noise, if it has any in training."""
        return h

    def score(self, h: Tensor, y: Tensor | None = None) -> Tensor:
        """Features to logits: float32 [n]."""
        raise NotImplementedError

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Images [n, C, H, W], points [n, d] or signals [n, C, L] to logits, float32 [n]."""
        return self.score(self.features(x, y), y)


class Encoder(nn.Module):
    """A discriminator's body with a linear head: x -> float32 [n, width].

    Args:
        body: whose features the head reads.
        outputs: of the head; 0 for the features themselves.
    """

    def __init__(self, body: Discriminator, outputs: int) -> None:
        super().__init__()
        self.body = body
        self.body.head = nn.Identity()  # an encoder scores nothing
        self.head = nn.Linear(body.width, outputs) if outputs else nn.Identity()
        self.width = outputs or body.width

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.body.disturbed(self.body.features(x)))
        return wide(out)


@dataclass(frozen=True, kw_only=True)
class Networks(Checked):
    """Base of the settings that build a generator and a discriminator that fit each other."""

    advice: ClassVar[str] = (
        "networks of your own come from functions in a module: Custom(G=mine.make_G, D=mine.make_D)"
    )
    """What the error for anything else adds."""

    def generator(
        self, latent: int, shape: tuple[int, ...], classes: int = 0, *, tanh: bool = True
    ) -> Generator:
        """A generator of images of `shape` (C, H, W), points (d,) or signals (C, L).

        Args:
            latent: length of z.
            shape: of one sample.
            classes: 0 for an unconditional one.
            tanh: squash images into [-1, 1]; without, they are logits (BGAN).

        Raises:
            SettingsError: if the network cannot have that shape.
        """
        raise NotImplementedError

    def discriminator(self, shape: tuple[int, ...], classes: int = 0) -> Discriminator:
        """A discriminator of samples of `shape`.

        Raises:
            SettingsError: if the network cannot have that shape.
        """
        raise NotImplementedError

    def classifier(self, shape: tuple[int, ...], outputs: int) -> Encoder:
        """A discriminator's body, dropout and noise included: x -> float32 [n, outputs]."""
        return Encoder(self.discriminator(shape), outputs)

    def encoder(self, shape: tuple[int, ...], outputs: int) -> Encoder:
        """A network like the discriminator from samples of `shape` to float32 [n, outputs].

        Without outputs it gives its features.

        Raises:
            SettingsError: if the network cannot have that shape.
        """
        raise NotImplementedError


class Affine(nn.Module):
    """scale x + shift: the inputs' shape."""

    def __init__(self, scale: float, shift: float) -> None:
        super().__init__()
        self.scale, self.shift = scale, shift

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * x + self.shift


def squash(shape: tuple[int, ...], tanh: bool, unit: bool = False) -> nn.Module:
    """What a generator ends in, so that images lie in [-1, 1]; all else stays free.

    Args:
        shape: of one sample.
        tanh: whether images are squashed at all.
        unit: by a sigmoid, spread from [0, 1] over [-1, 1], rather than tanh.
    """
    if not tanh or len(shape) != 3:
        return nn.Identity()
    return nn.Sequential(nn.Sigmoid(), Affine(2.0, -1.0)) if unit else nn.Tanh()


def pixels(shape: tuple[int, ...], unit: bool) -> list[nn.Module]:
    """What brings images from [-1, 1] to the [0, 1] that a network computes with, if it does."""
    return [Affine(0.5, 0.5)] if unit and len(shape) == 3 else []


_LEAST = 4


def halvings(shape: tuple[int, ...], network: str, least: int = 1) -> tuple[int, int, int]:
    """How an image's sides come down to a grid whose smaller side has 4 to 7 cells.

    Args:
        shape: of one sample.
        network: what the error calls it.
        least: halvings that the network needs, so that the error names no smaller size.

    Returns:
        The grid's height and width, and the number of downsamplings, at least 1.

    Raises:
        SettingsError: if `shape` is no image, or its sides cannot be halved so.
    """
    if len(shape) != 3:
        raise SettingsError(
            f"{network} makes images (C, H, W), not samples of shape {shape}; use MLP"
            + (" or ConvNet1d" if len(shape) == 2 else "")
        )
    _, h, w = shape
    count = max(1, math.floor(math.log2(min(h, w) / _LEAST)))
    if min(h, w) < 2 * _LEAST or h % 2**count or w % 2**count:
        raise SettingsError(
            f"{network} halves images down to 4 to 7 pixels and cannot so halve {h}x{w}; "
            f"the nearest size that fits is {spoken(*_nearest_size(h, w, least))}"
        )
    return h >> count, w >> count, count


def spoken(h: int, w: int) -> str:
    """A size, and how to bring images to it where one flag does."""
    return f"{h}x{w} (--image-size {h if h == w else f'{h}x{w}'})"


def _nearest_size(h: int, w: int, least: int) -> tuple[int, int]:
    """The size nearest to h x w that halves so, `least` times or more."""
    sizes = {
        (max(_LEAST, round(h / 2**k)) * 2**k, max(_LEAST, round(w / 2**k)) * 2**k, k)
        for k in range(least, 1 + max(least, math.ceil(math.log2(max(h, w) / _LEAST))))
    }
    fitting = [(a, b) for a, b, k in sizes if min(a, b) >> k < 2 * _LEAST]
    return min(fitting, key=lambda s: (abs(s[0] - h) + abs(s[1] - w), s))


def check_attention(wanted: tuple[int, ...], heights: list[int]) -> None:
    """Refuse self-attention at heights that no feature map has.

    Raises:
        SettingsError: if there is such a height.
    """
    for height in wanted:
        if height not in heights:
            raise SettingsError(
                f"attention is set at feature maps of height {height}, but at this image size "
                f"the heights are {', '.join(map(str, sorted(heights)))}"
            )


def normal_init(network: nn.Module, std: float = 0.02) -> None:
    """Weights from N(0, std), biases 0, batch and instance normalisation's gains from N(1, std).

    Radford et al. (2016), arXiv:1511.06434, section 4. It runs before `spectral`.
    """
    for module in network.modules():
        if isinstance(module, WEIGHTED):
            nn.init.normal_(module.weight, 0.0, std)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, (*BATCH_NORMS, *INSTANCE_NORMS)) and module.affine:
            nn.init.normal_(module.weight, 1.0, std)
            nn.init.zeros_(module.bias)


def spectral(network: nn.Module) -> None:
    """Divide each convolution's and linear layer's weight by its largest singular value.

    Miyato et al. (2018), arXiv:1802.05957, algorithm 1.
    """
    for module in list(network.modules()):
        if isinstance(module, WEIGHTED):
            spectral_norm(module)

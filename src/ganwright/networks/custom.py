"""Networks that functions of your own make, of any library's modules.

What the families need of them beyond `forward` is filled in here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ganwright.config.factory import Factory
from ganwright.errors import SettingsError, described
from ganwright.layers.condition import Score
from ganwright.layers.forward_state import evaluating
from ganwright.networks.base import Discriminator, Encoder, Generator, Networks
from ganwright.networks.dcgan import ConvNet
from ganwright.networks.patch import Patch
from ganwright.networks.translator import Translator
from ganwright.precision import wide

_TRIED = 2
"""Samples that a network is tried with."""


class CustomGenerator(Generator):
    """A module of z, and of labels where it has classes, that draws samples.

    Args:
        net: z [n, latent] -> [n, *shape], or (z, y) where there are classes.
        latent: length of z.
        classes: 0 for an unconditional one.
    """

    def __init__(self, net: nn.Module, latent: int, classes: int) -> None:
        super().__init__()
        self.net, self.latent, self.classes = net, latent, classes

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        out: Tensor = self.net(z, y) if self.classes else self.net(z)
        return wide(out)


class CustomDiscriminator(Discriminator):
    """A module that ends in one logit, or in features, which a linear layer then scores.

    Maps are averaged over their positions.

    Args:
        net: [n, *shape] -> [n], [n, width] or [n, width, h, w]; of (x, y) where there are classes.
        width: how many features it ends in; 1 for the logit itself.
        classes: 0 for an unconditional one.
    """

    def __init__(self, net: nn.Module, width: int, classes: int) -> None:
        super().__init__()
        self.net, self.width, self.classes = net, width, classes
        self.head = Score(width) if width > 1 else nn.Flatten(0)

    def features(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return wide(_averaged(self.net(x, y) if self.classes else self.net(x)))

    def score(self, h: Tensor, y: Tensor | None = None) -> Tensor:
        score: Tensor = self.head(h)
        return score


class CustomCritic(nn.Module):
    """A module of images alone, whose logits, or map of them, are float32.

    Its one activation to match is what it gives.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def features(self, x: Tensor) -> tuple[Tensor, ...]:
        """The logits: one activation, float32."""
        return (self(x),)

    def forward(self, x: Tensor) -> Tensor:
        """Images [n, C, H, W] to what the module makes of them, in float32."""
        return wide(self.net(x))


@dataclass(frozen=True, kw_only=True)
class Custom(Networks):
    """G, D or both, built by your own functions from any library's modules."""

    G: Factory | None = None
    """Function of (latent, shape, classes): a module of z that draws in [-1, 1]."""
    D: Factory | None = None
    """Function of (shape, classes): a module that ends in a logit, or in features."""
    other: Networks = ConvNet()
    """What builds the network that is not given."""

    def generator(
        self, latent: int, shape: tuple[int, ...], classes: int = 0, *, tanh: bool = True
    ) -> Generator:
        if self.G is None:
            return self.other.generator(latent, shape, classes, tanh=tanh)
        if not tanh:
            raise SettingsError(
                "this family needs a G that returns logits, and that of Custom returns [-1, 1]; "
                "choose other networks, or leave G out"
            )
        net = made(self.G, latent, shape, classes)
        G = net if isinstance(net, Generator) else CustomGenerator(net, latent, classes)
        _shaped(_tried(self.G, G, classes, (latent,)), shape, self.G)
        return G

    def discriminator(self, shape: tuple[int, ...], classes: int = 0) -> Discriminator:
        if self.D is None:
            return self.other.discriminator(shape, classes)
        net = made(self.D, shape, classes)
        if isinstance(net, Discriminator):
            return net
        width = _averaged(_tried(self.D, net, classes, shape)).shape[1]
        return CustomDiscriminator(net, width, classes)

    def classifier(self, shape: tuple[int, ...], outputs: int) -> Encoder:
        return self.encoder(shape, outputs) if self.D else self.other.classifier(shape, outputs)

    def encoder(self, shape: tuple[int, ...], outputs: int) -> Encoder:
        """D's features through a linear layer: x -> float32 [n, outputs]."""
        if self.D is None:
            return self.other.encoder(shape, outputs)
        body = self.discriminator(shape)
        if body.width == 1:
            raise SettingsError(
                f"this family needs features of D, and the network of {self.D.path} ends in a "
                "logit; let it end in features, as timm's do with num_classes=0"
            )
        return Encoder(body, outputs)


@dataclass(frozen=True, kw_only=True)
class CustomTranslator(Translator):
    """An image-to-image network built by your own function."""

    G: Factory
    """Function of (shape_in, shape_out): a module from images to images in [-1, 1]."""

    def translator(self, shape_in: tuple[int, ...], shape_out: tuple[int, ...]) -> nn.Module:
        G = CustomCritic(made(self.G, shape_in, shape_out))
        _shaped(_tried(self.G, G, 0, shape_in), shape_out, self.G)
        return G


@dataclass(frozen=True, kw_only=True)
class CustomPatch(Patch):
    """A discriminator of images or patches built by your own function."""

    D: Factory
    """Function of (shape,): a module from images to a logit or a map of them."""

    def discriminator(self, shape: tuple[int, ...]) -> nn.Module:
        D = CustomCritic(made(self.D, shape))
        _tried(self.D, D, 0, shape)
        return D


def made(function: Factory, *arguments: Any) -> nn.Module:
    """What a function of your own makes of its arguments.

    Raises:
        SettingsError: it fails, or makes no module.
    """
    said = f"{function.path}({', '.join(map(str, arguments))})"
    try:
        net = function(*arguments)
    except Exception as error:  # it is not our code
        raise SettingsError(f"{said} fails: {_reason(error)}") from error
    if not isinstance(net, nn.Module):
        raise SettingsError(f"{said} gives {described(net)}; it must make a torch.nn.Module")
    return net


def _tried(function: Factory, net: nn.Module, classes: int, shape: tuple[int, ...]) -> Tensor:
    """What a network gives for two blank samples.

    Raises:
        SettingsError: it cannot take them, or gives no tensor with a row for each.
    """
    x = torch.zeros(_TRIED, *shape)
    labels = [torch.zeros(_TRIED, dtype=torch.long)] if classes else []
    said = f"the network of {function.path}"
    asked = f"{list(x.shape)}{' with labels' if classes else ''}"
    try:
        with torch.no_grad(), evaluating(net):
            out = net(x, *labels)
    except Exception as error:  # it is not our code
        raise SettingsError(f"{said} cannot take {asked}: {_reason(error)}") from error
    if not isinstance(out, Tensor) or out.ndim == 0 or len(out) != _TRIED:
        raise SettingsError(
            f"{said} makes {described(out)} of {asked}; it must give a tensor with a row for each"
        )
    return out


def _shaped(out: Tensor, shape: tuple[int, ...], function: Factory) -> None:
    if out.shape[1:] != shape:
        raise SettingsError(
            f"the network of {function.path} returns samples of shape {tuple(out.shape[1:])}, and "
            f"they must be {tuple(shape)}"
        )


def _averaged(out: Tensor) -> Tensor:
    """[n], [n, width] or [n, width, ...] to [n, width]."""
    return out.reshape(len(out), 1 if out.ndim == 1 else out.shape[1], -1).mean(2)


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__

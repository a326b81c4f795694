"""Perceptual distances: how far two images are apart for a network that has learnt to see."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss, mse_loss

from ganwright import atomic
from ganwright.config.checked import Checked
from ganwright.config.ranges import NonNegative
from ganwright.errors import SettingsError
from ganwright.precision import wide
from ganwright.weight_files import unreadable

Shape = tuple[int, ...]
SHIPPED = Path(__file__).parent / "small_features.safetensors"
"""Weights of `SmallFeatures`, made by `python benchmarks/small_features.py`."""

VGG_SCALE, SMALL_SCALE = 1 / 12.75, 1 / 40
"""Of features, so that their errors are about as large as those of pixels.

The first is SRGAN's (section 3.2), for the original VGG19, whose input is centred but not scaled.
Torchvision's, trained again on input of unit deviation, may have features of another size.
"""
LAYERS = {"relu2_2": 9, "relu5_4": 36}
"""Layer to the number of VGG19's modules up to and with it."""
FIRSTS, SMALL_ENDS = (2, 7, 12, 21, 30), (2, 4, 6, 8, 10)
"""The same of VGG19's relu1_1, 2_1, 3_1, 4_1 and 5_1, and of the small net's five activations."""
SMALL_LAYERS_SCALE = 1 / 4
"""Of the small net's features, so that photographs of different things are about 1 apart."""
RISING = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)
"""What each of five layers counts (SPADE's code, after pix2pixHD's)."""


@dataclass(frozen=True)
class Content(Checked):
    """Base of the settings that compare the content of two images."""

    def build(self, shape: Shape) -> nn.Module:
        """A module (x, y), both [n, C, H, W] in [-1, 1], to a scalar; it has no parameters.

        Args:
            shape: (C, H, W) of the smallest images that it must take.

        Raises:
            SettingsError: the images are too small, or weights cannot be loaded.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Pixels(Content):
    """Mean squared difference of the pixels (SRGAN, eq. 4)."""

    def build(self, shape: Shape) -> nn.Module:
        return nn.MSELoss()


@dataclass(frozen=True)
class VGG(Content):
    """Mean squared difference of VGG19's features after an activation (SRGAN, eq. 5).

    Images are normalised as in its ImageNet training. Weights are torchvision's; of those that are
    downloaded the hash is checked. Features are scaled by the paper's 1/12.75, which belongs to the
    original VGG19's; for torchvision's the term's size may differ.

    Args:
        layer: relu5_4, or relu2_2 for finer detail.
        weights: a file of torchvision's vgg19 weights; None takes them from torch's cache, or
            downloads them there.
    """

    layer: Literal["relu5_4", "relu2_2"] = "relu5_4"
    weights: Path | None = None

    def build(self, shape: Shape) -> nn.Module:
        check_colours(shape, "VGG")
        least = 16 if self.layer == "relu5_4" else 2
        if min(shape[1:]) < least:
            raise SettingsError(
                f"VGG's {self.layer} needs images of {least} pixels or more, "
                f"got {shape[1]}x{shape[2]}"
            )
        return FeatureDistance(_vgg19(self.weights)[: LAYERS[self.layer]], VGG_SCALE)


@dataclass(frozen=True)
class SmallFeatures(Content):
    """Mean squared difference of the features of a small net that is part of the package.

    It was trained by `benchmarks/small_features.py`, on embedded letters alone, to name a letter
    of any colour and to tell how an image was spoilt: no download, but it has seen no photographs,
    and colours are nothing to it. So pixels are compared, too.

    Args:
        pixels: weight of the mean squared difference of the pixels, added to that of the features.
        weights: a file that the script wrote; None takes the package's own.
    """

    pixels: NonNegative = 1.0
    weights: Path | None = None

    def build(self, shape: Shape) -> nn.Module:
        check_colours(shape, "SmallFeatures")
        if min(shape[1:]) < 4:
            raise SettingsError(
                f"SmallFeatures needs images of 4 pixels or more, got {shape[1]}x{shape[2]}"
            )
        return FeatureDistance(_trained_small(self.weights), SMALL_SCALE, self.pixels)


@dataclass(frozen=True)
class VGGLayers(Content):
    """Mean absolute differences of five of VGG19's activations (SPADE; pix2pixHD, section 3.2).

    relu1_1, 2_1, 3_1, 4_1 and 5_1 count 1/32, 1/16, 1/8, 1/4 and 1. Images are normalised as in
    its ImageNet training; the authors' code passes them as they are.

    Args:
        weights: as in VGG.
    """

    weights: Path | None = None

    def build(self, shape: Shape) -> nn.Module:
        check_colours(shape, "VGGLayers")
        if min(shape[1:]) < 16:
            raise SettingsError(
                f"VGGLayers needs images of 16 pixels or more, got {shape[1]}x{shape[2]}"
            )
        return LayerDistance(_vgg19(self.weights)[: FIRSTS[-1]], FIRSTS)


@dataclass(frozen=True)
class SmallLayers(Content):
    """Mean absolute differences of the five activations of `SmallFeatures`, weighted as VGGLayers'.

    No download; but the net has seen letters alone, and no photographs.

    Args:
        weights: as in SmallFeatures.
    """

    weights: Path | None = None

    def build(self, shape: Shape) -> nn.Module:
        check_colours(shape, "SmallLayers")
        if min(shape[1:]) < 4:
            raise SettingsError(
                f"SmallLayers needs images of 4 pixels or more, got {shape[1]}x{shape[2]}"
            )
        return LayerDistance(_trained_small(self.weights), SMALL_ENDS, SMALL_LAYERS_SCALE)


def check_colours(shape: Shape, content: str) -> None:
    """Refuse images that are neither grey nor RGB.

    Raises:
        SettingsError: naming what compares any images.
    """
    if shape[0] not in (1, 3):
        raise SettingsError(
            f"{content} compares images of 1 or 3 channels, and these have {shape[0]}; "
            "choose Pixels()"
        )


class FeatureDistance(nn.Module):
    """(x, y) -> the mean squared difference of their scaled features, and perhaps of pixels.

    The net's parameters become buffers that no checkpoint holds: they are never trained, and those
    of VGG would add 80 MB to each.

    Args:
        net: RGB images, normalised as ImageNet's, to features.
        scale: of the features.
        pixels: weight of the mean squared difference of the pixels.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, net: nn.Module, scale: float, pixels: float = 0.0) -> None:
        super().__init__()
        self.net, self.scale, self.pixels = _constant(net.eval()), scale, pixels
        mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        self.register_buffer("mean", mean[:, None, None], persistent=False)
        self.register_buffer("std", std[:, None, None], persistent=False)

    def normalised(self, x: Tensor) -> Tensor:
        """Images [n, 1 or 3, H, W] in [-1, 1] as the net was trained on them, [n, 3, H, W]."""
        return (x.expand(-1, 3, -1, -1) / 2 + 0.5 - self.mean) / self.std

    def features(self, x: Tensor) -> Tensor:
        """Scaled features, float32 [n, c, h, w], of images [n, 1 or 3, H, W] in [-1, 1]."""
        h: Tensor = self.net(self.normalised(x))
        return self.scale * wide(h)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        distance = mse_loss(self.features(x), self.features(y))
        return distance + self.pixels * mse_loss(x, y) if self.pixels else distance


class LayerDistance(FeatureDistance):
    """(x, y) -> the weighted sum of the mean absolute differences of some layers' features.

    Args:
        net: RGB images, normalised as ImageNet's, to features.
        ends: of the layers that count, the numbers of modules up to and with them, five.
        scale: of the features.
    """

    def __init__(self, net: nn.Sequential, ends: tuple[int, ...], scale: float = 1.0) -> None:
        super().__init__(net, scale)
        self.ends = ends

    def layers(self, x: Tensor) -> list[Tensor]:
        """Scaled features of each layer that counts, float32 [n, c, h, w]."""
        h, found = self.normalised(x), []
        for number, module in enumerate(self.net.children(), 1):
            h = module(h)
            if number in self.ends:
                found.append(self.scale * wide(h))
        return found

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        pairs = zip(RISING, self.layers(x), self.layers(y), strict=True)
        return torch.stack([weight * l1_loss(f, g) for weight, f, g in pairs]).sum()


def small_net() -> nn.Sequential:
    """RGB images to 64 features at a quarter of their size: the body of `SmallFeatures`."""

    def stage(fan_in: int, width: int, stride: int) -> list[nn.Module]:
        return [nn.Conv2d(fan_in, width, 3, stride, 1), nn.ReLU()]

    widths = ((3, 16, 1), (16, 32, 2), (32, 32, 1), (32, 64, 2), (64, 64, 1))
    return nn.Sequential(*(layer for width in widths for layer in stage(*width)))


def _constant(net: nn.Module) -> nn.Module:
    """The net with its parameters turned into buffers that are not saved."""
    for module in net.modules():
        for name, weight in list(module.named_parameters(recurse=False)):
            delattr(module, name)
            module.register_buffer(name, weight.detach(), persistent=False)
    return net


def _trained_small(weights: Path | None) -> nn.Sequential:
    """`small_net` with the package's weights, or a file's.

    Raises:
        SettingsError: the file does not hold them.
    """
    from safetensors.torch import load_file

    path, net = weights or SHIPPED, small_net()
    try:
        net.load_state_dict(load_file(path))
    except Exception as error:
        reason = " ".join(str(error).split())
        raise SettingsError(
            f"{path} does not hold SmallFeatures' weights ({reason}); leave weights out to "
            "use those of the package"
        ) from error
    return net


def _vgg19(weights: Path | None) -> nn.Sequential:
    """Torchvision's VGG19 layers with ImageNet weights.

    Raises:
        SettingsError: the weights cannot be loaded.
    """
    from torchvision.models import VGG19_Weights, vgg19

    with torch.device("meta"):  # its classifier, six sevenths of it, is never needed
        layers: nn.Sequential = vgg19().features
    try:
        if weights is None:
            state = VGG19_Weights.IMAGENET1K_V1.get_state_dict(progress=False, check_hash=True)
        else:
            state = torch.load(weights, map_location="cpu", weights_only=True)
        own = {k.removeprefix("features."): v for k, v in state.items() if "features." in k}
        layers.load_state_dict(own, assign=True)
    except Exception as error:  # no net, no file, a cut file, another network's file: many kinds
        source = "be downloaded" if weights is None else f"be read from {weights}"
        reason = (unreadable(weights, error) if weights else atomic.reason(error))[:200]
        raise SettingsError(
            f"VGG19's weights cannot {source} ({reason}); give a file of torchvision's vgg19 as "
            'VGG(weights="vgg19-dcbb9e9d.pth"), or choose SmallFeatures() or Pixels()'
        ) from error
    return layers

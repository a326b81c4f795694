"""A small classifier of colour photographs, whose features compare images of any kind."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from ganwright.metrics.weights import shipped

CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
"""What it tells apart: CIFAR-10's classes."""
SIDE = 32
"""Height and width of the colour images that it learned from; it takes larger ones, too."""
DIMENSIONS = 64
SHIPPED = Path(__file__).parent / "weights" / "photos.safetensors"
"""Its weights, made by `python benchmarks/train_photo_features.py`."""


class PhotoNet(nn.Module):
    """Colour images [n, 3, H, W] in [-1, 1] to features [n, 64] and logits [n, 10].

    The features are means over the last map, so that H and W may be any from 8 on.
    """

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _layer(3, 32),
            nn.MaxPool2d(2),
            _layer(32, 64),
            _Residual(64),
            nn.MaxPool2d(2),
            _layer(64, 128),
            _Residual(128),
            _layer(128, DIMENSIONS, kernel=1),
        )
        self.head = nn.Linear(DIMENSIONS, len(CLASSES))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features: Tensor = self.body(x).mean((2, 3))
        return features, self.head(features)


class _Residual(nn.Module):
    """x plus two layers of it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(_layer(width, width), _layer(width, width))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.layers(x)
        return out


def trained() -> PhotoNet:
    """The net with the weights that ship with the package, in evaluation mode."""
    return shipped(PhotoNet, SHIPPED)


def _layer(fan_in: int, width: int, kernel: int = 3) -> nn.Sequential:
    convolution = nn.Conv2d(fan_in, width, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(width), nn.ReLU())

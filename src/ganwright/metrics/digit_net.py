"""A small classifier of digits and capital letters, whose features compare images of them."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from ganwright.metrics.weights import shipped

CLASSES = tuple("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")
"""What it tells apart."""
SIDE = 32
"""Height and width of the grey images that it takes."""
DIMENSIONS = 64
SHIPPED = Path(__file__).parent / "weights" / "digits.safetensors"
"""Its weights, made by `python benchmarks/train_digit_features.py`."""


class DigitNet(nn.Module):
    """Grey images [n, 1, 32, 32] in [-1, 1] to features [n, 64] and logits [n, 36]."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_stage(1, 24, 5, 2),
            *_stage(24, 48, 3, 1),
            nn.MaxPool2d(2),
            *_stage(48, 80, 3, 1),
            *_stage(80, 80, 3, 1),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(80 * 16, DIMENSIONS),
            nn.ReLU(),
        )
        self.head = nn.Linear(DIMENSIONS, len(CLASSES))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features: Tensor = self.body(x)
        return features, self.head(features)


def trained() -> DigitNet:
    """The net with the weights that ship with the package, in evaluation mode."""
    return shipped(DigitNet, SHIPPED)


def _stage(fan_in: int, width: int, kernel: int, stride: int) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(fan_in, width, kernel, stride, kernel // 2, bias=False)
    return convolution, nn.BatchNorm2d(width), nn.ReLU()

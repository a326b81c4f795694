"""Classifiers of digits that papers on adversarial examples attack, as functions of settings take.

Each is called with the shape of the images, (C, H, W), and the number of classes, and maps images
[n, C, H, W] in [-1, 1] to logits [n, classes].
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from ganwright import atomic
from ganwright.errors import SettingsError
from ganwright.layers.dropout import Dropout
from ganwright.precision import wide

Shape = tuple[int, ...]


class Classifier(nn.Module):
    """Base of the classifiers.

    Args:
        shape: of the images.
        classes: how many.
        weights: a .safetensors file of them; random ones when not given.

    Raises:
        SettingsError: the images are too small, or the weights do not fit.
    """

    least = 28

    def __init__(self, shape: Shape, classes: int, weights: str | None = None) -> None:
        super().__init__()
        name = type(self).__name__
        if len(shape) != 3 or min(shape[1:]) < self.least:
            raise SettingsError(
                f"{name} classifies images (C, H, W) of {self.least} pixels or more, got {shape}"
            )
        body = self.layers(shape[0])
        with torch.no_grad():
            width = nn.Sequential(*body).eval()(torch.zeros(1, *shape)).numel()
        self.stack = nn.Sequential(*body, nn.Flatten(), *self.top(width, classes)).train()
        if weights is not None:
            self._load(Path(weights).expanduser())

    def layers(self, channels: int) -> list[nn.Module]:
        """The convolutions."""
        raise NotImplementedError

    def top(self, width: int, classes: int) -> list[nn.Module]:
        """The layers on `width` features."""
        return [nn.Linear(width, classes)]

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.stack(x)
        return wide(logits)

    def _load(self, path: Path) -> None:
        from safetensors.torch import load_file

        try:
            self.load_state_dict(load_file(path))
        except Exception as error:  # no file, a cut one, another network's
            name, reason = type(self).__name__, " ".join(atomic.reason(error).split())[:200]
            raise SettingsError(f"{path} does not hold {name}'s weights ({reason})") from error


class ModelA(Classifier):
    """Two 5x5 convolutions and 128 units: "A" of Tramer et al. (2018), arXiv:1705.07204.

    The second convolution has stride 2, as in the code of Defense-GAN.
    """

    least = 8

    def layers(self, channels: int) -> list[nn.Module]:
        first = nn.Conv2d(channels, 64, 5, padding=2)
        return [first, nn.ReLU(), nn.Conv2d(64, 64, 5, 2), nn.ReLU(), Dropout(0.25)]

    def top(self, width: int, classes: int) -> list[nn.Module]:
        return [nn.Linear(width, 128), nn.ReLU(), Dropout(0.5), nn.Linear(128, classes)]


class ModelB(Classifier):
    """Three large convolutions: "B" of Tramer et al. (2018), arXiv:1705.07204."""

    least = 28

    def layers(self, channels: int) -> list[nn.Module]:
        return [
            Dropout(0.2),
            nn.Conv2d(channels, 64, 8, 2, 3),
            nn.ReLU(),
            nn.Conv2d(64, 128, 6, 2),
            nn.ReLU(),
            nn.Conv2d(128, 128, 5),
            nn.ReLU(),
            Dropout(0.5),
        ]


class ModelC(Classifier):
    """Carlini and Wagner's (2017), arXiv:1608.04644, table I: "C" of AdvGAN."""

    least = 16

    def layers(self, channels: int) -> list[nn.Module]:
        def pair(fan_in: int, width: int) -> list[nn.Module]:
            convolutions = nn.Conv2d(fan_in, width, 3), nn.Conv2d(width, width, 3)
            return [convolutions[0], nn.ReLU(), convolutions[1], nn.ReLU(), nn.MaxPool2d(2)]

        return [*pair(channels, 32), *pair(32, 64)]

    def top(self, width: int, classes: int) -> list[nn.Module]:
        units = [nn.Linear(width, 200), nn.ReLU(), Dropout(0.5), nn.Linear(200, 200), nn.ReLU()]
        return [*units, nn.Linear(200, classes)]

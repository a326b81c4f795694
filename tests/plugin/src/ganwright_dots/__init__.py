"""Dots: a family, a loss, a data set, a callback, a tracker and a metric for Ganwright."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganwright import Callback, Loss, Metric, Run
from ganwright.config.ranges import Count, Positive
from ganwright.families.dcgan import DCGAN
from ganwright.losses import Inputs, Scorer, score, scores
from ganwright.networks import ConvNet, Networks


@dataclass(frozen=True)
class Cauchy(Loss):
    """Heavy tails for D's scores."""

    scale: Positive = 1.0
    """What real scores are drawn to."""

    def discriminator(self, D: Scorer, real: Inputs, fake: Inputs) -> Tensor:
        r, f = scores(D, real, fake)
        return ((r - self.scale) ** 2).log1p().mean() + (f**2).log1p().mean()

    def generator(self, D: Scorer, real: Inputs, fake: Inputs) -> Tensor:
        return ((score(D, fake) - self.scale) ** 2).log1p().mean()


class DotsGAN(DCGAN):
    """DCGAN with a Cauchy loss, on dots."""

    title = "Dots GAN (2026)"
    data = "dots"
    image_size = 8
    batch_size = 16

    @dataclass(frozen=True, kw_only=True)
    class Config(DCGAN.Config):
        networks: Networks = ConvNet(width=4)
        """The kind of G and D."""
        loss: Loss = Cauchy()
        """How D's scores of real and fake become the two losses."""


def dots(image_size: int | None) -> Tensor:
    """64 grey images of one bright pixel each."""
    size = image_size or 8
    images = torch.zeros(64, size, size, dtype=torch.uint8)
    images.view(64, -1)[torch.arange(64), torch.arange(64) % size**2] = 255
    return images


@dataclass
class Halt(Callback):
    """Ends a run at a step."""

    at: Count = 1
    """Which."""

    def stepped(self, run: Run) -> None:
        if run.step >= self.at:
            run.stop(f"step {self.at} is enough")


class Lines:
    """Writes what a tracker is told as lines of JSON."""

    def __init__(self, run: Path, config: Mapping[str, Any]) -> None:
        self.path = run / "lines.jsonl"
        self._add(family=config["family"])

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Numbers at a step."""
        self._add(step=step, names=sorted(values))

    def log_images(self, images: Mapping[str, Tensor], step: int) -> None:
        """Shapes of images at a step."""
        self._add(step=step, shapes={name: list(x.shape) for name, x in images.items()})

    def finish(self) -> None:
        """Nothing is left."""
        self._add(finished=True)

    def _add(self, **line: Any) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps(line)}\n")


@dataclass(frozen=True)
class Brightness(Metric):
    """The gap between the mean brightness of samples and of held-out images."""

    def measure(self, real: Tensor | None, fake: Tensor) -> Mapping[str, float]:
        return {"mean": float(fake.mean()) - (0.0 if real is None else float(real.mean()))}

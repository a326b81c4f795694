"""What is trained: a family, its data's size, and how a script's loop plays it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import loops
import torch
from loops import Batches, Style
from torch import Tensor

from ganwright.data import open_data
from ganwright.data.options import DataOptions
from ganwright.data.types import Batch, Images, Paired, Spec, Unpaired
from ganwright.families import family
from ganwright.game import Game
from ganwright.pixels import from_bytes

Loop = Callable[[Game, Batches, Style], Callable[[], None]]


class Enlarged:
    """Images of low and of high resolution, in the order that they have."""

    def __init__(self, low: Tensor, high: Tensor, device: torch.device) -> None:
        self.low, self.high = low.to(device), high.to(device)
        shapes = (tuple(low.shape[1:]), tuple(high.shape[1:]))
        self.spec = Spec(Paired, shapes[0], shapes[1], count=len(low))

    def batch(self, draw: int, size: int, rank: int = 0, world: int = 1) -> Paired:
        """The `draw`-th batch."""
        rows = torch.arange(draw * size, (draw + 1) * size, device=self.low.device) % len(self.low)
        return Paired(from_bytes(self.low[rows]), from_bytes(self.high[rows]))


@dataclass(frozen=True)
class Case:
    """A row of the table.

    Args:
        family: whose networks, objectives and optimizers are played.
        size: height and width of the images.
        channels: of the images.
        batch: images in a batch.
        loop: how a script plays it.
        settings: of the family.
        images: how many there are.
        updates: batches in a step.
        shared: settings with which the family draws fakes once a step, as the loop does.
    """

    family: str
    size: int
    loop: Loop
    channels: int = 3
    batch: int = 64
    settings: Mapping[str, Any] = field(default_factory=dict)
    images: int = 2000
    updates: int = 1
    shared: Mapping[str, Any] = field(default_factory=dict)

    @property
    def task(self) -> type[Batch]:
        """The type of its batches."""
        return family(self.family).task

    def pictures(self) -> Any:
        """Random images as bytes, with labels where the family takes one domain."""
        generator = torch.Generator().manual_seed(0)

        def some(size: int) -> Tensor:
            shape = (self.images, self.channels, size, size)
            return torch.randint(256, shape, dtype=torch.uint8, generator=generator)

        if self.task is Images:
            return some(self.size), torch.arange(self.images) % 10
        low = self.size // 4 if self.family == "srgan" else self.size
        return some(low), some(self.size)

    def open(self, device: torch.device) -> Any:
        """The library's own data of them, resident on the device."""
        if self.family == "srgan":
            low, high = self.pictures()
            return Enlarged(low, high, device)
        options = DataOptions(image_size=None, seed=0)
        return open_data(self.pictures(), task=self.task, options=options, device=device)

    def game(self, spec: Any, **changes: Any) -> Game:
        """The family's game, weights of seed 0."""
        torch.manual_seed(0)
        cls = family(self.family)
        return cls(cls.Config(**{**self.settings, **changes}), spec)


SHARE = {"share_fakes": True}
CASES: dict[str, Case] = {
    "gan 28": Case("gan", 28, loops.noise, channels=1, shared=SHARE),
    "dcgan 32": Case("dcgan", 32, loops.noise, shared=SHARE),
    "dcgan 64": Case("dcgan", 64, loops.noise, images=500, shared=SHARE),
    "wgan-gp 32": Case("wgan-gp", 32, loops.wgan_gp, updates=5),
    "acgan 32": Case("acgan", 32, loops.acgan, shared=SHARE),
    "sagan 64": Case("sagan", 64, loops.noise, batch=16, images=500, shared=SHARE),
    "pix2pix 128": Case("pix2pix", 128, loops.pix2pix, batch=1, images=100),
    "cyclegan 64": Case("cyclegan", 64, loops.cyclegan, batch=1, images=200),
    "cyclegan 128": Case("cyclegan", 128, loops.cyclegan, batch=1, images=100),
    "srgan 96": Case("srgan", 96, loops.srgan, batch=16, images=200, settings={"mse_steps": 0}),
}

assert {case.task for case in CASES.values()} == {Images, Paired, Unpaired}

"""Time of a training step, next to packages that one would use instead.

    pip install --no-deps lightweight-gan stylegan2-pytorch  # and what they import
    python benchmarks/peers.py --size 64 --batch 8 --blocks 7

Their own trainers play their own steps, at their defaults, past the 20,000 steps after which they
average weights, without reading files, saving or drawing samples: one batch lies ready for all. Our
families have the widths whose parameters are nearest to theirs, and play what their papers ask
for. Contestants play blocks of steps in turn in one process; a ratio is the median over blocks of
the package's time for an image by ours.

Both packages insist on CUDA. To let them run on a CPU, `torch.cuda.is_available` is true while they
are imported, and `.cuda()` and `torch.device("cuda:0")` mean the CPU while they play.
"""

from __future__ import annotations

import argparse
import itertools
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from statistics import median, quantiles
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from ganwright.data import DataOptions, open_data
from ganwright.data.types import Images
from ganwright.families.fastgan import FastGAN
from ganwright.families.stylegan2 import StyleGAN2
from ganwright.game import Game
from ganwright.networks import FastNet, StyleNet
from ganwright.training.engine import Engine
from ganwright.training.machine import usable_cores
from ganwright.training.trainer import Trainer

LATE = 20_001
DEVICE = torch.device


@dataclass(frozen=True)
class Contestant:
    """One of those compared.

    Args:
        name: of the table's row.
        step: plays one step.
        parameters: of all that it trains.
    """

    name: str
    step: Callable[[], object]
    parameters: int


class Ready:
    """The same batch at every draw."""

    def __init__(self, data: Any, size: int) -> None:
        self.spec, self.kept = data.spec, data.batch(0, size)

    def batch(self, draw: int, size: int, rank: int = 0, world: int = 1) -> Any:
        return self.kept


class _OnCpu(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, DEVICE)

    def __call__(cls, *_: object) -> torch.device:
        return DEVICE("cpu")


class _Cpu(metaclass=_OnCpu):
    """Stands for torch.device where every device is the CPU."""


@contextmanager
def at_home(device: torch.device, *, playing: bool = False) -> Iterator[None]:
    """What asks for CUDA gets `device`, in a folder of its own.

    While a step is played, CUDA is not said to be there: torch's optimizers would ask it for more.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        stack.callback(os.chdir, os.getcwd())
        os.chdir(folder)
        if device.type == "cpu":
            if not playing:
                stack.enter_context(patch.object(torch.cuda, "is_available", lambda: True))
            stack.enter_context(patch.object(Tensor, "cuda", lambda self, *_: self))
            stack.enter_context(patch.object(nn.Module, "cuda", lambda self, *_: self))
            stack.enter_context(patch.object(torch, "device", _Cpu))
        yield


def package(module: str, images: Tensor, device: torch.device, **settings: Any) -> Contestant:
    """A package's own trainer, on images [n, 3, H, W] in [0, 1]."""
    with at_home(device):
        found = import_module(module)
        trainer = found.Trainer(
            name="peer",
            batch_size=len(images),
            image_size=images.shape[-1],
            save_every=10**9,
            evaluate_every=10**9,
            aug_prob=0.0,
            **settings,
        )
        trainer.init_GAN()
    trainer.loader, trainer.dataset = itertools.repeat(images), range(10**6)
    trainer.steps = LATE

    def step() -> None:
        with at_home(device, playing=True):
            trainer.train()

    trained = [p for p in trainer.GAN.parameters() if p.requires_grad]
    return Contestant(module.partition(".")[0], step, sum(p.numel() for p in trained))


def ours(name: str, game: Game, data: Ready, batch: int, engine: Engine) -> Contestant:
    """A family of ours."""
    trainer = Trainer(game, data, engine, batch_size=batch)
    return Contestant(name, trainer.play_step, sum(p.numel() for p in game.parameters()))


def nearest(make: Callable[[int], Game], widths: range, parameters: int) -> Game:
    """The game whose parameters are nearest to a number of them."""

    def apart(width: int) -> int:
        with torch.device("meta"):
            return abs(sum(p.numel() for p in make(width).parameters()) - parameters)

    return make(min(widths, key=apart))


def pairs(size: int, batch: int, device: torch.device) -> Iterator[tuple[Contestant, Contestant]]:
    """Each package with our family."""
    opened = open_data("glyphs", task=Images, options=DataOptions(image_size=size))
    data = Ready(opened.to(device) if hasattr(opened, "to") else opened, batch)
    images = ((data.kept.images + 1) / 2).to(device)
    engine = Engine.pick(str(device))
    peer = package("lightweight_gan.lightweight_gan", images, device, use_aim=False)

    def fast(width: int) -> Game:
        net = FastNet(width_G=width, width_D=width)
        return FastGAN(FastGAN.Config(networks=net), data.spec)

    game = nearest(fast, range(8, 129, 4), peer.parameters)
    yield peer, ours("fastgan", game, data, batch, engine)
    peer = package("stylegan2_pytorch.stylegan2_pytorch", images, device)

    def style(width: int) -> Game:
        net = StyleNet(base=64 * width, most=512)
        return StyleGAN2(StyleGAN2.Config(networks=net), data.spec)

    game = nearest(style, range(16, 513, 16), peer.parameters)
    yield peer, ours("stylegan2", game, data, batch, engine)


def block(step: Callable[[], object], steps: int, device: torch.device) -> float:
    """Seconds of a step, over so many."""
    start = time.perf_counter()
    for _ in range(steps):
        step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return (time.perf_counter() - start) / steps


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--blocks", type=int, default=7)
    parser.add_argument("--steps", type=int, default=16, help="of a block: all lazy penalties")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    device = torch.device(args.device)
    torch.set_num_threads(usable_cores())
    print("| | parameters | ms an image | x the package | half within |\n" + "| --- " * 5 + "|")
    for pair in pairs(args.size, args.batch, device):
        took: dict[str, list[float]] = {each.name: [] for each in pair}
        for each in pair:
            block(each.step, 2, device)
        for number in range(args.blocks):
            for each in pair if number % 2 else pair[::-1]:
                took[each.name].append(block(each.step, args.steps, device) / args.batch)
        package_ = took[pair[0].name]
        for each in pair:
            ratios = [a / b for a, b in zip(package_, took[each.name], strict=True)]
            low, middle, high = quantiles(ratios, n=4)
            print(
                f"| {each.name} | {each.parameters:,} | {1e3 * median(took[each.name]):.3g} | "
                f"{middle:.2f} | {low:.2f} to {high:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()

"""One step before the first one, thrown away: what can fail fails before anything is written."""

from __future__ import annotations

import dataclasses
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from math import lcm
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from ganwright._torch import buffers as buffers_of
from ganwright.data import RunData
from ganwright.data.types import Batch, mapped
from ganwright.errors import GanwrightError, SettingsError
from ganwright.report.grid import to_pixels
from ganwright.seeds import generators_kept
from ganwright.training.meter import Meter
from ganwright.training.trainer import Trainer

FEW = 16
"""Items that are previewed and measured."""
_ADVICE = {
    "more than 1 value per channel": "BatchNorm needs at least two images in each process's batch; "
    "raise --batch-size",
    "Kernel size can't be greater": "these networks need larger images; raise --image-size",
    "Output size is too small": "these networks need larger images; raise --image-size",
}
_OTHERS = (Path(torch.__file__).parent, Path(__file__).parent)


def rehearse(trainer: Trainer, source: RunData) -> None:
    """Update every player once in every phase, preview and measure, then undo it all.

    The trainer must be at its first step, and is there again afterwards, bit for bit; compiled
    objectives stay compiled. Processes do not wait for each other.

    Raises:
        GanwrightError: a step cannot be made with these settings.
    """
    try:
        with _put_back(trainer), generators_kept(), _alone(trainer):
            for step in first_steps(trainer):
                trainer.step = step
                trainer.play_step(most=1)
            if trainer.engine.rank == 0:
                _look(trainer, source)
    except GanwrightError:
        raise
    except Exception as error:
        raise SettingsError(f"the first step fails with these settings: {said(error)}") from error


def said(error: Exception) -> str:
    """What went wrong, where if it was in a user's own code, and what helps if that is known."""
    text = str(error)
    if out_of_memory(error):
        return "out of memory; lower --batch-size or --image-size, or choose smaller networks"
    for sign, advice in _ADVICE.items():
        if sign in text:
            return f"{text.splitlines()[0]}; {advice}"
    first = f"{type(error).__name__}: {text.splitlines()[0]}" if text else type(error).__name__
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.is_file() and not any(path.is_relative_to(other) for other in _OTHERS):
            return f"{first} ({path.name}, line {frame.lineno})"
    return first


def out_of_memory(error: Exception) -> bool:
    """Whether the device or the host has no memory left."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        "can't allocate memory" in str(error)
    )


def first_steps(trainer: Trainer) -> Iterator[int]:
    """A step of each phase in which as many as possible play, lazy objectives included."""
    players = [seat.player for seat in trainer.seats]
    every = lcm(*(p.every for p in players), *(lazy.every for p in players for lazy in p.lazy))
    start = 0
    for phase in trainer.game.phases():
        due = -(-start // every) * every
        inside = phase.steps is None or due < start + phase.steps
        if phase.steps != 0:
            yield due if inside else start
        start += phase.steps or 0


def _look(trainer: Trainer, source: RunData) -> None:
    few = partial(_first, count=FEW)
    with trainer.inferring() as game:
        grid = game.preview(mapped(source.preview(64), few))
        if grid.ndim != 2:
            to_pixels(grid)
        held_out = source.held_out(game.held_out)
        if held_out is not None:
            game.measure(mapped(held_out, few))


@contextmanager
def _put_back(trainer: Trainer) -> Iterator[None]:
    """All tensors of the game and its averages, optimizers, counts and meters as before."""
    both = (trainer.game, trainer.average.networks)
    buffers = [(buffers_of(m), dict(buffers_of(m))) for net in both for m in net.modules()]
    live = [t for net in both for t in _tensors(net)]
    before = [t.detach().clone() for t in live]
    try:
        yield
    finally:
        for now, then in buffers:  # a buffer may have been replaced instead of written to
            now.clear()
            now.update(then)
        with torch.no_grad():
            for tensor, old in zip(live, before, strict=True):
                tensor.copy_(old)
    for seat in trainer.seats:
        seat.optimizer = seat.player.optimizer.build(seat.weights, seat.lazy)
        seat.scaler = trainer.engine.scaler()
    trainer.step = trainer.draws = trainer.images = 0
    trainer.meter = Meter(trainer.engine.device)


def _tensors(module: nn.Module) -> list[Tensor]:
    """Each once: what is not saved with a checkpoint too."""
    found = [*module.parameters(), *module.buffers()]
    return list({id(t): t for t in found}.values())


@contextmanager
def _alone(trainer: Trainer) -> Iterator[None]:
    """Every draw is the first one, read once, and gradients are not averaged."""
    engine, batches = trainer.engine, trainer.batches
    trainer.engine = dataclasses.replace(engine, world=1)
    trainer.batches = _OneBatch(batches, engine.rank, engine.world)
    try:
        yield
    finally:
        trainer.engine, trainer.batches = engine, batches


class _OneBatch:
    """This process's share of the first batch, of each size that is asked for."""

    def __init__(self, batches: Any, rank: int, world: int) -> None:
        self.batches, self.rank, self.world = batches, rank, world
        self._read: dict[int, Batch] = {}

    def batch(self, draw: int, size: int, rank: int = 0, world: int = 1) -> Batch:
        if size not in self._read:
            self._read[size] = cast(Batch, self.batches.batch(0, size, self.rank, self.world))
        return self._read[size]


def _first(t: Tensor, count: int) -> Tensor:
    return t[:count]

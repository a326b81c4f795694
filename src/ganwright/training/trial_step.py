"""Steps before the first one, undone: every player plays once, and nothing is changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from math import lcm
from typing import Any, cast

import torch
from torch import Tensor, nn

from ganwright._torch import buffers as buffers_of
from ganwright.data.types import Batch
from ganwright.seeds import generators_kept
from ganwright.training.meter import Meter
from ganwright.training.trainer import Trainer


@contextmanager
def trial(trainer: Trainer) -> Iterator[None]:
    """Update every player once in every phase; afterwards all is as before, bit for bit.

    The trainer must be at its first step. Compiled objectives stay compiled. Processes do not wait
    for each other.
    """
    with _put_back(trainer), generators_kept(), _alone(trainer):
        for step in first_steps(trainer):
            trainer.step = step
            trainer.play_step(most=1)
        yield


def first_steps(trainer: Trainer) -> Iterator[int]:
    """A step of each phase in which as many as possible play, lazy objectives included."""
    players = [trained.player for trained in trainer.players]
    every = lcm(*(p.every for p in players), *(lazy.every for p in players for lazy in p.lazy))
    start = 0
    for phase in trainer.game.phases():
        due = -(-start // every) * every
        inside = phase.steps is None or due < start + phase.steps
        if phase.steps != 0:
            yield due if inside else start
        start += phase.steps or 0


@contextmanager
def _put_back(trainer: Trainer) -> Iterator[None]:
    """All tensors of the game and its averages, optimizers, counts and meters as before."""
    both = (trainer.game, trainer.average.networks)
    buffers = [(buffers_of(m), dict(buffers_of(m))) for net in both for m in net.modules()]
    live = _tensors(both)
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
    for trained in trainer.players:
        trained.restart()
    trainer.step = trainer.draws = trainer.images = trainer.average.waiting = 0
    trainer.meter = Meter(trainer.engine.device)


def _tensors(modules: Iterable[nn.Module]) -> list[Tensor]:
    """Each once: what is not saved with a checkpoint too."""
    found = [t for module in modules for t in (*module.parameters(), *module.buffers())]
    return list({id(t): t for t in found}.values())


@contextmanager
def _alone(trainer: Trainer) -> Iterator[None]:
    """Every draw is the first one, read once, and gradients are not averaged."""
    engine, batches = trainer.engine, trainer.batches
    trainer.engine = dataclasses.replace(engine, world=1)
    trainer.engine.share(trainer.game)
    trainer.batches = _OneBatch(batches, engine.rank, engine.world)
    try:
        yield
    finally:
        trainer.engine, trainer.batches = engine, batches
        engine.share(trainer.game)


class _OneBatch:
    """This process's share of the first batch, of each size that is asked for."""

    def __init__(self, batches: Any, rank: int, world: int) -> None:
        self.batches, self.rank, self.world = batches, rank, world
        self._read: dict[int, Batch] = {}

    def batch(self, draw: int, size: int, rank: int = 0, world: int = 1) -> Batch:
        if size not in self._read:
            self._read[size] = cast(Batch, self.batches.batch(0, size, self.rank, self.world))
        return self._read[size]

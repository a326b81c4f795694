"""What a training costs, measured over a few of its steps: weights, memory, time, money."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from math import ceil, lcm
from os import PathLike
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from ganwright.config.changes import keywords
from ganwright.config.ranges import Positive
from ganwright.config.settings import Settings
from ganwright.config.spelling import convert
from ganwright.data import RunData
from ganwright.data.types import Spec
from ganwright.errors import SettingsError
from ganwright.game import Game
from ganwright.memory import shortage_named
from ganwright.run.assembly import class_of, lasting, made, opened, resolved, with_game
from ganwright.run.config_file import game_class
from ganwright.run.run_folder import is_run, read_config
from ganwright.run.trial_step import try_first_step
from ganwright.training.engine import Engine
from ganwright.training.timed import Key, TimedTrainer

SECONDS = 3.0
"""How long steps are measured by default."""
BLOCKS = 5
"""Most stretches of equal length whose median is the time of a step; fewer where steps are slow."""


@dataclass(frozen=True)
class Stretch:
    """A phase of the game.

    Args:
        name: of the phase; empty where there is only one.
        steps: how many of the run's steps it has.
        images: in a batch.
        seconds: of a step, the median of a few stretches.
        spread: (largest - smallest) / median of these; None where one took as long as was asked.
        parts: seconds of a step by player and part.
    """

    name: str
    steps: int
    images: float
    seconds: float
    spread: float | None
    parts: dict[Key, float]


@dataclass(frozen=True)
class Profile:
    """What a training costs.

    Args:
        settings: those measured, with the choices filled in.
        spec: what its data looks like.
        device: where it was measured.
        parameters: of each network.
        memory: bytes of weights, gradients, optimizers and averages, and the most that the process
            had, or on a GPU its tensors had.
        first: seconds of the first step, in which compiled objectives compile.
        stretches: the phases, in order.
    """

    settings: Settings
    spec: Spec
    device: torch.device
    parameters: dict[str, int]
    memory: dict[str, int]
    first: float
    stretches: tuple[Stretch, ...]

    @property
    def seconds(self) -> float:
        """Of the whole run, without samples, checkpoints and evaluation."""
        return self.first + sum(each.steps * each.seconds for each in self.stretches)


@shortage_named()
def profile(
    game: str | PathLike[str] | type[Game],
    settings: Settings | None = None,
    *,
    data: Any = None,
    seconds: float = SECONDS,
    **changes: Any,
) -> Profile:
    """Measure a few steps of a training that is then thrown away; nothing is written.

    Args:
        game: a family's name or class, or a run folder.
        settings: as in `train`.
        data: as in `train`.
        seconds: how long to measure each phase, at least.
        **changes: as in `train`.

    Raises:
        GanwrightError: it could not be trained so.
    """
    cls, settings = chosen(game, settings)
    seconds = convert(seconds, Positive, "seconds")
    if isinstance(data, str | PathLike):
        changes["data"], data = data, None
    return measure(cls, keywords(settings, changes), seconds, data)


def chosen(
    game: str | PathLike[str] | type[Game], settings: Settings | None = None
) -> tuple[type[Game], Settings]:
    """The class of a family or of a run folder, and the settings to start from."""
    if is_run(game):
        cls, own = read_config(Path(str(game)))
        return cls, settings or own
    cls = game_class(str(game)) if isinstance(game, str | PathLike) else class_of(game)
    return cls, with_game(settings, cls)


def measure(
    cls: type[Game],
    settings: Settings,
    seconds: float = SECONDS,
    data: Any = None,
    epochs: float | None = None,
) -> Profile:
    """What a training costs."""
    with measuring(cls, settings, seconds, data, epochs) as (found, _):
        return found


@contextmanager
def measuring(
    cls: type[Game],
    settings: Settings,
    seconds: float = SECONDS,
    data: Any = None,
    epochs: float | None = None,
) -> Iterator[tuple[Profile, TimedTrainer]]:
    """As `measure`; within, the trainer that told it, some steps on, can read its data."""
    settings = resolved(cls, settings, data)
    engine = Engine.of(settings)
    with closing(opened(cls, settings, engine, data)) as source:
        settings = lasting(settings, epochs, source.spec.count)
        yield measure_on(cls, settings, engine, source, seconds)


def measure_on(
    cls: type[Game], settings: Settings, engine: Engine, source: RunData, seconds: float
) -> tuple[Profile, TimedTrainer]:
    """As `measuring`, on data that is open.

    Raises:
        GanwrightError: it cannot be trained so, or several processes would.
    """
    if engine.world > 1:
        raise SettingsError("steps are measured in one process; start it without torchrun")
    settings = dataclasses.replace(settings, precision=engine.precision)
    trainer, _ = made(cls, settings, engine, source, kind=TimedTrainer)
    assert isinstance(trainer, TimedTrainer)
    started = time.perf_counter()
    try_first_step(trainer, source)
    first = time.perf_counter() - started
    stretches = tuple(_stretches(trainer, settings.steps, seconds))
    counts = {name: _count(network) for name, network in trainer.game.named_children()}
    parameters = {name: count for name, count in counts.items() if count}
    memory = _memory(trainer)
    found = Profile(settings, source.spec, engine.device, parameters, memory, first, stretches)
    return found, trainer


def _stretches(trainer: TimedTrainer, steps: int, seconds: float) -> Iterator[Stretch]:
    start = 0
    for phase in trainer.game.phases():
        left = max(0, steps - start)
        length = left if phase.steps is None else min(phase.steps, left)
        if length:
            yield _stretch(trainer, phase.name, start, length, seconds)
        start += phase.steps or 0


def _stretch(trainer: TimedTrainer, name: str, start: int, length: int, seconds: float) -> Stretch:
    """Whole rounds of the lazy objectives and intervals, so that each has its share."""
    players = [trained.player for trained in trainer.players]
    cycle = lcm(*(p.every for p in players), *(lazy.every for p in players for lazy in p.lazy))
    trainer.step = start
    began = time.perf_counter()
    _play(trainer, start, length, cycle)
    block = ceil(seconds / BLOCKS / max(time.perf_counter() - began, 1e-9)) * cycle
    trainer.spent.clear()
    images, times = trainer.images, list[float]()
    while not times or (len(times) < BLOCKS and sum(times) * block < seconds):
        began = time.perf_counter()
        _play(trainer, start, length, block)
        times.append((time.perf_counter() - began) / block)
    count = len(times) * block
    return Stretch(
        name,
        length,
        (trainer.images - images) / count,
        median(times),
        (max(times) - min(times)) / median(times) if len(times) > 1 else None,
        {key: spent / count for key, spent in trainer.spent.items()},
    )


def _play(trainer: TimedTrainer, start: int, length: int, count: int) -> None:
    """So many steps of a phase, from its start again where it is shorter."""
    for _ in range(count):
        if trainer.step >= start + length:
            trainer.step = start
        trainer.play_step()


def _memory(trainer: TimedTrainer) -> dict[str, int]:
    states = [
        value
        for trained in trainer.players
        for state in trained.optimizer.state.values()
        for value in state.values()
        if isinstance(value, Tensor)
    ]
    weights = list(trainer.game.parameters())
    averages = trainer.average.networks.parameters() if trainer.average.kept else ()
    return {
        "weights": sum(map(_bytes, weights)),
        "gradients": sum(_bytes(w) for w in weights if w.requires_grad),
        "optimizers": sum(map(_bytes, states)),
        "averages": sum(map(_bytes, averages)),
        "peak": most_memory(trainer.engine.device),
    }


def most_memory(device: torch.device) -> int:
    """The most that was in use, in bytes: by tensors on a GPU, by the process on a CPU.

    0 where the system does not say.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:  # Windows
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _bytes(t: Tensor) -> int:
    return t.numel() * t.element_size()


def _count(network: nn.Module) -> int:
    return sum(w.numel() for w in network.parameters())

"""The fastest way to compute a run: each is measured over a few of its steps."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ganwright import atomic
from ganwright.config.settings import FREE, Settings
from ganwright.data.read.packed import cache_file
from ganwright.data.types import Spec
from ganwright.errors import SettingsError
from ganwright.families import name_of
from ganwright.game import Game
from ganwright.run.assembly import lasting, opened, resolved
from ganwright.run.config_file import to_yaml
from ganwright.run.profile import measure_on
from ganwright.training.compiler import why_not_compiled
from ganwright.training.engine import Engine
from ganwright.training.machine import fast_bf16, processor

SECONDS = 1.0
"""How long each way is measured in each phase of the game."""
MARGIN = 0.97
"""Another way must take less than this share of the best one's time to take its place."""
LONG = 1200.0
"""Seconds of a run from which on compilation, which takes up to a minute, is tried."""
CHOSEN = ("precision", "layout", "cpu_threads", "compile")
"""The settings that are chosen."""
CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)


@dataclass(frozen=True)
class Way:
    """A way to compute, as it was measured.

    Args:
        settings: of the run that computes so.
        images: a second, over all phases.
        seconds: of the whole run, compilation included.
    """

    settings: Settings
    images: float
    seconds: float

    def __str__(self) -> str:
        return f"{named(self.settings)}: {self.images:,.0f} images a second"


def named(settings: Settings) -> str:
    """How a run computes, in a few words."""
    parts: list[str] = [settings.precision, settings.layout]
    if count := settings.cpu_threads:
        parts.append(f"{count} threads" if count > 1 else "1 thread")
    return ", ".join([*parts, *(["compiled"] if settings.compile else [])])


def tuned(
    cls: type[Game],
    settings: Settings,
    data: Any = None,
    *,
    epochs: float | None = None,
    say: Callable[[str], object] = lambda sentence: None,
) -> Settings:
    """The settings with the fastest precision, layout, number of threads and compilation.

    Only what the settings leave open is chosen: a precision or layout that is "auto", threads that
    are not given, here or in OMP_NUM_THREADS, and compilation where a run is long. What was found
    is remembered in the user's cache for this machine, family, and settings.

    Args:
        cls: the family.
        settings: of the run.
        data: what a Python caller passes, if anything.
        epochs: how long the run is, where that is not said in steps.
        say: gets what was found, a line for each way.

    Raises:
        GanwrightError: it cannot be trained so, or several processes would.
    """
    settings = resolved(cls, settings, data)
    engine = Engine.of(settings)
    if engine.world > 1:
        raise SettingsError(
            "ways to compute are compared in one process; tune without torchrun, and give its "
            "processes the --precision and --layout that were found"
        )
    with closing(opened(cls, settings, engine, data)) as source:
        settings = lasting(settings, epochs, source.spec.count)
        file = _file(cls, settings, engine, source.spec)
        if (known := _remembered(file)) is not None:
            found = dataclasses.replace(settings, **known)
            say(f"tuned before: {named(found)}")
        else:
            found = _search(cls, settings, engine, source, say)
            _remember(file, found, say)
    if found.cpu_threads is not None:
        torch.set_num_threads(found.cpu_threads)
    return found


def _search(
    cls: type[Game],
    settings: Settings,
    engine: Engine,
    source: Any,
    say: Callable[[str], object],
) -> Settings:
    """The best of the first way and, one after the other, of what may be changed in it."""

    def measured(settings: Settings) -> tuple[Way, Game]:
        profile, trainer = measure_on(cls, settings, Engine.of(settings), source, SECONDS)
        steps = sum(each.seconds * each.steps for each in profile.stretches)
        images = sum(each.images * each.steps for each in profile.stretches)
        way = Way(settings, images / steps, profile.seconds)
        say(str(way))
        return way, trainer.game

    free = settings.cpu_threads is None and "OMP_NUM_THREADS" not in os.environ
    threads = (
        torch.get_num_threads() if free and engine.device.type == "cpu" else settings.cpu_threads
    )
    first = dataclasses.replace(settings, precision=engine.precision, cpu_threads=threads)
    best, game = measured(first)
    count = 1
    for changes in _alternatives(settings, engine, game, threads if free else None):
        if changes.get("compile") and best.seconds < LONG:
            continue
        other, _ = measured(dataclasses.replace(best.settings, **changes))
        best = other if other.seconds < MARGIN * best.seconds else best
        count += 1
    say(f"tuned: {named(best.settings)}, the fastest of {count}")
    return best.settings


def _alternatives(
    settings: Settings, engine: Engine, game: Game, threads: int | None
) -> Iterator[dict[str, Any]]:
    if settings.precision == "auto" and fast_bf16(engine.device):
        yield {"precision": "fp32"}
    if settings.layout == "auto" and any(isinstance(m, CONVOLUTIONS) for m in game.modules()):
        yield {"layout": "contiguous"}
        yield {"layout": "channels-last"}
    fewer = {1, threads // 2} - {0, threads} if threads else set()
    for count in sorted(fewer, reverse=True):
        yield {"cpu_threads": count}
    if not settings.compile and not why_not_compiled(engine.device):
        yield {"compile": True}


def _file(cls: type[Game], settings: Settings, engine: Engine, spec: Spec) -> Path:
    """Where the choice is remembered: named by all that it may depend on."""
    fresh = Settings()
    alike = {name: getattr(fresh, name) for name in FREE if name != "steps"}
    alike |= {"seed": 0, "init": None, "device": str(engine.device)}
    what = [
        processor(engine.device),
        torch.get_num_threads(),
        torch.__version__,
        to_yaml(name_of(cls), dataclasses.replace(settings, **alike)),
        spec.shape,
        spec.target,
        len(spec.classes),
    ]
    return cache_file("\n".join(map(str, what)), "tuned.json")


def _remembered(file: Path) -> dict[str, Any] | None:
    """What was chosen before; None where nothing is, or nothing readable."""
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
        found = {name: known[name] for name in CHOSEN}
        Settings(**found)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found


def _remember(file: Path, settings: Settings, say: Callable[[str], object]) -> None:
    chosen = {name: getattr(settings, name) for name in CHOSEN}
    try:
        atomic.write(file, json.dumps(chosen) + "\n")
    except OSError as error:
        say(f"what was found is not remembered: {error}")

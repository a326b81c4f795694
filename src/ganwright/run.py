"""Training a family in a run folder, and going on with it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ganwright import checkpoint
from ganwright.config import differences, keywords
from ganwright.data import Data, open_data
from ganwright.engine import Engine
from ganwright.errors import RunError, SettingsError
from ganwright.families import family
from ganwright.folder import make, name_of, read_config, replace_config
from ganwright.game import Game
from ganwright.listener import Listener, Silent
from ganwright.loop import Loop, restore
from ganwright.model import Model
from ganwright.read_back import read_back
from ganwright.seeds import seed_torch
from ganwright.settings import FREE, Settings
from ganwright.trackers import check
from ganwright.trainer import Trainer


def train(
    game_class: str | type[Game],
    settings: Settings,
    out: Path,
    *,
    data: Any = None,
    listener: Listener | None = None,
) -> Model:
    """Train a family in a new run folder.

    Args:
        game_class: a family's name, or a `Game` of one's own.
        settings: what is not given there is the family's.
        out: the run folder to make.
        data: tensors or a data set, in place of `settings.data`.
        listener: who shows progress.

    Raises:
        GanwrightError: settings, data or the folder do not fit; nothing is left behind.
    """
    cls = family(game_class) if isinstance(game_class, str) else game_class
    settings = resolved(cls, settings, given=data is not None)
    read_back(settings)
    check(settings.log)
    engine = Engine.pick(settings.device, settings.precision, settings.compile)
    if engine.rank == 0 and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RunError(
            f"{out} exists; resume it with `ganwright resume {out}`, or choose another --out"
        )
    settings = dataclasses.replace(settings, precision=engine.precision)
    trainer, source = assemble(cls, settings, engine, data)
    if engine.rank == 0:
        make(out, cls, settings, source.spec)
    return _go_on(out, cls, settings, trainer, source, listener or Silent())


def resume(
    run: Path,
    changes: Mapping[str, Any] | None = None,
    *,
    game: type[Game] | None = None,
    data: Any = None,
    listener: Listener | None = None,
) -> Model:
    """Continue a run from its newest good checkpoint, or from its start if it has none.

    Args:
        run: the run folder.
        changes: settings by name; those in `FREE` may change, `steps` being the new total.
        game: the family's class, where its name in the run cannot be imported.
        data: as it was handed to `train`, if it was.
        listener: who shows progress.

    Raises:
        GanwrightError: `run` is no run, or a change would make it another run.
    """
    listener = listener or Silent()
    cls, old = read_config(run, game)
    settings = keywords(old, changes or {})
    frozen = {name: getattr(old, name) for name in FREE}
    if changed := differences(old, dataclasses.replace(settings, **frozen)):
        raise RunError(f"a resumed run keeps its settings, but these differ: {'; '.join(changed)}")
    check(settings.log)
    engine = Engine.pick(settings.device, settings.precision, settings.compile)
    trainer, source = assemble(cls, settings, engine, data)
    found = checkpoint.load_newest(run / "checkpoints", warn=listener.warned)
    if found is not None:
        restore(trainer, found, run)
    if trainer.step >= settings.steps:
        raise RunError(
            f"{run} already made {trainer.step} steps; --steps is the total, so give more than that"
        )
    if engine.rank == 0 and settings != old:
        replace_config(run, cls, settings)
    return _go_on(run, cls, settings, trainer, source, listener)


def resolved(cls: type[Game], settings: Settings, *, given: bool = False) -> Settings:
    """The settings with the family's choices filled in."""
    return dataclasses.replace(
        settings,
        game=cls.Config() if settings.game is None else settings.game,
        data=settings.data or ("(given in Python)" if given else cls.data),
        batch_size=settings.batch_size or cls.batch_size,
        image_size=settings.image_size or cls.image_size,
    )


def assemble(
    cls: type[Game], settings: Settings, engine: Engine, data: Any = None
) -> tuple[Trainer, Data]:
    """Data, game and trainer of a run, as at its first step."""
    assert settings.batch_size is not None
    if data is None and settings.data == "(given in Python)":
        raise RunError("this run was trained on data given in Python; hand it over again as data=")
    source = open_data(
        settings.data if data is None else data,
        task=cls.task,
        settings=settings,
        image_size=settings.image_size,
        device=engine.device,
    )
    if cls.needs_labels and not source.spec.classes:
        raise SettingsError(f"{name_of(cls)} needs labels, and {settings.data} has none")
    if settings.batch_size % engine.world:
        raise SettingsError(
            f"batch_size {settings.batch_size} does not divide among {engine.world} processes"
        )
    seed_torch(settings.seed, "weights")
    game = cls(settings.game, source.spec)
    trainer = Trainer(
        game,
        source,
        engine,
        seed=settings.seed,
        batch_size=settings.batch_size,
        accumulate=settings.accumulate,
        ema_half_life=settings.ema_half_life,
    )
    return trainer, source


def _go_on(
    run: Path,
    cls: type[Game],
    settings: Settings,
    trainer: Trainer,
    source: Data,
    listener: Listener,
) -> Model:
    engine = trainer.engine
    listener.started(
        run=run,
        family=name_of(cls),
        settings=settings,
        spec=source.spec,
        device=str(engine.device),
        precision=engine.precision,
        step=trainer.step,
    )
    interrupted = Loop(run, settings, trainer, source, listener).go()
    listener.finished(run, trainer.step, interrupted)
    game = trainer.average.view(trainer.game)
    game.eval()
    return Model(name_of(cls), game, source.spec, trainer.step, run, interrupted=interrupted)

"""Training a family in a run folder, and going on with it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from ganwright.callbacks.listener import Listener, Silent
from ganwright.callbacks.trackers import check
from ganwright.config.read_back import read_back
from ganwright.config.settings import FREE, Settings
from ganwright.config.spelling import path_of
from ganwright.config.yaml import differences, keywords
from ganwright.data import Data, open_data
from ganwright.data.fingerprint import differences as other_data
from ganwright.errors import RunError, SettingsError
from ganwright.families import family
from ganwright.game import Game
from ganwright.inference.model import Model
from ganwright.run import lock, metrics_log
from ganwright.run.loop import Loop, restore, same_step
from ganwright.run.rehearsal import rehearse
from ganwright.run.resuming import Start, check_seal, check_world, choose, set_aside
from ganwright.run.run_folder import (
    check_free,
    located,
    make,
    name_of,
    read_config,
    read_data,
    record,
    replace_config,
    replace_data,
)
from ganwright.seeds import seed_torch
from ganwright.training import checkpoint
from ganwright.training.engine import Engine
from ganwright.training.trainer import Trainer


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
    out = path_of(out)
    engine = Engine.pick(settings.device, settings.precision, settings.compile)
    settings = dataclasses.replace(settings, precision=engine.precision)
    with engine.together():
        if engine.rank == 0:
            check_free(out)
        trainer, source = assemble(cls, settings, engine, data)
        rehearse(trainer, source)
        if engine.rank == 0:
            make(out, cls, settings, source.spec, record(settings, source.fingerprint))
    with _writing(out, engine):
        return _go_on(out, cls, settings, trainer, source, listener or Silent())


def resume(
    run: Path,
    changes: Mapping[str, Any] | None = None,
    *,
    game: type[Game] | None = None,
    data: Any = None,
    from_weights: bool = False,
    listener: Listener | None = None,
) -> Model:
    """Continue a run from its newest whole checkpoint, or from its start if it has none.

    Args:
        run: the run folder.
        changes: settings by name; those in `FREE` may change, `steps` being the new total.
        game: the family's class, where its name in the run cannot be imported.
        data: as it was handed to `train`, if it was.
        from_weights: where the newest checkpoint has lost its training state, go on from its
            weights, with fresh optimizers.
        listener: who shows progress.

    Raises:
        GanwrightError: `run` is no run, another process trains it, a change would make it another
            run, or none of its checkpoints is whole.
    """
    run, listener = path_of(run), listener or Silent()
    cls, old = read_config(run, game)
    settings = keywords(old, changes or {})
    frozen = {name: getattr(old, name) for name in FREE}
    if changed := differences(old, dataclasses.replace(settings, **frozen)):
        raise RunError(f"a resumed run keeps its settings, but these differ: {'; '.join(changed)}")
    check(settings.log)
    engine = Engine.pick(settings.device, settings.precision, settings.compile)
    with _writing(run, engine):
        with engine.together():
            start = None
            if engine.rank == 0:
                start = _start(run, cls, settings, engine, game, from_weights)
        # The first process chooses for all, before it renames what is broken.
        start = engine.gathered(start)[0]
        assert start is not None
        with engine.together():
            known = read_data(run)
            here = located(settings, old, known)
            trainer, source = assemble(cls, here, engine, data, known=known)
            rehearse(trainer, source)
            if start.path is not None:
                restore(trainer, checkpoint.load(start.path, training=start.whole), run)
        same_step(trainer, run)
        with engine.together():
            if engine.rank == 0:
                _open_again(run, start, cls, settings, old, listener)
                moved = (settings.data, settings.data_root) != (old.data, old.data_root)
                if known is not None and moved:
                    replace_data(run, record(settings, source.fingerprint))
        return _go_on(run, cls, settings, trainer, source, listener)


@contextmanager
def _writing(run: Path, engine: Engine) -> Iterator[None]:
    """The first process is the folder's one writer; the others learn whether it may be."""
    with ExitStack() as stack:
        with engine.together():
            if engine.rank == 0:
                stack.enter_context(lock.writing(run))
        yield


def _start(
    run: Path,
    cls: type[Game],
    settings: Settings,
    engine: Engine,
    game: type[Game] | None,
    from_weights: bool,
) -> Start:
    """Where to go on; refuses what would make it another run."""
    start = choose(run, from_weights=from_weights)
    if start.path is None:
        return start
    config, counts = checkpoint.sealed(start.path)
    if config is not None:
        check_seal(run, cls, settings, config, FREE, game=game)
    check_world(run, counts.get("world"), engine.world)
    done = checkpoint.step_of(start.path)
    if done >= settings.steps:
        raise RunError(
            f"{run} already made {done} steps; --steps is the total, so give more than that"
        )
    return start


def _open_again(
    run: Path, start: Start, cls: type[Game], settings: Settings, old: Settings, listener: Listener
) -> None:
    set_aside(start, listener.warned)
    if not start.whole:
        listener.warned(
            f"{run} goes on from the weights of {start.path}; its optimizers begin anew, so it is "
            "not the run that never stopped"
        )
    if start.path is None and metrics_log.last(run / "metrics.jsonl") >= old.save_every:
        listener.warned(f"{run} holds no checkpoint any more; training begins anew at step 0")
    if settings != old:
        replace_config(run, cls, settings)


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
    cls: type[Game],
    settings: Settings,
    engine: Engine,
    data: Any = None,
    *,
    known: dict[str, Any] | None = None,
) -> tuple[Trainer, Data]:
    """Data, game and trainer of a run, as at its first step.

    Args:
        cls: the family.
        settings: of the run.
        engine: where it computes.
        data: what a Python caller hands over, if anything.
        known: what the run knows of its data; other data is refused.
    """
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
    if known and (changed := other_data(known["fingerprint"], source.fingerprint)):
        raise RunError(
            f"this is not the data that the run was trained on: {'; '.join(changed)}; bring back "
            "the data as it was, or train a new run"
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
    with closing(source), ExitStack() as stack:
        with engine.together():
            loop = stack.enter_context(closing(Loop(run, settings, trainer, source, listener)))
        interrupted = loop.go()
    listener.finished(run, trainer.step, interrupted)
    game = trainer.average.view(trainer.game)
    game.requires_grad_(False).eval()
    return Model(name_of(cls), game, source.spec, trainer.step, run, interrupted=interrupted)

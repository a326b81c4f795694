"""Training a family in a run folder, and going on with it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

from ganwright.callbacks import metrics_log
from ganwright.callbacks.callback import Callback, Run
from ganwright.callbacks.trackers import check
from ganwright.config.changes import differences, keywords
from ganwright.config.ranges import Count
from ganwright.config.read_back import read_back
from ganwright.config.settings import FREE, Settings
from ganwright.config.spelling import convert
from ganwright.data import Data, open_data
from ganwright.data.fingerprint import differences as other_data
from ganwright.errors import RunError, SettingsError, described
from ganwright.families import name_of
from ganwright.game import Game
from ganwright.inference.model import Model
from ganwright.metrics.metric import Metric
from ganwright.run import lock
from ganwright.run.around import Around, run_of
from ganwright.run.config_file import defaults, game_class
from ganwright.run.loop import play
from ganwright.run.recovery import restore, same_step
from ganwright.run.rehearsal import rehearse
from ganwright.run.resuming import Start, check_seal, check_world, choose, set_aside
from ganwright.run.run_folder import (
    check_free,
    free_folder,
    located,
    make,
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

T = TypeVar("T")


def train(
    game: str | type[Game],
    settings: Settings | None = None,
    out: str | PathLike[str] | None = None,
    *,
    data: Any = None,
    callbacks: Sequence[Callback] = (),
    metrics: Sequence[Metric] = (),
    evaluate_every: int | None = None,
    evaluate_samples: int = 1000,
    keep_best: str | None = None,
    quiet: bool = False,
    **changes: Any,
) -> Model:
    """Train a family in a new run folder.

    Args:
        game: a family's name, or a `Game` class of one's own.
        settings: where settings start from; the family's defaults when not given.
        out: the run folder to make; runs/<family>-<data>-<number> when not given.
        data: a string as on the command line or a path, a tensor or array of images,
            (images, labels), or a map-style data set, which is read anew each time unless
            `cache=True`; the family's embedded data when not given.
        callbacks: what happens around the steps beside what the library does.
        metrics: measured on samples against held-out data as training goes on.
        evaluate_every: steps between two measurements; with each grid when not given.
        evaluate_samples: how many samples metrics are measured on.
        keep_best: the metric whose best checkpoint is kept for `load(run, best=True)`.
        quiet: show no progress; warnings become Python's.
        **changes: fields of `Settings` (steps, batch_size, seed ...) and of the family's own
            `Config` (loss, penalties, networks ...): objects, classes, or text as on the command
            line (`loss=Hinge()`, `loss=Hinge`, `loss="Hinge"`).

    Returns:
        The trained model, with its averaged weights.

    Raises:
        GanwrightError: something does not fit; the sentence says what, and nothing is left behind.
    """
    cls = game_class(game) if isinstance(game, str) else _class_of(game)
    if isinstance(data, str | PathLike):
        changes["data"], data = data, None
    chosen = keywords(_with_game(settings, cls), changes)
    chosen = resolved(cls, chosen, given=data is not None)
    around = Around(
        _objects(callbacks, Callback),
        _objects(metrics, Metric),
        convert(evaluate_every, Count | None, "evaluate_every"),
        convert(evaluate_samples, Count, "evaluate_samples"),
        keep_best,
        quiet,
    )
    read_back(chosen)
    check(chosen.log)
    folder = free_folder(Path("runs"), name_of(cls), chosen.data or "") if out is None else out
    folder = convert(folder, Path, "out")
    engine = Engine.pick(chosen.device, chosen.precision, chosen.compile)
    chosen = dataclasses.replace(chosen, precision=engine.precision)
    with engine.together():
        if engine.rank == 0:
            check_free(folder)
        trainer, source = assemble(cls, chosen, engine, data)
        rehearse(trainer, source)
        evaluation = around.evaluation(trainer, source, chosen)
        best = around.best(evaluation)
        if engine.rank == 0:
            make(folder, cls, chosen, source.spec, record(chosen, source.fingerprint))
    with _writing(folder, engine):
        run = run_of(folder, chosen, trainer, source, around, evaluation, best)
        return _played(run)


def resume(
    run: str | PathLike[str],
    changes: Mapping[str, Any] | None = None,
    *,
    steps: int | None = None,
    game: type[Game] | None = None,
    data: Any = None,
    from_weights: bool = False,
    callbacks: Sequence[Callback] = (),
    metrics: Sequence[Metric] = (),
    evaluate_every: int | None = None,
    evaluate_samples: int = 1000,
    keep_best: str | None = None,
    quiet: bool = False,
    **more: Any,
) -> Model:
    """Continue a run exactly where its newest whole checkpoint is, or from its start without one.

    Args:
        run: the run folder.
        changes: settings by name; those in `FREE` may change.
        steps: the new total; the run's own when not given.
        game: the family's class, where its name in the run cannot be imported, since it was
            defined in a script or a notebook.
        data: what was given to `train`, if it was neither a name nor a path; or where the data
            lies now.
        from_weights: where the newest checkpoint has lost its training state, go on from its
            weights, with fresh optimizers.
        callbacks: what happens around the steps; those given to `train` are not remembered.
        metrics, evaluate_every, evaluate_samples, keep_best: as in `train`; what was given there
            is not remembered either.
        quiet: show no progress; warnings become Python's.
        **more: further changes.

    Raises:
        GanwrightError: `run` is no run, another process trains it, a change would make it another
            run, or none of its checkpoints is whole.
    """
    wanted = {**(changes or {}), **more} | ({} if steps is None else {"steps": steps})
    if isinstance(data, str | PathLike):
        wanted["data"], data = data, None
    folder = convert(run, Path, "run")
    around = Around(
        _objects(callbacks, Callback),
        _objects(metrics, Metric),
        convert(evaluate_every, Count | None, "evaluate_every"),
        convert(evaluate_samples, Count, "evaluate_samples"),
        keep_best,
        quiet,
    )
    cls, old = read_config(folder, None if game is None else _class_of(game))
    settings = keywords(old, wanted)
    frozen = {name: getattr(old, name) for name in FREE}
    if changed := differences(old, dataclasses.replace(settings, **frozen)):
        raise RunError(f"a resumed run keeps its settings, but these differ: {'; '.join(changed)}")
    check(settings.log)
    engine = Engine.pick(settings.device, settings.precision, settings.compile)
    with _writing(folder, engine):
        with engine.together():
            start = None
            if engine.rank == 0:
                start = _start(folder, cls, settings, engine, game, from_weights)
        # The first process chooses for all, before it renames what is broken.
        start = engine.gathered(start)[0]
        assert start is not None
        with engine.together():
            known = read_data(folder)
            here = located(settings, old, known)
            trainer, source = assemble(cls, here, engine, data, known=known)
            rehearse(trainer, source)
            if start.path is not None:
                restore(trainer, checkpoint.load(start.path, training=start.whole), folder)
            evaluation = around.evaluation(trainer, source, settings)
            best = around.best(evaluation)
        same_step(trainer, folder)
        going = run_of(folder, settings, trainer, source, around, evaluation, best)
        with engine.together():
            if engine.rank == 0:
                _open_again(going, cls, start, old)
                moved = (settings.data, settings.data_root) != (old.data, old.data_root)
                if known is not None and moved:
                    replace_data(folder, record(settings, source.fingerprint))
        return _played(going)


def _class_of(game: Any) -> type[Game]:
    if isinstance(game, type) and issubclass(game, Game):
        return game
    what = f"the class {game.__name__}" if isinstance(game, type) else repr(game)
    raise SettingsError(f"the game is {what}; give a family's name or a class derived from Game")


def _with_game(settings: Settings | None, cls: type[Game]) -> Settings:
    if settings is None:
        return defaults(cls)
    return settings if settings.game else dataclasses.replace(settings, game=cls.Config())


def _objects(given: Any, base: type[T]) -> tuple[T, ...]:
    """What is hung on a run: objects of classes that derive from `base`, or the only one."""
    several = given if isinstance(given, Sequence) else (given,)
    for each in several:
        if not isinstance(each, base):
            name = base.__name__
            raise SettingsError(
                f"{name.lower()}s hold {described(each)}; each must be an object of a class that "
                f"derives from ganwright.{name}"
            )
    return tuple(several)


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


def _open_again(run: Run, cls: type[Game], start: Start, old: Settings) -> None:
    set_aside(start, run.warn)
    if not start.whole:
        run.warn(
            f"{run.folder} goes on from the weights of {start.path}; its optimizers begin anew, so "
            "it is not the run that never stopped"
        )
    if start.path is None and metrics_log.last(run.folder / "metrics.jsonl") >= old.save_every:
        run.warn(f"{run.folder} holds no checkpoint any more; training begins anew at step 0")
    if run.settings != old:
        replace_config(run.folder, cls, run.settings)


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


def _played(run: Run) -> Model:
    with closing(run.data):
        play(run)
    game = run.trainer.average.view(run.game)
    game.requires_grad_(False).eval()
    return Model(run.family, game, run.data.spec, run.step, run.folder, interrupted=run.interrupted)

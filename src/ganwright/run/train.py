"""Training a family in a run folder, and continuing with it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from ganwright.callbacks import metrics_log
from ganwright.callbacks.callback import Callback, Run
from ganwright.config.changes import differences, keywords
from ganwright.config.ranges import Positive
from ganwright.config.read_back import modules, read_back
from ganwright.config.settings import FREE, Settings
from ganwright.config.spelling import convert, quoted
from ganwright.config.trust import remember, trusting
from ganwright.errors import RunError, SettingsError
from ganwright.families import name_of
from ganwright.game import Game
from ganwright.inference.model import Model
from ganwright.memory import shortage_named
from ganwright.metrics.metric import Metric
from ganwright.run.advice import few_images, unadapted
from ganwright.run.assembly import assemble, begin, by_name, class_of, lasting, resolved, with_game
from ganwright.run.config_file import game_class
from ganwright.run.monitoring import around, run_of
from ganwright.run.origin import Origin, first, is_derived, refuse_anew
from ganwright.run.recovery import beginning, restore, same_step
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
from ganwright.run.running import played, writing
from ganwright.run.trial_step import try_first_step
from ganwright.run.tune import tuned
from ganwright.run.unused import refuse_unused
from ganwright.run.weights import read as read_weights
from ganwright.shared_model import refuse_shared
from ganwright.trackers import check
from ganwright.training import checkpoint
from ganwright.training.engine import Engine


@shortage_named()
def train(
    game: str | type[Game],
    settings: Settings | None = None,
    out: str | PathLike[str] | None = None,
    *,
    data: Any = None,
    epochs: float | None = None,
    callbacks: Sequence[Callback] = (),
    metrics: Sequence[Metric] = (),
    evaluate_every: int | None = None,
    evaluate_samples: int = 1000,
    keep_best: str | None = None,
    tune: bool = False,
    quiet: bool = False,
    **changes: Any,
) -> Model:
    """Train a family in a new run folder.

    Args:
        game: a family's name, or a `Game` class of your own.
        settings: where settings start from; the family's defaults when not given.
        out: the run folder to make; runs/<family>-<data>-<number> when not given.
        data: a string as on the command line or a path, a tensor or array of images,
            (images, labels), a data set (torch's, map-style or iterable, or Hugging Face's) or a
            DataLoader of one, or an object with `spec` and `batch`; see docs/data.md. The family's
            embedded data when not given.
        epochs: how long, instead of `steps`; an epoch has as many steps as there are batches of
            training images.
        callbacks: what happens around the steps in addition to what the library does.
        metrics: measured on samples against held-out data during training.
        evaluate_every: steps between two measurements; with each grid when not given.
        evaluate_samples: how many samples metrics are measured on.
        keep_best: the metric whose best checkpoint is kept for `load(run, best=True)`.
        tune: measure a few steps in each precision, layout and number of threads that the settings
            leave open, and train in the fastest; the run is bound to it.
        quiet: show no progress; warnings become Python's.
        **changes: fields of `Settings` (steps, batch_size, seed, init ...) and of the family's own
            `Config` (loss, penalties, networks ...): objects, classes, or text as on the command
            line (`loss=Hinge()`, `loss=Hinge`, `loss="Hinge"`).

    Returns:
        The trained model, with its averaged weights.

    Raises:
        GanwrightError: something does not fit; the sentence says what, and nothing is left behind.
        KeyboardInterrupt: a signal stopped it; by then the run is saved, and `resume` continues it.
    """
    cls = game_class(game) if isinstance(game, str) else class_of(game)
    if isinstance(data, str | PathLike):
        changes["data"], data = data, None
    if epochs is not None and convert(epochs, Positive, "epochs") and "steps" in changes:
        raise SettingsError("steps and epochs both say how long the run is; give one of them")
    chosen = keywords(with_game(settings, cls), changes)
    chosen = resolved(cls, chosen, data)
    hung = around(callbacks, metrics, evaluate_every, evaluate_samples, keep_best, quiet)
    read_back(chosen)
    refuse_unused(chosen, changes)
    check(chosen.log)
    folder = free_folder(Path("runs"), name_of(cls), chosen.data or "") if out is None else out
    folder = convert(folder, Path, "out")
    notes: list[str] = []
    if tune:
        check_free(folder)
        chosen = tuned(cls, chosen, data, epochs=epochs, say=notes.append)
    engine = Engine.of(chosen)
    chosen = dataclasses.replace(chosen, precision=engine.precision)
    with engine.together():
        if engine.rank == 0:
            check_free(folder)
        weights, chosen = read_weights(chosen, notes.append)
        trainer, source, taken = begin(cls, chosen, engine, data, weights=weights)
        chosen = lasting(chosen, epochs, source.spec.count)
        try_first_step(trainer, source)
        evaluation = hung.evaluation(trainer, source, chosen)
        best = hung.best(evaluation)
        notes += (*taken, *unadapted(cls, chosen), *few_images(source.few, cls, chosen))
        fill = None
        if weights is not None:
            origin = Origin("init", str(weights.place), weights.checksum, taken)
            fill = first(origin, trainer, chosen.keep)
        if engine.rank == 0:
            make(folder, cls, chosen, source.spec, record(chosen, source.fingerprint), fill)
            remember([cls.__module__, *modules(chosen), *modules(chosen.game)])
    with writing(folder, engine):
        run = run_of(folder, chosen, trainer, source, hung, evaluation, best, notes)
        return played(run)


@shortage_named()
def resume(
    run: str | PathLike[str],
    changes: Mapping[str, Any] | None = None,
    *,
    steps: int | None = None,
    game: type[Game] | None = None,
    data: Any = None,
    from_weights: bool = False,
    trust: bool = False,
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
        from_weights: where the newest checkpoint has lost its training state, continue from its
            weights, with fresh optimizers.
        trust: import the modules that its settings name; a run that was trained here needs no
            asking.
        callbacks: what happens around the steps; those given to `train` are not remembered.
        metrics, evaluate_every, evaluate_samples, keep_best: as in `train`; what was given there
            is not remembered either.
        quiet: show no progress; warnings become Python's.
        **more: further changes.

    Raises:
        GanwrightError: `run` is no run, another process trains it, a change would make it another
            run, or none of its checkpoints is whole.
        KeyboardInterrupt: a signal stopped it; by then the run is saved, and `resume` continues it.
    """
    wanted = {**by_name(changes), **more} | ({} if steps is None else {"steps": steps})
    if isinstance(data, str | PathLike):
        wanted["data"], data = data, None
    folder = convert(run, Path, "run")
    refuse_shared(folder)
    hung = around(callbacks, metrics, evaluate_every, evaluate_samples, keep_best, quiet)
    with trusting(trust):
        cls, old = read_config(folder, None if game is None else class_of(game))
    settings = _free(folder, old, wanted)
    check(settings.log)
    engine = Engine.of(settings)
    with writing(folder, engine):
        with engine.together():
            start = None
            if engine.rank == 0:
                start = _start(folder, cls, settings, game, from_weights)
        # The first process chooses for all, before it renames what is broken.
        start = engine.gathered(start)[0]
        assert start is not None
        with engine.together():
            known = read_data(folder)
            here = located(settings, old, known)
            trainer, source = assemble(cls, here, engine, data, known=known)
            how = {"compiled": settings.compile, "synced": settings.sync_batch_norm}
            check_world(folder, start.world, engine.world, trainer.game, **how)
            try_first_step(trainer, source)
            initial = {} if is_derived(folder) else beginning(trainer.game, settings)
            if start.path is not None:
                restore(trainer, checkpoint.load(start.path, training=start.whole), folder)
            evaluation = hung.evaluation(trainer, source, settings)
            best = hung.best(evaluation)
        same_step(trainer, folder)
        going = run_of(folder, settings, trainer, source, hung, evaluation, best)
        going.initial = initial
        with engine.together():
            if engine.rank == 0:
                _open_again(going, cls, start, old, engine.world)
                moved = (settings.data, settings.data_root) != (old.data, old.data_root)
                if known is not None and moved:
                    replace_data(folder, record(settings, source.fingerprint))
        return played(going)


def check_resumed(run: Path, changes: Mapping[str, Any], *, from_weights: bool = False) -> None:
    """Refuse what `resume` would, before processes are started that would each refuse it.

    Args:
        run, changes, from_weights: as for `resume`.

    Raises:
        GanwrightError: `run` is no run, is done, or cannot continue so.
    """
    refuse_shared(run)
    cls, old = read_config(run)
    _start(run, cls, _free(run, old, changes), None, from_weights)


def _free(run: Path, old: Settings, wanted: Mapping[str, Any]) -> Settings:
    """The settings with those that are wanted, if they may change."""
    settings = keywords(old, wanted)
    frozen = {name: getattr(old, name) for name in FREE}
    if changed := differences(old, dataclasses.replace(settings, **frozen)):
        raise RunError(
            f"a resumed run keeps its settings, but these differ: {'; '.join(changed)}; "
            f"`ganwright fork {quoted(run)}` continues with others in a new folder"
        )
    refuse_unused(settings, wanted)
    return settings


def _start(
    run: Path,
    cls: type[Game],
    settings: Settings,
    game: type[Game] | None,
    from_weights: bool,
) -> Start:
    """Where to continue; refuses what would make it another run."""
    start = choose(run, from_weights=from_weights)
    if start.path is None:
        refuse_anew(run)
        return start
    config, counts = checkpoint.sealed(start.path)
    if config is not None:
        check_seal(run, cls, settings, config, FREE, game=game)
    done = checkpoint.step_of(start.path)
    if done >= settings.steps:
        raise RunError(
            f"{run} is already at step {done}; --steps is the total, so give more than that"
        )
    return start._replace(world=counts.get("world"))


def _open_again(run: Run, cls: type[Game], start: Start, old: Settings, world: int) -> None:
    set_aside(start, run.warn)
    if start.world not in (None, world):
        run.warn(
            f"{run.folder} was trained by {start.world} processes and is continued by {world}: its "
            "numbers are the same up to rounding where objectives are means over the batch"
        )
    if not start.whole:
        run.warn(
            f"{run.folder} continues from the weights of {start.path}; its optimizers start from "
            "scratch, so the result differs from an uninterrupted run"
        )
    if start.path is None and metrics_log.last(run.folder / "metrics.jsonl") >= old.save_every:
        run.warn(f"{run.folder} has no checkpoint left; training starts over at step 0")
    if run.settings != old:
        replace_config(run.folder, cls, run.settings)

"""Continuing from a run's checkpoint with other settings, in a folder of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from ganwright.callbacks.callback import Callback
from ganwright.config.changes import keywords
from ganwright.config.ranges import Whole
from ganwright.config.read_back import modules, read_back
from ganwright.config.settings import INIT, Settings
from ganwright.config.spelling import convert
from ganwright.config.trust import remember, trusting
from ganwright.data.fingerprint import differences as other_data
from ganwright.errors import RunError, SettingsError
from ganwright.families import name_of
from ganwright.game import Game
from ganwright.inference.model import Model
from ganwright.memory import shortage_named
from ganwright.metrics.metric import Metric
from ganwright.run.advice import few_images
from ganwright.run.assembly import assemble, by_name, class_of
from ganwright.run.monitoring import around, run_of
from ganwright.run.origin import Origin, first
from ganwright.run.recovery import same_step
from ganwright.run.resuming import changed_since
from ganwright.run.run_folder import (
    check_free,
    free_folder,
    located,
    make,
    read_config,
    read_data,
    record,
)
from ganwright.run.running import played, writing
from ganwright.run.trial_step import try_first_step
from ganwright.run.unused import refuse_unused
from ganwright.run.weights import checksum
from ganwright.shared_model import refuse_shared
from ganwright.trackers import check
from ganwright.training import checkpoint
from ganwright.training.engine import Engine
from ganwright.training.fitting import adopt, fit, fits, forget
from ganwright.training.trainer import Trainer


@shortage_named()
def fork(
    run: str | PathLike[str],
    out: str | PathLike[str] | None = None,
    changes: Mapping[str, Any] | None = None,
    *,
    step: int | None = None,
    game: type[Game] | None = None,
    data: Any = None,
    trust: bool = False,
    callbacks: Sequence[Callback] = (),
    metrics: Sequence[Metric] = (),
    evaluate_every: int | None = None,
    evaluate_samples: int = 1000,
    keep_best: str | None = None,
    quiet: bool = False,
    **more: Any,
) -> Model:
    """Continue from a run's checkpoint with other settings, in a new run folder.

    Whatever has the same name and shape continues: weights, averages, pools, optimizers, and the
    count of steps. With no setting changed it is the run that never stopped. The run it comes from
    is only read, and never needed again.

    Args:
        run: the run folder to begin from.
        out: the run folder to make; runs/<family>-<data>-<number> when not given.
        changes: settings by name; any may change.
        step: that checkpoint instead of the newest.
        game: the family's class, where its name in the run cannot be imported.
        data: other data, as for `train`; or the run's own, where it was given in Python.
        trust: import the modules that its settings name, see `load`.
        callbacks: what happens around the steps; those of `run` are not remembered.
        metrics, evaluate_every, evaluate_samples, keep_best: as in `train`; those of `run` are not
            remembered either.
        quiet: show no progress; warnings become Python's.
        **more: further changes (`steps=20_000`, `loss="Hinge"`).

    Raises:
        GanwrightError: `run` is no run or has no whole checkpoint, or something does not fit; the
            sentence says what, and nothing is left behind.
        KeyboardInterrupt: a signal stopped it; by then the run is saved, and `resume` continues it.
    """
    wanted = {**by_name(changes), **more}
    if isinstance(data, str | PathLike):
        wanted["data"], data = data, None
    elif data is not None:
        wanted["data"] = "(given in Python)"
    source_run = convert(run, Path, "run").absolute()
    refuse_shared(source_run)
    hung = around(callbacks, metrics, evaluate_every, evaluate_samples, keep_best, quiet)
    with trusting(trust):
        cls, old = read_config(source_run, None if game is None else class_of(game))
    settings = keywords(old, wanted)
    if any(getattr(settings, name) != getattr(old, name) for name in INIT):
        raise SettingsError(
            f"a fork starts from the weights of {source_run}; leave {', '.join(INIT)} out, or "
            "train a new run with them"
        )
    read_back(settings)
    refuse_unused(settings, wanted)
    check(settings.log)
    engine = Engine.of(settings)
    settings = dataclasses.replace(settings, precision=engine.precision)
    folder = free_folder(Path("runs"), name_of(cls), settings.data or "") if out is None else out
    folder = convert(folder, Path, "out")
    notes: list[str] = []
    with engine.together():
        if engine.rank == 0:
            check_free(folder)
        found, place = _checkpoint(source_run, step, settings, notes)
        known = read_data(source_run)
        same = settings.data == old.data and data is None
        here = located(settings, old, known) if same else settings
        trainer, source = assemble(cls, here, engine, data)
        try_first_step(trainer, source)
        if found.config is not None:
            changed = changed_since(cls, settings, found.config, game=game)
            notes.append(f"changed: {'; '.join(changed) or 'nothing'}")
        if known is not None:
            other = other_data(known["fingerprint"], source.fingerprint)
            notes += [f"other data: {'; '.join(other)}"] if other else []
        notes += _carried(trainer, found, _filled_otherwise(cls, old.game, settings.game))
        evaluation = hung.evaluation(trainer, source, settings)
        best = hung.best(evaluation)
        notes += few_images(source.few, cls, settings, begun=True)
        origin = Origin("fork", str(place), checksum(found.game), tuple(notes))
        if engine.rank == 0:
            fill = first(origin, trainer, settings.keep)
            make(folder, cls, settings, source.spec, record(here, source.fingerprint), fill)
            remember([cls.__module__, *modules(settings), *modules(settings.game)])
    same_step(trainer, source_run)
    with writing(folder, engine):
        return played(run_of(folder, settings, trainer, source, hung, evaluation, best, notes))


def _checkpoint(
    run: Path, step: int | None, settings: Settings, notes: list[str]
) -> tuple[checkpoint.Checkpoint, Path]:
    """What to continue from, and where it stands."""
    if step is not None:
        step = convert(step, Whole, "step")
    found = checkpoint.load_newest(run / "checkpoints", step=step, warn=notes.append)
    if found is None:
        raise RunError(
            f"{run} has no intact checkpoint to continue from; if it has weights, train a new run "
            f"with --init {run}"
        )
    if found.step >= settings.steps:
        raise RunError(
            f"the checkpoint of {run} is at step {found.step}; --steps is the total, so give "
            "more than that"
        )
    place = run / "checkpoints" / f"step-{found.step:06d}"
    notes.append(f"continues from {place}")
    return found, place


def _filled_otherwise(cls: type[Game], old: Any, new: Any) -> tuple[str, ...]:
    """How the tensors' names begin of children whose weights other settings give now."""
    return tuple(
        f"{child}."
        for setting, child in cls.filled_by
        if getattr(old, setting) != getattr(new, setting)
    )


def _carried(trainer: Trainer, found: checkpoint.Checkpoint, filled: tuple[str, ...]) -> list[str]:
    """Put a trainer where a checkpoint was, as far as it fits; says what does not.

    Args:
        trainer: of the fork.
        found: the checkpoint.
        filled: how the names of tensors begin that stay as they are.
    """
    own, theirs = (
        {name: t for name, t in tensors.items() if not name.startswith(filled)}
        for tensors in (trainer.game.state_dict(), found.game)
    )
    fitted = fit(own, theirs)
    if not fits(trainer.game, fitted):
        raise RunError("none of the run's weights fits the networks of these settings")
    fresh = own.keys() - set(fitted.taken)
    forget(trainer.game, fresh)
    trainer.game.carried(fresh)
    if trainer.average.kept:
        fit(trainer.average.networks.state_dict(), found.average)
    return [*fitted.lines(), *adopt(trainer, found.training)]

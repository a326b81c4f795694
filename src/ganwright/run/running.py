"""What surrounds a training: the folder's one writer, and what happens around the steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from ganwright.callbacks.callback import Callback, Run
from ganwright.callbacks.checkpoints import Checkpoints, Report
from ganwright.callbacks.console import Quiet, display
from ganwright.callbacks.rows import MetricsFile, Rows
from ganwright.callbacks.samples import Evaluation, Samples
from ganwright.callbacks.trackers import Trackers
from ganwright.config.settings import Settings
from ganwright.data import RunData
from ganwright.errors import SettingsError, described
from ganwright.families import name_of
from ganwright.game import Game
from ganwright.inference.model import Model
from ganwright.metrics.metric import Metric
from ganwright.run import lock
from ganwright.run.loop import play
from ganwright.training.engine import Engine
from ganwright.training.trainer import Trainer

T = TypeVar("T")


class Around(NamedTuple):
    """What a caller hangs on a run."""

    callbacks: tuple[Callback, ...]
    metrics: tuple[Metric, ...]
    quiet: bool


def around(callbacks: Any, metrics: Any, quiet: bool) -> Around:
    """What a caller hangs on a run, each a sequence or the only one.

    Raises:
        SettingsError: one of them is of another class.
    """
    return Around(_objects(callbacks, Callback), _objects(metrics, Metric), quiet)


def _objects(given: Any, base: type[T]) -> tuple[T, ...]:
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
def writing(run: Path, engine: Engine) -> Iterator[None]:
    """The first process is the folder's one writer; the others learn whether it may be."""
    with ExitStack() as stack:
        with engine.together():
            if engine.rank == 0:
                stack.enter_context(lock.writing(run))
        yield


def opened(
    folder: Path,
    cls: type[Game],
    settings: Settings,
    trainer: Trainer,
    source: RunData,
    given: Around,
    notes: Sequence[str] = (),
) -> Run:
    """The run with all that happens around its steps, in order.

    First comes what only listens, so that it hears everything. What adds to a row of metrics comes
    before the row is completed, and a checkpoint after it, so that no checkpoint is ahead of
    metrics.jsonl. What shows the run comes last, when all is done.
    """
    callbacks = (
        Trackers(settings.log),
        MetricsFile(),
        *given.callbacks,
        Samples(settings.sample_every),
        Evaluation(settings.sample_every, given.metrics),
        Rows(),
        Checkpoints(settings.save_every),
        Report(),
        Quiet() if given.quiet else display(),
    )
    return Run(folder, name_of(cls), settings, trainer, source, callbacks, notes=notes)


def played(run: Run) -> Model:
    """The model, once the run has been trained up to its last step or is stopped."""
    with closing(run.data):
        play(run)
    game = run.trainer.average.view(run.game)
    game.requires_grad_(False).eval()
    return Model(run.family, game, run.data.spec, run.step, run.folder, interrupted=run.interrupted)

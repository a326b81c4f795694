"""All that happens around the steps of a run, in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ganwright.callbacks.best import KeepBest
from ganwright.callbacks.callback import Callback, Run
from ganwright.callbacks.checkpoints import Checkpoints
from ganwright.callbacks.console import Quiet, display
from ganwright.callbacks.evaluation import Evaluation
from ganwright.callbacks.health import Health
from ganwright.callbacks.report import Report
from ganwright.callbacks.rows import MetricsFile, Rows
from ganwright.callbacks.samples import Samples
from ganwright.callbacks.trackers import Trackers
from ganwright.callbacks.unhindered import Unhindered
from ganwright.config.ranges import Count
from ganwright.config.read_back import whole
from ganwright.config.registry import choices
from ganwright.config.settings import Settings
from ganwright.config.spelling import convert, parse
from ganwright.data import RunData
from ganwright.errors import SettingsError, described, nearest
from ganwright.families import name_of
from ganwright.metrics.metric import Metric, matching
from ganwright.run.unused import unused
from ganwright.training.trainer import Trainer

T = TypeVar("T")


@dataclass(frozen=True)
class Monitoring:
    """What a caller wants around the steps.

    Args:
        callbacks: in addition to the library's.
        metrics: measured on samples during training.
        evaluate_every: steps between two measurements; with each grid when None.
        evaluate_samples: how many samples metrics are measured on.
        keep_best: the metric whose best checkpoint is kept.
        quiet: show no progress.
    """

    callbacks: Sequence[Callback] = ()
    metrics: Sequence[Metric] = ()
    evaluate_every: int | None = None
    evaluate_samples: int = 1000
    keep_best: str | None = None
    quiet: bool = False

    def evaluation(self, trainer: Trainer, source: RunData, settings: Settings) -> Evaluation:
        """The callback that measures, once it has shown that it can.

        Raises:
            GanwrightError: a metric does not fit the data or the family.
        """
        every = self.evaluate_every or settings.sample_every
        found = Evaluation(every, self.metrics, self.evaluate_samples)
        if trainer.engine.rank == 0 and (self.metrics or self.keep_best):
            with trainer.inferring() as game:
                found.try_out(game, source, settings.seed)
        return found

    def best(self, evaluation: Evaluation) -> list[Callback]:
        """What keeps the best checkpoint, if that is wanted, on the process that measures.

        Raises:
            SettingsError: its metric is not measured.
        """
        wanted, measured = self.keep_best, evaluation.larger
        if wanted is None or not evaluation.tried:
            return []
        name = matching(wanted, measured)
        if name is None:
            if wanted in {type(metric).__name__ for metric in self.metrics}:
                hint = f"name one of the numbers that are: {', '.join(measured)}"
            elif wanted in choices(Metric):
                hint = f"measure it: --metrics {wanted}"
            else:
                hint = nearest(wanted, measured) if measured else "measure one: --metrics FID"
            raise SettingsError(f"--keep-best {wanted} is not measured; {hint}")
        return [KeepBest(name, measured[name])]


def around(
    callbacks: Any,
    metrics: Any,
    evaluate_every: Any = None,
    evaluate_samples: Any = 1000,
    keep_best: str | None = None,
    quiet: bool = False,
) -> Monitoring:
    """What a caller hangs on a run; callbacks and metrics are each a sequence or the only one.

    Raises:
        SettingsError: one of them is of another class, or a number does not fit.
    """
    return Monitoring(
        objects(callbacks, Callback),
        objects(metrics, Metric),
        convert(evaluate_every, Count | None, "evaluate_every"),
        convert(evaluate_samples, Count, "evaluate_samples"),
        keep_best,
        quiet,
    )


def objects(given: Any, base: type[T]) -> tuple[T, ...]:
    name = base.__name__
    where, found = f"{name.lower()}s", []
    for each in [given] if isinstance(given, str) or not isinstance(given, Sequence) else given:
        made = parse(each, base, where) if isinstance(each, str) else each
        if not isinstance(made, base):
            raise SettingsError(
                f"{where} hold {described(each)}; each must be an object of a class that "
                f"derives from ganwright.{name}"
            )
        whole(type(made), where)
        found.append(made)
    return tuple(found)


def run_of(
    folder: Path,
    settings: Settings,
    trainer: Trainer,
    source: RunData,
    around: Monitoring,
    evaluation: Evaluation,
    best: Sequence[Callback],
    notes: Sequence[str] = (),
) -> Run:
    """The run with all that happens around its steps, in order.

    First comes what only listens, so that it hears everything. What adds to a row of metrics comes
    before the row is completed, and a checkpoint after it, so that no checkpoint is ahead of
    metrics.jsonl. What shows the run comes last, when all is done.
    """
    callbacks = (
        Trackers(settings.log, settings.histogram_every),
        MetricsFile(),
        *best,
        *around.callbacks,
        Health(settings.on_collapse),
        Samples(settings.sample_every),
        evaluation,
        Rows(),
        Checkpoints(settings.save_every),
        Report(settings.sample_every),
        Quiet() if around.quiet else Unhindered(display()),
    )
    notes = (*notes, *unused(settings).values())
    return Run(
        folder, name_of(type(trainer.game)), settings, trainer, source, callbacks, notes=notes
    )

"""Where the results of an evaluation go: the run's evaluation.jsonl, and its trackers."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict

from ganwright import atomic
from ganwright.callbacks import metrics_log
from ganwright.inference.model import Model
from ganwright.metrics.evaluation import Result
from ganwright.run.run_folder import read_config
from ganwright.trackers.several import Several


def keep(model: Model, results: Sequence[Result]) -> None:
    """Add results to the run, and pass them to the trackers that it was logged to.

    A run on a read-only or full disk is evaluated all the same, with a warning.
    """
    path, when = model.run / "evaluation.jsonl", time.strftime("%Y-%m-%dT%H:%M:%S%z")
    try:
        for result in results:
            row = {k: v for k, v in asdict(result).items() if k not in ("protocol", "larger")}
            metrics_log.append(path, row | dict(result.protocol) | {"when": when})
    except OSError as error:
        _warn(f"{path} cannot be written, so the run keeps no results: {atomic.reason(error)}")
    _, settings = read_config(model.run, type(model.game))
    if settings.log:
        trackers = Several(settings.log, model.run, _warn)
        trackers.log({f"evaluate/{r.name}": r.value for r in results}, model.step)
        trackers.finish()


def _warn(text: str) -> None:
    warnings.warn(text, stacklevel=2)

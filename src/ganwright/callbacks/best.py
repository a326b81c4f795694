"""The best checkpoint of a run, kept in a place of its own: training often ends worse."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ganwright import atomic
from ganwright.callbacks.callback import Callback, Run
from ganwright.callbacks.checkpoints import save
from ganwright.errors import RunError
from ganwright.metrics.metric import matching
from ganwright.training import checkpoint

BEST = "best"
"""The folder in a run folder; best.json in it says which step, and why."""


class KeepBest(Callback):
    """Keeps the checkpoint with the best value of a metric, whatever is measured later.

    A number that is not finite is never the best.

    Args:
        metric: its name in metrics.jsonl; the features behind it may be left out.
        larger: whether larger is better.
    """

    def __init__(self, metric: str, larger: bool = False) -> None:
        self.metric, self.larger = metric, larger
        self._best = math.inf

    def started(self, run: Run) -> None:
        if not run.main:
            return
        self._config = (run.folder / "config.yaml").read_text(encoding="utf-8")
        known = best_of(run.folder)
        if known is not None and known["metric"] == self.metric:
            self._best = self._cost(float(known["value"]))

    def evaluated(self, run: Run, values: Mapping[str, float]) -> None:
        name = matching(self.metric, values)
        if name is None or not math.isfinite(values[name]):
            return
        if self._cost(values[name]) >= self._best:
            return
        try:
            place = run.folder / BEST  # the best so far may be of a later step: after a rollback
            path = save(run, place, self._config, keep=1 + len(checkpoint.steps(place)))
            about = {"metric": self.metric, "value": values[name], "step": run.step}
            atomic.write(place / "best.json", json.dumps(about))
        except (RunError, OSError) as error:
            run.warn(f"the best checkpoint could not be kept: {error}")
            return
        self._best = self._cost(values[name])
        for other in checkpoint.steps(place):
            if other != path:
                with suppress(OSError):
                    atomic.remove(other)

    def _cost(self, value: float) -> float:
        return -value if self.larger else value


def best_of(run: Path) -> dict[str, str | float] | None:
    """What best.json says: metric, value and step; None where there is none, or no number."""
    try:
        known: dict[str, str | float] = json.loads((run / BEST / "best.json").read_text("utf-8"))
        known["metric"], known["step"]
        number = math.isfinite(float(known["value"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return known if number else None

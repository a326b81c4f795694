"""Early stopping."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ganwright.callbacks.callback import Callback, Run
from ganwright.config.checked import Checked
from ganwright.config.ranges import Count
from ganwright.errors import nearest
from ganwright.metrics.metric import matching


@dataclass
class Plateau(Checked, Callback):
    """Stops a run if a metric has not improved for `patience` rows that contain it."""

    metric: str = "held_out/error"
    """The name in metrics.jsonl, such as held_out/error or FID."""
    patience: Count = 5
    """Rows without improvement after which the run stops."""
    larger: bool | None = None
    """Whether larger is better; when None, as the metric or the family says, and else not."""
    _best: float = field(default=math.inf, init=False, repr=False)
    _waited: int = field(default=0, init=False, repr=False)
    _before: list[dict[str, Any]] = field(default_factory=list, init=False, repr=False)
    _said: bool = field(default=False, init=False, repr=False)

    def started(self, run: Run) -> None:
        self.rewound(run)

    def rewound(self, run: Run) -> None:
        from ganwright.report.records import read_rows  # with torch, which `list` need not load

        # Whether larger is better is known only once the metric has been measured again.
        rows = read_rows(run.folder / "metrics.jsonl")
        self._before = [r for r in rows if r["step"] <= run.step and matching(self.metric, r)]
        self._best, self._waited = math.inf, 0

    def logged(self, run: Run, row: Mapping[str, Any]) -> None:
        name = matching(self.metric, row)
        if name is None:
            self._say_missing(run, row)
            return
        larger = run.larger.get(name, False) if self.larger is None else self.larger
        for each in (*self._before, row):
            if name in each:
                self._see(each[name], larger)
        self._before = []
        if self._waited >= self.patience:
            run.stop(f"{self.metric} has not improved for {self.patience} rows")

    def _see(self, number: float | None, larger: bool) -> None:
        # metrics.jsonl has null for what is not finite
        value = math.nan if number is None or not math.isfinite(number) else number
        value = -value if larger else value
        self._waited = 0 if value < self._best else self._waited + 1
        self._best = min(self._best, value)

    def finished(self, run: Run) -> None:
        if self._best == math.inf and not (run.larger or self._before):
            self._say_missing(run, {})

    def _say_missing(self, run: Run, row: Mapping[str, Any]) -> None:
        """Say once that a row of what was measured, or a run that ended, has no such number."""
        measured = [name for name in run.larger if name in row]
        if self._said or (row and not measured):
            return
        self._said = True
        hint = nearest(self.metric, measured) if measured else "measure it: --metrics FID"
        run.warn(f"Plateau waits for {self.metric}, which is not measured; {hint}")

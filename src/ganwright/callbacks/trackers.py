"""Passes rows, sample grids and histograms to the logging back ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ganwright.callbacks.callback import Callback, Run
from ganwright.callbacks.metrics_log import last
from ganwright.trackers.several import Several
from ganwright.trackers.tracker import Histogram

if TYPE_CHECKING:
    from torch import Tensor


class Trackers(Callback):
    """Passes what a run logs to the trackers that its settings name.

    Args:
        names: rows of `TRACKERS`.
        histogram_every: steps between histograms of gradients and of D's scores; 0 for none.
    """

    def __init__(self, names: Sequence[str], histogram_every: int = 0) -> None:
        self.names, self.histogram_every = names, histogram_every
        self._open: Several | None = None

    def started(self, run: Run) -> None:
        if not run.main or not self.names:
            return
        self._open = Several(self.names, run.folder, run.warn)
        run.notes = (*run.notes, *self._open.where)
        if run.step or last(run.folder / "metrics.jsonl"):  # killed before its first checkpoint
            self._open.rewound(run.step)
        self._watch_next(run)

    def stepped(self, run: Run) -> None:
        watched, run.trainer.watched = run.trainer.watched, None
        if self._open is not None:
            if watched:
                made = {name: Histogram.of(values) for name, values in watched.items()}
                self._open.log_histograms(made, run.step)
            self._watch_next(run)

    def logged(self, run: Run, row: Mapping[str, Any]) -> None:
        if self._open is not None:
            step = row["step"]
            numbers = {k: v for k, v in row.items() if isinstance(v, int | float) and k != "step"}
            self._open.log(numbers, step)

    def sampled(self, run: Run, images: Mapping[str, Tensor]) -> None:
        if self._open is not None:
            self._open.log_images(images, run.step)

    def rewound(self, run: Run) -> None:
        if self._open is not None:
            self._open.rewound(run.step)
            self._watch_next(run)

    def closed(self, run: Run) -> None:
        run.trainer.watched = None
        if self._open is not None:
            self._open.finish()
            self._open = None

    def _watch_next(self, run: Run) -> None:
        """Have the trainer keep what histograms need, if they are due after the next step."""
        every = self.histogram_every
        run.trainer.watched = {} if self._open and every and (run.step + 1) % every == 0 else None

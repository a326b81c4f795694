"""Rows of metrics: made at each log interval, and kept in metrics.jsonl."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import torch

from ganwright import atomic
from ganwright.callbacks import metrics_log
from ganwright.callbacks.callback import Callback, Run

REWOUND = "rewound_to"
"""In the first row after the run went back: the step that it went back to."""


class Rows(Callback):
    """Completes each row with counts and pace, and tells everyone."""

    def started(self, run: Run) -> None:
        self._begin(run)

    def stepped(self, run: Run) -> None:
        if run.row_due:
            self._complete(run)

    def finished(self, run: Run) -> None:
        if run.row_due:
            self._complete(run)

    def rewound(self, run: Run) -> None:
        self._begin(run)
        run.log({REWOUND: run.step})

    def _begin(self, run: Run) -> None:
        self._clock = time.perf_counter()
        self._images, self._step = run.trainer.images, run.step
        self._waited = run.trainer.waited

    def _complete(self, run: Run) -> None:
        seconds = max(time.perf_counter() - self._clock, 1e-9)
        images, steps = run.trainer.images - self._images, run.step - self._step
        row: dict[str, Any] = {
            "step": run.step,
            "images": run.trainer.images,
            "images_per_second": round(images / seconds, 1),
            "seconds_left": round((run.settings.steps - run.step) * seconds / max(1, steps), 1),
            "data_wait": round((run.trainer.waited - self._waited) / seconds, 3),
            "memory_mb": _memory(run.trainer.engine.device),
            **run.pending,
        }
        run.pending, run.row_due = {}, False
        run.tell("logged", row)
        self._begin(run)


class MetricsFile(Callback):
    """Adds each row to metrics.jsonl, whose rows of steps that will be made again are dropped."""

    def started(self, run: Run) -> None:
        self._trim(run)

    def rewound(self, run: Run) -> None:
        self._trim(run)

    def logged(self, run: Run, row: Mapping[str, Any]) -> None:
        if not run.main:
            return
        path = run.folder / "metrics.jsonl"
        try:
            metrics_log.append(path, row)
        except OSError as error:
            run.warn(f"could not write {path}: {atomic.reason(error)}")

    def _trim(self, run: Run) -> None:
        if run.main:
            metrics_log.trim(run.folder / "metrics.jsonl", run.step, warn=run.warn)


def _memory(device: torch.device) -> int | None:
    if device.type != "cuda":
        return None
    return torch.cuda.max_memory_allocated(device) // 2**20

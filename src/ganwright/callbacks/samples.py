"""Sample grids, always of the same latents or inputs, and numbers on held-out data."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ganwright import atomic
from ganwright.callbacks.callback import Run
from ganwright.callbacks.periodic import Periodic
from ganwright.data.types import leading, mapped
from ganwright.game import Game
from ganwright.metrics.metric import Metric
from ganwright.report import save_grid
from ganwright.seeds import seed_torch

AT_ONCE = 64
"""Samples in a grid, and held-out items that are measured at a time."""
UNMATCHED = 1000
"""Samples for a metric where no held-out ones say how many."""


class Samples(Periodic):
    """Writes `samples/step-NNNNNN.png` with the averaged networks; first of all the data, too."""

    def started(self, run: Run) -> None:
        shown = (run.folder / "samples" / "data.png").exists()
        if not run.main or (run.step and shown):
            return
        images, maps = leading(run.data.preview(AT_ONCE)), run.data.spec.label_map
        _write(run, "data", images if maps is None else maps.shown(images))
        self.act(run)

    def act(self, run: Run) -> None:
        if not run.main:
            return
        with run.averaged() as game:
            seed_torch(run.settings.seed, "preview")
            grid = game.preview(run.data.preview(AT_ONCE))
        _write(run, f"step-{run.step:06d}", grid, run.game.preview_columns)
        run.log_images({"samples": grid})


class Evaluation(Periodic):
    """Logs what the family measures on held-out data, with the averaged networks.

    A run that is stopped between two intervals is not measured: its last row is written already.

    Args:
        every: steps between two measurements.
        metrics: measured on as many samples as there are held-out ones, beside what the family
            measures.
    """

    def __init__(self, every: int, metrics: Sequence[Metric] = ()) -> None:
        super().__init__(every)
        self.metrics = metrics

    def finished(self, run: Run) -> None:
        pass

    def act(self, run: Run) -> None:
        if not run.main:
            return
        with run.averaged() as game:
            values = _measured(run, game)
            if self.metrics:
                values |= _compared(run, game, self.metrics)
        if values:
            run.log(values)
            run.tell("evaluated", values)


def _write(run: Run, name: str, grid: Tensor, columns: int | None = None) -> None:
    """A grid that cannot be written is but a warning."""
    try:
        save_grid(grid, run.folder / "samples" / f"{name}.png", columns=columns)
    except OSError as error:
        run.warn(f"could not write the sample grid: {atomic.reason(error)}")


def _measured(run: Run, game: Game) -> dict[str, float]:
    batch = run.data.held_out(game.held_out)
    if batch is None:
        return {}
    seed_torch(run.settings.seed, "held out")
    size = len(leading(batch))
    totals: dict[str, float] = {}
    for start in range(0, size, AT_ONCE):
        part = mapped(batch, partial(_rows, start=start, stop=start + AT_ONCE))
        weight = len(leading(part)) / size
        for name, value in game.measure(part).items():
            totals[name] = totals.get(name, 0.0) + weight * float(value)
    return {f"held_out/{name}": value for name, value in totals.items()}


def _compared(run: Run, game: Any, metrics: Sequence[Metric]) -> dict[str, float]:
    held_out = run.data.held_out(game.held_out)
    real = None if held_out is None else leading(held_out).cpu()
    count = UNMATCHED if real is None else len(real)
    seed_torch(run.settings.seed, "metrics")
    parts = [game.sample(min(AT_ONCE, count - i)).float().cpu() for i in range(0, count, AT_ONCE)]
    fake = torch.cat(parts)
    return {
        f"{type(metric).__name__}/{name}": float(value)
        for metric in metrics
        for name, value in metric.measure(real, fake).items()
    }


def _rows(t: Tensor, start: int, stop: int) -> Tensor:
    return t[start:stop]

"""The report, rewritten while the run trains."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

from ganwright import atomic
from ganwright.callbacks.callback import Periodic, Run
from ganwright.report import write_report
from ganwright.report.exhibits import write_exhibits
from ganwright.report.page import PLOTS
from ganwright.training.machine import processor
from ganwright.version import __version__

SHARE = 0.01
"""The most of training's time that reports may take before its end."""
WAIT = 30.0
"""Seconds before the first."""


class Report(Periodic):
    """Writes report.html at sample grids, as often as `SHARE` allows, and at the run's end."""

    def started(self, run: Run) -> None:
        self._due = time.monotonic() + WAIT
        self._rows = False
        if run.main:
            self._try(run, lambda: _write_environment(run))

    def stepped(self, run: Run) -> None:
        if run.main and run.step % self.every == 0 and time.monotonic() >= self._due:
            self._act(run)

    def logged(self, run: Run, row: Mapping[str, Any]) -> None:
        self._rows = True

    def act(self, run: Run) -> None:
        """Draw what needs the networks, and write the page."""
        if not run.main:
            return
        began = time.monotonic()
        self._try(run, lambda: self._exhibit(run))
        self._page(run)
        ended = time.monotonic()
        self._due = ended + (ended - began) / SHARE

    def closed(self, run: Run) -> None:
        """After an error, such as a NaN, the page still shows what was logged before it."""
        if run.main and getattr(self, "_rows", False):
            self._page(run)

    def _page(self, run: Run) -> None:
        self._rows = False
        self._try(run, lambda: write_report(run.folder))

    def _exhibit(self, run: Run) -> None:
        with run.averaged() as game:
            seed, step = run.settings.seed, run.step
            write_exhibits(game, run.data, run.folder / PLOTS, seed=seed, step=step)

    def _try(self, run: Run, write: Callable[[], object]) -> None:
        """Whatever stops a report is a warning, since nothing here is worth a training."""
        try:
            write()
        except OSError as error:
            run.warn(f"could not write the report: {atomic.reason(error)}")
        except Exception as error:
            run.warn(f"could not write the report: {type(error).__name__}: {error}")


def _write_environment(run: Run) -> None:
    """What the run is trained with: RUN/environment.json."""
    engine = run.trainer.engine
    networks = {name: _count(child) for name, child in run.game.named_children()}
    found = {
        "ganwright": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": platform.platform(),
        "processor": processor(engine.device),
        "processes": engine.world,
        "threads": torch.get_num_threads(),
        "parameters": ", ".join(f"{name} {n:,}" for name, n in networks.items() if n),
    }
    atomic.write(run.folder / "environment.json", json.dumps(found, indent=1))


def _count(network: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())

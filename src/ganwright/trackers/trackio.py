"""Trackio: a database in the run folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganwright.report.grid import picture
from ganwright.trackers.tracker import PROJECT, Histogram, Plain, Tracker, identity, title

if TYPE_CHECKING:
    from torch import Tensor


class Trackio(Tracker):
    """Logs to `trackio/` in the run folder, or to the folder in TRACKIO_DIR.

    Trackio reads TRACKIO_DIR once: further runs of one Python process go to the first one's folder.
    """

    def __init__(self, run: Path, config: Mapping[str, Plain]) -> None:
        os.environ.setdefault("TRACKIO_DIR", str(run.resolve() / "trackio"))
        import trackio

        self._trackio: Any = trackio
        project = os.environ.get("TRACKIO_PROJECT", PROJECT)
        self.where = f"TRACKIO_DIR={trackio.utils.TRACKIO_DIR} trackio show --project {project}"
        self._run = trackio.init(
            project=project,
            name=f"{title(run)}-{identity(run)[:6]}",
            config=dict(config),
            resume="allow",
            embed=False,
            auto_log_gpu=False,
            auto_log_cpu=False,
        )

    def log(self, values: Mapping[str, float], step: int) -> None:
        self._run.log(dict(values), step=step)

    def log_images(self, images: Mapping[str, Tensor], step: int) -> None:
        shown = {name: self._trackio.Image(picture(tensor)) for name, tensor in images.items()}
        self._run.log(shown, step=step)

    def log_histograms(self, histograms: Mapping[str, Histogram], step: int) -> None:
        made = {n: self._trackio.Histogram(np_histogram=tuple(h)) for n, h in histograms.items()}
        self._run.log(made, step=step)

    def finish(self) -> None:
        self._trackio.finish()  # as against the run's own method, it is done only once

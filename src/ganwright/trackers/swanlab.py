"""SwanLab, online or offline."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganwright.report.grid import picture
from ganwright.trackers.tracker import PROJECT, Histogram, Plain, Tracker, identity, title

if TYPE_CHECKING:
    from torch import Tensor


class SwanLab(Tracker):
    """Logs as SWANLAB_API_KEY or SWANLAB_MODE says, by default to `swanlab/` in the run folder.

    Histograms become bar charts.
    """

    def __init__(self, run: Path, config: Mapping[str, Plain]) -> None:
        import swanlab

        self._swanlab: Any = swanlab
        account = "SWANLAB_MODE" in os.environ or "SWANLAB_API_KEY" in os.environ
        folder = run / "swanlab"
        folder.mkdir(exist_ok=True)
        self._run = swanlab.init(
            project=os.environ.get("SWANLAB_PROJ_NAME", PROJECT),
            name=title(run),
            log_dir=str(folder.resolve()),
            mode=None if account else "offline",
            id=identity(run) if account else None,
            resume="allow" if account else None,
            config=dict(config),
        )
        self.where = "" if account else f"swanlab sync {folder}/run-*"

    def log(self, values: Mapping[str, float], step: int) -> None:
        self._run.log(dict(values), step=step)

    def log_images(self, images: Mapping[str, Tensor], step: int) -> None:
        shown = {name: self._swanlab.Image(picture(tensor)) for name, tensor in images.items()}
        self._run.log(shown, step=step)

    def log_histograms(self, histograms: Mapping[str, Histogram], step: int) -> None:
        charts = {name: self._bars(*histogram) for name, histogram in histograms.items()}
        self._run.log(charts, step=step)

    def finish(self) -> None:
        self._run.finish()

    def _bars(self, counts: Any, edges: Any) -> Any:
        bar = self._swanlab.echarts.Bar()
        bar.add_xaxis([f"{low:.4g}" for low in edges[:-1]])
        bar.add_yaxis("count", counts.tolist())
        return bar

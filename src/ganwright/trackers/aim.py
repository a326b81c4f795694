"""Aim: a repository in the run folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganwright import atomic
from ganwright.report.grid import picture
from ganwright.trackers.tracker import PROJECT, Histogram, Plain, Tracker, title

if TYPE_CHECKING:
    from torch import Tensor


class Aim(Tracker):
    """Tracks in `.aim/` in the run folder, or in the repository that AIM_REPO names.

    Aim chooses how it calls a run; `aim-run` in the run folder says so.
    """

    def __init__(self, run: Path, config: Mapping[str, Plain]) -> None:
        import aim
        from PIL import Image

        self._aim: Any = aim
        self._image = Image.fromarray
        place = os.environ.get("AIM_REPO", str(run.resolve()))
        self.where = f"aim up --repo {place}"
        repo, name = aim.Repo.from_path(place, init=True), run / "aim-run"
        known = name.read_text(encoding="utf-8") if name.is_file() else None
        self._run = aim.Run(
            run_hash=known if known and repo.run_exists(known) else None,
            repo=repo,
            experiment=PROJECT,
            system_tracking_interval=None,
            capture_terminal_logs=False,
        )
        if self._run.hash != known:
            atomic.write(name, self._run.hash)
        self._run.name = title(run)
        self._run["settings"] = dict(config)

    def log(self, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self._run.track(value, name=name, step=step)

    def log_images(self, images: Mapping[str, Tensor], step: int) -> None:
        for name, tensor in images.items():
            shown = self._aim.Image(self._image(picture(tensor)))
            self._run.track(shown, name=name, step=step)

    def log_histograms(self, histograms: Mapping[str, Histogram], step: int) -> None:
        for name, (counts, edges) in histograms.items():
            made = self._aim.Distribution(hist=counts, bin_range=(edges[0], edges[-1]))
            self._run.track(made, name=name, step=step)

    def finish(self) -> None:
        self._run.close()

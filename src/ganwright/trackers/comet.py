"""Comet, online or offline."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganwright.report.grid import picture
from ganwright.trackers.tracker import PROJECT, Histogram, Plain, Tracker, identity, title

if TYPE_CHECKING:
    from torch import Tensor


class Comet(Tracker):
    """Logs to the account that `comet login` or COMET_API_KEY names.

    Without one, each session of the run writes a zip file to `comet/` in the run folder, which
    `comet upload` sends to one experiment.
    """

    def __init__(self, run: Path, config: Mapping[str, Plain]) -> None:
        import comet_ml
        from comet_ml.data_structure import Histogram as Counts
        from PIL import Image

        self._counts: Any = Counts
        self._image = Image.fromarray
        logging.getLogger("comet_ml").setLevel(logging.ERROR)
        account = bool(comet_ml.config.get_config("comet.api_key"))
        folder = run / "comet"
        self._experiment = comet_ml.start(
            online=account,
            project_name=os.environ.get("COMET_PROJECT_NAME", PROJECT),
            experiment_key=identity(run),
            mode="get_or_create",
            experiment_config=comet_ml.ExperimentConfig(
                name=title(run),
                offline_directory=str(folder.resolve()),
                auto_param_logging=False,
                auto_metric_logging=False,
                auto_output_logging=False,
                auto_histogram_tensorboard_logging=False,
                log_code=False,
                log_git_patch=False,
                log_env_details=False,
                parse_args=False,
                display_summary_level=0,
            ),
        )
        self.where = self._experiment.url if account else f"comet upload {folder}/*.zip"
        self._experiment.log_parameters(dict(config))

    def log(self, values: Mapping[str, float], step: int) -> None:
        self._experiment.log_metrics(dict(values), step=step)

    def log_images(self, images: Mapping[str, Tensor], step: int) -> None:
        for name, tensor in images.items():
            self._experiment.log_image(self._image(picture(tensor)), name=name, step=step)

    def log_histograms(self, histograms: Mapping[str, Histogram], step: int) -> None:
        for name, (counts, edges) in histograms.items():
            made = self._counts()
            made.add((edges[:-1] + edges[1:]) / 2, counts)
            self._experiment.log_histogram_3d(made, name=name, step=step)

    def finish(self) -> None:
        self._experiment.end()

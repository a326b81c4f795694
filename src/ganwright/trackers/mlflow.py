"""MLflow: a database in the run folder, or the server that MLFLOW_TRACKING_URI names."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganwright.report.grid import picture
from ganwright.trackers.tracker import PROJECT, Histogram, Plain, Tracker, identity, title

if TYPE_CHECKING:
    from torch import Tensor

LONGEST = 500
"""Characters of a setting that become a parameter; settings.json has all of it."""


class MLflow(Tracker):
    """Logs to `mlflow.db` and `mlflow/` in the run folder by default.

    MLflow has no histograms: their counts and edges become JSON artifacts. It does not let a
    parameter change: settings.json has the newest settings.
    """

    def __init__(self, run: Path, config: Mapping[str, Plain]) -> None:
        # it would write its own settings to the user's home
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        from mlflow.entities import Param
        from mlflow.tracking import MlflowClient

        home = run.resolve()
        place = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{home / 'mlflow.db'}"
        self.where = f"mlflow ui --backend-store-uri {place}"
        self._client: Any = MlflowClient(place)
        artifacts = None if "MLFLOW_TRACKING_URI" in os.environ else (home / "mlflow").as_uri()
        found = _run_of(self._client, run, artifacts)
        self._id = found.info.run_id
        known = found.data.params
        new = [Param(n, str(v)[:LONGEST]) for n, v in config.items() if n not in known]
        self._client.log_batch(self._id, params=new)
        self._client.log_dict(self._id, dict(config), "settings.json")

    def log(self, values: Mapping[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = round(1000 * time.time())
        rows = [Metric(_spelled(name), value, now, step) for name, value in values.items()]
        self._client.log_batch(self._id, metrics=rows)

    def log_images(self, images: Mapping[str, Tensor], step: int) -> None:
        for name, tensor in images.items():
            self._client.log_image(self._id, picture(tensor), key=_spelled(name), step=step)

    def log_histograms(self, histograms: Mapping[str, Histogram], step: int) -> None:
        rows = {
            name: {"counts": counts.tolist(), "edges": edges.tolist()}
            for name, (counts, edges) in histograms.items()
        }
        self._client.log_dict(self._id, rows, f"histograms/step-{step:06d}.json")

    def finish(self) -> None:
        self._client.set_terminated(self._id)


def _run_of(client: Any, run: Path, artifacts: str | None) -> Any:
    """MLflow's run, found by the identity of ours, or made; MLflow chooses its own."""
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
    experiment = client.get_experiment_by_name(name)
    home = experiment.experiment_id if experiment else client.create_experiment(name, artifacts)
    tag, own = "ganwright.id", identity(run)
    known = client.search_runs([home], f"tags.`{tag}` = '{own}'", max_results=1)
    if not known:
        return client.create_run(home, tags={tag: own}, run_name=title(run))
    client.update_run(known[0].info.run_id, status="RUNNING")
    return known[0]


def _spelled(name: str) -> str:
    """A name in the characters that MLflow takes: `FID (Digits)` becomes `FID _Digits_`."""
    return re.sub(r"[^\w\-. :/]", "_", name)

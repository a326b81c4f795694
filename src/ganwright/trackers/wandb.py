"""Weights & Biases, online or offline."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganwright.report.grid import picture
from ganwright.trackers.tracker import PROJECT, Histogram, Plain, Tracker, identity, title

if TYPE_CHECKING:
    from torch import Tensor


class WandB(Tracker):
    """Logs to the account that `wandb login` or WANDB_API_KEY names; without one, offline.

    Curves have the run's own steps as their axis: W&B drops a row whose step is below its last one,
    as in a run that was killed and continues from its checkpoint.
    """

    def __init__(self, run: Path, config: Mapping[str, Plain]) -> None:
        import wandb

        self._wandb: Any = wandb
        for place in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR"):
            os.environ.setdefault(place, str(run.resolve() / "wandb"))
        self._run = self._wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=title(run),
            id=identity(run),
            dir=str(run),
            mode=None if "WANDB_MODE" in os.environ or _has_account() else "offline",
            resume="allow",
            config=dict(config),
            settings=self._wandb.Settings(quiet=True),
        )
        self._run.define_metric("*", step_metric="step")
        self.where = self._run.url or f"wandb sync {Path(self._run.dir).parent}"

    def log(self, values: Mapping[str, float], step: int) -> None:
        self._run.log({**values, "step": step})

    def log_images(self, images: Mapping[str, Tensor], step: int) -> None:
        shown = {name: self._wandb.Image(picture(tensor)) for name, tensor in images.items()}
        self._run.log({**shown, "step": step})

    def log_histograms(self, histograms: Mapping[str, Histogram], step: int) -> None:
        made = {n: self._wandb.Histogram(np_histogram=tuple(h)) for n, h in histograms.items()}
        self._run.log({**made, "step": step})

    def finish(self) -> None:
        self._run.finish()


def _has_account() -> bool:
    """Whether a key is stored, where W&B would otherwise ask for one."""
    from requests.utils import get_netrc_auth

    server = os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")
    return bool(os.environ.get("WANDB_API_KEY") or get_netrc_auth(server))

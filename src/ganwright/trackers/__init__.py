"""The logging back ends of `--log`: one file each, loaded on demand."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from ganwright.config import plugins
from ganwright.errors import SettingsError, missing_extra, nearest
from ganwright.trackers.tracker import Histogram as Histogram
from ganwright.trackers.tracker import Plain
from ganwright.trackers.tracker import Tracker as Tracker


class Entry(NamedTuple):
    """Where a tracker is, which package it needs, and what it is."""

    path: str
    package: str
    title: str


TRACKERS: dict[str, Entry] = {
    "tensorboard": Entry("tensorboard:TensorBoard", "tensorboard", "TensorBoard, in the run"),
    "wandb": Entry("wandb:WandB", "wandb", "Weights & Biases, offline without an API key"),
    "mlflow": Entry("mlflow:MLflow", "mlflow", "MLflow, in a database in the run"),
    "visdom": Entry("visdom:VisdomServer", "visdom", "Visdom, whose server is started if needed"),
    "trackio": Entry("trackio:Trackio", "trackio", "Trackio, in a database in the run"),
    "aim": Entry("aim:Aim", "aim", "Aim, in a repository in the run"),
    "swanlab": Entry("swanlab:SwanLab", "swanlab", "SwanLab, offline without an API key"),
    "comet": Entry("comet:Comet", "comet_ml", "Comet, offline without an API key"),
}


def check(names: Sequence[str]) -> None:
    """See, before a run begins, that each named tracker can be opened.

    Raises:
        SettingsError: if a name is unknown.
        MissingExtraError: if its package is not installed.
    """
    for name in names:
        if name in TRACKERS:
            if find_spec(TRACKERS[name].package) is None:
                raise missing_extra(f"--log {name}", TRACKERS[name].package)
        elif name in plugins.rows("trackers"):
            if plugins.load("trackers", name) is None:
                raise SettingsError(f"the tracker {name} cannot be loaded; leave it out of --log")
        else:
            known = (*TRACKERS, *plugins.rows("trackers"))
            raise SettingsError(f"unknown tracker {name}; {nearest(name, known)}")


def open_tracker(name: str, run: Path, config: Mapping[str, Plain]) -> Any:
    """Open one tracker; call it on one process only.

    Args:
        name: a row of `TRACKERS`, or of an installed package.
        run: the run folder.
        config: the settings to record, by dotted name.

    Raises:
        GanwrightError: as `check`.
        Exception: whatever its package raises.
    """
    check([name])
    if name in TRACKERS:
        made = pkgutil.resolve_name(f"{__name__}.{TRACKERS[name].path}")
    else:
        made = plugins.load("trackers", name)
    return made(run, config)
